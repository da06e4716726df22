//! Transport packets and PES packets.

use super::pid::Pid;

/// The size of a transport packet in bytes.
pub const TS_PACKET_BYTES: usize = 188;

const HEADER_BYTES: usize = 4;
const SYNC: u8 = 0x47;

/// Ticks per second of all time stamps.
pub(super) const TICKS: u64 = 90_000;

/// Time stamps have 33 bits.
const MAX_TIMESTAMP: u64 = (1 << 33) - 1;

/// The lag of the program clock behind the time stamp of its picture, in ticks. A receiver has this
/// time to receive the picture.
pub(super) const PCR_LEAD: u64 = TICKS / 5;

/// `stream_id` of PES packets (ISO/IEC 13818-1 table 2-22).
pub(super) const VIDEO_STREAM: u8 = 0xe0;

/// The size of a PES packet header with one time stamp, and of the part that its length field does
/// not count, in bytes.
const PES_HEADER: usize = 14;
const PES_UNCOUNTED: usize = 6;

/// The largest payload of an audio PES packet in bytes: its length field has 16 bits.
pub(super) const MAX_PES_BYTES: usize = 65_535 - (PES_HEADER - PES_UNCOUNTED);

/// Writes transport packets and counts those of each PID (ISO/IEC 13818-1 section 2.4.3).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 1 | sync byte, 0x47 |
/// | 1 | 2 | bit 14: a PES packet or section starts; 13 bits: PID |
/// | 3 | 1 | 0x10: payload; 0x20: adaptation field; 4 bits: continuity counter |
/// | 4 | 1 | adaptation field: its length without this byte |
/// | 5 | 1 | 0x40: a key frame starts; 0x10: a clock reference follows |
/// | 6 | 6 | clock reference: 33 bits, 6 bits set, 9 bits of 27 MHz (0 here) |
/// | | | stuffing of 0xff before a payload that does not fill the packet |
#[derive(Debug, Default)]
pub(super) struct Packets {
    association: u8,
    map: u8,
    video: u8,
    audio: u8,
}

/// The header of a PES packet (ISO/IEC 13818-1 section 2.4.3.6).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 3 | 00 00 01 |
/// | 3 | 1 | `stream_id` |
/// | 4 | 2 | bytes after this field; 0 for a picture of more than 16 bits |
/// | 6 | 1 | 0x84: the payload starts with a frame |
/// | 7 | 1 | 0x80: a time stamp follows |
/// | 8 | 1 | 5 |
/// | 9 | 5 | presentation time stamp: `0010`, 3 bits, 1, 15 bits, 1, 15 bits, 1 |
#[derive(Debug, Clone, Copy)]
pub(super) struct Pes {
    pub(super) pid: Pid,
    pub(super) stream: u8,
    /// The presentation time in ticks. It wraps when it is written.
    pub(super) pts: u64,
    /// The clock reference for the first packet.
    pub(super) pcr: Option<u64>,
    pub(super) key: bool,
}

/// The flags and clock reference of an adaptation field.
#[derive(Debug, Clone, Copy, Default)]
struct Adaptation {
    key: bool,
    pcr: Option<u64>,
}

impl Packets {
    /// Writes a PES packet with a payload in pieces. Except for pictures, the payload must not
    /// exceed [`MAX_PES_BYTES`].
    pub(super) fn write(&mut self, out: &mut Vec<u8>, pes: Pes, pieces: &[&[u8]]) {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let length = u16::try_from(bytes + PES_HEADER - PES_UNCOUNTED).unwrap_or(0);
        let [l0, l1] = length.to_be_bytes();
        let [s0, s1, s2, s3, s4] = timestamp(pes.pts);
        let header: [u8; PES_HEADER] = [
            0, 0, 1, pes.stream, l0, l1, 0x84, 0x80, 5, s0, s1, s2, s3, s4,
        ];
        let adaptation = Adaptation {
            key: pes.key,
            pcr: pes.pcr,
        };
        let all = std::iter::once(&header[..]).chain(pieces.iter().copied());
        self.write_payload(out, pes.pid, adaptation, PES_HEADER + bytes, all);
    }

    /// Writes a section, which must fit one packet together with the pointer field before it.
    pub(super) fn write_section(&mut self, out: &mut Vec<u8>, pid: Pid, section: &[u8]) {
        let start = out.len();
        self.write_header(out, pid, true, 0x10);
        out.push(0);
        out.extend_from_slice(section);
        out.resize(start + TS_PACKET_BYTES, 0xff);
    }

    /// Writes a packet with a clock reference only.
    pub(super) fn write_pcr(&mut self, out: &mut Vec<u8>, pid: Pid, pcr: u64) {
        let adaptation = Adaptation {
            key: false,
            pcr: Some(pcr),
        };
        self.write_header(out, pid, false, 0x20);
        adaptation.write(out, TS_PACKET_BYTES - HEADER_BYTES);
    }

