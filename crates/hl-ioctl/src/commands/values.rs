//! Values that several commands share.

use alloc::vec::Vec;

use bytes::BufMut as _;
use serde_json::Value;

use crate::Error;
use crate::layout::{Payload, Reader, Scalar, ToJson, named, number};
use crate::schema::Kind;

/// On or off.
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

/// The answer to a command that sets something: one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetAnswer {
    /// 1: done.
    Done,
    /// Another byte, whose meaning is not known.
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

    /// Returns the answer with this byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Done,
            other => Self::Other(other),
        }
    }
}

impl Payload for SetAnswer {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_u8(self.byte());
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let byte = Reader::new(what, 1, payload).value(what)?;
        Ok(Self::from_byte(byte))
    }
}

impl ToJson for SetAnswer {
    fn json(&self) -> Value {
        match self {
            Self::Done => "done".into(),
            Self::Other(byte) => (*byte).into(),
        }
    }
}

named! {
    /// A resolution. Commands send its code plus one (docs/protocol.md, section 18).
    pub enum Resolution {
        /// Code 0: 1920 × 1080.
        P1080 = 1 "1080p",
        /// Code 1: 640 × 360.
        P360 = 2 "360p",
        /// Code 2: 1280 × 720.
        P720 = 3 "720p",
        /// Code 3: 2K, 2560 × 1440.
        TwoK = 4 "2k",
        /// Code 4: 2K on some models.
        TwoKAlternate = 5 "2k-alternate",
    }
}

impl Resolution {
    /// The code.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl TryFrom<u8> for Resolution {
    type Error = Error;

    /// Returns the resolution with this code, or [`Error::Range`].
    fn try_from(code: u8) -> Result<Self, Error> {
        Self::from_number(i64::from(code) + 1).ok_or(Error::Range {
            what: "resolution code",
            allowed: "0 (1080p), 1 (360p), 2 (720p), 3 (2k), 4 (2k-alternate)",
            got: code.into(),
        })
    }
}

number! {
    /// A video bitrate, 1 to 240 kB/s.
    ///
    /// Apps use the five constants. Cameras likely accept the values between them.
    pub struct Bitrate(u16): "bitrate", 1 to 240, "kB/s";
}

impl Bitrate {
    /// 30 kB/s, which apps use for 360p.
    pub const P360: Self = Self(30);
    /// 60 kB/s, "SD".
    pub const SD: Self = Self(60);
    /// 120 kB/s, "HD".
    pub const HD: Self = Self(120);
    /// 150 kB/s.
    pub const HD_150: Self = Self(150);
    /// 240 kB/s, the highest.
    pub const MAX: Self = Self(240);
}
