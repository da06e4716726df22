//! The client's media: slices in, frames out; what is missing, and patience with an end.

use std::time::{Duration, Instant};

use tutk_frame::AvMedia;
use video_reassembly::{
    Event, FramePolicy, Limits, ParityDecoder, ParityLimits, ParityStats, Reassembler, Request,
    ResendTracker, Slice, Stats, StreamKind, TrackerConfig, TrackerStats,
};

use super::round_trip::RoundTrip;
use crate::phase::later;

/// A slice whose counter is so far behind the newest one's cannot come any more, unless it is sent
/// again: each took a record, and DTLS drops one that is so far behind.
const TOO_LATE: u16 = dtls_psk::REPLAY_WINDOW;

/// In resend mode, a whole frame may wait so many times as long as a slice that was asked for may
/// take, where that is longer than it may wait anyhow.
const ROUND_TRIPS: u32 = 4;

/// Slices to frames, with a limit on how long a whole frame waits for an older one.
#[derive(Debug)]
pub(crate) struct Media {
    reassembler: Reassembler,
    patience: Duration,
    video: Wait,
    audio: Wait,
    /// The newest slice counter that came, of media that is not sent again.
    newest: Option<u16>,
    /// The beginning of the tracker's time.
    start: Instant,
    resend: Option<Resend>,
    round_trip: RoundTrip,
    /// Whether any media came.
    began: bool,
}

/// What there is once media comes grouped (wire.md section 12).
#[derive(Debug)]
struct Resend {
    groups: ParityDecoder,
    tracker: ResendTracker,
    /// Slices that were missing and came, when it was last looked.
    filled: u64,
}

/// Since when a whole frame of a stream waits for an older one.
#[derive(Debug, Default)]
struct Wait {
    since: Option<(u32, Instant)>,
}

impl Media {
    pub(crate) fn new(
        limits: Limits,
        policy: FramePolicy,
        patience: Duration,
        start: Instant,
    ) -> Self {
        Self {
            reassembler: Reassembler::new(limits).with_policy(policy),
            patience,
            video: Wait::default(),
            audio: Wait::default(),
            newest: None,
            start,
            resend: None,
            round_trip: RoundTrip::default(),
            began: false,
        }
    }

