//! Audio to the camera byte by byte (docs/protocol.md, section 16), and audio in fragments.

use crate::table::*;
use tutk_frame::{
    AudioFlags, Codec, FragmentHeader, LinkClock, MediaKind, MediaLayout, Slice, TalkPacket,
};

#[test]
fn talk_packet_matches_its_table() {
    let bytes = table(&[
        (0, "03 09"),
        (2, "0c 00"),
        (4, "07 00 00 00"),
        (8, "40 42 0f 00"),
        (12, "01 00 10 00"),
        (16, "03"),
        (17, "01"),
        (18, "03 02"),
        (20, "01 00"),
        (22, "10 00"),
        (24, "14 00 00 00"),
        (28, "03 02 01 00"),
        (32, "04 02 01 00"),
        (36, "d5 d4 55 54"),
        (40, "8a 00"),
        (42, "02"),
        (43, "00"),
        (44, "01"),
        (45, "00 00 00 00 00 00 00"),
        (52, "e8 03 00 00"),
    ]);
    let packet = TalkPacket {
        sequence: 7,
        micros: 1_000_000,
        first: false,
        previous_frame: 0x0001_0203,
        frame: 0x0001_0204,
        codec: Codec::Pcma,
        flags: AudioFlags::new(8_000, 16, 1).unwrap(),
        millis: 1_000,
        audio: &[0xd5, 0xd4, 0x55, 0x54],
    };
    assert_eq!(written(|out| packet.write(out)), bytes);
    assert_eq!(TalkPacket::parse(&bytes), Ok(packet));

    let first = TalkPacket {
        first: true,
        ..packet
    };
    assert_eq!(
        written(|out| first.write(out))[12..16],
        [0x01, 0x00, 0x00, 0x00]
    );
    for (at, value, offset) in [
        (0, 5, 0),
        (1, 1, 0),
        (16, 4, 16),
        (17, 0, 17),
        (20, 2, 20),
        (22, 40, 22),
        (24, 0x13, 24),
        (27, 1, 24),
    ] {
        let mut wrong = bytes.clone();
        wrong[at] = value;
        let error = TalkPacket::parse(&wrong).unwrap_err();
        assert_eq!(error.offset(), offset, "{error}");
    }
    // Ignored: version, the repeated frame number, unknown bytes of the frame info.
    for at in [2, 18, 43, 44, 51] {
        let mut other = bytes.clone();
        other[at] ^= 0xff;
        assert_eq!(TalkPacket::parse(&other), Ok(packet), "byte {at}");
    }
}

#[test]
fn talk_packet_parses_as_a_slice() {
    let packet = TalkPacket {
        sequence: 0,
        micros: 5,
        first: true,
        previous_frame: 0,
        frame: 1,
        codec: Codec::Pcmu,
        flags: AudioFlags::new(8_000, 16, 1).unwrap(),
        millis: 0,
        audio: b"sound",
    };
    let bytes = written(|out| packet.write(out));
    let av = tutk_frame::AvPacket::parse(&bytes, MediaLayout::Slice).unwrap();
    let clock = LinkClock {
        clock: 5,
        round_trip: 0,
        word: 1,
    };
    assert_eq!(av.clock, Some(clock));
    let slice = Slice::parse_body(av.body).unwrap();
    assert_eq!(
        (slice.header.kind, slice.header.frame),
        (MediaKind::Audio, 1)
    );
    assert_eq!(slice.payload, b"sound");
}

#[test]
fn codec_info_of_a_fragment_has_the_audio_format() {
    let flags = AudioFlags::new(8_000, 16, 1).unwrap();
    let codec_info = FragmentHeader::codec_info(Codec::Pcmu, Some(flags));
    assert_eq!(codec_info, 0x0204_0089);
    let mut header = FragmentHeader {
        kind: MediaKind::Audio,
        version: 0x000b,
        sequence: 1,
        timestamp: 0,
        frame_size: 160,
        fragments: 1,
        index: 0,
        codec_info,
    };
    assert_eq!(header.codec(), Some(Codec::Pcmu));
    assert_eq!(header.audio(), Some(flags));
    header.kind = MediaKind::Delta;
    assert_eq!(header.audio(), None);
}
