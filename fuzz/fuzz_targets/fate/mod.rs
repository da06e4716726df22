//! What an unreliable network does to a message.

use arbitrary::Arbitrary;

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Fate {
    Deliver,
    Lose,
    Repeat,
    Flip { at: u16, bits: u8 },
    Truncate(u16),
}

impl Fate {
    /// Returns the messages to deliver, and sets `tampered` if they differ.
    pub fn apply(self, mut message: Vec<u8>, tampered: &mut bool) -> Vec<Vec<u8>> {
        match self {
            Self::Deliver => {}
            Self::Lose => return Vec::new(),
            Self::Repeat => return vec![message.clone(), message],
            Self::Flip { at, bits } => {
                *tampered = true;
                let at = usize::from(at) % message.len();
                message[at] ^= bits;
            }
            Self::Truncate(len) => {
                *tampered = true;
                message.truncate(len.into());
            }
        }
        vec![message]
    }
}