    /// Handles a media packet and returns its slice counter, if the layout has one.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        media: AvMedia<'_>,
    ) -> Result<Option<u16>, tutk_frame::Error> {
        let counter = match media {
            AvMedia::Grouped { group, body } => {
                let micros = self.micros(now);
                let resend = self.resend.get_or_insert_with(|| {
                    // It is known what is still to come: there is no need to guess by what came
                    // since.
                    self.reassembler.set_reorder_window(usize::MAX);
                    Resend::new()
                });
                let slice = resend.groups.push(group, body)?;
                if let Some(slice) = &slice {
                    resend.track(slice, micros, &mut self.round_trip);
                    self.reassembler.push(slice);
                }
                if let Some(recovered) = resend.groups.recovered() {
                    track(
                        &mut resend.tracker,
                        &recovered,
                        micros,
                        &mut self.round_trip,
                    );
                    self.reassembler.push(&recovered);
                }
                slice.and_then(|slice| slice.counter)
            }
            AvMedia::Slice(slice) => {
                let slice = Slice::from(slice);
                // Media that never was grouped is not asked for again: the camera keeps none of it.
                let micros = self.micros(now);
                match (&mut self.resend, slice.counter) {
                    (Some(resend), _) => resend.track(&slice, micros, &mut self.round_trip),
                    (None, Some(counter)) => self.note(counter),
                    (None, None) => {}
                }
                self.reassembler.push(&slice);
                slice.counter
            }
            AvMedia::Fragment(fragment) => {
                let slice = Slice::from(fragment);
                self.reassembler.push(&slice);
                slice.counter
            }
        };
        self.began = true;
        self.watch(now);
        Ok(counter)
    }

    /// The camera says how long a round trip takes, milliseconds, in a probe or with media.
    pub(crate) fn report_round_trip(&mut self, milliseconds: u16, is_probe: bool) {
        self.round_trip.report(milliseconds, is_probe);
    }

    /// How long a round trip takes.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.smoothed()
    }

    /// What the camera is to be asked for, now.
    pub(crate) fn request(&mut self, now: Instant) -> Option<Request<'_>> {
        let micros = self.micros(now);
        let resend = self.resend.as_mut()?;
        resend.tracker.request(micros, self.round_trip.patience())
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let patience = self.patience();
        for (stream, wait) in [
            (StreamKind::Video, &self.video),
            (StreamKind::Audio, &self.audio),
        ] {
            if let Some((number, since)) = wait.since
                && later(since, patience) <= now
            {
                self.reassembler.skip_to(stream, number);
            }
        }
        self.watch(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let patience = self.patience();
        let waits = [&self.video, &self.audio]
            .into_iter()
            .filter_map(|wait| Some(later(wait.since?.1, patience)));
        let missing = self.resend.as_ref().and_then(|resend| {
            let micros = resend.tracker.deadline(self.round_trip.patience())?;
            Some(later(self.start, Duration::from_micros(micros)))
        });
        waits.chain(missing).min()
    }

    /// Whether any media came yet.
    pub(crate) fn has_begun(&self) -> bool {
        self.began
    }

    /// Nothing more will come: what is whole goes out.
    pub(crate) fn flush(&mut self) {
        self.reassembler.flush();
    }

    pub(crate) fn poll(&mut self) -> Option<Event> {
        self.reassembler.poll()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.reassembler.stats()
    }

    /// Bytes of memory that frames, groups and lists take now.
    pub(crate) fn held(&self) -> usize {
        let resend = self.resend.as_ref();
        self.reassembler.memory_usage()
            + resend.map_or(0, |resend| {
                resend.groups.memory_usage() + resend.tracker.memory_usage()
            })
    }

    /// What came of groups and of asking; `None` while media comes plain.
    pub(crate) fn resend_stats(&self) -> Option<(ParityStats, TrackerStats)> {
        let resend = self.resend.as_ref()?;
        Some((resend.groups.stats(), resend.tracker.stats()))
    }

    fn micros(&self, now: Instant) -> u64 {
        let micros = now.saturating_duration_since(self.start).as_micros();
        u64::try_from(micros).unwrap_or(u64::MAX)
    }

    /// How long a whole frame may wait.
    fn patience(&self) -> Duration {
        match self.resend {
            None => self.patience,
            Some(_) => {
                let answer = Duration::from_micros(self.round_trip.patience());
                self.patience.max(answer * ROUND_TRIPS)
            }
        }
    }

    /// A slice came with that counter.
    fn note(&mut self, counter: u16) {
        let ahead = self.newest.map_or(1, |newest| counter.wrapping_sub(newest));
        // One that is farther behind than can be is of another count.
        if ahead <= TOO_LATE.wrapping_neg() {
            self.newest = Some(counter);
        }
    }

    /// Lets frames go that wait for what cannot come any more, and looks at the clock for the
    /// others.
    fn watch(&mut self, now: Instant) {
        let goes_on = self.resend.as_mut().is_some_and(Resend::goes_on);
        for stream in [StreamKind::Video, StreamKind::Audio] {
            let mut blocked = self.reassembler.blocked_frame(stream);
            while let Some(number) = blocked
                && self.waits_in_vain(stream)
            {
                self.reassembler.skip_to(stream, number);
                blocked = self.reassembler.blocked_frame(stream);
            }
            match stream {
                StreamKind::Video => self.video.watch(now, blocked, goes_on),
                StreamKind::Audio => self.audio.watch(now, blocked, goes_on),
            }
        }
    }

    /// Whether all slices before the waiting frame came or cannot come any more.
    fn waits_in_vain(&self, stream: StreamKind) -> bool {
        let Some(first) = self.reassembler.blocked_counter(stream) else {
            return false;
        };
        let passed = match &self.resend {
            Some(resend) => resend.tracker.base(),
            None => self.newest.map(|newest| newest.wrapping_sub(TOO_LATE - 1)),
        };
        passed.is_some_and(|passed| passed.wrapping_sub(first) < 0x8000)
    }
}

impl Resend {
    fn new() -> Self {
        Self {
            groups: ParityDecoder::new(ParityLimits::default()),
            tracker: ResendTracker::new(TrackerConfig::default()),
            filled: 0,
        }
    }

    /// Whether a slice that was missing has come since this was asked.
    fn goes_on(&mut self) -> bool {
        let filled = self.tracker.stats().filled;
        std::mem::replace(&mut self.filled, filled) != filled
    }

    fn track(&mut self, slice: &Slice<'_>, micros: u64, round_trip: &mut RoundTrip) {
        track(&mut self.tracker, slice, micros, round_trip);
    }
}

/// A slice came, whichever way.
fn track(tracker: &mut ResendTracker, slice: &Slice<'_>, micros: u64, round_trip: &mut RoundTrip) {
    let Some(counter) = slice.counter else { return };
    if let Ok(index) = u16::try_from(slice.index) {
        // Of a frame whose beginning was lost the first slices are missing, too.
        tracker.expect_first(counter.wrapping_sub(index));
    }
    let asked = tracker.received(counter, micros);
    let left = slice.count.saturating_sub(slice.index).saturating_sub(1);
    if let Ok(left) = u16::try_from(left) {
        tracker.expect_through(counter.wrapping_add(left), micros);
    }
    if let Some(asked) = asked
        && slice.origin == video_reassembly::Origin::Resent
    {
        round_trip.sample(asked);
    }
}

impl Wait {
    /// `goes_on` is whether something has come of what is missing: then the rest may follow.
    fn watch(&mut self, now: Instant, blocked: Option<u32>, goes_on: bool) {
        self.since = match (blocked, self.since) {
            (Some(number), Some(since)) if since.0 == number && !goes_on => Some(since),
            (Some(number), _) => Some((number, now)),
            (None, _) => None,
        };
    }
}
