//! Resend mode with arbitrary input. The parity decoder never returns parity, and recovers only
//! valid slices. The tracker requests only missing slices in its window. The slicer retransmits
//! only what it sent. With the slicer's packets and some loss, recovered slices and delivered
//! frames equal the sent ones.
#![no_main]

use std::collections::HashMap;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutk_frame::{
    AvKind, AvPacket, FrameInfo, GroupHeader, LinkClock, MediaAck, MediaKind, MediaLayout,
};
use video_reassembly::{
    Event, Instant, Limits, Origin, ParityDecoder, ParityLimits, Reassembler, ResendConfig,
    ResendTracker, Slice, Slicer, SlicerConfig, StreamKind, TrackerConfig,
};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    group_limits: (u8, u8),
    packets: Vec<(GroupHeader, &'a [u8])>,
    tracker: (u16, u8, u8, u8, u8, u32),
    /// For each slice: its counter, the slices left in its frame, the time since the last one, the
    /// RTT.
    counters: Vec<(Counter, u8, u16, u16)>,
    slicer: SlicerInput,
    /// The delay or loss of each packet.
    fates: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Counter {
    /// Ahead of the newest.
    Ahead(u8),
    Behind(u8),
    Any(u16),
}

#[derive(Debug, Arbitrary)]
struct SlicerInput {
    group: u8,
    parity: u8,
    slices: u8,
    bytes: u16,
    frames: Vec<(MediaKind, u16)>,
    /// Base and counters of a request after each slice.
    requests: Vec<(u16, Vec<u16>)>,
}

fuzz_target!(|input: Input<'_>| {
    parity_decoder(input.group_limits, &input.packets);
    tracker(input.tracker, &input.counters);
    slicer(&input.slicer, &input.fates);
});

fn parity_decoder((groups, body_bytes): (u8, u8), packets: &[(GroupHeader, &[u8])]) {
    let body_bytes = usize::from(body_bytes);
    let mut decoder = ParityDecoder::new(ParityLimits {
        groups: groups.into(),
        body_bytes,
    });
    for &(group, body) in packets {
        if let Ok(Some(slice)) = decoder.push(group, body) {
            assert!(!group.is_parity());
            assert_ne!(slice.origin, Origin::Recovered);
        }
        while let Some(slice) = decoder.recovered() {
            assert!(group.m > 0 && slice.origin == Origin::Recovered);
            assert!(slice.index < slice.count && slice.counter.is_some());
            assert!(slice.payload.len() + slice.info.len() < body_bytes);
        }
    }
}

fn tracker(config: (u16, u8, u8, u8, u8, u32), counters: &[(Counter, u8, u16, u16)]) {
    let (window, reorder, reorder_micros, max_requests, min_interval, give_up) = config;
    let mut tracker = ResendTracker::new(TrackerConfig {
        window,
        max_missing: window / 2,
        give_up_after: Duration::from_micros(give_up.into()),
        reorder_slices: reorder.into(),
        reorder_time: Duration::from_micros(reorder_micros.into()),
        max_requests,
        min_interval: Duration::from_micros(min_interval.into()),
    });
    let window = window.clamp(1, 0x4000);
    let mut now = Instant::ZERO;
    for (counter, left, later, rtt) in counters {
        let newest = tracker.newest().unwrap_or(0);
        let counter = match counter {
            Counter::Ahead(by) => newest.wrapping_add((*by).into()),
            Counter::Behind(by) => newest.wrapping_sub((*by).into()),
            Counter::Any(counter) => *counter,
        };
        now += Duration::from_micros((*later).into());
        tracker.expect_first(counter.wrapping_sub(3));
        tracker.received(now, counter);
        tracker.expect_through(now, counter.wrapping_add((*left).into()));
        let rtt = Duration::from_micros((*rtt).into());
        let deadline = tracker.deadline(rtt);
        let request = tracker.request(now, rtt);
        let request = request.map(|request| (request.base, request.missing.to_vec()));
        // An expected slice can be the newest now.
        let newest = tracker.newest().expect("one was received");
        if let Some((base, missing)) = request {
            assert!(deadline.is_some_and(|at| at <= now), "before the deadline");
            assert!((1..=MediaAck::MAX).contains(&missing.len()));
            let ages = missing.iter().map(|counter| newest.wrapping_sub(*counter));
            assert!(ages.clone().all(|age| age <= window));
            assert!(ages.is_sorted_by(|a, b| a > b), "each once, oldest first");
            assert!(newest.wrapping_sub(base) >= newest.wrapping_sub(missing[0]));
        }
        let base = tracker.base().expect("one was received");
        assert!(newest.wrapping_add(1).wrapping_sub(base) <= window + 1);
        let stats = tracker.stats();
        assert!(stats.filled + stats.abandoned <= stats.missing);
        let open = stats.missing - stats.filled - stats.abandoned;
        assert!(tracker.deadline(rtt).is_some() || open == 0);
    }
}