    fn write_payload<'a>(
        &mut self,
        out: &mut Vec<u8>,
        pid: Pid,
        adaptation: Adaptation,
        bytes: usize,
        mut pieces: impl Iterator<Item = &'a [u8]>,
    ) {
        out.reserve(bytes + bytes / 40 + 2 * TS_PACKET_BYTES);
        let (mut left, mut piece) = (bytes, &[][..]);
        let mut first = Some(adaptation);
        while left > 0 {
            let adaptation = first.take();
            let field = adaptation.map_or(0, Adaptation::bytes);
            let room = TS_PACKET_BYTES - HEADER_BYTES - field;
            // The adaptation field is stuffed to fill the packet.
            let payload = left.min(room);
            let field = TS_PACKET_BYTES - HEADER_BYTES - payload;
            self.write_header(
                out,
                pid,
                adaptation.is_some(),
                if field > 0 { 0x30 } else { 0x10 },
            );
            adaptation.unwrap_or_default().write(out, field);
            let mut open = payload;
            while open > 0 {
                if piece.is_empty() {
                    let Some(next) = pieces.next() else { break };
                    piece = next;
                }
                let (now, later) = piece.split_at_checked(open).unwrap_or((piece, &[]));
                out.extend_from_slice(now);
                (piece, open) = (later, open - now.len());
            }
            left -= payload;
        }
    }

    /// `control` has the flags of payload and adaptation field.
    fn write_header(&mut self, out: &mut Vec<u8>, pid: Pid, start: bool, control: u8) {
        let [high, low] = pid.number().to_be_bytes();
        let start = if start { 0x40 } else { 0 };
        let counter = match pid {
            Pid::Association => &mut self.association,
            Pid::Map => &mut self.map,
            Pid::Video => &mut self.video,
            Pid::Audio => &mut self.audio,
        };
        // Only packets with payload are counted.
        if control & 0x10 != 0 {
            *counter = (*counter + 1) % 16;
        }
        out.extend_from_slice(&[SYNC, high | start, low, control | *counter]);
    }
}

impl Adaptation {
    /// The least size of the field in bytes, its length included. 0 if none is needed.
    const fn bytes(self) -> usize {
        match (self.pcr, self.key) {
            (Some(_), _) => 8,
            (None, true) => 2,
            (None, false) => 0,
        }
    }

    /// Writes a field of this size in bytes, its length included.
    fn write(self, out: &mut Vec<u8>, bytes: usize) {
        // A packet is shorter than 256 bytes.
        let Some(length) = bytes
            .checked_sub(1)
            .and_then(|rest| u8::try_from(rest).ok())
        else {
            return;
        };
        let end = out.len() + bytes;
        out.push(length);
        if length > 0 {
            let key = if self.key { 0x40 } else { 0 };
            out.push(key | if self.pcr.is_some() { 0x10 } else { 0 });
        }
        if let Some(pcr) = self.pcr {
            let [_, _, bytes @ ..] = ((pcr & MAX_TIMESTAMP) << 15 | 0x7e00).to_be_bytes();
            out.extend_from_slice(&bytes);
        }
        out.resize(end, 0xff);
    }
}

/// Encodes a presentation time stamp that is not followed by a decoding time stamp.
fn timestamp(ticks: u64) -> [u8; 5] {
    let part = |shift: u32, mask: u64| (ticks >> shift & mask) << 1 | 1;
    let bits = 0b0010 << 36 | part(30, 7) << 32 | part(15, 0x7fff) << 16 | part(0, 0x7fff);
    let [_, _, _, bytes @ ..] = bits.to_be_bytes();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_encoded_and_wrap() {
        assert_eq!(timestamp(0), [0x21, 0, 1, 0, 1]);
        assert_eq!(timestamp(90_000), [0x21, 0, 5, 0xbf, 0x21]);
        assert_eq!(timestamp(MAX_TIMESTAMP), [0x2f, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(timestamp(MAX_TIMESTAMP + 90_001), timestamp(90_000));
    }

    #[test]
    fn payloads_of_any_length_fill_whole_packets() {
        for bytes in 0..600_usize {
            for (key, pcr) in [(false, None), (true, None), (true, Some(MAX_TIMESTAMP))] {
                let mut packets = Packets::default();
                let payload = vec![0x5a; bytes];
                let pes = Pes {
                    pid: Pid::Video,
                    stream: VIDEO_STREAM,
                    pts: 0,
                    pcr,
                    key,
                };
                let mut out = Vec::new();
                packets.write(
                    &mut out,
                    pes,
                    &[&payload[..bytes / 3], &payload[bytes / 3..]],
                );
                assert!(out.len().is_multiple_of(TS_PACKET_BYTES));
                let mut found = Vec::new();
                for (at, packet) in (1..).zip(out.chunks(TS_PACKET_BYTES)) {
                    assert_eq!((packet[0], packet[3] & 0xf), (SYNC, at));
                    assert_eq!(packet[1] & 0x40 != 0, at == 1);
                    let field = match packet[3] >> 4 {
                        1 => 0,
                        _ => 1 + usize::from(packet[4]),
                    };
                    if at == 1 && pcr.is_some() {
                        assert_eq!(packet[5..12], [0x50, 0xff, 0xff, 0xff, 0xff, 0xfe, 0]);
                    }
                    found.extend_from_slice(&packet[HEADER_BYTES + field..]);
                }
                assert_eq!(found.len(), PES_HEADER + bytes);
                assert!(found.ends_with(&payload));
            }
        }
    }

    #[test]
    fn packet_without_payload_is_not_counted() {
        let mut packets = Packets::default();
        let mut out = Vec::new();
        packets.write_section(&mut out, Pid::Video, &[1, 2, 3]);
        packets.write_pcr(&mut out, Pid::Video, 1);
        packets.write_section(&mut out, Pid::Video, &[1, 2, 3]);
        let counts: Vec<_> = out
            .chunks(TS_PACKET_BYTES)
            .map(|packet| packet[3])
            .collect();
        assert_eq!(counts, [0x11, 0x21, 0x12]);
        assert_eq!(
            out[188 + 4..188 + 13],
            [183, 0x10, 0, 0, 0, 0, 0xfe, 0, 0xff]
        );
    }
}
