//! Every parser of tutk-frame accepts any bytes, and a parsed value survives writing and parsing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tutk_frame::{
    AvHeader, AvPacket, BufferReset, Cc51, Cc51Discovery, Cc51Header, Cc51Keepalive,
    ChannelMessage, DataHeader, DiscoveryAnswer, DiscoveryLayout, DiscoveryRequest, Error,
    Fragment, FragmentHeader, FrameInfo, GroupHeader, GroupedMedia, Heartbeat, IoctlAck,
    IoctlMessage, IoctlRequest, Iotc, IotcHeader, IotcLayout, Keepalive, LinkClock, MediaAck,
    MediaAckLayout, MediaLayout, Parity, Probe, ProbeAnswer, SessionAnswer, SessionRequest,
    SessionTrailer, Slice, SliceHeader, TalkPacket, WrapperLayout,
};

/// Parses, writes and parses again. An error must have a message. A macro, since parsed values
/// borrow their bytes.
macro_rules! again {
    ($data:expr, $parse:expr, $write:expr) => {
        match $parse($data) {
            Ok(value) => {
                let mut out = Vec::new();
                $write(&value, &mut out);
                assert_eq!($parse(&out), Ok(value), "written as {out:02x?}");
            }
            Err(error) => assert_message(error),
        }
    };
}

/// [`again`] for types with `parse` and `write`.
macro_rules! packets {
    ($data:ident: $($type:ident),*) => {$(
        again!($data, |b| $type::parse(b), |v: &$type, out: &mut Vec<u8>| v.write(out));
    )*};
}

/// [`again`] for packets without the AV header, with `parse_body` and `write`.
macro_rules! bodies {
    ($data:ident: $($type:ident),*) => {$(
        again!($data, |b| $type::parse_body(b), |v: &$type, out: &mut Vec<u8>| v.write(out));
    )*};
}

/// [`again`] for headers, whose `parse` returns the bytes after them.
macro_rules! headers {
    ($data:ident: $($type:ident),*) => {$(
        again!(
            $data,
            |b| $type::parse(b).map(|(header, _)| header),
            |v: &$type, out: &mut Vec<u8>| v.write(out)
        );
    )*};
}

fuzz_target!(|data: &[u8]| {
    setup(data);
    av(data);
    media(data);
});

fn assert_message(error: Error) {
    assert!(!error.to_string().is_empty());
}

fn setup(data: &[u8]) {
    headers!(data: IotcHeader, Cc51Header);
    packets!(data: Cc51Discovery, Cc51Keepalive, SessionAnswer, Keepalive);
    for layout in [DiscoveryLayout::SessionAt52, DiscoveryLayout::SessionAt56] {
        again!(
            data,
            |b| DiscoveryRequest::parse(b, layout),
            |v: &DiscoveryRequest, out: &mut Vec<u8>| v.write(layout, out)
        );
        again!(
            data,
            |b| DiscoveryAnswer::parse(b, layout),
            |v: &DiscoveryAnswer, out: &mut Vec<u8>| v.write(layout, out)
        );
    }
    for session in [SessionTrailer::Crc32, SessionTrailer::UnixSeconds] {
        again!(
            data,
            |b| SessionRequest::parse(b, session),
            |v: &SessionRequest, out: &mut Vec<u8>| v.write(out)
        );
    }
    for wrapper in [
        WrapperLayout::Iotc30,
        WrapperLayout::Iotc28,
        WrapperLayout::Cc51,
    ] {
        if let Ok(header) = DataHeader::parse(data, wrapper) {
            let payload = data
                .get(header.payload_range())
                .expect("the payload is in the datagram");
            assert_eq!(payload.len(), usize::from(header.payload_len));
            assert!(header.tag_range().end <= data.len());
        }
        let (discovery, session) = match wrapper {
            WrapperLayout::Iotc30 => (DiscoveryLayout::SessionAt52, SessionTrailer::Crc32),
            _ => (DiscoveryLayout::SessionAt56, SessionTrailer::UnixSeconds),
        };
        let layout = IotcLayout {
            discovery,
            session,
            wrapper,
        };
        let _ = Iotc::parse(data, layout);
    }
    let _ = Cc51::parse(data);
}

fn av(data: &[u8]) {
    headers!(data: AvHeader, LinkClock, GroupHeader);
    packets!(data: Heartbeat, Probe, ProbeAnswer, BufferReset, ChannelMessage);
    packets!(data: IoctlRequest, IoctlMessage, IoctlAck);
    for layout in [MediaLayout::Fragment, MediaLayout::Slice] {
        if let Ok(packet) = AvPacket::parse(data, layout) {
            let mut out = Vec::new();
            packet.write(layout, &mut out);
            assert_eq!(AvPacket::parse(&out, layout), Ok(packet));
            assert_eq!(packet.body_offset() + packet.body.len(), data.len());
            if let Err(error) = packet.content(layout) {
                assert!(error.offset() <= data.len(), "{error}");
            }
        }
    }
    let layout = MediaAckLayout::LIKELY;
    if let Ok((ack, missing)) = MediaAck::parse(data, &layout) {
        let missing: Vec<u16> = missing.collect();
        assert!(missing.len() <= MediaAck::MAX);
        let mut out = Vec::new();
        ack.write(&missing, &layout, &mut out);
        let (again, list) = MediaAck::parse(&out, &layout).expect("as written");
        assert_eq!((again, list.collect()), (ack, missing));
    }
}

fn media(data: &[u8]) {
    headers!(data: SliceHeader, FragmentHeader);
    packets!(data: FrameInfo, Fragment, TalkPacket);
    bodies!(data: Slice, Parity);
    if let Ok((group, body)) = GroupHeader::parse(data)
        && let Ok(media) = GroupedMedia::parse_body(group, body)
    {
        let is_parity = matches!(media, GroupedMedia::Parity(_));
        assert_eq!(is_parity, group.is_parity(), "parity is not a slice");
        let mut out = Vec::new();
        media.write(&mut out);
        assert_eq!(GroupedMedia::parse_body(group, &out), Ok(media));
    }
}
