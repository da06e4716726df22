//! The camera's challenge and the response to it (docs/protocol.md, section 14).

use subtle::ConstantTimeEq;

use crate::{Enr, Error, xxtea};

/// The key of status 1 in [`ChallengeRule::Decrypt`].
const FIXED_KEY: [u8; 16] = [b'F'; 16];

/// The status byte of K10001.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChallengeStatus {
    /// 1: the response uses a key that all cameras share.
    FixedKey,
    /// 2: the camera is updating and accepts no response.
    Updating,
    /// 3: the response uses characters 0..16 of the ENR.
    Enr,
    /// 4: the camera is checking the ENR and accepts no response.
    Checking,
    /// 5: the camera is switched off and accepts no response.
    Off,
    /// 6: the response uses both halves of an ENR of 32 characters.
    LongEnr,
    /// Another status, whose meaning is not known.
    Other(u8),
}

impl ChallengeStatus {
    /// Returns the status with this byte.
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

    /// The byte on the wire.
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

    /// Returns `Ok` if the camera accepts a response, which is the case for status 1, 3 and 6.
    ///
    /// # Errors
    ///
    /// [`Error::CameraUpdating`], [`Error::CameraChecking`], [`Error::CameraOff`] or
    /// [`Error::UnknownStatus`] for the other statuses.
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

/// How the response is computed. Dialects differ in this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChallengeRule {
    /// XXTEA encryption with the first 16 characters of the ENR, padded with zeros, for every
    /// status. The `summary` dialect uses it. No real camera is known to use it.
    Encrypt,
    /// XXTEA decryption with a key that depends on the status. Real cameras use it.
    ///
    /// | status | key |
    /// |---|---|
    /// | 1 | 16 times `F` |
    /// | 3 | ENR, characters 0..16 |
    /// | 6 | ENR, characters 0..16; then the result with characters 16..32 |
    Decrypt,
}

/// Returns the response to a challenge, bytes 16..32 of K10002.
///
/// # Errors
///
/// The errors of [`ChallengeStatus::answerable`]. [`Error::EnrTooShort`] if
/// [`ChallengeRule::Decrypt`] needs more characters than the ENR has: 16 for status 3, 32 for
/// status 6.
///
/// ```
/// use hl_ioctl::{ChallengeRule, ChallengeStatus, Enr, challenge_response};
///
/// let enr = Enr::new("GAgDiwVPg2E4GMke")?;
/// let challenge = *b"WERhJxb87WF3zgPa";
/// let response =
///     challenge_response(ChallengeRule::Decrypt, ChallengeStatus::Enr, challenge, &enr)?;
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

/// Compares two responses in constant time.
pub(crate) fn same(left: &[u8; 16], right: &[u8; 16]) -> bool {
    left.ct_eq(right).into()
}
