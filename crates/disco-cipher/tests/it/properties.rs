//! XOR and TransCode match the oracle and their inverses, for all lengths and contents.

use crate::oracle;
use disco_cipher::transcode::{
    BLOCK_LEN, PARTIAL_LEN, descramble_block, descramble_datagram, descramble_run, scramble_block,
    scramble_datagram, scramble_run,
};
use disco_cipher::xor::{self, XorKey};
use proptest::collection::vec;
use proptest::prelude::*;

type Cipher = fn(&mut [u8]);

fn with(cipher: Cipher, data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    cipher(&mut data);
    data
}

/// Pseudo-random bytes (a linear congruential generator).
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn matches_the_oracle_for_every_length_up_to_a_datagram() {
    for len in 0..=1500 {
        let mut data = noise(len);
        assert_eq!(
            with(scramble_run, &data),
            with(oracle::scramble_run, &data),
            "{len} bytes"
        );
        assert_eq!(
            with(descramble_run, &data),
            with(oracle::descramble_run, &data),
            "{len} bytes"
        );
        for mode in [0x02, 0x0a, 0x0b] {
            if let Some(byte) = data.get_mut(3) {
                *byte = mode;
            }
            let scrambled = with(scramble_datagram, &data);
            assert_eq!(
                scrambled,
                with(oracle::scramble_datagram, &data),
                "{len} bytes, mode {mode:#04x}"
            );
            assert_eq!(
                with(descramble_datagram, &scrambled),
                data,
                "{len} bytes, mode {mode:#04x}"
            );
        }
    }
}

#[test]
fn partial_flag_is_read_from_the_plain_header() {
    let mut seen = [[false; 2]; 2];
    for byte in 0..=255 {
        let mut plain = noise(456).split_off(usize::from(byte));
        plain[3] = byte;
        let wire = with(scramble_datagram, &plain);
        seen[usize::from(byte & 1)][usize::from(wire[3] & 1)] = true;
        assert_eq!(
            wire[PARTIAL_LEN..] == plain[PARTIAL_LEN..],
            byte & 1 == 1,
            "byte 3 is {byte:#04x}"
        );
        assert_eq!(
            with(descramble_datagram, &wire),
            plain,
            "byte 3 is {byte:#04x}"
        );
    }
    // Some scrambled headers have another flag than the plain ones.
    assert!(seen[0][1] && seen[1][0], "{seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn runs_match_the_oracle(data in vec(any::<u8>(), 0..3000)) {
        let scrambled = with(scramble_run, &data);
        prop_assert_eq!(&scrambled, &with(oracle::scramble_run, &data));
        prop_assert_eq!(&with(descramble_run, &scrambled), &data);
        let descrambled = with(descramble_run, &data);
        prop_assert_eq!(&descrambled, &with(oracle::descramble_run, &data));
        prop_assert_eq!(&with(scramble_run, &descrambled), &data);
    }

    #[test]
    fn datagrams_match_the_oracle(data in vec(any::<u8>(), 0..1500)) {
        let scrambled = with(scramble_datagram, &data);
        prop_assert_eq!(&scrambled, &with(oracle::scramble_datagram, &data));
        prop_assert_eq!(&with(descramble_datagram, &scrambled), &data);
        // Bytes that were never scrambled.
        let descrambled = with(descramble_datagram, &data);
        prop_assert_eq!(&descrambled, &with(oracle::descramble_datagram, &data));
        prop_assert_eq!(&with(scramble_datagram, &descrambled), &data);
    }

    #[test]
    fn blocks_are_runs_of_16_bytes(data in any::<[u8; BLOCK_LEN]>()) {
        let mut block = data;
        scramble_block(&mut block);
        prop_assert_eq!(block.as_slice(), with(oracle::scramble_run, &data));
        descramble_block(&mut block);
        prop_assert_eq!(block, data);
    }

    #[test]
    fn xor_matches_the_oracle(key in any::<[u8; 32]>(), data in vec(any::<u8>(), 0..1500)) {
        let mut ours = data.clone();
        xor::apply(&XorKey::new(key), &mut ours);
        let mut theirs = data.clone();
        oracle::xor(&key, &mut theirs);
        prop_assert_eq!(&ours, &theirs);
        xor::apply(&XorKey::new(key), &mut ours);
        prop_assert_eq!(ours, data);
    }
}

#[test]
fn xor_of_zeros_is_the_key() {
    let mut data = [0; 40];
    xor::apply(&XorKey::default(), &mut data);
    assert_eq!(data, *b"Charlie is the designer of P2P!!Charlie ");
}
