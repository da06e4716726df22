//! The packets of a slicer (docs/protocol.md, section 15).

use crate::common::{cut, info, parse};
use bytes::{Bytes, BytesMut};
use tutk_frame::{AvPacket, Codec, LinkClock, MediaKind, MediaLayout, Slice};
use video_reassembly::{Error, FrameNumbering, Slicer, SlicerConfig, Slices};

fn slicer(layout: MediaLayout, slice_bytes: u16) -> Slicer {
    Slicer::new(SlicerConfig {
        slice_bytes,
        ..SlicerConfig::new(layout)
    })
    .unwrap()
}

#[test]
fn writes_a_key_frame_in_the_slice_layout() {
    let mut slicer = slicer(MediaLayout::Slice, 48);
    // Slices of 48, 48, and 5 bytes with the frame info.
    let data: Vec<u8> = (0..101).collect();
    let stamp = info(1_250_000, Codec::H264);
    let mut slices = slicer
        .slice(MediaKind::Key, stamp, Bytes::from(data.clone()))
        .unwrap();
    assert_eq!((slices.remaining(), slices.number()), (3, 1));
    let clock = LinkClock {
        clock: 0x1122,
        round_trip: 7,
        word: 0,
    };
    let mut packets = Vec::new();
    let mut out = BytesMut::new();
    while slicer.write_next(&mut slices, clock, &mut out) {
        packets.push(out.split());
    }

    #[rustfmt::skip]
    let head = |flags: u8, counter: u8| [5, flags, 0x0b, 0, counter, 0, 0x7e, 0x50];
    #[rustfmt::skip]
    let slice = |last: u8, counter: u8, index: u8, size: u8| [
        5, last, counter, 0, // kind, last, slice counter
        3, 0, index, 0,      // slices, index or length of the frame info
        size, 0, 0, 0,       // payload bytes
        0, 0, 0, 0,          // previous frame
        1, 0, 0, 0,          // frame
    ];
    let first = [
        &head(0x08, 0)[..],
        &[0x22, 0x11, 7, 0, 0, 0, 0, 0],
        &slice(0, 0, 0, 48),
        &data[..48],
    ];
    let second = [&head(0x00, 1)[..], &slice(0, 1, 1, 48), &data[48..96]];
    #[rustfmt::skip]
    let frame_info = [
        0x4e, 0, 1, 0, 1, 20, 3, 120,             // codec, flags, camera, viewers, fps, …
        0x90, 0xd0, 0x03, 0,                      // 250,000 microseconds
        0x01, 0x81, 0x24, 0x69,                   // 1,764,000,001 seconds
        101, 0, 0, 0,                             // bytes of the frame
        1, 0, 0, 0,                               // frame
        b'5', b'A', b'D', b'B', b'5', b'5', b'3', b'9', b'4', b'F', b'0', b'F',
        0, 0, 0, 0,
    ];
    let last = [
        &head(0x05, 2)[..],
        &slice(1, 2, 40, 45),
        &data[96..],
        &frame_info,
    ];
    assert_eq!(packets[0], first.concat());
    assert_eq!(packets[1], second.concat());
    assert_eq!(packets[2], last.concat());
}

#[test]
fn writes_a_frame_in_the_fragment_layout() {
    let mut slicer = slicer(MediaLayout::Fragment, 64);
    let data: Vec<u8> = (0..70).collect();
    let stamp = info(1_250_000, Codec::H264);
    let packets = cut(
        &mut slicer,
        MediaKind::Delta,
        stamp,
        &Bytes::from(data.clone()),
    );
    let time = 1_764_000_001_250_u64.to_le_bytes();
    let head = |index: u8| {
        [
            &[0x05, 0x00, 0x0b, 0, 1, 0][..], // magic, version, sequence
            &time[..2],
            &time[..4],
            &[70, 0, 0, 0, 2, 0, 0, 0, index, 0, 0, 0], // size, count, index
            &[0, 0, 4, 0, 0, 0, 0, 0],                  // H.264, reserved
        ]
        .concat()
    };
    assert_eq!(packets[0], [&head(0)[..], &data[..64]].concat());
    assert_eq!(packets[1], [&head(1)[..], &data[64..]].concat());

    for (kind, magic) in [(MediaKind::Key, [5, 8]), (MediaKind::Audio, [5, 1])] {
        let packets = cut(&mut slicer, kind, stamp, &Bytes::from_static(b"x"));
        assert_eq!(packets[0][..2], magic);
    }
}

#[test]
fn counts_slices_of_all_kinds_and_numbers_frames_by_stream() {
    let mut slicer = slicer(MediaLayout::Slice, 100);
    let mut counter = 0;
    let mut numbers = Vec::new();
    for (kind, len) in [
        (MediaKind::Key, 300),
        (MediaKind::Audio, 50),
        (MediaKind::Delta, 120),
        (MediaKind::Audio, 60),
        (MediaKind::Delta, 60),
    ] {
        let data = Bytes::from(vec![0; len]);
        let packets = cut(&mut slicer, kind, info(0, Codec::H264), &data);
        for (index, packet) in packets.iter().enumerate() {
            let packet = AvPacket::parse(packet, MediaLayout::Slice).unwrap();
            let header = Slice::parse_body(packet.body).unwrap().header;
            assert_eq!(packet.header.packet_type, kind.code(false));
            assert_eq!(
                packet.header.flags,
                match (index, packets.len()) {
                    (0, 1) => 0x01,
                    (0, _) => 0x08,
                    (i, n) if i + 1 == n => 0x05,
                    _ => 0x00,
                }
            );
            assert_eq!(usize::from(header.index()), index);
            assert_eq!(header.counter, counter);
            counter += 1;
            numbers.push((kind, header.previous_frame, header.frame));
        }
    }
    numbers.dedup();
    assert_eq!(
        numbers,
        [
            (MediaKind::Key, 0, 1),
            (MediaKind::Audio, 0, 1),
            (MediaKind::Delta, 1, 2),
            (MediaKind::Audio, 1, 2),
            (MediaKind::Delta, 2, 3),
        ]
    );
}

