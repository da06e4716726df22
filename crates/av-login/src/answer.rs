//! The camera's answer to a login.

use crate::bytes::{bytes_at, put, u8_at, u16_at, u32_at};
use crate::{AuthType, Capabilities, Error, LoginLayout, Nonce, Status};

/// The bytes of the answer that [`LoginAnswer::to_bytes`] writes.
pub const ANSWER_LEN: usize = 60;

/// The bytes an answer must have to be one: up to its random bytes.
const MIN_ANSWER_LEN: usize = 24;

/// The answer to a login (wire.md sections 8 and 11).
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 2 | type 0x00, flags 0x21; summary.md's 0x2100 |
/// | 2 | 2 | version, as in the login |
/// | 4 | 1 | [`Status`]: 0x10 success |
/// | 16 | 4 | bytes of the packet − 24 |
/// | 20 | 4 | random bytes of the login |
/// | 29 | 1 | 1 (meaning not known) |
/// | 31 | 1 | 1 if two-way audio |
/// | 36 | 4 | authentication type, 4 |
/// | 40 | 4 | capabilities |
/// | 54 | 2 | 3 (channels, as in the summary's login: not sure) |
/// | 56 | 2 | 2 (meaning not known) |
///
/// The 60 bytes are those that cameras want as answer on the backchannel, where they are the ones
/// who log in. On the main channel only the fields at 4, 20, 31, 36 and 40 are sure; that the
/// simulated camera sends the same 60 bytes there, in every dialect, is this project's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginAnswer {
    /// The version field: 0x000b or 0x000c.
    pub version: u16,
    /// Whether the login is accepted.
    pub status: Status,
    /// The random bytes of the login that is answered.
    pub nonce: Nonce,
    /// Whether the camera has a speaker for this side's audio.
    pub two_way_audio: bool,
    /// The authentication type; 0 where the answer is too short to have it.
    pub auth_type: AuthType,
    /// What the answering side can do; 0 where the answer is too short to have it.
    pub capabilities: Capabilities,
}

impl LoginAnswer {
    /// Reads an answer of any length from 24 bytes on; fields beyond its end count as zero.
    ///
    /// # Errors
    /// [`Error::TooShort`] and [`Error::WrongType`].
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        check("a login answer", packet, &[0x21])?;
        Ok(Self {
            version: u16_at(packet, 2),
            status: Status(u8_at(packet, 4)),
            nonce: Nonce(bytes_at(packet, 20)),
            two_way_audio: u8_at(packet, 31) != 0,
            auth_type: AuthType(u32_at(packet, 36)),
            capabilities: Capabilities(u32_at(packet, 40)),
        })
    }

    /// The answer that accepts the login in `packet`, as a camera wants it on the backchannel (wire.md
    /// section 11), whatever user and password it gives and however its fields lie: DTLS has shown already
    /// that it knows the key, and what a camera fills in there is not known. Each of the two packets, and
    /// each repeat, is to be answered.
    ///
    /// # Errors
    /// [`Error::TooShort`] for fewer than 24 bytes; [`Error::WrongType`] for another packet.
    pub fn welcome(packet: &[u8]) -> Result<Self, Error> {
        check("a login packet", packet, &[0x00, 0x20])?;
        Ok(Self {
            version: LoginLayout::AuthAt540.version(),
            status: Status::SUCCESS,
            nonce: Nonce(bytes_at(packet, 20)),
            two_way_audio: true,
            auth_type: AuthType::SDK,
            capabilities: Capabilities::WYZE_SDK,
        })
    }

    /// The answer's 60 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ANSWER_LEN] {
        let mut bytes = [0; ANSWER_LEN];
        put(&mut bytes, 1, &[0x21]);
        put(&mut bytes, 2, &self.version.to_le_bytes());
        put(&mut bytes, 4, &[self.status.0]);
        put(&mut bytes, 16, &36_u32.to_le_bytes());
        put(&mut bytes, 20, &self.nonce.0);
        put(&mut bytes, 29, &[1]);
        put(&mut bytes, 31, &[u8::from(self.two_way_audio)]);
        put(&mut bytes, 36, &self.auth_type.0.to_le_bytes());
        put(&mut bytes, 40, &self.capabilities.0.to_le_bytes());
        put(&mut bytes, 54, &3_u16.to_le_bytes());
        put(&mut bytes, 56, &2_u16.to_le_bytes());
        bytes
    }
}

/// That it is a packet of type 0 with one of these flags, long enough for its random bytes.
fn check(what: &'static str, packet: &[u8], allowed: &[u8]) -> Result<(), Error> {
    if packet.len() < MIN_ANSWER_LEN {
        return Err(Error::TooShort {
            what,
            expected: MIN_ANSWER_LEN,
            got: packet.len(),
        });
    }
    let (packet_type, flags) = (u8_at(packet, 0), u8_at(packet, 1));
    if packet_type != 0x00 || !allowed.contains(&flags) {
        return Err(Error::WrongType {
            expected: what,
            packet_type,
            flags,
        });
    }
    Ok(())
}
