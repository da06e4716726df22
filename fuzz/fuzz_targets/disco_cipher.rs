//! Scrambling and descrambling restore any datagram, and a changed tag does not verify.
#![no_main]

use disco_cipher::tag::Tagger;
use disco_cipher::transcode;
use disco_cipher::xor::{self, XorKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    restores(
        data,
        transcode::scramble_datagram,
        transcode::descramble_datagram,
    );
    restores(
        data,
        transcode::descramble_datagram,
        transcode::scramble_datagram,
    );
    restores(data, transcode::scramble_run, transcode::descramble_run);
    restores(data, transcode::descramble_run, transcode::scramble_run);
    let mut key = disco_cipher::SDK_KEY;
    for (key, byte) in key.iter_mut().zip(data) {
        *key ^= byte;
    }
    let key = XorKey::new(key);
    let apply = |bytes: &mut [u8]| xor::apply(&key, bytes);
    restores(data, apply, apply);

    let (uid, rest) = data.split_at(data.len().min(20));
    let (auth_key, message) = rest.split_at(rest.len().min(8));
    let tagger = Tagger::new(uid, auth_key);
    let mut tag = tagger.tag(message);
    assert!(tagger.verify(message, &tag));
    tag[message.len() % tag.len()] ^= 1;
    assert!(!tagger.verify(message, &tag));
});

fn restores(data: &[u8], apply: impl Fn(&mut [u8]), undo: impl Fn(&mut [u8])) {
    let mut bytes = data.to_vec();
    apply(&mut bytes);
    undo(&mut bytes);
    assert_eq!(bytes, data);
}
