//! The tables of a transport stream (ISO/IEC 13818-1 section 2.4.4).

use crc::{CRC_32_MPEG_2, Crc};

use super::packet::Packets;
use super::pid::Pid;
use crate::{AudioCodec, AudioConfig, Codec};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_MPEG_2);

const PROGRAM: u16 = 1;

/// `table_id` (table 2-31).
const ASSOCIATION_TABLE: u8 = 0;
const MAP_TABLE: u8 = 2;

/// Reserved bits, which are set: before 13 bits of PID and before 12 bits of length.
const RESERVED_3: u16 = 0xe000;
const RESERVED_4: u16 = 0xf000;

/// `stream_id` of PES packets (table 2-22).
const AUDIO_STREAM: u8 = 0xc0;
const PRIVATE_STREAM: u8 = 0xbd;

/// The descriptors of Opus before its number of channels: registration as `Opus`, and DVB's
/// extension descriptor with tag 0x80.
const OPUS: [u8; 9] = [5, 4, b'O', b'p', b'u', b's', 0x7f, 2, 0x80];

/// The `stream_id` of audio PES packets.
pub(super) const fn stream_id(codec: AudioCodec) -> u8 {
    match codec {
        AudioCodec::Opus => PRIVATE_STREAM,
        _ => AUDIO_STREAM,
    }
}

/// Writes the program association table and the program map table, one packet each.
pub(super) fn write(
    out: &mut Vec<u8>,
    packets: &mut Packets,
    codec: Codec,
    audio: Option<AudioConfig>,
    version: u8,
) {
    let mut body = PROGRAM.to_be_bytes().to_vec();
    body.extend((RESERVED_3 | Pid::Map.number()).to_be_bytes());
    let association = section(ASSOCIATION_TABLE, 0, &body);
    packets.write_section(out, Pid::Association, &association);

    let clock = RESERVED_3 | Pid::Video.number();
    let mut body = clock.to_be_bytes().to_vec();
    // No descriptors of the program.
    body.extend(RESERVED_4.to_be_bytes());
    let video = match codec {
        Codec::H264 => 0x1b,
        Codec::H265 => 0x24,
    };
    push_stream(&mut body, video, Pid::Video, &[]);
    if let Some(config) = audio {
        let stream_type = match config.codec {
            AudioCodec::Opus => 0x06,
            AudioCodec::Mp3 if config.rate < 32_000 => 0x04,
            AudioCodec::Mp3 => 0x03,
            _ => 0x0f,
        };
        let described = match config.codec {
            AudioCodec::Opus => [&OPUS[..], &[config.channels]].concat(),
            _ => Vec::new(),
        };
        push_stream(&mut body, stream_type, Pid::Audio, &described);
    }
    let map = section(MAP_TABLE, version, &body);
    packets.write_section(out, Pid::Map, &map);
}

fn push_stream(body: &mut Vec<u8>, stream_type: u8, pid: Pid, descriptors: &[u8]) {
    body.push(stream_type);
    body.extend((RESERVED_3 | pid.number()).to_be_bytes());
    body.extend((RESERVED_4 | short(descriptors.len())).to_be_bytes());
    body.extend_from_slice(descriptors);
}

/// Encodes a section.
///
/// | bytes | field |
/// |---|---|
/// | 1 | `table_id` |
/// | 2 | 0xb000 and the number of bytes after this field |
/// | 2 | program number; the transport stream has the number 1 too |
/// | 1 | 0xc1: current; 5 bits: version |
/// | 2 | section number and last section number: 0 |
/// | | body |
/// | 4 | CRC |
fn section(table: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let mut section = vec![table];
    section.extend((0xb000 | short(body.len() + 9)).to_be_bytes());
    section.extend(PROGRAM.to_be_bytes());
    section.extend([0xc1 | version << 1, 0, 0]);
    section.extend_from_slice(body);
    let checksum = CRC.checksum(&section);
    section.extend(checksum.to_be_bytes());
    section
}

/// Converts the length of a table, which is less than a packet.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_association_matches_ffmpeg() {
        let mut out = Vec::new();
        write(&mut out, &mut Packets::default(), Codec::H264, None, 0);
        let expected = [
            0x00, 0xb0, 0x0d, 0x00, 0x01, 0xc1, 0x00, 0x00, 0x00, 0x01, 0xf0, 0x00, 0x2a, 0xb1,
            0x04, 0xb2, 0xff,
        ];
        assert_eq!(out[5..22], expected);
        assert_eq!(out.len(), 376);
    }
}
