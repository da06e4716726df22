//! What both streams write to: events, timestamps, counters.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use tutk_frame::{FrameInfo, MediaKind};

use crate::partial_frame::{PartialFrame, SliceLocation};
use crate::{Event, Frame, FrameMetadata, Limits, Lost, MediaClock, Stats, StreamKind, Timestamp};

/// Events that wait, the one clock of both streams, and the counters.
#[derive(Debug)]
pub(crate) struct EventQueue {
    pub(crate) limits: Limits,
    pub(crate) stats: Stats,
    clock: MediaClock,
    /// The resolution code of the last video frame handed out that had one.
    resolution: Option<u8>,
    events: VecDeque<Event>,
}

impl EventQueue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            stats: Stats::default(),
            clock: MediaClock::new(),
            resolution: None,
            events: VecDeque::new(),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Hands out a complete frame; gives its table back.
    pub(crate) fn frame(&mut self, assembly: PartialFrame) -> Vec<SliceLocation> {
        let (kind, info, metadata) = (assembly.kind, assembly.info, assembly.metadata);
        let number = assembly.wire.value();
        self.stats.size_mismatches += u64::from(!assembly.is_as_long_as_said());
        let (data, table) = assembly.finish();
        self.stats.frames += 1;
        self.stats.bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);

        let timestamp = self.read_clock(kind, info, metadata);
        let (codec, audio) = match (info, metadata) {
            (Some(info), _) => {
                let audio = (kind == MediaKind::Audio).then(|| info.audio());
                (Some(info.codec), audio)
            }
            (None, Some(metadata)) => (metadata.codec, metadata.audio),
            (None, None) => (None, None),
        };
        let event = Event::Frame(Frame {
            kind,
            codec,
            audio,
            number,
            timestamp,
            info,
            resolution_changed: self.resolution_changed(kind, info),
            data,
        });
        self.push(event);
        table
    }

    /// A whole frame that is not handed out: what it says of the time counts all the same.
    pub(crate) fn undecodable(&mut self, assembly: &PartialFrame) {
        self.stats.undecodable += 1;
        self.read_clock(assembly.kind, assembly.info, assembly.metadata);
    }

    /// Reports a loss.
    pub(crate) fn lost(&mut self, lost: Lost) {
        self.push(Event::Lost(lost));
    }

    fn read_clock(
        &mut self,
        kind: MediaKind,
        info: Option<FrameInfo>,
        metadata: Option<FrameMetadata>,
    ) -> Duration {
        let stamp = match (info, metadata) {
            (Some(info), _) => Some(unix(&info)),
            (None, metadata) => metadata.map(|metadata| Timestamp::Millis(metadata.millis)),
        };
        let timestamp = self.clock.media_time(StreamKind::of(kind), stamp);
        self.stats.clock_jumps = self.clock.jumps();
        timestamp
    }

    /// Whether a frame has another resolution code than the video frame before it; remembers its code.
    fn resolution_changed(&mut self, kind: MediaKind, info: Option<FrameInfo>) -> bool {
        let (StreamKind::Video, Some(info)) = (StreamKind::of(kind), info) else {
            return false;
        };
        let before = self.resolution.replace(info.resolution);
        before.is_some_and(|before| before != info.resolution)
    }

    fn push(&mut self, event: Event) {
        if self.events.len() >= self.limits.events {
            self.events.pop_front();
            self.stats.events_dropped += 1;
        }
        self.events.push_back(event);
    }
}

fn unix(info: &FrameInfo) -> Timestamp {
    Timestamp::Unix {
        seconds: info.seconds,
        micros: info.micros,
    }
}
