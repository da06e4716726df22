//! A simple model of the reassembler, for the property tests and the fuzz target. It keeps all data
//! in maps, and does not model timestamps.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use tutk_frame::{FrameInfo, MediaKind};
use video_reassembly::{
    Event, FrameMetadata, FrameNumber, FramePolicy, Limits, Lost, Origin, Reassembler, Slice,
    Stats, StreamKind,
};

/// An expected event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Frame {
        kind: MediaKind,
        number: u32,
        info: Option<FrameInfo>,
        resolution_changed: bool,
        data: Vec<u8>,
    },
    Lost(Lost),
}

pub(crate) struct Model {
    limits: Limits,
    video: Stream,
    audio: Stream,
    out: Out,
}

/// The state that both streams share.
#[derive(Default)]
struct Out {
    events: Vec<Expected>,
    stats: Stats,
    resolution: Option<u8>,
}

struct Stream {
    kind: StreamKind,
    policy: FramePolicy,
    limits: Limits,
    /// By unwrapped number, all after `settled`.
    frames: BTreeMap<i64, Frame>,
    settled: Option<i64>,
    /// The frames delivered or undecodable since the last jump.
    delivered: BTreeSet<i64>,
    jump_candidate: Option<FrameNumber>,
    decodable: bool,
    ticks: u64,
}

struct Frame {
    wire: FrameNumber,
    kind: MediaKind,
    count: u32,
    previous: Option<u32>,
    metadata: Option<FrameMetadata>,
    touched: u64,
    slices: BTreeMap<u32, StoredSlice>,
    recovery_failed: bool,
}

struct StoredSlice {
    counter: Option<u16>,
    payload: Vec<u8>,
    info: Vec<u8>,
    recovered: bool,
}

impl Model {
    pub(crate) fn new(limits: Limits, policy: FramePolicy) -> Self {
        let frames = limits.frames.max(1);
        let limits = Limits {
            frames,
            reorder_window: limits.reorder_window.min(frames - 1),
            max_dropout: limits.max_dropout.clamp(1, 0x4000),
            ..limits
        };
        let stream = |kind| Stream {
            kind,
            policy,
            limits,
            frames: BTreeMap::new(),
            settled: None,
            delivered: BTreeSet::new(),
            jump_candidate: None,
            decodable: false,
            ticks: 0,
        };
        Self {
            limits,
            video: stream(StreamKind::Video),
            audio: stream(StreamKind::Audio),
            out: Out::default(),
        }
    }

    pub(crate) fn push(&mut self, slice: &Slice<'_>) {
        let out = &mut self.out;
        out.stats.resent += u64::from(slice.origin == Origin::Resent);
        let limit = self.limits.frame_bytes as u64;
        let frame_bytes = slice.metadata.map_or(0, |metadata| metadata.frame_bytes);
        if slice.index >= slice.count {
            out.stats.inconsistent += 1;
        } else if slice.count > self.limits.slices
            || u64::from(frame_bytes) > limit
            || slice.payload.len() as u64 > limit
        {
            out.stats.over_limit += 1;
        } else if StreamKind::of(slice.kind) == StreamKind::Video {
            self.video.push(slice, out);
        } else {
            self.audio.push(slice, out);
        }
    }

    pub(crate) fn skip_to(&mut self, stream: StreamKind, number: u32) {
        match stream {
            StreamKind::Video => self.video.skip_to(number, &mut self.out),
            StreamKind::Audio => self.audio.skip_to(number, &mut self.out),
        }
    }

    pub(crate) fn flush(&mut self) {
        self.video.settle_before(i64::MAX, &mut self.out);
        self.audio.settle_before(i64::MAX, &mut self.out);
    }

    /// The oldest complete frame, and the counter of its first slice.
    fn blocked_frame(&self, stream: StreamKind) -> (Option<u32>, Option<u16>) {
        let stream = match stream {
            StreamKind::Video => &self.video,
            StreamKind::Audio => &self.audio,
        };
        let blocked = stream.frames.values().find(|frame| frame.is_complete());
        (
            blocked.map(|frame| frame.wire.value()),
            blocked.and_then(|frame| frame.slices.get(&0)?.counter),
        )
    }

