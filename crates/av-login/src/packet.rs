//! The two packets of a login, in three layouts.

use core::fmt;

use zeroize::Zeroizing;

use crate::bytes::{bytes_at, put, u8_at, u16_at, u32_at};
use crate::error::Error;
use crate::fields::{AuthType, Capabilities, Nonce};
use crate::text::{Password, User};

/// The length of the longest login packet in bytes.
pub const MAX_PACKET_LEN: usize = 572;

/// The length of the shortest login packet in bytes.
const MIN_PACKET_LEN: usize = 570;

/// The number of bytes before the user, which the size field does not count.
const HEAD_LEN: usize = 24;

/// The layout of a login packet, named by the offset of the authentication type (docs/protocol.md,
/// section 11).
///
/// All three layouts begin with the same head. Bytes that the tables do not name are zero. Numbers
/// are little-endian.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 1 | type 0x00 |
/// | 1 | 1 | 0x00 in packet 1, 0x20 in packet 2 |
/// | 2 | 2 | version |
/// | 16 | 2 | length of the packet less 24 |
/// | 18 | 2 | 1 in packet 1, 0 in packet 2 |
/// | 20 | 4 | random bytes ([`Nonce`]) |
/// | 24 | | user |
///
/// | | `AuthAt550` | `AuthAt540` | `AuthAt542` |
/// |---|---|---|---|
/// | length of packet 1, 2 | 570, 570 | 570, 572 | 570, 572 (not verified) |
/// | version | 0x000b | 0x000c | 0x000c (not verified) |
/// | random bytes of packet 2 | number + 1 | first byte + 1 | first byte + 1 (not verified) |
/// | user | 24..280 | 24..280 | 24..281 |
/// | password | 280..536 | 280..536 | 281..538 |
/// | resend mode requested | 546, u32 | 538, u8 | 538, u32 |
/// | authentication type, u32 | 550 | 540 | 542 |
/// | capabilities, u32 | 554 | 552 | 546 |
/// | channels | 566: 3, u16 | - | 561: 3, u8 |
/// | not known, u8 | - | - | 567: 1 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginLayout {
    /// The layout of the `summary` dialect.
    AuthAt550,
    /// The layout that clients of real cameras write.
    AuthAt540,
    /// The layout of the SDK's own structure: two strings of 257 bytes, then its words.
    AuthAt542,
}

/// One of the two packets of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Packet 1, `00 00`.
    First,
    /// Packet 2, `00 20`.
    Second,
}

/// A login packet, including the AV header. [`LoginLayout`] has its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginPacket {
    /// The layout.
    pub layout: LoginLayout,
    /// Packet 1 or 2.
    pub part: Part,
    /// The AV version, 0x000b or 0x000c.
    pub version: u16,
    /// The random bytes of this packet. Those of packet 2 follow from those of packet 1.
    pub nonce: Nonce,
    /// The user.
    pub user: User,
    /// The password.
    pub password: Password,
    /// `true` if the client requests resend mode (docs/protocol.md, section 17).
    pub resend: bool,
    /// The authentication type. It must be 4, which identifies the layout.
    pub auth_type: AuthType,
    /// The client's capabilities.
    pub capabilities: Capabilities,
}

/// The bytes of a login packet. They contain the password and are zeroed on drop.
#[derive(Clone)]
pub struct LoginBytes {
    bytes: Zeroizing<[u8; MAX_PACKET_LEN]>,
    len: usize,
}

/// The offsets that differ by layout. [`LoginLayout`] has their table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginOffsets {
    /// The length of user and password, each padded with zeros. They follow the head of 24 bytes.
    pub text_len: usize,
    /// The request for resend mode.
    pub resend: usize,
    /// The authentication type.
    pub auth_type: usize,
    /// The capabilities.
    pub capabilities: usize,
    /// The number of channels.
    pub channels: Option<usize>,
    /// A byte of unknown meaning that is 1.
    pub unknown: Option<usize>,
}

impl LoginLayout {
    const ALL: [Self; 3] = [Self::AuthAt550, Self::AuthAt540, Self::AuthAt542];

    /// Returns the AV version of this layout.
    #[must_use]
    pub const fn version(self) -> u16 {
        match self {
            Self::AuthAt550 => 0x000b,
            Self::AuthAt540 | Self::AuthAt542 => 0x000c,
        }
    }

    /// Returns the length of a packet in bytes.
    #[must_use]
    pub const fn packet_len(self, part: Part) -> usize {
        match (self, part) {
            (Self::AuthAt550, _) | (_, Part::First) => MIN_PACKET_LEN,
            (_, Part::Second) => MAX_PACKET_LEN,
        }
    }

    /// Returns the nonce of packet 2 for the nonce of packet 1.
    #[must_use]
    pub const fn second_nonce(self, first: Nonce) -> Nonce {
        match self {
            Self::AuthAt550 => first.number_plus_one(),
            Self::AuthAt540 | Self::AuthAt542 => first.first_byte_plus_one(),
        }
    }

