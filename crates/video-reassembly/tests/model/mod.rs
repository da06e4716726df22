//! A reassembler that is as simple as its rules: the reference for the real one, in the property tests and in
//! the fuzz target. Everything is kept, in maps; nothing is fast.
//!
//! Time stamps are not its matter: they are those of `MediaClock`, which has tests of its own.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use tutk_frame::{FrameInfo, MediaKind};
use video_reassembly::{
    Event, FrameMetadata, FrameNumber, FramePolicy, Limits, Lost, Origin, Reassembler, Slice,
    Stats, StreamKind,
};

/// What the model hands out.
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

/// The counters that it keeps: those of `Stats`, by name.
pub(crate) type Counters = BTreeMap<&'static str, u64>;

pub(crate) struct Model {
    limits: Limits,
    video: Stream,
    audio: Stream,
    out: Out,
}

/// What both streams share.
#[derive(Default)]
struct Out {
    events: Vec<Expected>,
    counters: Counters,
    resolution: Option<u8>,
}

struct Stream {
    kind: StreamKind,
    policy: FramePolicy,
    limits: Limits,
    /// By number, unwrapped; all after `settled`.
    frames: BTreeMap<i64, Frame>,
    settled: Option<i64>,
    /// What was handed out, or held back, since the count jumped last.
    delivered: BTreeSet<i64>,
    suspect: Option<FrameNumber>,
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
    pieces: BTreeMap<u32, Piece>,
    misled: bool,
}

struct Piece {
    counter: Option<u16>,
    payload: Vec<u8>,
    info: Vec<u8>,
    recovered: bool,
}

impl Model {
    pub(crate) fn new(limits: Limits, policy: FramePolicy) -> Self {
        // As the documentation of `Limits` has them.
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
            suspect: None,
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
        if slice.origin == Origin::Resent {
            out.count("resent");
        }
        let limit = self.limits.frame_bytes as u64;
        let metadata = slice.metadata.map_or(0, |said| said.frame_bytes);
        if slice.index >= slice.count {
            out.count("inconsistent");
        } else if slice.count > self.limits.slices
            || u64::from(metadata) > limit
            || slice.payload.len() as u64 > limit
        {
            out.count("over_limit");
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
        self.video.flush(&mut self.out);
        self.audio.flush(&mut self.out);
    }

    /// The oldest complete frame that waits, and the counter of its first slice.
    pub(crate) fn blocked_frame(&self, stream: StreamKind) -> (Option<u32>, Option<u16>) {
        let stream = match stream {
            StreamKind::Video => &self.video,
            StreamKind::Audio => &self.audio,
        };
        let mut whole = stream.frames.values().filter(|frame| frame.is_complete());
        let blocked_frame = whole.next();
        (
            blocked_frame.map(|frame| frame.wire.value()),
            blocked_frame.and_then(|frame| frame.pieces.get(&0)?.counter),
        )
    }

    /// Takes all that `real` has to say and compares it with what the model says. `real` must be polled after
    /// every call, and have room for so many events.
    pub(crate) fn compare(&mut self, real: &mut Reassembler) {
        let said: Vec<Expected> = std::iter::from_fn(|| real.poll())
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
        assert_eq!(said, std::mem::take(&mut self.out.events));
        for stream in [StreamKind::Video, StreamKind::Audio] {
            let blocked_frame = (real.blocked_frame(stream), real.blocked_counter(stream));
            assert_eq!(blocked_frame, self.blocked_frame(stream));
        }
        assert_eq!(counters(&real.stats()), self.out.counters);
    }
}

/// The counters of the real one, those of zero left out.
fn counters(stats: &Stats) -> Counters {
    let mut counters = Counters::from([
        ("slices", stats.slices),
        ("resent", stats.resent),
        ("recovered", stats.recovered),
        ("recovered_dropped", stats.recovered_dropped),
        ("frames", stats.frames),
        ("bytes", stats.bytes),
        ("undecodable", stats.undecodable),
        ("incomplete", stats.incomplete),
        ("missing", stats.missing),
        ("duplicates", stats.duplicates),
        ("late", stats.late),
        ("inconsistent", stats.inconsistent),
        ("over_limit", stats.over_limit),
        ("out_of_range", stats.out_of_range),
        ("jumps", stats.jumps),
        ("evicted", stats.evicted),
        ("size_mismatches", stats.size_mismatches),
        ("invalid_info", stats.invalid_info),
    ]);
    counters.retain(|_, count| *count > 0);
    counters
}

impl Out {
    fn count(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    fn add(&mut self, name: &'static str, by: u64) {
        if by > 0 {
            *self.counters.entry(name).or_default() += by;
        }
    }
}

impl Stream {
    fn push(&mut self, slice: &Slice<'_>, out: &mut Out) {
        let wire = slice.number;
        let reference = self.settled.or(self.frames.keys().next().copied());
        let mut number = reference.map_or(wire.value().into(), |from| from + distance(from, wire));
        // 64 behind, or too far ahead: the count has jumped, or nothing of it is true.
        let jumped = reference.is_some_and(|from| {
            !(from - 63..=from + i64::from(self.limits.max_dropout)).contains(&number)
        });
        if jumped {
            if slice.origin == Origin::Recovered {
                return out.count("recovered_dropped");
            }
            let confirmed = self
                .suspect
                .is_some_and(|suspect| (1..=64).contains(&distance(suspect.value().into(), wire)));
            if !confirmed {
                self.suspect = Some(wire);
                return out.count("out_of_range");
            }
            self.flush(out);
            out.count("jumps");
            self.suspect = None;
            self.delivered.clear();
            self.decodable = false;
            number = wire.value().into();
            self.settled = Some(number - 1);
        } else if self.is_settled(number) {
            return out.count(match self.delivered.contains(&number) {
                true => "duplicates",
                false => "late",
            });
        }

        self.ticks += 1;
        if !self.frames.contains_key(&number) {
            if self.frames.len() >= self.limits.frames {
                self.evict(out);
            }
            if self.is_settled(number) {
                return out.count("late");
            }
            self.frames.insert(number, Frame::new(slice));
        }
        let frame = self.frames.get_mut(&number).unwrap();
        frame.touched = self.ticks;
        frame.store(slice, self.limits.frame_bytes, out);
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
        out.count("evicted");
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
            && !self.follows(first, frame)
        {
            self.pass_over(end, frame.wire, frame.kind, out);
        }
        self.release(out);
    }

