//! Media packets byte by byte (docs/protocol.md, section 15).

use crate::table::*;
use tutk_frame::{
    AudioFlags, AvKind, AvPacket, Codec, Fragment, FragmentHeader, FrameDevice, FrameInfo,
    FrameNumbers, GroupHeader, MediaKind, MediaLayout, Slice, SliceHeader, SlicePlace,
};

#[test]
fn fragment_header_matches_its_table() {
    for (magic, kind) in [
        ("05 08", MediaKind::Key),
        ("05 00", MediaKind::Delta),
        ("05 01", MediaKind::Audio),
    ] {
        let bytes = table(&[
            (0, magic),
            (2, "0b 00"),
            (4, "09 00"),
            (6, "78 56"),
            (8, "78 56 34 12"),
            (12, "03 10 00 00"),
            (16, "05 00 00 00"),
            (20, "04 00 00 00"),
            (24, "00 00 04 00"),
            (28, Z4),
            (32, "00 00 00 01 65"),
        ]);
        let header = FragmentHeader {
            kind,
            version: 0x000b,
            sequence: 9,
            timestamp: 0x1234_5678,
            frame_size: 0x1003,
            fragments: 5,
            index: 4,
            codec_info: FragmentHeader::H264,
        };
        let packet = Fragment {
            header,
            payload: &[0, 0, 0, 1, 0x65],
        };
        assert_eq!(written(|out| packet.write(out)), bytes);
        assert_eq!(Fragment::parse(&bytes), Ok(packet));
        assert_eq!(header.codec(), Some(Codec::H264));
        // `05 08` has the flag of a link clock, but none follows.
        let av = AvPacket::parse(&bytes, MediaLayout::Fragment).unwrap();
        assert_eq!((av.clock, av.body_offset()), (None, 8));
        assert_eq!(av.kind(MediaLayout::Fragment), AvKind::Media(kind));
        for (at, value, offset) in [(0, 7, 0), (1, 2, 0), (6, 0, 6), (13, 0, 12), (20, 5, 20)] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            let error = Fragment::parse(&wrong).unwrap_err();
            assert_eq!(error.offset(), offset, "{error}");
        }
    }
    let h265 = FragmentHeader::codec_info(Codec::H265, None);
    assert_eq!(h265, 0x0004_0050);
}

#[test]
fn first_slice_of_a_group_matches_its_table() {
    // AV header, link clock, group header and slice header: 44 bytes before the payload.
    let bytes = table(&[
        (0, "0c"),
        (1, "08"),
        (2, "0b 00"),
        (4, "05 00"),
        (6, "81 4e"),
        (8, "b4 03"),
        (10, "12 00"),
        (12, "01 02 03 04"),
        (16, "22 11"),
        (18, "02"),
        (19, "0a"),
        (20, "01 00 00 00"),
        (24, "05"),
        (25, "00"),
        (26, "34 12"),
        (28, "03 00"),
        (30, "00 00"),
        (32, "02 00"),
        (34, "00 00"),
        (36, "06 00 00 00"),
        (40, "07 00 00 00"),
        (44, "aa bb"),
    ]);
    let packet = AvPacket::parse(&bytes, MediaLayout::Slice).unwrap();
    assert_eq!(packet.body_offset(), 24);
    let group = GroupHeader {
        group: 0x1122,
        index: 2,
        k: 10,
        m: 1,
    };
    assert_eq!(packet.group, Some(group));
    assert!(!group.is_ioctl() && !group.is_parity());
    assert!(GroupHeader { index: 10, ..group }.is_parity());
    let slice = Slice::parse_body(packet.body).unwrap();
    let header = SliceHeader {
        kind: MediaKind::Key,
        resent: false,
        counter: 0x1234,
        slices: 3,
        place: SlicePlace::Index(0),
        size: 2,
        previous_frame: 6,
        frame: 7,
    };
    assert_eq!(slice.header, header);
    assert_eq!((slice.payload, slice.info), (&[0xaa, 0xbb][..], &[][..]));
    assert_eq!(written(|out| packet.write(MediaLayout::Slice, out)), bytes);
    assert_eq!(written(|out| slice.write(out)), packet.body);
}

/// A frame info of 40 bytes.
fn info_bytes() -> Vec<u8> {
    table(&[
        (0, "4e 00"),
        (2, "01"),
        (3, "02"),
        (4, "03"),
        (5, "14"),
        (6, "04"),
        (7, "78"),
        (8, "40 42 0f 00"),
        (12, "78 56 34 12"),
        (16, "00 10 00 00"),
        (20, "07 00 00 00"),
        (24, "32 43 41 41 38 45 31 32 33 34 35 36"),
        (36, "09 00 00 00"),
    ])
}

fn info() -> FrameInfo {
    FrameInfo {
        codec: Codec::H264,
        flags: 1,
        camera: 2,
        viewers: 3,
        fps: 20,
        resolution: 4,
        bitrate: 120,
        micros: 1_000_000,
        seconds: 0x1234_5678,
        numbers: Some(FrameNumbers {
            bytes: 0x1000,
            frame: 7,
            device: Some(FrameDevice {
                mac: *b"2CAA8E123456",
                word: 9,
            }),
        }),
    }
}

