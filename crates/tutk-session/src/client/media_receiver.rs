//! Received media: slices to frames, acknowledgements, and the timeout of incomplete frames.

use core::time::Duration;

use tutk_frame::AvMedia;
use tutk_time::Instant;
use video_reassembly::{
    Event, FramePolicy, Limits, ParityDecoder, ParityLimits, ParityStats, Reassembler, Request,
    ResendTracker, Slice, Stats, StreamKind, TrackerConfig, TrackerStats,
};

use super::round_trip::RoundTrip;

/// The distance to the newest slice counter from which a slice cannot arrive unless it is
/// retransmitted: each slice is a record, and older records are outside the DTLS replay window.
const MAX_DELAY: u16 = dtls_psk::REPLAY_WINDOW;

/// In resend mode, a complete frame waits at least this many retransmission timeouts.
const MIN_RESEND_TIMEOUTS: u32 = 4;

/// The time from the first packet that is not acknowledged to its acknowledgement.
const ACK_INTERVAL: Duration = Duration::from_millis(20);

/// Assembles frames, and limits how long a complete frame waits for an older incomplete one.
#[derive(Debug)]
pub(super) struct MediaReceiver {
    reassembler: Reassembler,
    reorder_timeout: Duration,
    video: BlockedFrame,
    audio: BlockedFrame,
    /// The newest slice counter, without resend mode.
    newest_counter: Option<u16>,
    /// `None` until grouped media arrives.
    resend: Option<Resend>,
    round_trip: RoundTrip,
    has_media: bool,
}

/// The state of resend mode (docs/protocol.md, section "Resend mode").
#[derive(Debug)]
struct Resend {
    groups: ParityDecoder,
    tracker: ResendTracker,
    /// When the next acknowledgement is due at the latest; `None` if no packet arrived since the
    /// last one.
    ack_at: Option<Instant>,
    /// The count of missing slices that have arrived, at the last call of
    /// [`has_progress`](Self::has_progress).
    filled: u64,
}

/// The number of the oldest complete frame that waits for another, and since when it waits.
#[derive(Debug, Default)]
struct BlockedFrame(Option<(u32, Instant)>);

impl MediaReceiver {
    pub(super) fn new(limits: Limits, policy: FramePolicy, reorder_timeout: Duration) -> Self {
        Self {
            reassembler: Reassembler::new(limits).with_policy(policy),
            reorder_timeout,
            video: BlockedFrame::default(),
            audio: BlockedFrame::default(),
            newest_counter: None,
            resend: None,
            round_trip: RoundTrip::default(),
            has_media: false,
        }
    }

    /// Handles a media packet and returns its slice counter, if the layout has one.
    pub(super) fn push(
        &mut self,
        now: Instant,
        media: AvMedia<'_>,
    ) -> Result<Option<u16>, tutk_frame::Error> {
        let counter = match media {
            AvMedia::Grouped { group, body } => {
                let resend = self.resend.get_or_insert_with(|| {
                    // The tracker knows which slices can still arrive, so the number of newer
                    // frames does not matter.
                    self.reassembler.set_reorder_window(usize::MAX);
                    Resend::new()
                });
                let slice = resend.groups.push(group, body)?;
                resend.packet_arrived(now);
                if let Some(slice) = &slice {
                    track(&mut resend.tracker, slice, now, &mut self.round_trip);
                    self.reassembler.handle_slice(slice);
                }
                while let Some(recovered) = resend.groups.recovered() {
                    track(&mut resend.tracker, &recovered, now, &mut self.round_trip);
                    self.reassembler.handle_slice(&recovered);
                }
                slice.and_then(|slice| slice.counter)
            }
            AvMedia::Slice(slice) => {
                let slice = Slice::from(slice);
                match (&mut self.resend, slice.counter) {
                    (Some(resend), _) => {
                        resend.packet_arrived(now);
                        track(&mut resend.tracker, &slice, now, &mut self.round_trip);
                    }
                    (None, Some(counter)) => self.update_newest_counter(counter),
                    (None, None) => {}
                }
                self.reassembler.handle_slice(&slice);
                slice.counter
            }
            AvMedia::Fragment(fragment) => {
                let slice = Slice::from(fragment);
                self.reassembler.handle_slice(&slice);
                slice.counter
            }
            _ => None,
        };
        self.has_media = true;
        self.update_blocked_frames(now);
        Ok(counter)
    }

    /// The camera reported the round trip in milliseconds, in a probe or a media packet.
    pub(super) fn report_round_trip(&mut self, milliseconds: u16, is_probe: bool) {
        self.round_trip.report(milliseconds, is_probe);
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.smoothed()
    }