    fn flush(&mut self, out: &mut Out) {
        self.settle_before(i64::MAX, out);
    }

    /// Hands out what follows on the last frame; and the oldest that waits, when too many do.
    fn release(&mut self, out: &mut Out) {
        loop {
            let first = self.frames.first_key_value();
            let goes_on = first
                .is_some_and(|(&number, frame)| frame.is_complete() && self.follows(number, frame));
            let complete = self.frames.iter().filter(|(_, frame)| frame.is_complete());
            let numbers: Vec<i64> = complete.map(|(&number, _)| number).collect();
            if goes_on || numbers.len() > self.limits.reorder_window {
                self.settle_before(numbers[0] + 1, out);
            } else {
                return;
            }
        }
    }

    /// Whether nothing can be missing before that frame, the lowest one.
    fn follows(&self, number: i64, frame: &Frame) -> bool {
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
        if !self.follows(number, &frame) {
            self.pass_over(number, frame.wire, frame.kind, out);
        }
        self.settled = Some(number);
        let complete = frame.is_complete();
        if complete {
            self.delivered.insert(number);
            self.suspect = None;
            self.decodable |= frame.kind == MediaKind::Key;
            let undecodable = self.kind == StreamKind::Video && !self.decodable;
            if self.policy == FramePolicy::All || !undecodable {
                return frame.hand_out(out);
            }
            out.count("undecodable");
        } else {
            self.decodable = false;
            out.count("incomplete");
        }
        let next = self.frames.values().next();
        out.events.push(Expected::Lost(Lost {
            stream: self.kind,
            first: frame.wire.value(),
            last: frame.wire.value(),
            received: frame.pieces.len().try_into().unwrap(),
            total: frame.count,
            undecodable: complete,
            next_is_key: next.map(|next| next.kind == MediaKind::Key),
        }));
    }

