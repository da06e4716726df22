//! Values that several commands share.

use core::num::NonZeroU8;

use bytes::BufMut;
use serde_json::Value;

use crate::Error;
use crate::layout::{Body, Reader, Scalar};
use crate::schema::{Kind, NamedValue};

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
                allowed: Self::ALLOWED,
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

impl Scalar for Switch {
    const SIZE: usize = 1;
    const KIND: Kind = Kind::OnOff;
    const ALLOWED: &'static str = "1 (on) or 2 (off)";

    fn number(self) -> i64 {
        self.byte().into()
    }

    fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::On),
            2 => Some(Self::Off),
            _ => None,
        }
    }
}

/// On the wire it is the code plus one.
impl Scalar for Resolution {
    const SIZE: usize = 1;
    const KIND: Kind = Kind::OneOf(&[
        NamedValue {
            name: "1080p",
            number: 1,
        },
        NamedValue {
            name: "360p",
            number: 2,
        },
        NamedValue {
            name: "720p",
            number: 3,
        },
        NamedValue {
            name: "2k",
            number: 4,
        },
        NamedValue {
            name: "2k-alternate",
            number: 5,
        },
    ]);
    const ALLOWED: &'static str = Self::ALLOWED_ON_WIRE;

    fn number(self) -> i64 {
        self.wire().into()
    }

    fn from_number(number: i64) -> Option<Self> {
        let code = u8::try_from(number).ok()?.checked_sub(1)?;
        Self::try_from(code).ok()
    }
}

impl Scalar for Bitrate {
    const SIZE: usize = 2;
    const KIND: Kind = Kind::Number {
        min: 1,
        max: 240,
        unit: "kB/s",
    };
    const ALLOWED: &'static str = Self::ALLOWED;

    fn number(self) -> i64 {
        self.0.into()
    }

    fn from_number(number: i64) -> Option<Self> {
        u16::try_from(number).ok().and_then(Self::checked)
    }
}

/// Numbers of which each value is allowed, or each but zero.
macro_rules! plain {
    ($($type:ty: $size:literal, $min:literal to $max:literal, $unit:literal;)*) => {$(
        impl Scalar for $type {
            const SIZE: usize = $size;
            const KIND: Kind = Kind::Number { min: $min, max: $max, unit: $unit };
            const ALLOWED: &'static str = concat!($min, " to ", $max);

            fn number(self) -> i64 {
                self.into()
            }

            fn from_number(number: i64) -> Option<Self> {
                number.try_into().ok()
            }
        }
    )*};
}

plain! {
    u8: 1, 0 to 255, "";
    u16: 2, 0 to 65535, "";
    u32: 4, 0 to 4294967295, "";
}

/// Frames per second.
impl Scalar for NonZeroU8 {
    const SIZE: usize = 1;
    const KIND: Kind = Kind::Number {
        min: 1,
        max: 255,
        unit: "frames/s",
    };
    const ALLOWED: &'static str = "1 to 255 frames/s";

    fn number(self) -> i64 {
        self.get().into()
    }

    fn from_number(number: i64) -> Option<Self> {
        u8::try_from(number).ok().and_then(Self::new)
    }
}

impl Body for SetAnswer {
    fn put(&self, out: &mut impl BufMut) {
        out.put_u8(self.byte());
    }

    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let byte = Reader::new(what, 1, payload).value(what)?;
        Ok(Self::from_byte(byte))
    }

    fn json(&self) -> Value {
        match self {
            Self::Done => "done".into(),
            Self::Other(byte) => (*byte).into(),
        }
    }
}