    /// Returns the acknowledgement to send now, with the slices to retransmit. It is due with a
    /// heartbeat, with a missing slice, and at an interval while packets arrive. Returns `None` if
    /// there is none, or no grouped media.
    pub(super) fn acknowledge(&mut self, now: Instant, heartbeat_due: bool) -> Option<Request<'_>> {
        let timeout = self.round_trip.timeout();
        let resend = self.resend.as_mut()?;
        let is_due = heartbeat_due || resend.ack_at.is_some_and(|at| at <= now);
        let request = match is_due {
            true => resend.tracker.acknowledge(now, timeout),
            false => resend.tracker.request(now, timeout),
        };
        if is_due || request.is_some() {
            resend.ack_at = None;
        }
        request
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let timeout = self.reorder_timeout();
        for (stream, blocked) in [
            (StreamKind::Video, &self.video),
            (StreamKind::Audio, &self.audio),
        ] {
            if let Some((number, since)) = blocked.0
                && since + timeout <= now
            {
                self.reassembler.skip_to(stream, number);
            }
        }
        self.update_blocked_frames(now);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let timeout = self.reorder_timeout();
        let blocked = [&self.video, &self.audio]
            .into_iter()
            .filter_map(|blocked| Some(blocked.0?.1 + timeout));
        let ack = self.resend.as_ref().and_then(|resend| {
            let request = resend.tracker.deadline(self.round_trip.timeout());
            request.into_iter().chain(resend.ack_at).min()
        });
        blocked.chain(ack).min()
    }

    /// Returns `true` if there was any media.
    pub(super) fn has_media(&self) -> bool {
        self.has_media
    }

    /// Delivers all complete frames, because no more slices will come.
    pub(super) fn flush(&mut self) {
        self.reassembler.flush();
    }

    pub(super) fn poll(&mut self) -> Option<Event> {
        self.reassembler.poll_output()
    }

    pub(super) fn stats(&self) -> Stats {
        self.reassembler.stats()
    }

    /// Returns the current memory of frames, groups and lists in bytes.
    pub(super) fn memory_usage(&self) -> usize {
        let resend = self.resend.as_ref();
        self.reassembler.memory_usage()
            + resend.map_or(0, |resend| {
                resend.groups.memory_usage() + resend.tracker.memory_usage()
            })
    }

    /// Returns the counters of resend mode; `None` without grouped media.
    pub(super) fn resend_stats(&self) -> Option<(ParityStats, TrackerStats)> {
        let resend = self.resend.as_ref()?;
        Some((resend.groups.stats(), resend.tracker.stats()))
    }

    /// Returns how long a complete frame waits.
    fn reorder_timeout(&self) -> Duration {
        match self.resend {
            None => self.reorder_timeout,
            Some(_) => (self.reorder_timeout).max(self.round_trip.timeout() * MIN_RESEND_TIMEOUTS),
        }
    }

    fn update_newest_counter(&mut self, counter: u16) {
        let newest = self.newest_counter;
        let ahead = newest.map_or(1, |newest| counter.wrapping_sub(newest));
        // A counter that is too far behind to be late belongs to a new count.
        if ahead <= MAX_DELAY.wrapping_neg() {
            self.newest_counter = Some(counter);
        }
    }

    /// Gives up frames whose missing slices cannot arrive, and restarts the timers of the others.
    fn update_blocked_frames(&mut self, now: Instant) {
        let has_progress = self.resend.as_mut().is_some_and(Resend::has_progress);
        for stream in [StreamKind::Video, StreamKind::Audio] {
            let mut number = self.reassembler.blocked_frame(stream);
            while let Some(blocked) = number
                && self.is_hopeless(stream)
            {
                self.reassembler.skip_to(stream, blocked);
                number = self.reassembler.blocked_frame(stream);
            }
            match stream {
                StreamKind::Video => self.video.update(now, number, has_progress),
                StreamKind::Audio => self.audio.update(now, number, has_progress),
            }
        }
    }

    /// Returns `true` if all slices before the blocked frame have arrived or cannot arrive.
    fn is_hopeless(&self, stream: StreamKind) -> bool {
        let Some(first) = self.reassembler.blocked_counter(stream) else {
            return false;
        };
        let passed = match &self.resend {
            Some(resend) => resend.tracker.base(),
            None => (self.newest_counter).map(|newest| newest.wrapping_sub(MAX_DELAY - 1)),
        };
        passed.is_some_and(|passed| passed.wrapping_sub(first) < 0x8000)
    }
}

impl Resend {
    fn new() -> Self {
        Self {
            groups: ParityDecoder::new(ParityLimits::default()),
            tracker: ResendTracker::new(TrackerConfig::default()),
            ack_at: None,
            filled: 0,
        }
    }

    fn packet_arrived(&mut self, now: Instant) {
        self.ack_at.get_or_insert(now + ACK_INTERVAL);
    }

    /// Returns `true` if a missing slice has arrived since the last call.
    fn has_progress(&mut self) -> bool {
        let filled = self.tracker.stats().filled;
        core::mem::replace(&mut self.filled, filled) != filled
    }
}

/// Adds a slice that arrived or was recovered to the tracker.
fn track(tracker: &mut ResendTracker, slice: &Slice<'_>, now: Instant, round_trip: &mut RoundTrip) {
    let Some(counter) = slice.counter else { return };
    if let Ok(index) = u16::try_from(slice.index) {
        // If the start of the frame was lost, its first slices are missing as well.
        tracker.expect_first(counter.wrapping_sub(index));
    }
    let sample = tracker.received(now, counter);
    let left = slice.count.saturating_sub(slice.index).saturating_sub(1);
    if let Ok(left) = u16::try_from(left) {
        tracker.expect_through(now, counter.wrapping_add(left));
    }
    if let Some(sample) = sample
        && slice.origin == video_reassembly::Origin::Resent
    {
        round_trip.sample(sample);
    }
}

impl BlockedFrame {
    /// Sets the blocked frame. Its timer restarts if it is another frame, or if there was progress.
    fn update(&mut self, now: Instant, number: Option<u32>, has_progress: bool) {
        self.0 = match (number, self.0) {
            (Some(number), Some(blocked)) if blocked.0 == number && !has_progress => Some(blocked),
            (Some(number), _) => Some((number, now)),
            (None, _) => None,
        };
    }
}
