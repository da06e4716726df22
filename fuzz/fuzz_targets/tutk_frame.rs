//! Every parser of tutk-frame takes any bytes, and what it understood it can write and read again.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use tutk_frame::{
    AvHeader, AvPacket, BufferReset, Cc51, Cc51Discovery, Cc51Header, Cc51Keepalive,
    ChannelMessage, DataHeader, DiscoveryAnswer, DiscoveryLayout, DiscoveryRequest, Error,
    Fragment, FragmentHeader, FrameInfo, GroupHeader, GroupedMedia, Heartbeat, IoctlAck,
    IoctlMessage, IoctlRequest, Iotc, IotcHeader, IotcLayout, Keepalive, LinkClock, MediaLayout,
    Parity, Probe, ProbeAnswer, ResendRequest, SessionAnswer, SessionRequest, SessionTrailer,
    Slice, SliceHeader, TalkPacket, WrapperLayout,
};

fuzz_target!(|data: &[u8]| {
    setup(data);
    for layout in [
        WrapperLayout::Iotc30,
        WrapperLayout::Iotc28,
        WrapperLayout::Cc51,
    ] {
        if let Ok(header) = DataHeader::parse(data, layout) {
            let payload = data
                .get(header.payload_range())
                .expect("the payload is in the datagram");
            assert_eq!(payload.len(), usize::from(header.payload_len));
            assert!(header.tag_range().end <= data.len());
        }
    }
    av(data);
    media(data);
});

/// Reads, writes, reads again.
fn again<'a, T: PartialEq + Debug>(
    data: &'a [u8],
    parse: impl for<'b> Fn(&'b [u8]) -> Result<T, Error>,
    write: impl Fn(&T, &mut Vec<u8>),
) {
    if let Some(value) = shown(data, &parse) {
        let mut out = Vec::new();
        write(&value, &mut out);
        assert_eq!(parse(&out).as_ref(), Ok(&value), "written as {out:02x?}");
    }
}

/// What was understood; an error must be one that can be shown, at a place in the packet or just behind.
fn shown<T>(data: &[u8], parse: impl FnOnce(&[u8]) -> Result<T, Error>) -> Option<T> {
    parse(data)
        .inspect_err(|error| assert!(!error.to_string().is_empty()))
        .ok()
}

fn first<T>((value, _): (T, &[u8])) -> T {
    value
}

fn setup(data: &[u8]) {
    again(
        data,
        |b| IotcHeader::parse(b).map(first),
        |v, out| v.write(out),
    );
    let _ = IotcHeader::parse_datagram(data);
    again(
        data,
        |b| Cc51Header::parse(b).map(first),
        |v, out| v.write(out),
    );
    let _ = Cc51Header::parse_datagram(data);
    again(data, Cc51Discovery::parse, |v, out| v.write(out));
    again(data, Cc51Keepalive::parse, |v, out| v.write(out));
    for discovery in [DiscoveryLayout::SessionAt52, DiscoveryLayout::SessionAt56] {
        again(
            data,
            |b| DiscoveryRequest::parse(b, discovery),
            |v, out| v.write(discovery, out),
        );
        again(
            data,
            |b| DiscoveryAnswer::parse(b, discovery),
            |v, out| v.write(discovery, out),
        );
    }
    for session in [SessionTrailer::Crc32, SessionTrailer::UnixSeconds] {
        again(
            data,
            |b| SessionRequest::parse(b, session),
            |v, out| v.write(out),
        );
    }
    again(data, SessionAnswer::parse, |v, out| v.write(out));
    again(data, Keepalive::parse, |v, out| v.write(out));
    for (discovery, session, wrapper) in [
        (
            DiscoveryLayout::SessionAt52,
            SessionTrailer::Crc32,
            WrapperLayout::Iotc30,
        ),
        (
            DiscoveryLayout::SessionAt56,
            SessionTrailer::UnixSeconds,
            WrapperLayout::Iotc28,
        ),
        (
            DiscoveryLayout::SessionAt56,
            SessionTrailer::UnixSeconds,
            WrapperLayout::Cc51,
        ),
    ] {
        let _ = Iotc::parse(
            data,
            IotcLayout {
                discovery,
                session,
                wrapper,
            },
        );
    }
    let _ = Cc51::parse(data);
}