    /// The numbers before `end` of which there is nothing are lost; `next` is what follows on them.
    fn pass_over(&mut self, end: i64, like: FrameNumber, next: MediaKind, out: &mut Out) {
        let first = self.settled.map_or(end, |settled| settled + 1);
        if first < end {
            out.add("missing", (end - first).try_into().unwrap());
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
            pieces: BTreeMap::new(),
            misled: false,
        }
    }

    fn store(&mut self, slice: &Slice<'_>, limit: usize, out: &mut Out) {
        let recovered = slice.origin == Origin::Recovered;
        let is_last = slice.index + 1 == self.count;
        let agrees =
            slice.count == self.count && slice.kind == self.kind && slice.metadata == self.metadata;
        if recovered {
            let has_info = FrameInfo::parse(slice.info).is_ok();
            if self.misled || !agrees || has_info != is_last {
                return out.count("recovered_dropped");
            }
        } else if !agrees {
            if self.pieces.values().any(|piece| !piece.recovered) {
                return out.count("inconsistent");
            }
            out.add("recovered_dropped", self.pieces.len() as u64);
            *self = Self {
                touched: self.touched,
                misled: self.misled || !self.pieces.is_empty(),
                ..Self::new(slice)
            };
        }
        // A slice that came counts for more than one that was recovered.
        let confirmed = match self.pieces.get_mut(&slice.index) {
            Some(piece) if piece.recovered && !recovered => {
                piece.recovered = false;
                piece.info = slice.info.to_vec();
                piece.payload == slice.payload
            }
            Some(_) => return out.count("duplicates"),
            None => false,
        };
        if !confirmed && self.pieces.remove(&slice.index).is_some() {
            self.misled = true;
            out.count("recovered_dropped");
        }
        if !confirmed && self.bytes() + slice.payload.len() > limit {
            out.count(match recovered {
                true => "recovered_dropped",
                false => "over_limit",
            });
        } else {
            let is_last = slice.index + 1 == self.count;
            if is_last && !slice.info.is_empty() && FrameInfo::parse(slice.info).is_err() {
                out.count("invalid_info");
            }
            if confirmed {
                out.count("duplicates");
            } else {
                let piece = Piece {
                    counter: slice.counter,
                    payload: slice.payload.to_vec(),
                    info: slice.info.to_vec(),
                    recovered,
                };
                self.pieces.insert(slice.index, piece);
                out.count("slices");
                out.add("recovered", recovered.into());
            }
        }
        // A whole frame of the wrong size was recovered wrongly.
        let guesses = self.pieces.values().filter(|piece| piece.recovered).count();
        if self.is_complete() && guesses > 0 && !self.is_as_long_as_said() {
            self.pieces.retain(|_, piece| !piece.recovered);
            self.misled = true;
            out.add("recovered_dropped", guesses as u64);
        }
    }

    fn is_complete(&self) -> bool {
        self.pieces.len() == self.count as usize
    }

    fn bytes(&self) -> usize {
        self.pieces.values().map(|piece| piece.payload.len()).sum()
    }

    fn info(&self) -> Option<FrameInfo> {
        let last = self.pieces.get(&(self.count - 1))?;
        FrameInfo::parse(&last.info).ok()
    }

    fn is_as_long_as_said(&self) -> bool {
        let said = match self.info() {
            Some(info) => info.frame_bytes(),
            None => self.metadata.map(|metadata| metadata.frame_bytes),
        };
        said.is_none_or(|said| said as usize == self.bytes())
    }

    fn hand_out(self, out: &mut Out) {
        let info = self.info();
        out.count("frames");
        out.add("bytes", self.bytes() as u64);
        out.add("size_mismatches", (!self.is_as_long_as_said()).into());
        let mut resolution_changed = false;
        if let (Some(info), true) = (info, self.kind != MediaKind::Audio) {
            let before = out.resolution.replace(info.resolution);
            resolution_changed = before.is_some_and(|before| before != info.resolution);
        }
        let pieces = self.pieces.into_values();
        out.events.push(Expected::Frame {
            kind: self.kind,
            number: self.wire.value(),
            info,
            resolution_changed,
            data: pieces.flat_map(|piece| piece.payload).collect(),
        });
    }
}

/// How far `number` is ahead of `from`, by the shorter way round.
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