#[test]
fn frame_info_matches_its_table() {
    let bytes = info_bytes();
    let whole = info();
    assert_eq!(bytes.len(), FrameInfo::LEN);
    assert_eq!(written(|out| whole.write(out)), bytes);
    assert_eq!(FrameInfo::parse(&bytes), Ok(whole));
    assert_eq!(whole.mac(), Some(*b"2CAA8E123456"));
    // Shorter ones have fewer fields.
    let of_24 = FrameInfo::parse(&bytes[..24]).unwrap();
    assert_eq!(
        (of_24.frame_bytes(), of_24.frame()),
        (Some(0x1000), Some(7))
    );
    assert_eq!((of_24.mac(), of_24.len()), (None, 24));
    let of_16 = FrameInfo::parse(&bytes[..16]).unwrap();
    assert_eq!((of_16.seconds, of_16.frame()), (0x1234_5678, None));
    assert_eq!(of_16.len(), 16);
    let short = FrameInfo::parse(&bytes[..15]).unwrap_err();
    assert_eq!(short.offset(), 15);
}

#[test]
fn last_slice_ends_with_the_frame_info() {
    let mut bytes = table(&[
        (0, "08"),
        (1, "01"),
        (2, "ff ff"),
        (4, "03 00"),
        (6, "28 00"),
        (8, "2b 00"),
        (10, "00 00"),
        (12, "06 00 00 00"),
        (16, "07 00 00 00"),
        (20, "aa bb cc"),
    ]);
    bytes.extend(info_bytes());
    let slice = Slice::parse_body(&bytes).unwrap();
    assert_eq!(slice.header.kind, MediaKind::Delta);
    assert!(slice.header.resent && slice.header.is_last());
    assert_eq!(slice.header.index(), 2);
    assert_eq!(slice.header.info_len(), Some(40));
    assert_eq!(slice.payload, [0xaa, 0xbb, 0xcc]);
    assert_eq!(FrameInfo::parse(slice.info), Ok(info()));
    assert_eq!(written(|out| slice.write(out)), bytes);
    // A size without the frame info is accepted too.
    let mut uncounted = bytes.clone();
    uncounted[8] = 3;
    let other = Slice::parse_body(&uncounted).unwrap();
    assert_eq!((other.payload, other.info), (slice.payload, slice.info));
    for exact in [&bytes, &uncounted] {
        assert!(SliceHeader::has_exact_size(exact));
    }
    // A larger size ends with the packet, as does a size of 0.
    for size in [0, 44, 200] {
        let mut larger = bytes.clone();
        larger[8] = size;
        let other = Slice::parse_body(&larger).unwrap();
        assert_eq!((other.payload, other.info), (slice.payload, slice.info));
        assert!(!SliceHeader::has_exact_size(&larger), "{size}");
    }
    // A smaller one ends before it.
    let longer = [&bytes[..], &[0x5a; 9]].concat();
    let other = Slice::parse_body(&longer).unwrap();
    assert_eq!((other.payload, other.info), (slice.payload, slice.info));
    assert!(!SliceHeader::has_exact_size(&longer));
}

#[test]
fn slice_errors_name_the_offset() {
    let good = table(&[(
        0,
        "05 00 01 00 03 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00",
    )]);
    assert!(Slice::parse_body(&good).is_ok());
    for (at, value, offset) in [(0, 9, 0), (4, 0, 4), (6, 3, 6)] {
        let mut wrong = good.clone();
        wrong[at] = value;
        assert_eq!(Slice::parse_body(&wrong).unwrap_err().offset(), offset);
    }
    // The frame info is longer than the slice.
    let mut wrong = good.clone();
    wrong[1] = 1;
    wrong[6] = 40;
    assert_eq!(Slice::parse_body(&wrong).unwrap_err().offset(), 6);
}

#[test]
fn av_flags_follow_from_the_place_of_the_slice() {
    let flags = |index: u16, slices: u16| {
        let last = index + 1 == slices;
        let header = SliceHeader {
            kind: MediaKind::Key,
            resent: false,
            counter: 0,
            slices,
            place: if last {
                SlicePlace::Last { info_len: 40 }
            } else {
                SlicePlace::Index(index)
            },
            size: 0,
            previous_frame: 0,
            frame: 0,
        };
        header.av_flags()
    };
    assert_eq!(flags(0, 1), 0x01);
    assert_eq!([flags(0, 2), flags(1, 2)], [0x08, 0x05]);
    let four: Vec<u8> = (0..4).map(|i| flags(i, 4)).collect();
    assert_eq!(four, [0x08, 0x00, 0x00, 0x05]);
}

#[test]
fn audio_frame_info_matches_its_table() {
    // 16 kHz, 16 bits, mono PCM.
    let bytes = table(&[(0, "8c 00 0e 00 01 00 00 00"), (8, Z4), (12, "e8 03 00 00")]);
    let info = FrameInfo::parse(&bytes).unwrap();
    assert_eq!(info.codec, Codec::Pcm);
    assert_eq!(Some(info.audio()), AudioFlags::new(16000, 16, 1));
    assert_eq!(info.audio().rate_hz(), Some(16000));
}