#[test]
fn shared_numbers_count_the_frames_of_both_streams() {
    let kinds = [
        MediaKind::Key,
        MediaKind::Audio,
        MediaKind::Audio,
        MediaKind::Delta,
    ];
    for (numbering, previous) in [
        (FrameNumbering::PerStream, [0, 0, 1, 1]),
        (FrameNumbering::Shared, [0, 1, 2, 3]),
        (FrameNumbering::SharedLinked, [0, 0, 2, 1]),
    ] {
        let mut slicer = Slicer::new(SlicerConfig {
            numbering,
            ..SlicerConfig::new(MediaLayout::Slice)
        })
        .unwrap();
        for (index, kind) in kinds.into_iter().enumerate() {
            let packets = cut(
                &mut slicer,
                kind,
                info(0, Codec::H264),
                &Bytes::from_static(b"x"),
            );
            let packet = AvPacket::parse(&packets[0], MediaLayout::Slice).unwrap();
            let slice = Slice::parse_body(packet.body).unwrap();
            let number = match numbering {
                FrameNumbering::PerStream => [1, 1, 2, 2][index],
                _ => [1, 2, 3, 4][index],
            };
            assert_eq!(slice.header.frame, number, "{numbering:?}");
            assert_eq!(
                slice.header.previous_frame, previous[index],
                "{numbering:?}"
            );
        }
    }
}

#[test]
fn assigns_counters_in_the_order_of_writing() {
    let mut slicer = slicer(MediaLayout::Slice, 100);
    let cut = |slicer: &mut Slicer, kind, len| {
        let data = Bytes::from(vec![0; len]);
        slicer.slice(kind, info(0, Codec::H264), data).unwrap()
    };
    let mut video = cut(&mut slicer, MediaKind::Key, 350);
    let mut audio = cut(&mut slicer, MediaKind::Audio, 50);
    let mut counters = Vec::new();
    let mut write = |slices: &mut Slices| {
        let mut packet = Vec::new();
        let written = slicer.write_next(slices, LinkClock::default(), &mut packet);
        if written {
            let packet = AvPacket::parse(&packet, MediaLayout::Slice).unwrap();
            let header = Slice::parse_body(packet.body).unwrap().header;
            assert_eq!(packet.header.stamp.counter, header.counter);
            counters.push((header.kind, header.counter));
        }
        written
    };
    assert!(write(&mut video));
    assert!(write(&mut audio));
    assert!(!write(&mut audio));
    while write(&mut video) {}
    assert_eq!(
        counters,
        [
            (MediaKind::Key, 0),
            (MediaKind::Audio, 1),
            (MediaKind::Key, 2),
            (MediaKind::Key, 3),
            (MediaKind::Key, 4),
        ]
    );
}

#[test]
fn fills_all_slices_but_the_last_two() {
    for (layout, info_len) in [(MediaLayout::Slice, 40), (MediaLayout::Fragment, 0)] {
        for (slice_bytes, len) in (1..=400).flat_map(|len| [(41, len), (64, len)]) {
            let mut slicer = slicer(layout, slice_bytes);
            let data = Bytes::from(vec![7; len]);
            let packets = cut(&mut slicer, MediaKind::Key, info(0, Codec::H264), &data);
            let slices = packets.iter().map(|packet| parse(packet, layout));
            let sizes: Vec<(usize, usize)> = slices
                .map(|slice| (slice.payload.len(), slice.info.len()))
                .collect();
            let full = usize::from(slice_bytes);
            assert_eq!(sizes.iter().map(|(payload, _)| payload).sum::<usize>(), len);
            let fits = |(payload, info): &(usize, usize)| *payload > 0 && payload + info <= full;
            assert!(sizes.iter().all(fits));
            let (last, others) = sizes.split_last().unwrap();
            assert_eq!(last.1, info_len);
            assert!(others.iter().all(|(_, info)| *info == 0));
            let (_, all_full) = others.split_last().unwrap_or((&(full, 0), &[]));
            assert!(all_full.iter().all(|size| *size == (full, 0)));
        }
    }
}

#[test]
fn rejects_invalid_sizes_without_using_a_frame_number() {
    let config = SlicerConfig {
        slice_bytes: 40,
        ..SlicerConfig::new(MediaLayout::Slice)
    };
    assert_eq!(
        Slicer::new(config).unwrap_err(),
        Error::SliceTooSmall { min: 40, got: 40 }
    );

    let mut slicer = slicer(MediaLayout::Slice, 41);
    let stamp = info(0, Codec::H264);
    assert_eq!(
        slicer
            .slice(MediaKind::Key, stamp, Bytes::new())
            .unwrap_err(),
        Error::EmptyFrame
    );
    // The most bytes that 65,535 slices hold with the frame info.
    let most = 65_535 * 41 - 40;
    assert_eq!(
        slicer
            .slice(MediaKind::Key, stamp, Bytes::from(vec![0; most + 1]))
            .unwrap_err(),
        Error::TooManySlices {
            max: 65_535,
            bytes: most + 1,
            slices: 65_536
        }
    );
    let slices = slicer
        .slice(MediaKind::Key, stamp, Bytes::from(vec![0; most]))
        .unwrap();
    assert_eq!((slices.remaining(), slices.number()), (65_535, 1));
}
