//! Expected packets as tables of bytes, and the packets in a [`CameraScript`].

use std::time::Duration;

use tutk_session::tutk_frame::{AvHeader, AvKind, Heartbeat};

use super::script::CameraScript;

/// Zeros with the given pieces at their offsets.
pub fn table(len: usize, pieces: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (at, piece) in pieces {
        bytes[*at..at + piece.len()].copy_from_slice(piece);
    }
    bytes
}

pub fn kinds(script: &CameraScript) -> Vec<(Duration, AvKind)> {
    let kind = |(at, packet): &(Duration, Vec<u8>)| {
        let (header, _) = AvHeader::parse(packet).unwrap();
        (*at, header.kind(script.dialect.media))
    };
    script.packets.iter().map(kind).collect()
}

/// The times of the packets of one kind, in milliseconds.
pub fn times(script: &CameraScript, kind: AvKind) -> Vec<u128> {
    let of_kind = |(at, this): (Duration, AvKind)| (this == kind).then_some(at.as_millis());
    kinds(script).into_iter().filter_map(of_kind).collect()
}

pub fn heartbeats(script: &CameraScript) -> Vec<Heartbeat> {
    let heartbeat = |(_, packet): &(Duration, Vec<u8>)| Heartbeat::parse(packet).ok();
    script.packets.iter().filter_map(heartbeat).collect()
}

/// An IOCTL to the camera (docs/protocol.md, section "IOCTL to the camera").
pub fn ioctl(version: u8, counter: u8, index: u8, hl: &[u8]) -> Vec<u8> {
    let size = u32::try_from(hl.len() + 4).unwrap().to_le_bytes();
    table(
        40 + hl.len(),
        &[
            (0, &[0x0c, 0, version, 0, counter]),
            (16, &[0, 0x70, index, 0, 1]),
            (24, &size),
            (28, &[index]),
            (36, &[0, 1]),
            (40, hl),
        ],
    )
}

/// An HL message (docs/protocol.md, section "The HL message").
pub fn hl(code: u16, payload: &[u8]) -> Vec<u8> {
    let code = code.to_le_bytes();
    let len = u16::try_from(payload.len()).unwrap().to_le_bytes();
    table(
        16 + payload.len(),
        &[
            (0, b"HL"),
            (2, &[5, 0, code[0], code[1], len[0], len[1]]),
            (16, payload),
        ],
    )
}
