//! The results of simulations.

use std::time::Duration;

/// A frame is late if it is delivered by more than this after its time on an ideal path: the
/// interval of video frames.
pub const LATE: Duration = Duration::from_millis(50);

/// The results of one run or more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// Runs.
    pub runs: u64,
    /// Runs that did not end with the camera's last frame, or timed out.
    pub failed: u64,
    /// Video frames.
    pub video: StreamResults,
    /// Audio frames.
    pub audio: StreamResults,
    /// UDP payload bytes of media, without retransmissions and parity.
    pub media_bytes: u64,
    /// UDP payload bytes of retransmissions.
    pub resent_bytes: u64,
    /// UDP payload bytes of parity packets.
    pub parity_bytes: u64,
    /// Slices requested, once for each request.
    pub requested: u64,
    /// The peak in bytes of the client's buffers of frames, groups and missing slices.
    pub buffered: u64,
    /// The peak in bytes of the client's heap. 0 without a [`HeapMeter`](crate::HeapMeter).
    pub heap: u64,
}

/// The results of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamResults {
    /// Frames sent.
    pub sent: u64,
    /// Frames delivered.
    pub delivered: u64,
    /// Delivered frames that were later than [`LATE`].
    pub late: u64,
    /// Delivered frames that differ from the sent ones, or are duplicates.
    pub wrong: u64,
    /// Frames delivered without all of their slices received, or not delivered with all of them.
    pub mismatched: u64,
    /// Frames that a client would deliver that drops a frame at its first packet out of order.
    pub baseline: u64,
    /// The delay of each delivered frame in microseconds, compared with an ideal path.
    pub delays: Vec<u32>,
}

impl Results {
    /// Adds other results.
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.failed += other.failed;
        self.video.add(other.video);
        self.audio.add(other.audio);
        self.media_bytes += other.media_bytes;
        self.resent_bytes += other.resent_bytes;
        self.parity_bytes += other.parity_bytes;
        self.requested += other.requested;
        self.buffered = self.buffered.max(other.buffered);
        self.heap = self.heap.max(other.heap);
    }
}

impl StreamResults {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.late += other.late;
        self.wrong += other.wrong;
        self.mismatched += other.mismatched;
        self.baseline += other.baseline;
        self.delays.extend(other.delays);
    }

    /// Adds a delivered frame.
    pub(crate) fn deliver(&mut self, delay: Duration) {
        self.delivered += 1;
        self.late += u64::from(delay > LATE);
        self.delays
            .push(u32::try_from(delay.as_micros()).unwrap_or(u32::MAX));
    }

    /// Returns the number of frames that were not delivered.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.delivered)
    }

    /// Returns the share of delivered frames, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        share(self.delivered, self.sent)
    }

    /// Returns a percentile of the delays.
    #[must_use]
    pub fn delay(&self, percent: usize) -> Duration {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        let rank = (delays.len() * percent).div_ceil(100).saturating_sub(1);
        Duration::from_micros(delays.get(rank).copied().unwrap_or(0).into())
    }
}

/// Returns the share of a part, 0 to 1. Returns 1 if the whole is 0.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "shares of counts far below 2^52"
)]
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}
