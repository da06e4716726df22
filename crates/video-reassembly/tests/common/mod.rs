//! Frames, packets, and a reassembler whose events are collected.
#![allow(dead_code, reason = "each test uses a part")]

use bytes::{Bytes, BytesMut};
use tutk_frame::{
    AvPacket, Codec, Fragment, FrameDevice, FrameInfo, FrameNumbers, LinkClock, MediaKind,
    MediaLayout,
};
use video_reassembly::{
    Event, Frame, FrameNumber, FramePolicy, Limits, Lost, Origin, Reassembler, Slice, Slicer,
    StreamKind,
};

pub(crate) fn info(micros_since_start: u64, codec: Codec) -> FrameInfo {
    FrameInfo {
        codec,
        flags: 1,
        camera: 0,
        viewers: 1,
        fps: 20,
        resolution: 3,
        bitrate: 120,
        micros: u32::try_from(micros_since_start % 1_000_000).unwrap(),
        seconds: 1_764_000_000 + u32::try_from(micros_since_start / 1_000_000).unwrap(),
        numbers: Some(FrameNumbers {
            bytes: 0,
            frame: 0,
            device: Some(FrameDevice {
                mac: *b"5ADB55394F0F",
                word: 0,
            }),
        }),
    }
}

/// The bytes of a frame info with a frame size.
pub(crate) fn info_with_size(bytes: u32) -> Vec<u8> {
    let mut out = Vec::new();
    FrameInfo {
        numbers: Some(FrameNumbers {
            bytes,
            frame: 0,
            device: None,
        }),
        ..info(0, Codec::H264)
    }
    .write(&mut out);
    out
}

/// Cuts a frame into packets.
pub(crate) fn cut(
    slicer: &mut Slicer,
    kind: MediaKind,
    info: FrameInfo,
    data: &Bytes,
) -> Vec<Bytes> {
    let mut slices = slicer.slice(kind, info, data.clone()).unwrap();
    let mut packets = Vec::with_capacity(slices.remaining());
    let mut buffer = BytesMut::new();
    while let Some(len) = slices.packet_len() {
        assert!(slicer.write_next(&mut slices, LinkClock::default(), &mut buffer));
        let packet = buffer.split().freeze();
        assert_eq!(packet.len(), len, "packet_len");
        packets.push(packet);
    }
    assert!(!slicer.write_next(&mut slices, LinkClock::default(), &mut buffer));
    packets
}

pub(crate) fn parse(packet: &[u8], layout: MediaLayout) -> Slice<'_> {
    match layout {
        MediaLayout::Fragment => Fragment::parse(packet).unwrap().into(),
        _ => {
            let body = AvPacket::parse(packet, layout).unwrap().body;
            tutk_frame::Slice::parse_body(body).unwrap().into()
        }
    }
}

/// A slice of a video frame, without frame info.
pub(crate) fn slice(number: u32, index: u32, count: u32, payload: &[u8]) -> Slice<'_> {
    Slice {
        kind: MediaKind::Delta,
        origin: Origin::Sent,
        counter: None,
        number: FrameNumber::Long(number),
        previous: Some(number.wrapping_sub(1)),
        index,
        count,
        payload,
        info: &[],
        metadata: None,
    }
}

/// The product of two elements of the field of the parity code, by long division.
pub(crate) fn product(a: u8, b: u8) -> u8 {
    let mut product = 0_u16;
    for bit in 0..8 {
        product ^= (u16::from(a) << bit) * u16::from(b >> bit & 1);
    }
    for bit in (8..16).rev() {
        if product >> bit & 1 == 1 {
            product ^= 0x11d << (bit - 8);
        }
    }
    u8::try_from(product).unwrap()
}

/// The parity of bodies with these factors, each body padded with zeros to the longest.
pub(crate) fn parity(factors: &[u8], bodies: &[&[u8]]) -> Vec<u8> {
    assert_eq!(factors.len(), bodies.len());
    let longest = bodies.iter().map(|body| body.len()).max().unwrap();
    let mut sum = vec![0; longest];
    for (&factor, body) in factors.iter().zip(bodies) {
        let bytes = body.iter().zip(&mut sum);
        bytes.for_each(|(&byte, sum)| *sum ^= product(factor, byte));
    }
    sum
}

/// A reassembler and its events.
pub(crate) struct Collector {
    pub(crate) reassembler: Reassembler,
    pub(crate) frames: Vec<Frame>,
    pub(crate) lost: Vec<Lost>,
}

impl Collector {
    pub(crate) fn new(limits: Limits) -> Self {
        Self::with_policy(limits, FramePolicy::All)
    }

    pub(crate) fn with_policy(limits: Limits, policy: FramePolicy) -> Self {
        Self {
            reassembler: Reassembler::new(limits).with_policy(policy),
            frames: Vec::new(),
            lost: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, slice: Slice<'_>) {
        self.reassembler.handle_slice(&slice);
        self.drain();
    }

    pub(crate) fn flush(&mut self) {
        self.reassembler.flush();
        self.drain();
    }

    pub(crate) fn skip_to(&mut self, number: u32) {
        self.reassembler.skip_to(StreamKind::Video, number);
        self.drain();
    }

    pub(crate) fn numbers(&self) -> Vec<u32> {
        self.frames.iter().map(|frame| frame.number).collect()
    }

    /// First and last number, received and total slices of each loss.
    pub(crate) fn losses(&self) -> Vec<(u32, u32, u32, u32)> {
        let losses = self.lost.iter();
        losses
            .map(|lost| (lost.first, lost.last, lost.received, lost.total))
            .collect()
    }

    fn drain(&mut self) {
        while let Some(event) = self.reassembler.poll_output() {
            match event {
                Event::Frame(frame) => self.frames.push(frame),
                Event::Lost(lost) => self.lost.push(lost),
            }
        }
    }
}
