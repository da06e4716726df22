//! The two packets of a login, in three layouts.

use core::fmt;

use zeroize::Zeroizing;

use crate::bytes::{bytes_at, put, u8_at, u16_at, u32_at};
use crate::{AuthType, Capabilities, Error, Nonce, Password, User};

/// The longest login packet, in bytes: packet 2 of the field layout.
pub const MAX_PACKET_LEN: usize = 572;

/// The shortest of the login packets, in bytes.
const MIN_PACKET_LEN: usize = 570;

/// What a packet's size field (16) leaves out: the bytes before the user.
const HEAD_LEN: usize = 24;

/// How the fields of a login packet lie (wire.md section 8; summary.md, phase 4).
///
/// All three share the head and are followed by a block of words; bytes that no column names are
/// zero. Numbers are little-endian.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 1 | type 0x00 |
/// | 1 | 1 | 0x00 in packet 1, 0x20 in packet 2 |
/// | 2 | 2 | version |
/// | 16 | 2 | bytes of the packet − 24 |
/// | 18 | 2 | 1 in packet 1, 0 in packet 2 |
/// | 20 | 4 | random bytes ([`Nonce`]) |
/// | 24 | | user |
///
/// | | `AuthAt550` | `AuthAt540` | `AuthAt542` |
/// |---|---|---|---|
/// | bytes of packet 1, 2 | 570, 570 | 570, 572 | 570, 572 (not sure) |
/// | version | 0x000b | 0x000c | 0x000c (not sure) |
/// | packet 2's random bytes | number + 1 | first byte + 1 | first byte + 1 (not sure) |
/// | user | 24..280 | 24..280 | 24..281 |
/// | password | 280..536 | 280..536 | 281..538 |
/// | asks for resend mode | 546, u32 | 538, u8 | 538, u32 |
/// | authentication type, u32 | 550 | 540 | 542 |
/// | capabilities, u32 | 554 | 552 | 546 |
/// | channels, u16 | 566: 3 | - | 560: 3 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginLayout {
    /// As summary.md has it.
    AuthAt550,
    /// As clients that stream from real cameras write it.
    AuthAt540,
    /// The SDK's own structure: two strings of 257 bytes, then its words.
    AuthAt542,
}

/// Which of the two packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Packet 1, `00 00` on the wire; summary.md's 0x0000.
    First,
    /// Packet 2, `00 20` on the wire; summary.md's 0x2000.
    Second,
}

/// One login packet, whole: the AV header's 8 bytes are its first. Drawn at [`LoginLayout`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginPacket {
    /// How its fields lie.
    pub layout: LoginLayout,
    /// Packet 1 or 2.
    pub part: Part,
    /// The version field: 0x000b or 0x000c.
    pub version: u16,
    /// The random bytes of this packet; those of packet 2 follow from those of packet 1.
    pub nonce: Nonce,
    /// Who logs in.
    pub user: User,
    /// With which password.
    pub password: Password,
    /// Whether resend mode is asked for (wire.md section 12).
    pub resend: bool,
    /// The authentication type. Only 4 was seen, and the layout is known by it.
    pub auth_type: AuthType,
    /// What the client says it can do.
    pub capabilities: Capabilities,
}

/// A login packet's bytes, zeroed when dropped because a password is among them.
#[derive(Clone)]
pub struct LoginBytes {
    bytes: Zeroizing<[u8; MAX_PACKET_LEN]>,
    len: usize,
}

/// Where one layout has what the others have elsewhere.
struct Offsets {
    text_len: usize,
    resend: usize,
    auth_type: usize,
    capabilities: usize,
    channels: Option<usize>,
}

impl LoginLayout {
    /// All three, in the order in which a packet is tried.
    const ALL: [Self; 3] = [Self::AuthAt550, Self::AuthAt540, Self::AuthAt542];

    /// The version that belongs to this layout.
    #[must_use]
    pub const fn version(self) -> u16 {
        match self {
            Self::AuthAt550 => 0x000b,
            Self::AuthAt540 | Self::AuthAt542 => 0x000c,
        }
    }

    /// The bytes of that packet.
    #[must_use]
    pub const fn packet_len(self, part: Part) -> usize {
        match (self, part) {
            (Self::AuthAt550, _) | (_, Part::First) => MIN_PACKET_LEN,
            (_, Part::Second) => MAX_PACKET_LEN,
        }
    }

    /// The random bytes of packet 2 where packet 1 has `first`.
    #[must_use]
    pub const fn second_nonce(self, first: Nonce) -> Nonce {
        match self {
            Self::AuthAt550 => first.number_plus_one(),
            Self::AuthAt540 | Self::AuthAt542 => first.first_byte_plus_one(),
        }
    }

    const fn offsets(self) -> Offsets {
        match self {
            Self::AuthAt550 => Offsets {
                text_len: 256,
                resend: 546,
                auth_type: 550,
                capabilities: 554,
                channels: Some(566),
            },
            Self::AuthAt540 => Offsets {
                text_len: 256,
                resend: 538,
                auth_type: 540,
                capabilities: 552,
                channels: None,
            },
            Self::AuthAt542 => Offsets {
                text_len: 257,
                resend: 538,
                auth_type: 542,
                capabilities: 546,
                channels: Some(560),
            },
        }
    }

    /// Which layout a packet has, told by its authentication type: the word 4 at 540, 542 or 550,
    /// and a capability word where that layout has one. No layout has another's 4 in its place.
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
    /// What summary.md's table has as the channel count, and the SDK's own layout too.
    const CHANNELS: u16 = 3;

    /// Reads a login packet of any of the three layouts, told apart by their content.
    ///
    /// Lenient where it does no harm: version, size field and the word at 18 are not checked, and
    /// the packet may be longer than its layout.
    ///
    /// # Errors
    /// [`Error::TooShort`], [`Error::WrongType`], [`Error::UnknownLayout`] and
    /// [`Error::Unterminated`].
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        if packet.len() < MIN_PACKET_LEN {
            return Err(Error::TooShort {
                what: "a login packet",
                expected: MIN_PACKET_LEN,
                got: packet.len(),
            });
        }
        let part = match (u8_at(packet, 0), u8_at(packet, 1)) {
            (0x00, 0x00) => Part::First,
            (0x00, 0x20) => Part::Second,
            (packet_type, flags) => {
                return Err(Error::WrongType {
                    expected: "a login packet",
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
            // A byte in the field layout, the low byte of a word in the others.
            resend: u8_at(packet, at.resend) != 0,
            auth_type: AuthType(u32_at(packet, at.auth_type)),
            capabilities: Capabilities(u32_at(packet, at.capabilities)),
        })
    }

    /// The packet's bytes, of its layout's length.
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
        LoginBytes { bytes, len }
    }
}

/// The size field of a packet of `len` bytes.
#[allow(
    clippy::cast_possible_truncation,
    reason = "evaluated at compile time, where the assertion holds it"
)]
const fn size_field(len: usize) -> u16 {
    let size = len - HEAD_LEN;
    assert!(size <= u16::MAX as usize);
    size as u16
}

/// The text in the `len` bytes at `at`, up to its zero byte.
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
