//! What a camera's challenge asks for, and the answer to it.

use subtle::ConstantTimeEq;

use crate::{Enr, Error, xxtea};

/// The key of status 1 in the field rule (wire.md section 9).
const FIXED_KEY: [u8; 16] = [b'F'; 16];

/// The status byte of K10001 (wire.md section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengeStatus {
    /// 1: answer with a key that every camera shares.
    FixedKey,
    /// 2: the camera is updating. No answer.
    Updating,
    /// 3: answer with the ENR's characters 0..16. The only one that summary.md knows.
    Enr,
    /// 4: the camera is checking. No answer.
    Checking,
    /// 5: the camera is switched off. No answer.
    Off,
    /// 6: answer with both halves of an ENR of 32 characters.
    LongEnr,
    /// Any other; what it means is not known.
    Other(u8),
}

impl ChallengeStatus {
    /// The status that this byte stands for.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::FixedKey,
            2 => Self::Updating,
            3 => Self::Enr,
            4 => Self::Checking,
            5 => Self::Off,
            6 => Self::LongEnr,
            other => Self::Other(other),
        }
    }

    /// The byte that stands for this status.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::FixedKey => 1,
            Self::Updating => 2,
            Self::Enr => 3,
            Self::Checking => 4,
            Self::Off => 5,
            Self::LongEnr => 6,
            Self::Other(other) => other,
        }
    }

    /// Whether the camera waits for an answer: 1, 3 and 6.
    ///
    /// # Errors
    ///
    /// What the other statuses mean: [`Error::CameraUpdating`], [`Error::CameraChecking`],
    /// [`Error::CameraOff`], [`Error::UnknownStatus`].
    pub fn answerable(self) -> Result<(), Error> {
        match self {
            Self::FixedKey | Self::Enr | Self::LongEnr => Ok(()),
            Self::Updating => Err(Error::CameraUpdating),
            Self::Checking => Err(Error::CameraChecking),
            Self::Off => Err(Error::CameraOff),
            Self::Other(got) => Err(Error::UnknownStatus { got }),
        }
    }
}

/// How a challenge becomes its answer. A dialect is data: this is its field for it (wire.md section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChallengeRule {
    /// As summary.md has it: XXTEA *encryption* with the ENR's first 16 characters, padded with zeros.
    ///
    /// The document has only status 3, and its code is given the status and does not look at it; so 1
    /// and 6 are answered here in the same way.
    Encrypt,
    /// As production cameras want it: XXTEA *decryption*, with the key that the status names.
    ///
    /// | status | key |
    /// |---|---|
    /// | 1 | 16 times `F` |
    /// | 3 | ENR, characters 0..16 |
    /// | 6 | ENR, characters 0..16; then the result with characters 16..32 |
    Decrypt,
}

/// The answer to a challenge: bytes 16..32 of K10002.
///
/// # Errors
///
/// For statuses that want no answer, as [`ChallengeStatus::answerable`]. [`Error::EnrTooShort`] if the
/// rule needs more characters than the ENR has: 16 for status 3, 32 for status 6, in the field rule.
///
/// ```
/// use hl_ioctl::{ChallengeRule, ChallengeStatus, Enr, challenge_response};
///
/// let enr = Enr::new("GAgDiwVPg2E4GMke")?;
/// let response = challenge_response(ChallengeRule::Decrypt, ChallengeStatus::Enr, *b"WERhJxb87WF3zgPa", &enr)?;
/// assert_eq!(response[..4], [0xc4, 0xa6, 0x2c, 0xa1]);
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
pub fn challenge_response(
    rule: ChallengeRule,
    status: ChallengeStatus,
    challenge: [u8; 16],
    enr: &Enr,
) -> Result<[u8; 16], Error> {
    status.answerable()?;
    let too_short = |expected| Error::EnrTooShort {
        status: status.byte(),
        expected,
        got: enr.size(),
    };
    let mut block = challenge;
    match (rule, status) {
        (ChallengeRule::Encrypt, _) => xxtea::encrypt(&mut block, &enr.first_padded())?,
        (ChallengeRule::Decrypt, ChallengeStatus::FixedKey) => {
            xxtea::decrypt(&mut block, &FIXED_KEY)?;
        }
        (ChallengeRule::Decrypt, ChallengeStatus::LongEnr) => {
            // Both keys before the first use: an answer is whole, or there is none.
            let second = enr.second().ok_or_else(|| too_short(32))?;
            let first = enr.first().ok_or_else(|| too_short(32))?;
            xxtea::decrypt(&mut block, &first)?;
            xxtea::decrypt(&mut block, &second)?;
        }
        (ChallengeRule::Decrypt, _) => {
            let first = enr.first().ok_or_else(|| too_short(16))?;
            xxtea::decrypt(&mut block, &first)?;
        }
    }
    Ok(block)
}

/// Whether two answers are the same, in a time that does not tell where they differ.
pub(crate) fn same(left: &[u8; 16], right: &[u8; 16]) -> bool {
    left.ct_eq(right).into()
}
