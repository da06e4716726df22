//! Two handshakes through a random adversary; see `common/adversary.rs`.

use tutk_time::Instant;

use crate::common::adversary::{Adversary, Script};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn invariants_hold_under_any_attack(bytes in proptest::collection::vec(any::<u8>(), 2..400)) {
        let mut script = Script::new(&bytes);
        Adversary::new(Instant::ZERO, &mut script).run(&mut script);
    }

    /// Only loss, delay and duplication.
    #[test]
    fn handshakes_survive_loss_delay_and_duplication(
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
        Adversary::new(Instant::ZERO, &mut script).run(&mut script);
    }
}
