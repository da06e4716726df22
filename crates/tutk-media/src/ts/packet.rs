//! Transport packets and PES packets.

use super::tables::Pid;

/// Bytes of a transport packet.
pub const TS_PACKET_BYTES: usize = 188;

const HEADER_BYTES: usize = 4;
const SYNC: u8 = 0x47;

/// Ticks a second of all stamps.
pub(super) const TICKS: u64 = 90_000;

/// Stamps have 33 bits.
const STAMP_MAX: u64 = (1 << 33) - 1;

/// How far the program's clock is behind the stamp of the picture that it comes with, in ticks: the time
/// that a receiver has for the picture to come.
pub(super) const PCR_LEAD: u64 = TICKS / 5;

/// `stream_id` of PES packets (ISO/IEC 13818-1 table 2-22).
pub(super) const VIDEO_STREAM: u8 = 0xe0;

/// Bytes of the header of a PES packet with one stamp, and of those that its length does not count.
const PES_HEADER: usize = 14;
const PES_UNCOUNTED: usize = 6;

/// The largest PES packet of sound in bytes, but for its header: its length has 16 bits.
pub(super) const MAX_PES_BYTES: usize = 65_535 - (PES_HEADER - PES_UNCOUNTED);

/// Writes transport packets, and counts those of each PID.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 1 | 0x47 |
/// | 1 | 2 | bit 14: a PES packet or section begins; 13 bits PID |
/// | 3 | 1 | 0x10: payload; 0x20: adaptation field; 4 bits: count of the PID's packets with payload |
/// | 4 | 1 | adaptation field: its length without this byte |
/// | 5 | 1 | 0x40: a key frame begins; 0x10: a clock follows |
/// | 6 | 6 | the clock: 33 bits, 6 bits set, 9 bits of 27 MHz (0 here) |
/// | | | 0xff as far as the payload does not reach to the end |
#[derive(Debug, Default)]
pub(super) struct Packets {
    association: u8,
    map: u8,
    video: u8,
    audio: u8,
}

/// What a PES packet says of its payload.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 3 | 00 00 01 |
/// | 3 | 1 | the stream |
/// | 4 | 2 | bytes behind this; 0 for a picture beyond 16 bits |
/// | 6 | 1 | 0x84: the payload begins with a frame |
/// | 7 | 1 | 0x80: a stamp follows |
/// | 8 | 1 | 5 |
/// | 9 | 5 | the stamp of showing: `0010`, 3 bits, 1, 15 bits, 1, 15 bits, 1 |
#[derive(Debug, Clone, Copy)]
pub(super) struct Pes {
    pub(super) pid: Pid,
    pub(super) stream: u8,
    /// In ticks; wraps when it is written.
    pub(super) pts: u64,
    /// The program's clock, to go with its first packet.
    pub(super) pcr: Option<u64>,
    pub(super) key: bool,
}

/// The beginning of an adaptation field: its flags, and the clock.
#[derive(Debug, Clone, Copy, Default)]
struct Adaptation {
    key: bool,
    pcr: Option<u64>,
}

impl Packets {
    /// Writes a PES packet with a payload in pieces, which have to be [`MAX_PES_BYTES`] at most if it is
    /// not a picture.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, pes: Pes, pieces: &[&[u8]]) {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        let length = u16::try_from(bytes + PES_HEADER - PES_UNCOUNTED).unwrap_or(0);
        let [l0, l1] = length.to_be_bytes();
        let [s0, s1, s2, s3, s4] = stamp(pes.pts);
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

    /// Writes a section, which has to fit a packet with the byte before it that says where it begins.
    pub(super) fn write_section(&mut self, out: &mut Vec<u8>, pid: Pid, section: &[u8]) {
        let start = out.len();
        self.write_header(out, pid, true, 0x10);
        out.push(0);
        out.extend_from_slice(section);
        out.resize(start + TS_PACKET_BYTES, 0xff);
    }

    /// Writes a packet of nothing but the program's clock.
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
            // What does not fill the packet is filled up in the adaptation field.
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

    /// `control` says whether there are payload and adaptation field.
    fn write_header(&mut self, out: &mut Vec<u8>, pid: Pid, start: bool, control: u8) {
        let [high, low] = pid.number().to_be_bytes();
        let start = if start { 0x40 } else { 0 };
        let counter = match pid {
            Pid::Association => &mut self.association,
            Pid::Map => &mut self.map,
            Pid::Video => &mut self.video,
            Pid::Audio => &mut self.audio,
        };
        // It counts on before each packet with payload; one without repeats the count.
        if control & 0x10 != 0 {
            *counter = (*counter + 1) % 16;
        }
        out.extend_from_slice(&[SYNC, high | start, low, control | *counter]);
    }
}

impl Adaptation {
    /// Bytes of the field, its length included; 0 when there need not be one.
    const fn bytes(self) -> usize {
        match (self.pcr, self.key) {
            (Some(_), _) => 8,
            (None, true) => 2,
            (None, false) => 0,
        }
    }

    /// Writes a field of so many bytes, its length included.
    fn write(self, out: &mut Vec<u8>, bytes: usize) {
        // A packet's bytes fit one.
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
            let [_, _, bytes @ ..] = ((pcr & STAMP_MAX) << 15 | 0x7e00).to_be_bytes();
            out.extend_from_slice(&bytes);
        }
        out.resize(end, 0xff);
    }
}

/// A stamp of showing, where there is none of decoding.
fn stamp(ticks: u64) -> [u8; 5] {
    let part = |shift: u32, mask: u64| (ticks >> shift & mask) << 1 | 1;
    let bits = 0b0010 << 36 | part(30, 7) << 32 | part(15, 0x7fff) << 16 | part(0, 0x7fff);
    let [_, _, _, bytes @ ..] = bits.to_be_bytes();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps() {
        assert_eq!(stamp(0), [0x21, 0, 1, 0, 1]);
        assert_eq!(stamp(90_000), [0x21, 0, 5, 0xbf, 0x21]);
        assert_eq!(stamp(STAMP_MAX), [0x2f, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(stamp(STAMP_MAX + 90_001), stamp(90_000));
    }

    /// A payload of any length fills whole packets, and nothing else.
    #[test]
    fn packets_are_filled_up() {
        for bytes in 0..600_usize {
            for (key, pcr) in [(false, None), (true, None), (true, Some(STAMP_MAX))] {
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
    fn a_lone_clock_does_not_count() {
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
