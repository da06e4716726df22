//! Whatever value of tutk-frame is written, the same value is read.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tutk_frame::{
    Cc51Discovery, Cc51Header, Cc51Keepalive, DataHeader, DiscoveryAnswer, DiscoveryLayout,
    DiscoveryRequest, FragmentHeader, FrameInfo, Heartbeat, IoctlMessage, IoctlRequest, IotcHeader,
    Keepalive, Parity, Probe, ProbeAnswer, ResendRequest, SessionAnswer, Slice, SliceHeader,
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
    Parity(Parity<'a>),
    Probe(Probe),
    ProbeAnswer(ProbeAnswer),
    ResendRequest(ResendRequest<'a>),
    SessionAnswer(SessionAnswer),
    Slice(Slice<'a>),
    SliceHeader(SliceHeader),
    FragmentHeader(FragmentHeader),
}

fuzz_target!(|value: Value<'_>| {
    let mut out = Vec::new();
    match value {
        Value::Cc51Discovery(value) => {
            value.write(&mut out);
            assert_eq!(Cc51Discovery::parse(&out), Ok(value));
        }
        Value::Cc51Header(value) => {
            value.write(&mut out);
            assert_eq!(Cc51Header::parse(&out), Ok((value, &[][..])));
        }
        Value::Cc51Keepalive(value) => {
            value.write(&mut out);
            assert_eq!(Cc51Keepalive::parse(&out), Ok(value));
        }
        Value::Data(value) => {
            value.write(&mut out);
            out.resize(value.tag_range().end.max(value.payload_range().end), 0x5a);
            assert_eq!(DataHeader::parse(&out, value.layout), Ok(value));
        }
        Value::DiscoveryAnswer(mut value, layout) => {
            value.write(layout, &mut out);
            // The field's answer has no address: it is where it came from.
            if layout == DiscoveryLayout::SessionAt56 {
                value.address = None;
            }
            assert_eq!(DiscoveryAnswer::parse(&out, layout), Ok(value));
        }
        Value::DiscoveryRequest(value, layout) => {
            value.write(layout, &mut out);
            assert_eq!(DiscoveryRequest::parse(&out, layout), Ok(value));
        }
        Value::FrameInfo(value) => {
            value.write(&mut out);
            assert_eq!(FrameInfo::parse(&out), Ok(value));
        }
        Value::Heartbeat(value) => {
            value.write(&mut out);
            assert_eq!(Heartbeat::parse(&out), Ok(value));
        }
        Value::IoctlMessage(value) => {
            value.write(&mut out);
            assert_eq!(IoctlMessage::parse(&out), Ok(value));
        }
        Value::IoctlRequest(value) => {
            value.write(&mut out);
            assert_eq!(IoctlRequest::parse(&out), Ok(value));
        }
        Value::IotcHeader(value) => {
            value.write(&mut out);
            assert_eq!(IotcHeader::parse(&out), Ok((value, &[][..])));
        }
        Value::Keepalive(value) => {
            value.write(&mut out);
            assert_eq!(Keepalive::parse(&out), Ok(value));
        }
        Value::Parity(value) => {
            value.write(&mut out);
            assert_eq!(Parity::parse(&out), Ok(value));
        }
        Value::Probe(value) => {
            value.write(&mut out);
            assert_eq!(Probe::parse(&out), Ok(value));
        }
        Value::ProbeAnswer(value) => {
            value.write(&mut out);
            assert_eq!(ProbeAnswer::parse(&out), Ok(value));
        }
        Value::ResendRequest(value) => {
            let missing: Vec<u16> = value.missing().collect();
            ResendRequest::write(&value.heartbeat, value.base, &missing, &mut out);
            assert_eq!(ResendRequest::parse(&out), Ok(value));
        }
        Value::SessionAnswer(value) => {
            value.write(&mut out);
            assert_eq!(SessionAnswer::parse(&out), Ok(value));
        }
        Value::Slice(value) => {
            value.write(&mut out);
            assert_eq!(Slice::parse(&out), Ok(value));
        }
        Value::SliceHeader(value) => {
            value.write(&mut out);
            assert_eq!(SliceHeader::parse(&out), Ok((value, &[][..])));
        }
        Value::FragmentHeader(value) => {
            value.write(&mut out);
            assert_eq!(FragmentHeader::parse(&out), Ok((value, &[][..])));
        }
    }
});
