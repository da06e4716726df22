//! Written values of tutk-frame parse to the same value.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tutk_frame::{
    Cc51Discovery, Cc51Header, Cc51Keepalive, DataHeader, DiscoveryAnswer, DiscoveryLayout,
    DiscoveryRequest, FragmentHeader, FrameInfo, Heartbeat, IoctlMessage, IoctlRequest, IotcHeader,
    Keepalive, MediaAck, MediaAckLayout, Parity, Probe, ProbeAnswer, SessionAnswer, Slice,
    SliceHeader,
};

#[derive(Debug, Arbitrary)]
enum Value<'a> {
    Cc51Discovery(Cc51Discovery),
    Cc51Header(Cc51Header),
    Cc51Keepalive(Cc51Keepalive),
    Data(DataHeader),
    DiscoveryAnswer(DiscoveryAnswer, DiscoveryLayout),
    DiscoveryRequest(DiscoveryRequest, DiscoveryLayout),
    FrameInfo(FrameInfo),
    Heartbeat(Heartbeat),
    IoctlMessage(IoctlMessage<'a>),
    IoctlRequest(IoctlRequest<'a>),
    IotcHeader(IotcHeader),
    Keepalive(Keepalive),
    MediaAck(MediaAck, Vec<u16>),
    Parity(Parity<'a>),
    Probe(Probe),
    ProbeAnswer(ProbeAnswer),
    SessionAnswer(SessionAnswer),
    Slice(Slice<'a>),
    SliceHeader(SliceHeader),
    FragmentHeader(FragmentHeader),
}

fuzz_target!(|value: Value<'_>| {
    let mut out = Vec::new();
    macro_rules! check {
        ($type:ident, $value:expr) => {{
            $value.write(&mut out);
            assert_eq!($type::parse(&out), Ok($value));
        }};
        // Parts of a packet, without its header.
        (body $type:ident, $value:expr) => {{
            $value.write(&mut out);
            assert_eq!($type::parse_body(&out), Ok($value));
        }};
        // Headers return the bytes after them.
        (header $type:ident, $value:expr) => {{
            $value.write(&mut out);
            assert_eq!($type::parse(&out), Ok(($value, &[][..])));
        }};
    }
    match value {
        Value::Cc51Discovery(value) => check!(Cc51Discovery, value),
        Value::Cc51Header(value) => check!(header Cc51Header, value),
        Value::Cc51Keepalive(value) => check!(Cc51Keepalive, value),
        Value::FrameInfo(value) => check!(FrameInfo, value),
        Value::Heartbeat(value) => check!(Heartbeat, value),
        Value::IoctlMessage(value) => check!(IoctlMessage, value),
        Value::IoctlRequest(value) => check!(IoctlRequest, value),
        Value::IotcHeader(value) => check!(header IotcHeader, value),
        Value::Keepalive(value) => check!(Keepalive, value),
        Value::Parity(value) => check!(body Parity, value),
        Value::Probe(value) => check!(Probe, value),
        Value::ProbeAnswer(value) => check!(ProbeAnswer, value),
        Value::SessionAnswer(value) => check!(SessionAnswer, value),
        Value::Slice(value) => check!(body Slice, value),
        Value::SliceHeader(value) => check!(header SliceHeader, value),
        Value::FragmentHeader(value) => check!(header FragmentHeader, value),
        Value::Data(value) => {
            value.write(&mut out);
            out.resize(value.tag_range().end.max(value.payload_range().end), 0x5a);
            assert_eq!(DataHeader::parse(&out, value.layout), Ok(value));
        }
        Value::DiscoveryAnswer(mut value, layout) => {
            value.write(layout, &mut out);
            // This layout has no address.
            if layout == DiscoveryLayout::SessionAt56 {
                value.address = None;
            }
            assert_eq!(DiscoveryAnswer::parse(&out, layout), Ok(value));
        }
        Value::DiscoveryRequest(value, layout) => {
            value.write(layout, &mut out);
            assert_eq!(DiscoveryRequest::parse(&out, layout), Ok(value));
        }
        Value::MediaAck(value, missing) => {
            let layout = MediaAckLayout::LIKELY;
            value.write(&missing, &layout, &mut out);
            let (parsed, list) = MediaAck::parse(&out, &layout).expect("as written");
            assert_eq!(parsed, value);
            assert!(list.eq(missing.into_iter().take(MediaAck::MAX)));
        }
    }
});
