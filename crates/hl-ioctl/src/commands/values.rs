//! Values that several commands share.

use crate::Error;

/// On or off, as most commands write it (commands.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Switch {
    /// 1.
    On,
    /// 2.
    Off,
}

impl Switch {
    /// The byte on the wire.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::On => 1,
            Self::Off => 2,
        }
    }

    /// The switch that a byte stands for; `field` and `offset` are for the error.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] for anything but 1 and 2.
    pub(crate) fn from_byte(field: &'static str, offset: usize, byte: u8) -> Result<Self, Error> {
        match byte {
            1 => Ok(Self::On),
            2 => Ok(Self::Off),
            _ => Err(Error::Value {
                field,
                offset,
                allowed: "1 (on) or 2 (off)",
                got: byte.into(),
            }),
        }
    }
}

/// A camera's answer to a command that sets something: one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetAnswer {
    /// 1: done.
    Done,
    /// Anything else; what it means is not known.
    Other(u8),
}

impl SetAnswer {
    /// The byte on the wire.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Done => 1,
            Self::Other(byte) => byte,
        }
    }

    /// The answer that a byte stands for.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Done,
            other => Self::Other(other),
        }
    }
}

/// A picture size, by its code (commands.md, wire.md section 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// 0: 1920 × 1080.
    P1080,
    /// 1: 640 × 360.
    P360,
    /// 2: 1280 × 720.
    P720,
    /// 3: 2K, 2560 × 1440, on HL_CAM3P, HL_PANP, HL_CAM4 and HL_DB2.
    TwoK,
    /// 4: 2K on HL_CFL2 and HL_BC.
    TwoKAlternate,
}

impl Resolution {
    const ALLOWED: &str = "0 (1080p), 1 (360p), 2 (720p), 3 (2K) or 4 (2K on HL_CFL2 and HL_BC)";
    const ALLOWED_ON_WIRE: &str =
        "1 (1080p), 2 (360p), 3 (720p), 4 (2K) or 5 (2K on HL_CFL2 and HL_BC)";

    /// The code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::P1080 => 0,
            Self::P360 => 1,
            Self::P720 => 2,
            Self::TwoK => 3,
            Self::TwoKAlternate => 4,
        }
    }

    /// The code plus one, as commands send it.
    pub(crate) fn wire(self) -> u8 {
        self.code() + 1
    }

    /// The picture size that a byte of a command, its code plus one, stands for.
    pub(crate) fn from_wire(offset: usize, byte: u8) -> Result<Self, Error> {
        byte.checked_sub(1)
            .and_then(|code| Self::try_from(code).ok())
            .ok_or(Error::Value {
                field: "resolution",
                offset,
                allowed: Self::ALLOWED_ON_WIRE,
                got: byte.into(),
            })
    }
}

impl TryFrom<u8> for Resolution {
    type Error = Error;

    /// The picture size with this code; [`Error::Range`] for another.
    fn try_from(code: u8) -> Result<Self, Error> {
        match code {
            0 => Ok(Self::P1080),
            1 => Ok(Self::P360),
            2 => Ok(Self::P720),
            3 => Ok(Self::TwoK),
            4 => Ok(Self::TwoKAlternate),
            _ => Err(Error::Range {
                what: "resolution code",
                allowed: Self::ALLOWED,
                got: code.into(),
            }),
        }
    }
}

/// A video bitrate in kB/s, 1 to 240.
///
/// commands.md has the five that apps choose from, with 240 for the highest; that cameras take those in between is likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bitrate(u16);

impl Bitrate {
    const ALLOWED: &str = "1 to 240 kB/s (apps choose 30, 60, 120, 150 or 240)";

    /// 30 kB/s, what apps choose for 360p.
    pub const P360: Self = Self(30);
    /// 60 kB/s, "SD".
    pub const SD: Self = Self(60);
    /// 120 kB/s, "HD".
    pub const HD: Self = Self(120);
    /// 150 kB/s.
    pub const HD_150: Self = Self(150);
    /// 240 kB/s, the highest.
    pub const MAX: Self = Self(240);

    /// A bitrate in kB/s.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] unless it is 1 to 240.
    pub fn new(kilobytes_per_second: u16) -> Result<Self, Error> {
        Self::checked(kilobytes_per_second).ok_or(Error::Range {
            what: "bitrate",
            allowed: Self::ALLOWED,
            got: kilobytes_per_second.into(),
        })
    }

    /// In kB/s.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    pub(crate) fn from_wire(offset: usize, got: u16) -> Result<Self, Error> {
        Self::checked(got).ok_or(Error::Value {
            field: "bitrate",
            offset,
            allowed: Self::ALLOWED,
            got: got.into(),
        })
    }

    fn checked(value: u16) -> Option<Self> {
        (1..=Self::MAX.0).contains(&value).then_some(Self(value))
    }
}

/// Reads the answer to a command that sets something.
pub(crate) fn decode_set_answer(what: &'static str, payload: &[u8]) -> Result<SetAnswer, Error> {
    let byte = crate::wire::parse(
        what,
        crate::HEADER_SIZE,
        1,
        payload,
        nom::number::complete::u8,
    )?;
    Ok(SetAnswer::from_byte(byte))
}