fn av(data: &[u8]) {
    again(
        data,
        |b| AvHeader::parse(b).map(first),
        |v, out| v.write(out),
    );
    again(
        data,
        |b| LinkClock::parse(b).map(first),
        |v, out| v.write(out),
    );
    again(
        data,
        |b| GroupHeader::parse(b).map(first),
        |v, out| v.write(out),
    );
    again(data, Heartbeat::parse, |v, out| v.write(out));
    again(data, Probe::parse, |v, out| v.write(out));
    again(data, ProbeAnswer::parse, |v, out| v.write(out));
    again(data, BufferReset::parse, |v, out| v.write(out));
    again(data, IoctlAck::parse, |v, out| v.write(out));
    for layout in [MediaLayout::Fragment, MediaLayout::Slice] {
        if let Ok(packet) = AvPacket::parse(data, layout) {
            let mut out = Vec::new();
            packet.write(layout, &mut out);
            assert_eq!(AvPacket::parse(&out, layout), Ok(packet));
            assert_eq!(packet.body_offset() + packet.body.len(), data.len());
            let _ = packet.kind(layout);
        }
    }
    let mut out = Vec::new();
    if let Ok(request) = ResendRequest::parse(data) {
        let missing: Vec<u16> = request.missing().collect();
        assert!(missing.len() <= ResendRequest::MAX);
        ResendRequest::write(&request.heartbeat, request.base, &missing, &mut out);
        assert_eq!(ResendRequest::parse(&out), Ok(request));
    }
    out.clear();
    if let Ok(message) = ChannelMessage::parse(data) {
        message.write(&mut out);
        assert_eq!(ChannelMessage::parse(&out), Ok(message));
    }
    out.clear();
    if let Ok(request) = IoctlRequest::parse(data) {
        request.write(&mut out);
        assert_eq!(IoctlRequest::parse(&out), Ok(request));
    }
    out.clear();
    if let Ok(message) = IoctlMessage::parse(data) {
        message.write(&mut out);
        assert_eq!(IoctlMessage::parse(&out), Ok(message));
    }
}

fn media(data: &[u8]) {
    again(data, FrameInfo::parse, |v, out| v.write(out));
    again(
        data,
        |b| SliceHeader::parse(b).map(first),
        |v, out| v.write(out),
    );
    again(
        data,
        |b| FragmentHeader::parse(b).map(first),
        |v, out| v.write(out),
    );
    let mut out = Vec::new();
    if let Ok(slice) = Slice::parse(data) {
        slice.write(&mut out);
        assert_eq!(Slice::parse(&out), Ok(slice));
    }
    out.clear();
    if let Ok(parity) = Parity::parse(data) {
        parity.write(&mut out);
        assert_eq!(Parity::parse(&out), Ok(parity));
    }
    out.clear();
    if let Ok((group, body)) = GroupHeader::parse(data)
        && let Ok(media) = GroupedMedia::parse(group, body)
    {
        assert_eq!(
            matches!(media, GroupedMedia::Parity(_)),
            group.is_parity(),
            "parity is no slice"
        );
        media.write(&mut out);
        assert_eq!(GroupedMedia::parse(group, &out), Ok(media));
    }
    out.clear();
    if let Ok(packet) = Fragment::parse(data) {
        packet.write(&mut out);
        assert_eq!(Fragment::parse(&out), Ok(packet));
    }
    out.clear();
    if let Ok(packet) = TalkPacket::parse(data) {
        packet.write(&mut out);
        assert_eq!(TalkPacket::parse(&out), Ok(packet));
    }
}
