//! Written packets parse to the same value. Truncated packets and noise are errors, never panics.

use std::fmt::Debug;

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use tutk_frame::{
    AvContent, AvHeader, AvKind, AvMedia, AvPacket, BufferReset, Cc51, Cc51Discovery, Cc51Header,
    Cc51Keepalive, ChannelMessage, Close, Codec, DataHeader, DiscoveryAnswer, DiscoveryLayout,
    DiscoveryRequest, Error, Fragment, FragmentHeader, FrameInfo, GroupHeader, GroupedMedia,
    Heartbeat, IoctlAck, IoctlMessage, IoctlRequest, Iotc, IotcHeader, IotcLayout, Keepalive,
    LinkClock, MediaAck, MediaAckLayout, MediaLayout, Parity, Probe, ProbeAnswer, SessionAnswer,
    SessionRequest, SessionStamp, SessionTrailer, Slice, SliceBuffer, SliceHeader, TalkPacket, Uid,
    write_to_slice,
};

/// Generates bytes for `Unstructured`: many, since missing bytes become zeros.
fn seed() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..2000)
}

/// Writes and parses a value, and compares.
fn same<'a, T: PartialEq + Debug>(
    value: &T,
    buffer: &'a mut Vec<u8>,
    write: impl FnOnce(&T, &mut Vec<u8>),
    parse: impl FnOnce(&'a [u8]) -> Result<T, Error>,
) {
    write(value, buffer);
    assert_eq!(&parse(buffer).unwrap(), value);
}