fn slicer(input: &SlicerInput, fates: &[u8]) {
    let resend = ResendConfig {
        group_size: input.group,
        parity: input.parity % 4,
        window_slices: input.slices.into(),
        window_bytes: input.bytes.into(),
    };
    let mut slicer = Slicer::new(SlicerConfig {
        slice_bytes: 64,
        resend: Some(resend),
        ..SlicerConfig::new(MediaLayout::Slice)
    })
    .expect("64 bytes are enough");
    let mut requests = input.requests.iter();
    let (mut packets, mut frames, mut slices_sent) = (Vec::new(), HashMap::new(), HashMap::new());
    for (fill, &(kind, len)) in (0..).zip(input.frames.iter().take(32)) {
        let data: Bytes = vec![fill; usize::from(len) % 2000 + 1].into();
        let mut info = [0x4e; 40];
        info[16..20].copy_from_slice(&(data.len() as u32).to_le_bytes());
        let info = FrameInfo::parse(&info).expect("40 bytes are a frame info");
        let mut slices = slicer.slice(kind, info, data.clone()).expect("few slices");
        frames.insert((StreamKind::of(kind), slices.number()), data);
        loop {
            let (mut packet, len) = (Vec::new(), slices.packet_len());
            if !slicer.write_next(&mut slices, LinkClock::default(), &mut packet) {
                break;
            }
            assert_eq!(len, Some(packet.len()));
            let body = AvPacket::parse(&packet, MediaLayout::Slice).expect("as written");
            let slice = tutk_frame::Slice::parse_body(body.body).expect("as written");
            let bytes = (slice.payload.to_vec(), slice.info.to_vec());
            slices_sent.insert(slice.header.counter, bytes);
            packets.push(packet);
            if let Some((base, missing)) = requests.next() {
                slicer.handle_request(*base, missing.iter().copied());
            }
            let mut again = 0;
            let mut packet = Vec::new();
            while slicer
                .write_repair(LinkClock::default(), &mut packet)
                .is_some()
            {
                let parsed = AvPacket::parse(&packet, MediaLayout::Slice).expect("as written");
                again += usize::from(parsed.kind(MediaLayout::Slice) != AvKind::Grouped);
                packets.push(std::mem::take(&mut packet));
            }
            assert!(
                again <= usize::from(input.slices),
                "more than in the window"
            );
        }
    }

    // Mostly in order, and in order without fates.
    let mut order: Vec<(usize, usize)> = Vec::new();
    for at in 0..packets.len() {
        match fates.get(at % fates.len().max(1)).copied().unwrap_or(0) {
            0..0xa0 => order.push((at, at)),
            late @ 0xa0..0xe0 => order.push((at + usize::from(late & 0x1f), at)),
            _ => {}
        }
    }
    order.sort_unstable();
    let lossless = order.len() == packets.len();
    let mut decoder = ParityDecoder::new(ParityLimits {
        groups: 64,
        ..ParityLimits::default()
    });
    let mut reassembler = Reassembler::new(Limits {
        frames: 64,
        reorder_window: 40,
        ..Limits::default()
    });
    let mut delivered = 0;
    for (_, at) in order {
        let packet = AvPacket::parse(&packets[at], MediaLayout::Slice).expect("as written");
        let mut take = |slice: Slice<'_>| {
            let counter = slice.counter.expect("the slice layout has counters");
            let sent = &slices_sent[&counter];
            assert_eq!((slice.payload, slice.info), (&sent.0[..], &sent.1[..]));
            reassembler.handle_slice(&slice);
        };
        match packet.group {
            Some(group) => {
                if let Some(slice) = decoder.push(group, packet.body).expect("as written") {
                    take(slice);
                }
                while let Some(slice) = decoder.recovered() {
                    take(slice);
                }
            }
            None => take(
                tutk_frame::Slice::parse_body(packet.body)
                    .expect("as written")
                    .into(),
            ),
        }
        delivered += drain(&mut reassembler, &frames);
    }
    reassembler.flush();
    delivered += drain(&mut reassembler, &frames);
    assert!(!lossless || delivered == frames.len());
    assert_eq!(decoder.stats().rejected + decoder.stats().inconsistent, 0);
    assert_eq!(reassembler.stats().recovered_dropped, 0);
}

/// Compares the delivered frames with the sent ones. Returns their number.
fn drain(reassembler: &mut Reassembler, frames: &HashMap<(StreamKind, u32), Bytes>) -> usize {
    let events = std::iter::from_fn(|| reassembler.poll_output());
    let delivered = events.filter_map(|event| match event {
        Event::Frame(frame) => Some(frame),
        Event::Lost(_) => None,
    });
    delivered
        .map(|frame| assert_eq!(frames[&(frame.stream(), frame.number)], frame.data))
        .count()
}
