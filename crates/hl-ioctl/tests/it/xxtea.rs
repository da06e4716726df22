//! XXTEA: test vectors and round trips.

use hl_ioctl::{Error, xxtea};
use proptest::prelude::*;

fn bytes(hex: &serde_json::Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn matches_the_test_vectors() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors.json")).unwrap();
    let vectors = vectors["xxtea"].as_array().unwrap();
    assert_eq!(vectors.len(), 7);
    for vector in vectors {
        let key: [u8; 16] = bytes(&vector["key"]).try_into().unwrap();
        let (plain, cipher) = (bytes(&vector["plain"]), bytes(&vector["cipher"]));
        let mut data = cipher.clone();
        xxtea::decrypt(&mut data, &key).unwrap();
        assert_eq!(data, plain);
        xxtea::encrypt(&mut data, &key).unwrap();
        assert_eq!(data, cipher);
    }
}

#[test]
fn invalid_lengths_are_refused_and_data_is_not_changed() {
    for length in [0, 1, 4, 7, 9, 10, 11, 15, 17] {
        let mut data = vec![0x55; length];
        let error = Err(Error::XxteaLength { got: length });
        assert_eq!(xxtea::encrypt(&mut data, &[1; 16]), error);
        assert_eq!(xxtea::decrypt(&mut data, &[1; 16]), error);
        assert_eq!(data, vec![0x55; length]);
    }
}

proptest! {
    #[test]
    fn decrypt_and_encrypt_are_inverse(
        words in prop::collection::vec(any::<[u8; 4]>(), 2..80), key: [u8; 16]
    ) {
        let data = words.concat();
        let mut there = data.clone();
        xxtea::encrypt(&mut there, &key).unwrap();
        prop_assert_ne!(&there, &data);
        xxtea::decrypt(&mut there, &key).unwrap();
        prop_assert_eq!(&there, &data);
        xxtea::decrypt(&mut there, &key).unwrap();
        prop_assert_ne!(&there, &data);
        xxtea::encrypt(&mut there, &key).unwrap();
        prop_assert_eq!(&there, &data);
    }
}
