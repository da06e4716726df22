//! What came of a simulation.

use std::time::Duration;

/// What came of one run, or of several together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Runs that ended in another way than with the camera's last frame, or went on for too long.
    pub failed: u64,
    /// Pictures.
    pub video: Stream,
    /// Frames of sound.
    pub sound: Stream,
    /// UDP payload of media, bytes: for the first time, again, and of parity.
    pub first: u64,
    /// Likewise.
    pub again: u64,
    /// Likewise.
    pub parity: u64,
    /// Slices that were asked for, each time.
    pub asked: u64,
    /// The most bytes that the client held in frames, groups and what is missing, in any run.
    pub held: u64,
    /// The most bytes that the client had allocated in all, in any run; 0 where nobody counts.
    pub live: u64,
}

/// What came of the frames of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// Frames that the camera sent.
    pub sent: u64,
    /// Those that the client handed out.
    pub delivered: u64,
    /// Of them, those that came later than [`LATE`] after their time.
    pub late: u64,
    /// Frames handed out that are not what was sent, or were before.
    pub wrong: u64,
    /// Frames that were handed out though not all of their slices came, or the other way round.
    pub not_as_arrived: u64,
    /// What a client would have handed out that drops a frame at the first packet out of place.
    pub simple: u64,
    /// How much later than on an undisturbed path each frame was handed out, microseconds.
    pub delays: Vec<u32>,
}

/// A frame is late when it comes by more than this after its time on an undisturbed path: one frame of video.
pub const LATE: Duration = Duration::from_millis(50);

impl Tally {
    /// Adds another run, or others.
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.failed += other.failed;
        self.video.add(other.video);
        self.sound.add(other.sound);
        self.first += other.first;
        self.again += other.again;
        self.parity += other.parity;
        self.asked += other.asked;
        self.held = self.held.max(other.held);
        self.live = self.live.max(other.live);
    }
}

impl Stream {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.late += other.late;
        self.wrong += other.wrong;
        self.not_as_arrived += other.not_as_arrived;
        self.simple += other.simple;
        self.delays.extend(other.delays);
    }

    /// A frame was handed out, so long after its time.
    pub(crate) fn deliver(&mut self, delay: Duration) {
        self.delivered += 1;
        self.late += u64::from(delay > LATE);
        self.delays
            .push(u32::try_from(delay.as_micros()).unwrap_or(u32::MAX));
    }

    /// Frames that were not handed out.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.delivered)
    }

    /// The share of frames that were handed out, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        share(self.delivered, self.sent)
    }

    /// The delay that so many per cent of the frames did not exceed.
    #[must_use]
    pub fn delay(&self, percent: usize) -> Duration {
        let mut delays = self.delays.clone();
        delays.sort_unstable();
        let rank = (delays.len() * percent).div_ceil(100).saturating_sub(1);
        Duration::from_micros(delays.get(rank).copied().unwrap_or(0).into())
    }
}

/// A part of a whole, 0 to 1; 1 if there is no whole.
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
