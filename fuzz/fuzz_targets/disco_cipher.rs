//! Scrambling any datagram and back gives the same datagram; a changed tag does not verify.
#![no_main]

use disco_cipher::tag::Tagger;
use disco_cipher::transcode;
use disco_cipher::xor::{self, XorKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    there_and_back(
        data,
        transcode::scramble_datagram,
        transcode::descramble_datagram,
    );
    there_and_back(
        data,
        transcode::descramble_datagram,
        transcode::scramble_datagram,
    );
    there_and_back(data, transcode::scramble_run, transcode::descramble_run);
    there_and_back(data, transcode::descramble_run, transcode::scramble_run);
    let mut key = disco_cipher::SDK_KEY;
    for (key, byte) in key.iter_mut().zip(data) {
        *key ^= byte;
    }
    let key = XorKey::new(key);
    let apply = |bytes: &mut [u8]| xor::apply(&key, bytes);
    there_and_back(data, apply, apply);

    let (uid, rest) = data.split_at(data.len().min(20));
    let (auth_key, message) = rest.split_at(rest.len().min(8));
    let tagger = Tagger::new(uid, auth_key);
    let mut tag = tagger.tag(message);
    assert!(tagger.verify(message, &tag));
    tag[message.len() % tag.len()] ^= 1;
    assert!(!tagger.verify(message, &tag));
});

fn there_and_back(data: &[u8], there: impl Fn(&mut [u8]), back: impl Fn(&mut [u8])) {
    let mut bytes = data.to_vec();
    there(&mut bytes);
    back(&mut bytes);
    assert_eq!(bytes, data);
}
