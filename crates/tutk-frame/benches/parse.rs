//! The parsers of the receive path: data header, AV header and slice header.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may panic, and its macros have no docs"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tutk_frame::{
    AvHeader, AvPacket, AvStamp, DataHeader, Direction, LinkClock, MediaKind, MediaLayout,
    SessionId, Slice, SliceHeader, SlicePlace, WrapperLayout,
};

const PAYLOAD: u16 = 1000;

fn slice(c: &mut Criterion) {
    let payload = vec![0x5a; usize::from(PAYLOAD)];
    let header = SliceHeader {
        kind: MediaKind::Delta,
        resent: false,
        counter: 7,
        slices: 12,
        place: SlicePlace::Index(0),
        size: PAYLOAD,
        previous_frame: 41,
        frame: 42,
    };
    let mut body = Vec::new();
    let slice = Slice {
        header,
        payload: &payload,
        info: &[],
    };
    slice.write(&mut body);
    let packet = AvPacket {
        header: AvHeader::new(
            [header.kind.code(false), header.av_flags()],
            AvStamp::default(),
        ),
        clock: Some(LinkClock::default()),
        group: None,
        body: &body,
    };
    let mut bytes = Vec::new();
    packet.write(MediaLayout::Slice, &mut bytes);

    let mut group = c.benchmark_group("tutk-frame");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("slice", |b| {
        b.iter(|| {
            let packet = AvPacket::parse(black_box(&bytes), MediaLayout::Slice).unwrap();
            let slice = Slice::parse_body(packet.body).unwrap();
            (slice.header, slice.payload.len())
        });
    });
    group.finish();
}

fn data_header(c: &mut Criterion) {
    let mut group = c.benchmark_group("tutk-frame");
    for layout in [
        WrapperLayout::Iotc30,
        WrapperLayout::Iotc28,
        WrapperLayout::Cc51,
    ] {
        let header = DataHeader {
            layout,
            direction: Direction::FromCamera,
            channel: 0,
            sequence: 1,
            session: SessionId([7; 8]),
            payload_len: PAYLOAD,
        };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        bytes.resize(header.tag_range().end, 0x5a);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("data header {layout:?}"), |b| {
            b.iter(|| DataHeader::parse(black_box(&bytes), layout).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, slice, data_header);
criterion_main!(benches);
