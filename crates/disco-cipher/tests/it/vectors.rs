//! Known answers from `vectors.json`, for this crate and for the oracle.

use crate::oracle;
use disco_cipher::transcode::{
    descramble_datagram, descramble_run, scramble_datagram, scramble_run,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    transcode: Vec<Vector>,
    datagram: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    plain: String,
    scrambled: String,
}

type Cipher = fn(&mut [u8]);

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    assert_eq!(hex.len() % 2, 0);
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn check(vectors: &[Vector], scramble: Cipher, descramble: Cipher) {
    for vector in vectors {
        let (plain, scrambled) = (bytes(&vector.plain), bytes(&vector.scrambled));
        let mut data = plain.clone();
        scramble(&mut data);
        assert_eq!(data, scrambled, "scrambling {}", vector.plain);
        descramble(&mut data);
        assert_eq!(data, plain, "descrambling {}", vector.scrambled);
    }
}

#[test]
fn runs_match_known_answers() {
    let vectors = vectors().transcode;
    assert_eq!(vectors.len(), 20);
    check(&vectors, scramble_run, descramble_run);
    check(&vectors, oracle::scramble_run, oracle::descramble_run);
}

#[test]
fn datagrams_match_known_answers() {
    let vectors = vectors().datagram;
    assert_eq!(vectors.len(), 8);
    check(&vectors, scramble_datagram, descramble_datagram);
    check(
        &vectors,
        oracle::scramble_datagram,
        oracle::descramble_datagram,
    );
}
