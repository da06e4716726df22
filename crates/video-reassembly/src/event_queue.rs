//! The event queue, media clock, order and counters that both streams share.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use tutk_frame::{FrameInfo, MediaKind};

use crate::partial_frame::{PartialFrame, SliceLocation};
use crate::send_order::SendOrder;
use crate::{Event, Frame, Limits, Lost, MediaClock, Stats, StreamKind, Timestamp};

#[derive(Debug)]
pub(crate) struct EventQueue {
    pub(crate) limits: Limits,
    pub(crate) stats: Stats,
    pub(crate) order: SendOrder,
    clock: MediaClock,
    /// The resolution code of the last delivered video frame with a frame info.
    resolution: Option<u8>,
    events: VecDeque<Event>,
}

impl EventQueue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            stats: Stats::default(),
            order: SendOrder::new(),
            clock: MediaClock::new(),
            resolution: None,
            events: VecDeque::new(),
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Queues a complete frame. Returns its table for reuse.
    pub(crate) fn frame(&mut self, frame: PartialFrame) -> Vec<SliceLocation> {
        let (kind, info, metadata) = (frame.kind, frame.info, frame.metadata);
        let number = frame.wire.value();
        let timestamp = self.media_time(&frame);
        self.stats.size_mismatches += u64::from(!frame.size_matches());
        let (data, table) = frame.finish();
        self.stats.frames += 1;
        self.stats.bytes += u64::try_from(data.len()).unwrap_or(u64::MAX);

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

    /// Counts a complete frame that is not delivered. Its timestamp advances the clock.
    pub(crate) fn undecodable(&mut self, frame: &PartialFrame) {
        self.stats.undecodable += 1;
        self.media_time(frame);
    }

    pub(crate) fn lost(&mut self, lost: Lost) {
        self.push(Event::Lost(lost));
    }

    fn media_time(&mut self, frame: &PartialFrame) -> Duration {
        let timestamp = match frame.info {
            Some(info) => Some(Timestamp::Unix {
                seconds: info.seconds,
                micros: info.micros,
            }),
            None => (frame.metadata).map(|metadata| Timestamp::Millis(metadata.millis)),
        };
        let media_time = self.clock.media_time(StreamKind::of(frame.kind), timestamp);
        self.stats.clock_jumps = self.clock.jumps();
        media_time
    }

    /// Stores the resolution code of a video frame. Returns `true` if it differs from the last one.
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