    /// Compares all events and counters of `real` with the model. Must be called after every call
    /// of another method.
    pub(crate) fn compare(&mut self, real: &mut Reassembler) {
        let events: Vec<Expected> = std::iter::from_fn(|| real.poll_output())
            .map(|event| match event {
                Event::Lost(lost) => Expected::Lost(lost),
                Event::Frame(frame) => Expected::Frame {
                    kind: frame.kind,
                    number: frame.number,
                    info: frame.info,
                    resolution_changed: frame.resolution_changed,
                    data: frame.data.to_vec(),
                },
            })
            .collect();
        assert_eq!(events, std::mem::take(&mut self.out.events));
        for stream in [StreamKind::Video, StreamKind::Audio] {
            let blocked = (real.blocked_frame(stream), real.blocked_counter(stream));
            assert_eq!(blocked, self.blocked_frame(stream));
        }
        self.out.stats.clock_jumps = real.stats().clock_jumps;
        assert_eq!(real.stats(), self.out.stats);
    }
}

impl Stream {
    fn push(&mut self, slice: &Slice<'_>, out: &mut Out) {
        let wire = slice.number;
        let reference = self.settled.or(self.frames.keys().next().copied());
        let mut number = reference.map_or(wire.value().into(), |from| from + distance(from, wire));
        let jumped = reference.is_some_and(|from| {
            !(from - 63..=from + i64::from(self.limits.max_dropout)).contains(&number)
        });
        if jumped {
            if slice.origin == Origin::Recovered {
                out.stats.recovered_dropped += 1;
                return;
            }
            let confirmed = self
                .jump_candidate
                .is_some_and(|from| (1..=64).contains(&distance(from.value().into(), wire)));
            if !confirmed {
                self.jump_candidate = Some(wire);
                out.stats.out_of_range += 1;
                return;
            }
            self.settle_before(i64::MAX, out);
            out.stats.jumps += 1;
            self.jump_candidate = None;
            self.delivered.clear();
            self.decodable = false;
            number = wire.value().into();
            self.settled = Some(number - 1);
        } else if self.is_settled(number) {
            match self.delivered.contains(&number) {
                true => out.stats.duplicates += 1,
                false => out.stats.late += 1,
            }
            return;
        }

        self.ticks += 1;
        if !self.frames.contains_key(&number) {
            if self.frames.len() >= self.limits.frames {
                self.evict(out);
            }
            if self.is_settled(number) {
                out.stats.late += 1;
                return;
            }
            self.frames.insert(number, Frame::new(slice));
        }
        let frame = self.frames.get_mut(&number).unwrap();
        frame.touched = self.ticks;
        frame.store(slice, self.limits.frame_bytes, &mut out.stats);
        if frame.is_complete() {
            self.release(out);
        }
    }

    fn is_settled(&self, number: i64) -> bool {
        self.settled.is_some_and(|settled| number <= settled)
    }

    fn evict(&mut self, out: &mut Out) {
        let incomplete = self.frames.iter().filter(|(_, frame)| !frame.is_complete());
        let stalest = incomplete.min_by_key(|(_, frame)| frame.touched);
        let Some((&number, _)) = stalest else { return };
        out.stats.evicted += 1;
        if self.frames.keys().next() == Some(&number) {
            self.settle_before(number + 1, out);
            self.release(out);
        } else {
            self.frames.remove(&number);
        }
    }

    fn skip_to(&mut self, number: u32, out: &mut Out) {
        let Some((&newest, frame)) = self.frames.last_key_value() else {
            return;
        };
        let number = match frame.wire {
            FrameNumber::Long(_) => FrameNumber::Long(number),
            FrameNumber::Short(_) => FrameNumber::Short((number & 0xffff).try_into().unwrap()),
        };
        let end = newest + distance(newest, number);
        self.settle_before(end, out);
        if let Some((&first, frame)) = self.frames.first_key_value()
            && !self.is_next(first, frame)
        {
            self.give_up_missing(end, frame.wire, frame.kind, out);
        }
        self.release(out);
    }

