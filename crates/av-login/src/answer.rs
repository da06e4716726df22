//! The camera's answer to a login.

use crate::bytes::{bytes_at, put, u8_at, u16_at, u32_at};
use crate::error::Error;
use crate::fields::{AuthType, Capabilities, Nonce, Status};
use crate::packet::LoginLayout;

/// The length in bytes of the answer that [`LoginAnswer::to_bytes`] writes.
pub const ANSWER_LEN: usize = 60;

/// The minimum length of an answer, which includes the random bytes.
const MIN_ANSWER_LEN: usize = 24;

/// The answer to a login (docs/protocol.md, sections 11 and 16).
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | type 0x00, flags 0x21 |
/// | 2 | 2 | version, as in the login |
/// | 4 | 1 | [`Status`]: 0x10 success |
/// | 16 | 4 | length of the packet less 24 |
/// | 20 | 4 | random bytes of the login |
/// | 29 | 1 | 1 (meaning not known) |
/// | 31 | 1 | 1 if two-way audio is supported |
/// | 36 | 4 | authentication type, 4 |
/// | 40 | 4 | capabilities |
/// | 54 | 2 | 3 (likely the number of channels) |
/// | 56 | 2 | 2 (meaning not known) |
///
/// Cameras expect these 60 bytes on the backchannel, where the camera logs in. On the main channel
/// only the fields at 4, 20, 31, 36 and 40 are verified. The simulator sends the same 60 bytes
/// there in every dialect, which is this project's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginAnswer {
    /// The AV version, 0x000b or 0x000c.
    pub version: u16,
    /// The status.
    pub status: Status,
    /// The random bytes of the login.
    pub nonce: Nonce,
    /// `true` if the camera plays audio from the client.
    pub two_way_audio: bool,
    /// The authentication type, or 0 if the answer is too short.
    pub auth_type: AuthType,
    /// The capabilities of the answering side, or 0 if the answer is too short.
    pub capabilities: Capabilities,
}

impl LoginAnswer {
    /// Parses an answer of at least 24 bytes. Fields beyond its end are zero.
    ///
    /// # Errors
    /// [`Error::TooShort`] and [`Error::WrongType`].
    pub fn parse(packet: &[u8]) -> Result<Self, Error> {
        check("login answer", packet, &[0x21])?;
        Ok(Self {
            version: u16_at(packet, 2),
            status: Status(u8_at(packet, 4)),
            nonce: Nonce(bytes_at(packet, 20)),
            two_way_audio: u8_at(packet, 31) != 0,
            auth_type: AuthType(u32_at(packet, 36)),
            capabilities: Capabilities(u32_at(packet, 40)),
        })
    }

    /// Makes the answer that accepts the login in `packet`, as cameras expect it on the
    /// backchannel.
    ///
    /// Layout, user and password are not checked: DTLS has authenticated the camera, and what a
    /// camera writes there is not known. Answer both packets and each repeat.
    ///
    /// # Errors
    /// [`Error::TooShort`] for fewer than 24 bytes; [`Error::WrongType`] for another packet.
    pub fn accept(packet: &[u8]) -> Result<Self, Error> {
        check("login packet", packet, &[0x00, 0x20])?;
        Ok(Self {
            version: LoginLayout::AuthAt540.version(),
            status: Status::SUCCESS,
            nonce: Nonce(bytes_at(packet, 20)),
            two_way_audio: true,
            auth_type: AuthType::SDK,
            capabilities: Capabilities::WYZE_SDK,
        })
    }

    /// Returns the answer's 60 bytes.
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

/// Checks that a packet has type 0, one of these flags, and the random bytes.
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
