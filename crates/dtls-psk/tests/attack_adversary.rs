//! Two handshakes through an adversary who does whatever comes to mind; see `common/adversary.rs`.

#![allow(
    clippy::disallowed_methods,
    reason = "a test: the clock is read once, for a beginning"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

mod common;

use std::time::Instant;

use common::adversary::{Adversary, Script};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_the_adversary_does(bytes in proptest::collection::vec(any::<u8>(), 2..400)) {
        let mut script = Script::new(&bytes);
        Adversary::new(Instant::now(), &mut script).run(&mut script);
    }

    /// Loss, delay and repetition alone.
    #[test]
    fn whatever_the_network_does(
        settings in any::<[u8; 2]>(),
        steps in proptest::collection::vec((0..4_u8, 0..19_u8, any::<[u8; 2]>()), 0..200),
    ) {
        let mut bytes = settings.to_vec();
        for (who, action, [low, high]) in steps {
            bytes.push(who << 6 | action);
            match action {
                14..=16 => bytes.extend([low, high]),
                17 | 18 => bytes.push(low),
                _ => {}
            }
        }
        let mut script = Script::new(&bytes);
        Adversary::new(Instant::now(), &mut script).run(&mut script);
    }
}