    fn release(&mut self, out: &mut Out) {
        loop {
            let first = self.frames.first_key_value();
            let is_next = first
                .is_some_and(|(&number, frame)| frame.is_complete() && self.is_next(number, frame));
            let complete = self.frames.iter().filter(|(_, frame)| frame.is_complete());
            let numbers: Vec<i64> = complete.map(|(&number, _)| number).collect();
            if is_next || numbers.len() > self.limits.reorder_window {
                self.settle_before(numbers[0] + 1, out);
            } else {
                return;
            }
        }
    }

    /// Returns `true` if no frame can be missing before this one, the first.
    fn is_next(&self, number: i64, frame: &Frame) -> bool {
        match self.settled {
            Some(settled) => {
                number == settled + 1 || frame.previous == Some(on_wire(settled, frame.wire))
            }
            None => match frame.wire.value() {
                0 => true,
                1 => matches!(frame.previous, None | Some(0)),
                _ => false,
            },
        }
    }

    fn settle_before(&mut self, end: i64, out: &mut Out) {
        while let Some((number, frame)) = self.frames.pop_first() {
            if number >= end {
                self.frames.insert(number, frame);
                return;
            }
            self.settle(number, frame, out);
        }
    }

    fn settle(&mut self, number: i64, frame: Frame, out: &mut Out) {
        if !self.is_next(number, &frame) {
            self.give_up_missing(number, frame.wire, frame.kind, out);
        }
        self.settled = Some(number);
        let complete = frame.is_complete();
        if complete {
            self.delivered.insert(number);
            self.jump_candidate = None;
            self.decodable |= frame.kind == MediaKind::Key;
            let undecodable = self.kind == StreamKind::Video && !self.decodable;
            if self.policy == FramePolicy::All || !undecodable {
                return frame.deliver(out);
            }
            out.stats.undecodable += 1;
        } else {
            self.decodable = false;
            out.stats.incomplete += 1;
        }
        let next = self.frames.values().next();
        out.events.push(Expected::Lost(Lost {
            stream: self.kind,
            first: frame.wire.value(),
            last: frame.wire.value(),
            received: frame.slices.len().try_into().unwrap(),
            total: frame.count,
            undecodable: complete,
            next_is_key: next.map(|next| next.kind == MediaKind::Key),
        }));
    }

    /// Gives up the numbers before `end`. `next` is the kind of the frame that follows.
    fn give_up_missing(&mut self, end: i64, like: FrameNumber, next: MediaKind, out: &mut Out) {
        let first = self.settled.map_or(end, |settled| settled + 1);
        if first < end {
            out.stats.missing += u64::try_from(end - first).unwrap();
            out.events.push(Expected::Lost(Lost {
                stream: self.kind,
                first: on_wire(first, like),
                last: on_wire(end - 1, like),
                received: 0,
                total: 0,
                undecodable: false,
                next_is_key: Some(next == MediaKind::Key),
            }));
            self.decodable = false;
        }
        self.settled = Some(self.settled.map_or(end - 1, |settled| settled.max(end - 1)));
    }
}

impl Frame {
    fn new(slice: &Slice<'_>) -> Self {
        Self {
            wire: slice.number,
            kind: slice.kind,
            count: slice.count,
            previous: slice.previous,
            metadata: slice.metadata,
            touched: 0,
            slices: BTreeMap::new(),
            recovery_failed: false,
        }
    }

