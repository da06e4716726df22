//! Combinations of deviations, chosen by a seed.

use av_login::Status;
use hl_ioctl::ChallengeStatus;

use super::{
    EarlyPackets, ExtendedMasterSecret, FrameNumbering, IoctlAnswers, Lengths, LoginNonce,
    Personality, Ports, ResendConfig, SessionIdRule, SliceSizes, Tags, TimestampRule,
};

/// SplitMix64 (Steele, Lea and Flood, 2014). A general-purpose generator may change with a version
/// of its crate, and a seed would then make another camera.
struct Draw(u64);

impl Draw {
    fn one_of<T: Copy, const N: usize>(&mut self, values: [T; N]) -> T {
        const { assert!(N > 0) };
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The array is short, so the bias of the remainder does not matter.
        let index = usize::try_from(mixed % N as u64).unwrap_or(0);
        values.get(index).copied().unwrap_or(values[0])
    }
}

impl Personality {
    /// Returns a combination of deviations that a client must accept together. The same seed
    /// returns the same combination.
    ///
    /// Without those that prevent a session or belong to one model.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut draw = Draw(seed);
        Self {
            ports: draw.one_of([Ports::One, Ports::Three]),
            lengths: draw.one_of([
                Lengths::Exact,
                Lengths::TooSmall,
                Lengths::TooLarge,
                Lengths::Extended,
            ]),
            tags: draw.one_of([Tags::Header, Tags::WholeDatagram]),
            session_ids: draw.one_of([SessionIdRule::Assigned, SessionIdRule::Other]),
            max_clients: draw.one_of([1, 2, 16]),
            cookie_exchange: draw.one_of([false, true]),
            extended_master_secret: draw.one_of([
                ExtendedMasterSecret::Accepted,
                ExtendedMasterSecret::Ignored,
                ExtendedMasterSecret::Unanswered,
            ]),
            login_nonce: draw.one_of([LoginNonce::Echoed, LoginNonce::Zero]),
            login_status: draw.one_of([Status::SUCCESS, Status(0x00), Status(0x01)]),
            status: draw.one_of([ChallengeStatus::Enr, ChallengeStatus::FixedKey]),
            ioctl_answers: draw.one_of([
                IoctlAnswers::Ioctl,
                IoctlAnswers::Numbered,
                IoctlAnswers::Grouped,
                IoctlAnswers::Channel,
            ]),
            buffer_reset: draw.one_of([false, true]),
            answers_keepalives: draw.one_of([false, true]),
            unanswered: draw.one_of([&[][..], &[11000, 11004]]),
            frame_numbers: draw.one_of([
                FrameNumbering::PerStream,
                FrameNumbering::Shared,
                FrameNumbering::SharedLinked,
            ]),
            slice_sizes: draw.one_of([
                SliceSizes::Exact,
                SliceSizes::WithoutInfo,
                SliceSizes::TooLarge,
                SliceSizes::Padded,
            ]),
            timestamps: draw.one_of([TimestampRule::Unix, TimestampRule::ConstantSeconds]),
            resend: draw.one_of([None, Some(ResendConfig::OBSERVED)]),
            early_packets: draw.one_of([
                EarlyPackets::Accepted,
                EarlyPackets::Dropped,
                EarlyPackets::Refused,
            ]),
            ..Self::STRICT
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::format;

    use super::*;
    use crate::personality::PERSONALITIES;

    #[test]
    fn seed_decides_the_combination() {
        assert_eq!(Personality::random(7), Personality::random(7));
        let combinations: BTreeSet<_> = (0..20)
            .map(|seed| format!("{:?}", Personality::random(seed)))
            .collect();
        assert_eq!(combinations.len(), 20);
    }

    #[test]
    fn names_are_unique_and_found() {
        let names: BTreeSet<_> = PERSONALITIES.iter().map(|named| named.name).collect();
        assert_eq!(names.len(), PERSONALITIES.len());
        assert_eq!(Personality::by_name("deaf", 0), Some(Personality::DEAF));
        assert_eq!(
            Personality::by_name("random", 3),
            Some(Personality::random(3))
        );
        assert_eq!(Personality::by_name("other", 0), None);
    }
}