    /// Returns the offsets of the fields that differ by layout.
    #[must_use]
    pub const fn offsets(self) -> LoginOffsets {
        match self {
            Self::AuthAt550 => LoginOffsets {
                text_len: 256,
                resend: 546,
                auth_type: 550,
                capabilities: 554,
                channels: Some(566),
                unknown: None,
            },
            Self::AuthAt540 => LoginOffsets {
                text_len: 256,
                resend: 538,
                auth_type: 540,
                capabilities: 552,
                channels: None,
                unknown: None,
            },
            Self::AuthAt542 => LoginOffsets {
                text_len: 257,
                resend: 538,
                auth_type: 542,
                capabilities: 546,
                channels: Some(561),
                unknown: Some(567),
            },
        }
    }

    /// Returns the layout of a packet: the one with the authentication type 4 and a capability word
    /// in place. No layout has the 4 of another one in its place.
    fn recognise(packet: &[u8]) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|layout| {
                let at = layout.offsets();
                u32_at(packet, at.auth_type) == AuthType::SDK.0
                    && u32_at(packet, at.capabilities) != 0
            })
            .ok_or_else(|| Error::UnknownLayout {
                at_540: u32_at(packet, 540),
                at_542: u32_at(packet, 542),
                at_550: u32_at(packet, 550),
            })
    }
}

impl Part {
    const fn flags(self) -> u8 {
        match self {
            Self::First => 0x00,
            Self::Second => 0x20,
        }
    }
}

impl LoginPacket {
    /// The channel count in layouts that have one.
    const CHANNELS: u16 = 3;

    /// Parses a login packet in any of the three layouts.
    ///
    /// Version, size and the number at 18 are not checked. The packet may be longer than its
    /// layout.
    ///
    /// # Errors
    /// [`Error::TooShort`], [`Error::WrongType`], [`Error::UnknownLayout`] and
    /// [`Error::Unterminated`].
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        if packet.len() < MIN_PACKET_LEN {
            return Err(Error::TooShort {
                what: "login packet",
                expected: MIN_PACKET_LEN,
                got: packet.len(),
            });
        }
        let part = match (u8_at(packet, 0), u8_at(packet, 1)) {
            (0x00, 0x00) => Part::First,
            (0x00, 0x20) => Part::Second,
            (packet_type, flags) => {
                return Err(Error::WrongType {
                    expected: "login packet",
                    packet_type,
                    flags,
                });
            }
        };
        let layout = LoginLayout::recognise(packet)?;
        let at = layout.offsets();
        let user = text_at(packet, "user", HEAD_LEN, at.text_len)?;
        let password = text_at(packet, "password", HEAD_LEN + at.text_len, at.text_len)?;
        Ok(Self {
            layout,
            part,
            version: u16_at(packet, 2),
            nonce: Nonce(bytes_at(packet, 20)),
            user: User::new(user)?,
            password: Password::new(password)?,
            // A byte in `AuthAt540`, the low byte of a word in the others.
            resend: u8_at(packet, at.resend) != 0,
            auth_type: AuthType(u32_at(packet, at.auth_type)),
            capabilities: Capabilities(u32_at(packet, at.capabilities)),
        })
    }

    /// Returns the packet's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> LoginBytes {
        let at = self.layout.offsets();
        let len = self.layout.packet_len(self.part);
        let mut bytes = Zeroizing::new([0; MAX_PACKET_LEN]);
        let out = bytes.as_mut_slice();
        put(out, 1, &[self.part.flags()]);
        put(out, 2, &self.version.to_le_bytes());
        let size = match len {
            MAX_PACKET_LEN => const { size_field(MAX_PACKET_LEN) },
            _ => const { size_field(MIN_PACKET_LEN) },
        };
        put(out, 16, &size.to_le_bytes());
        let first = u16::from(self.part == Part::First);
        put(out, 18, &first.to_le_bytes());
        put(out, 20, &self.nonce.0);
        put(out, HEAD_LEN, self.user.as_bytes());
        put(out, HEAD_LEN + at.text_len, self.password.as_bytes());
        put(out, at.resend, &[u8::from(self.resend)]);
        put(out, at.auth_type, &self.auth_type.0.to_le_bytes());
        put(out, at.capabilities, &self.capabilities.0.to_le_bytes());
        if let Some(channels) = at.channels {
            put(out, channels, &Self::CHANNELS.to_le_bytes());
        }
        if let Some(unknown) = at.unknown {
            put(out, unknown, &[1]);
        }
        LoginBytes { bytes, len }
    }
}

/// Returns the size field of a packet of `len` bytes.
#[allow(
    clippy::cast_possible_truncation,
    reason = "evaluated at compile time, where the assertion checks it"
)]
const fn size_field(len: usize) -> u16 {
    let size = len - HEAD_LEN;
    assert!(size <= u16::MAX as usize);
    size as u16
}

/// Returns the text in the `len` bytes at `at`, up to its zero byte.
fn text_at<'a>(
    packet: &'a [u8],
    field: &'static str,
    at: usize,
    len: usize,
) -> Result<&'a [u8], Error> {
    packet
        .get(at..)
        .and_then(|rest| rest.get(..len))
        .and_then(|text| {
            text.split(|&byte| byte == 0)
                .next()
                .filter(|t| t.len() < len)
        })
        .ok_or(Error::Unterminated { field, at, len })
}

impl core::ops::Deref for LoginBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for LoginBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginBytes({} bytes)", self.len)
    }
}