    fn store(&mut self, slice: &Slice<'_>, limit: usize, stats: &mut Stats) {
        let recovered = slice.origin == Origin::Recovered;
        let is_last = slice.index + 1 == self.count;
        let agrees =
            slice.count == self.count && slice.kind == self.kind && slice.metadata == self.metadata;
        if recovered {
            let has_info = FrameInfo::parse(slice.info).is_ok();
            if self.recovery_failed || !agrees || has_info != is_last {
                stats.recovered_dropped += 1;
                return;
            }
        } else if !agrees {
            if self.slices.values().any(|stored| !stored.recovered) {
                stats.inconsistent += 1;
                return;
            }
            stats.recovered_dropped += self.slices.len() as u64;
            *self = Self {
                touched: self.touched,
                recovery_failed: self.recovery_failed || !self.slices.is_empty(),
                ..Self::new(slice)
            };
        }
        // A received slice replaces a recovered one.
        let confirmed = match self.slices.get_mut(&slice.index) {
            Some(stored) if stored.recovered && !recovered => {
                stored.recovered = false;
                stored.info = slice.info.to_vec();
                stored.payload == slice.payload
            }
            Some(_) => {
                stats.duplicates += 1;
                return;
            }
            None => false,
        };
        if !confirmed && self.slices.remove(&slice.index).is_some() {
            self.recovery_failed = true;
            stats.recovered_dropped += 1;
        }
        if !confirmed && self.bytes() + slice.payload.len() > limit {
            match recovered {
                true => stats.recovered_dropped += 1,
                false => stats.over_limit += 1,
            }
        } else {
            let is_last = slice.index + 1 == self.count;
            let is_invalid = !slice.info.is_empty() && FrameInfo::parse(slice.info).is_err();
            stats.invalid_info += u64::from(is_last && is_invalid);
            if confirmed {
                stats.duplicates += 1;
            } else {
                let stored = StoredSlice {
                    counter: slice.counter,
                    payload: slice.payload.to_vec(),
                    info: slice.info.to_vec(),
                    recovered,
                };
                self.slices.insert(slice.index, stored);
                stats.slices += 1;
                stats.recovered += u64::from(recovered);
            }
        }
        // A complete frame of the wrong size has a wrong recovered slice.
        let recovered = self.slices.values().filter(|stored| stored.recovered);
        let recovered = recovered.count() as u64;
        if self.is_complete() && recovered > 0 && !self.size_matches() {
            self.slices.retain(|_, stored| !stored.recovered);
            self.recovery_failed = true;
            stats.recovered_dropped += recovered;
        }
    }

    fn is_complete(&self) -> bool {
        self.slices.len() == self.count as usize
    }

    fn bytes(&self) -> usize {
        let stored = self.slices.values();
        stored.map(|stored| stored.payload.len()).sum()
    }

    fn info(&self) -> Option<FrameInfo> {
        let last = self.slices.get(&(self.count - 1))?;
        FrameInfo::parse(&last.info).ok()
    }

    fn size_matches(&self) -> bool {
        let announced = match self.info() {
            Some(info) => info.frame_bytes(),
            None => self.metadata.map(|metadata| metadata.frame_bytes),
        };
        announced.is_none_or(|announced| announced as usize == self.bytes())
    }

    fn deliver(self, out: &mut Out) {
        let info = self.info();
        out.stats.frames += 1;
        out.stats.bytes += self.bytes() as u64;
        out.stats.size_mismatches += u64::from(!self.size_matches());
        let mut resolution_changed = false;
        if let (Some(info), true) = (info, self.kind != MediaKind::Audio) {
            let before = out.resolution.replace(info.resolution);
            resolution_changed = before.is_some_and(|before| before != info.resolution);
        }
        let slices = self.slices.into_values();
        out.events.push(Expected::Frame {
            kind: self.kind,
            number: self.wire.value(),
            info,
            resolution_changed,
            data: slices.flat_map(|stored| stored.payload).collect(),
        });
    }
}

/// How far `number` is ahead of `from`, by the shorter way around the wrap.
fn distance(from: i64, number: FrameNumber) -> i64 {
    let (width, value): (i64, i64) = match number {
        FrameNumber::Short(value) => (1 << 16, value.into()),
        FrameNumber::Long(value) => (1 << 32, value.into()),
    };
    let ahead = (value - from).rem_euclid(width);
    if ahead < width / 2 {
        ahead
    } else {
        ahead - width
    }
}

fn on_wire(number: i64, like: FrameNumber) -> u32 {
    let width = match like {
        FrameNumber::Short(_) => 1 << 16,
        FrameNumber::Long(_) => 1_i64 << 32,
    };
    number.rem_euclid(width).try_into().unwrap()
}