/// Checks that a slice of the right length receives the same bytes, and that a shorter one is an
/// error.
fn fits<T>(value: &T, bytes: &[u8], write: impl Fn(&T, &mut SliceBuffer<'_>)) {
    let needed = bytes.len();
    let mut out = vec![0; needed + 1];
    assert_eq!(
        write_to_slice(&mut out, |out| write(value, out)).unwrap(),
        bytes
    );
    for available in [0, needed / 2, needed.saturating_sub(1)] {
        if available < needed {
            let error = write_to_slice(&mut out[..available], |out| write(value, out));
            assert_eq!(error, Err(Error::BufferFull { needed, available }));
        }
    }
}

/// Checks that every proper prefix is an error with an offset within the prefix.
fn truncated<'a, T: Debug>(bytes: &'a [u8], parse: impl Fn(&'a [u8]) -> Result<T, Error>) {
    for len in 0..bytes.len() {
        match parse(&bytes[..len]) {
            Ok(value) => panic!("{len} of {} bytes parse as {value:?}", bytes.len()),
            Err(error) => assert!(error.offset() <= len, "{error} in {len} bytes"),
        }
    }
}

macro_rules! roundtrip {
    ($($test:ident: $type:ty, $write:expr, $parse:expr;)*) => {$(
        proptest! {
            #[test]
            fn $test(seed in seed()) {
                let mut u = Unstructured::new(&seed);
                let value: $type = u.arbitrary().unwrap();
                let mut bytes = Vec::new();
                same(&value, &mut bytes, $write, $parse);
                fits(&value, &bytes, $write);
            }
        }
    )*};
}

/// Checks that no bytes remain.
fn all<T>((value, rest): (T, &[u8])) -> T {
    assert!(rest.is_empty());
    value
}

roundtrip! {
    av_header_round_trips: AvHeader, |x, out| x.write(out), |b| AvHeader::parse(b).map(all);
    link_clock_round_trips: LinkClock, |x, out| x.write(out), |b| LinkClock::parse(b).map(all);
    group_header_round_trips: GroupHeader, |x, out| x.write(out), |b| GroupHeader::parse(b).map(all);
    slice_header_round_trips: SliceHeader, |x, out| x.write(out), |b| SliceHeader::parse(b).map(all);
    slice_round_trips: Slice<'_>, |x, out| x.write(out), Slice::parse_body;
    parity_round_trips: Parity<'_>, |x, out| x.write(out), Parity::parse_body;
    frame_info_round_trips: FrameInfo, |x, out| x.write(out), FrameInfo::parse;
    fragment_header_round_trips: FragmentHeader, |x, out| x.write(out),
        |b| FragmentHeader::parse(b).map(all);
    fragment_round_trips: Fragment<'_>, |x, out| x.write(out), Fragment::parse;
    talk_packet_round_trips: TalkPacket<'_>, |x, out| x.write(out), TalkPacket::parse;
    heartbeat_round_trips: Heartbeat, |x, out| x.write(out), Heartbeat::parse;
    probe_round_trips: Probe, |x, out| x.write(out), Probe::parse;
    probe_answer_round_trips: ProbeAnswer, |x, out| x.write(out), ProbeAnswer::parse;
    buffer_reset_round_trips: BufferReset, |x, out| x.write(out), BufferReset::parse;
    channel_message_round_trips: ChannelMessage<'_>, |x, out| x.write(out), ChannelMessage::parse;
    ioctl_request_round_trips: IoctlRequest<'_>, |x, out| x.write(out), IoctlRequest::parse;
    ioctl_message_round_trips: IoctlMessage<'_>, |x, out| x.write(out), IoctlMessage::parse;
    ioctl_ack_round_trips: IoctlAck, |x, out| x.write(out), IoctlAck::parse;
    iotc_header_round_trips: IotcHeader, |x, out| x.write(out), |b| IotcHeader::parse(b).map(all);
    session_answer_round_trips: SessionAnswer, |x, out| x.write(out), SessionAnswer::parse;
    close_round_trips: Close, |x, out| x.write(out), Close::parse;
    keepalive_round_trips: Keepalive, |x, out| x.write(out), Keepalive::parse;
    cc51_header_round_trips: Cc51Header, |x, out| x.write(out), |b| Cc51Header::parse(b).map(all);
    cc51_discovery_round_trips: Cc51Discovery, |x, out| x.write(out), Cc51Discovery::parse;
    cc51_keepalive_round_trips: Cc51Keepalive, |x, out| x.write(out), Cc51Keepalive::parse;
}

proptest! {
    #[test]
    fn media_ack_round_trips(
        seed in seed(),
        missing in proptest::collection::vec(any::<u16>(), 0..300),
    ) {
        let ack: MediaAck = Unstructured::new(&seed).arbitrary().unwrap();
        let layout = MediaAckLayout::LIKELY;
        let mut bytes = Vec::new();
        ack.write(&missing, &layout, &mut bytes);
        let (parsed, list) = MediaAck::parse(&bytes, &layout).unwrap();
        prop_assert_eq!(parsed, ack);
        prop_assert!(list.eq(missing.into_iter().take(MediaAck::MAX)));
    }

    #[test]
    fn grouped_media_round_trips(seed in seed(), spare in any::<u8>()) {
        let mut u = Unstructured::new(&seed);
        let group: GroupHeader = u.arbitrary().unwrap();
        let media: GroupedMedia<'_> = u.arbitrary().unwrap();
        // An index where such a body may be.
        let k = group.k.clamp(1, 254);
        let group = match media {
            GroupedMedia::Slice(_) => GroupHeader { k, index: group.index % k, ..group },
            GroupedMedia::Parity(_) => {
                let index = k.saturating_add(spare);
                GroupHeader { k, index, m: group.m.max(u32::from(index - k) + 1), ..group }
            }
        };
        same(&media, &mut Vec::new(), |x, out| x.write(out), |b| GroupedMedia::parse_body(group, b));
        // Parity does not parse as a slice.
        if let GroupedMedia::Parity(parity) = media {
            let mut body = Vec::new();
            parity.write(&mut body);
            prop_assert!(Slice::parse_body(&body).is_err());
        }
    }

    #[test]
    fn av_packet_round_trips(seed in seed()) {
        let mut u = Unstructured::new(&seed);
        let layout: MediaLayout = u.arbitrary().unwrap();
        let header: AvHeader = u.arbitrary().unwrap();
        let clock = u.arbitrary().unwrap();
        let group = u.arbitrary().unwrap();
        let body = <&[u8]>::arbitrary_take_rest(u).unwrap();
        let packet = AvPacket {
            header,
            clock: header.has_clock(layout).then_some(clock),
            group: header.has_group().then_some(group),
            body,
        };
        let mut bytes = Vec::new();
        packet.write(layout, &mut bytes);
        prop_assert_eq!(packet.body_offset() + body.len(), bytes.len());
        prop_assert_eq!(AvPacket::parse(&bytes, layout), Ok(packet));
        // The packet parses whatever options the caller sets.
        let odd = AvPacket { clock: Some(clock), group: None, ..packet };
        let mut bytes = Vec::new();
        odd.write(layout, &mut bytes);
        prop_assert_eq!(AvPacket::parse(&bytes, layout).unwrap().body, body);
    }

    #[test]
    fn discovery_request_round_trips(seed in seed()) {
        let mut u = Unstructured::new(&seed);
        let layout: DiscoveryLayout = u.arbitrary().unwrap();
        let value: DiscoveryRequest = u.arbitrary().unwrap();
        same(&value, &mut Vec::new(), |x, out| x.write(layout, out),
            |b| DiscoveryRequest::parse(b, layout));
    }

    #[test]
    fn discovery_answer_round_trips(seed in seed()) {
        let mut u = Unstructured::new(&seed);
        let layout: DiscoveryLayout = u.arbitrary().unwrap();
        let mut value: DiscoveryAnswer = u.arbitrary().unwrap();
        if layout == DiscoveryLayout::SessionAt56 {
            value.address = None;
        }
        same(&value, &mut Vec::new(), |x, out| x.write(layout, out),
            |b| DiscoveryAnswer::parse(b, layout));
    }

    #[test]
    fn session_request_round_trips(seed in seed()) {
        let value: SessionRequest = Unstructured::new(&seed).arbitrary().unwrap();
        let trailer = match value.stamp {
            SessionStamp::Crc32 => SessionTrailer::Crc32,
            _ => SessionTrailer::UnixSeconds,
        };
        same(&value, &mut Vec::new(), |x, out| x.write(out),
            |b| SessionRequest::parse(b, trailer));
    }

    #[test]
    fn data_header_round_trips(seed in seed(), fill in any::<u8>()) {
        let header: DataHeader = Unstructured::new(&seed).arbitrary().unwrap();
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        prop_assert_eq!(bytes.len(), header.layout.header_len());
        bytes.resize(header.tag_range().end, fill);
        prop_assert_eq!(DataHeader::parse(&bytes, header.layout), Ok(header));
        prop_assert_eq!(header.payload_range().len(), usize::from(header.payload_len));
        // Bytes beyond the length field belong to the payload.
        bytes.push(fill);
        let longer = DataHeader::parse(&bytes, header.layout).unwrap();
        prop_assert_eq!(longer.tag_range().end, bytes.len());
    }

    #[test]
    fn audio_flags_and_codecs_round_trip(seed in seed()) {
        let codec: Codec = Unstructured::new(&seed).arbitrary().unwrap();
        prop_assert_eq!(Codec::from(codec.id()), codec);
        prop_assert!(!(codec.is_audio() && codec.is_video()));
    }

    #[test]
    fn uid_text_round_trips(text in "[!-~]{1,20}") {
        let uid: Uid = text.parse().unwrap();
        prop_assert_eq!(uid.as_bytes(), text.as_bytes());
    }

    /// Adds noise to the beginning of every header.
    #[test]
    fn noise_never_panics(
        start in prop_oneof![
            Just(vec![]),
            Just(vec![0x04, 0x02]),
            Just(vec![0x51, 0xcc]),
            (any::<u8>(), 0u8..16).prop_map(|(flags, kind)| vec![kind, flags]),
        ],
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        command in prop::sample::select(vec![
            0x0601u16, 0x0602, 0x0402, 0x0404, 0x0407, 0x0408, 0x0704, 0x0427, 0x0428,
            0x1002, 0x1202, 0x1502,
        ]),
        seed in seed(),
    ) {
        let layout: IotcLayout = Unstructured::new(&seed).arbitrary().unwrap();
        let mut bytes = start;
        bytes.extend(noise);
        every_parser(&bytes, layout);
        // With valid lengths and commands, so that the parsers reach the bodies.
        let len = u16::try_from(bytes.len()).unwrap();
        if len >= 16 {
            bytes[..2].copy_from_slice(&IotcHeader::MAGIC);
            bytes[4..6].copy_from_slice(&(len - 16).to_le_bytes());
            bytes[8..10].copy_from_slice(&command.to_le_bytes());
            every_parser(&bytes, layout);
            bytes[..2].copy_from_slice(&Cc51Header::MAGIC);
            bytes[4..6].copy_from_slice(&command.to_le_bytes());
            bytes[6..8].copy_from_slice(&(len - 12).to_le_bytes());
            every_parser(&bytes, layout);
        }
    }
}

/// Runs every parser.
fn every_parser(bytes: &[u8], layout: IotcLayout) {
    let _ = Iotc::parse(bytes, layout);
    let _ = Cc51::parse(bytes);
    let _ = DataHeader::parse(bytes, layout.wrapper);
    for media in [MediaLayout::Fragment, MediaLayout::Slice] {
        if let Ok(packet) = AvPacket::parse(bytes, media) {
            assert_eq!(&bytes[packet.body_offset()..], packet.body);
            content_agrees_with_parsers(bytes, &packet, media);
            let _ = Slice::parse_body(packet.body).map(|slice| FrameInfo::parse(slice.info));
        }
    }
    let _ = Slice::parse_body(bytes);
    let _ = FrameInfo::parse(bytes);
    let _ = Fragment::parse(bytes);
    let _ = TalkPacket::parse(bytes);
    let _ = Heartbeat::parse(bytes);
    if let Ok((_, missing)) = MediaAck::parse(bytes, &MediaAckLayout::LIKELY) {
        assert!(missing.len() <= MediaAck::MAX);
    }
    if let Ok((group, body)) = GroupHeader::parse(bytes) {
        let _ = GroupedMedia::parse_body(group, body);
    }
    let _ = Probe::parse(bytes);
    let _ = ProbeAnswer::parse(bytes);
    let _ = BufferReset::parse(bytes);
    let _ = ChannelMessage::parse(bytes);
    let _ = IoctlRequest::parse(bytes);
    let _ = IoctlMessage::parse(bytes);
    let _ = IoctlAck::parse(bytes);
}

/// Checks that [`AvPacket::content`] returns what the content's own parser returns.
fn content_agrees_with_parsers(bytes: &[u8], packet: &AvPacket<'_>, layout: MediaLayout) {
    let same = match packet.content(layout) {
        Ok(AvContent::ChannelMessage(x)) => ChannelMessage::parse(bytes) == Ok(x),
        Ok(AvContent::BufferReset(x)) => BufferReset::parse(bytes) == Ok(x),
        Ok(AvContent::IoctlRequest(x)) => IoctlRequest::parse(bytes) == Ok(x),
        Ok(AvContent::IoctlMessage(x)) => IoctlMessage::parse(bytes) == Ok(x),
        Ok(AvContent::IoctlAck(x)) => IoctlAck::parse(bytes) == Ok(x),
        Ok(AvContent::Heartbeat(x)) => Heartbeat::parse(bytes) == Ok(x),
        Ok(AvContent::Probe(x)) => Probe::parse(bytes) == Ok(x),
        Ok(AvContent::ProbeAnswer(x)) => ProbeAnswer::parse(bytes) == Ok(x),
        Ok(AvContent::Media(AvMedia::Fragment(x))) => Fragment::parse(bytes) == Ok(x),
        Ok(AvContent::Media(AvMedia::Slice(x))) => Slice::parse_body(packet.body) == Ok(x),
        Ok(AvContent::Media(AvMedia::Grouped { group, body })) => {
            packet.group == Some(group) && packet.body == body && group.k > 0
        }
        Ok(_) => true,
        Err(error) => match packet.kind(layout) {
            AvKind::Channel | AvKind::ChannelAck => ChannelMessage::parse(bytes) == Err(error),
            AvKind::BufferReset | AvKind::BufferResetAck => BufferReset::parse(bytes) == Err(error),
            AvKind::Grouped => IoctlRequest::parse(bytes) == Err(error),
            AvKind::Ioctl => IoctlMessage::parse(bytes) == Err(error),
            AvKind::Heartbeat => Heartbeat::parse(bytes) == Err(error),
            AvKind::ProbeAnswer => ProbeAnswer::parse(bytes) == Err(error),
            AvKind::Media(_) | AvKind::Resent(_) => error.offset() <= bytes.len(),
            kind => panic!("{kind:?} has no body that could fail: {error}"),
        },
    };
    assert!(same, "{:?} of {bytes:02x?}", packet.content(layout));
}

/// Generates a value from a seed.
fn sample<'a, T: Arbitrary<'a>>(seed: &'a [u8]) -> T {
    Unstructured::new(seed).arbitrary().unwrap()
}

#[test]
fn truncated_packets_are_errors() {
    let seed: Vec<u8> = (0..8).flat_map(|_| 3..=250).collect();
    let seed = &seed[..];
    let bytes = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        out
    };
    let b = bytes(&|out| sample::<TalkPacket<'_>>(seed).write(out));
    truncated(&b, TalkPacket::parse);
    for layout in [DiscoveryLayout::SessionAt52, DiscoveryLayout::SessionAt56] {
        let b = bytes(&|out| sample::<DiscoveryRequest>(seed).write(layout, out));
        truncated(&b, |b| DiscoveryRequest::parse(b, layout));
        let b = bytes(&|out| sample::<DiscoveryAnswer>(seed).write(layout, out));
        truncated(&b[..DiscoveryAnswer::MIN_LEN], |b| {
            DiscoveryAnswer::parse(b, layout)
        });
    }
    for trailer in [SessionTrailer::Crc32, SessionTrailer::UnixSeconds] {
        let b = bytes(&|out| sample::<SessionRequest>(seed).write(out));
        truncated(&b, |b| SessionRequest::parse(b, trailer));
    }
    let b = bytes(&|out| sample::<SessionAnswer>(seed).write(out));
    truncated(&b[..IotcHeader::LEN], SessionAnswer::parse);
    let b = bytes(&|out| sample::<Keepalive>(seed).write(out));
    truncated(&b, Keepalive::parse);
    let b = bytes(&|out| sample::<Close>(seed).write(out));
    truncated(&b, Close::parse);
    let b = bytes(&|out| sample::<Cc51Discovery>(seed).write(out));
    truncated(&b, Cc51Discovery::parse);
    let b = bytes(&|out| sample::<Cc51Keepalive>(seed).write(out));
    truncated(&b, Cc51Keepalive::parse);
    let b = bytes(&|out| sample::<Heartbeat>(seed).write(out));
    truncated(&b, Heartbeat::parse);
    let layout = MediaAckLayout::LIKELY;
    let b = bytes(&|out| sample::<MediaAck>(seed).write(&[], &layout, out));
    truncated(&b, |b| MediaAck::parse(b, &layout));
    let b = bytes(&|out| sample::<Parity<'_>>(seed).write(out));
    truncated(&b[..Parity::HEADER_LEN], Parity::parse_body);
    let b = bytes(&|out| sample::<Probe>(seed).write(out));
    truncated(&b, Probe::parse);
    let b = bytes(&|out| sample::<ProbeAnswer>(seed).write(out));
    truncated(&b, ProbeAnswer::parse);
    let b = bytes(&|out| sample::<BufferReset>(seed).write(out));
    truncated(&b[..AvHeader::LEN], BufferReset::parse);
    let b = bytes(&|out| sample::<IoctlRequest<'_>>(seed).write(out));
    truncated(&b[..IoctlRequest::LEN], IoctlRequest::parse);
    // These packets have a body of any length: truncate their headers.
    let b = bytes(&|out| sample::<ChannelMessage<'_>>(seed).write(out));
    // An acknowledgement may be short.
    let required = match b[1] {
        0x11 => AvHeader::LEN,
        _ => ChannelMessage::LEN,
    };
    truncated(&b[..required], ChannelMessage::parse);
    let b = bytes(&|out| sample::<IoctlMessage<'_>>(seed).write(out));
    truncated(&b[..IoctlMessage::LEN], IoctlMessage::parse);
    let b = bytes(&|out| sample::<Fragment<'_>>(seed).write(out));
    truncated(&b[..FragmentHeader::LEN], Fragment::parse);
    let b = bytes(&|out| sample::<SliceHeader>(seed).write(out));
    truncated(&b, SliceHeader::parse);
    let b = bytes(&|out| sample::<FrameInfo>(seed).write(out));
    truncated(&b[..FrameInfo::MIN_LEN], FrameInfo::parse);
    // A grouped packet with a link clock has 24 bytes of headers.
    let b = [
        0x0c, 0x08, 0x0b, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 0, 0, 6, 0, 1, 2, 1, 0, 0, 0,
    ];
    truncated(&b, |b| AvPacket::parse(b, MediaLayout::Slice));
}
