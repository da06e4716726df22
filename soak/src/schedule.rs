//! The faults of a run, as a function of its seed and duration.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};

/// The time before the first fault.
const WARM_UP: Duration = Duration::from_secs(5);
/// The time after the last fault, in which everything must recover.
const RECOVERY: Duration = Duration::from_secs(14);
/// The largest time between two faults.
const INTERVAL: Duration = Duration::from_secs(6);
const MAX_LENGTH: Duration = Duration::from_secs(8);
const SHORTEST_FULL: Duration = Duration::from_secs(3);
const LONGEST_FULL: Duration = Duration::from_secs(5);
/// The time between two attempts to find a camera at a new address. `tutk` searches at most once in
/// five minutes.
const SEARCH_INTERVAL: Duration = Duration::from_secs(330);
/// A camera gets no other fault for this time after the end of a fault.
const PAUSE: Duration = Duration::from_secs(2);

/// Steps of the wall clock in seconds. They are longer than any segment.
const STEPS: [i64; 6] = [3_600, -3_600, 86_400, -86_400, 604_800, -604_800];
/// The largest deviation of the wall clock.
const MAX_OFFSET: i64 = 14 * 86_400;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A camera gets a new address, which `tutk` finds by the UID.
    Moved,
    /// The file system of the recordings is full.
    DiskFull,
    /// A camera is killed and started again.
    Killed,
    /// A camera ends its sessions, stops and is started again.
    Rebooted,
    /// A camera is killed, and drops and reorders packets after its restart.
    Lossy,
    /// A camera's process is suspended.
    Frozen,
    /// A camera is started at another port, and the configuration is changed and reloaded.
    Readdressed,
    /// The wall clock of `tutk serve` is stepped.
    ClockStepped,
    /// A camera is added to the configuration, or removed, which is reloaded.
    Reloaded,
    /// A configuration with an error is reloaded.
    BadReload,
    /// A viewer stops reading.
    SlowViewer,
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The time since the start of the run.
    pub at: Duration,
    /// How long the fault lasts, if it has an end.
    pub length: Duration,
    pub kind: Kind,
    /// The index of the camera, for faults of one camera.
    pub camera: usize,
    /// The step of the wall clock in seconds, otherwise 0.
    pub step: i64,
}

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::Moved,
        Self::DiskFull,
        Self::Killed,
        Self::Rebooted,
        Self::Lossy,
        Self::Frozen,
        Self::Readdressed,
        Self::ClockStepped,
        Self::Reloaded,
        Self::BadReload,
        Self::SlowViewer,
    ];

    /// Returns the description for the table.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Moved => "camera has a new address, found by its UID",
            Self::DiskFull => "disk full",
            Self::Killed => "camera killed and restarted",
            Self::Rebooted => "camera stopped and restarted",
            Self::Lossy => "camera restarted, 1 % of its packets are lost",
            Self::Frozen => "camera suspended (SIGSTOP)",
            Self::Readdressed => "camera at another port, SIGHUP",
            Self::ClockStepped => "wall clock stepped by an hour to a week",
            Self::Reloaded => "camera added or removed, SIGHUP",
            Self::BadReload => "configuration with an error, SIGHUP",
            Self::SlowViewer => "viewer that does not read",
        }
    }

    /// Returns `true` if the camera's process is started at the end.
    #[must_use]
    pub fn restarts(self) -> bool {
        self.has_camera() && self != Self::Frozen
    }

    /// Returns `true` if the fault has one camera out of those that can have it.
    fn has_camera(self) -> bool {
        matches!(
            self,
            Self::Killed | Self::Rebooted | Self::Lossy | Self::Frozen | Self::Readdressed
        )
    }
}

/// Returns the faults of a run in the order of their start. Of `cameras`, the last one only moves.
#[must_use]
pub fn schedule(seed: u64, duration: Duration, cameras: usize) -> Vec<Fault> {
    let mut rng = StdRng::seed_from_u64(seed);
    let end = duration.saturating_sub(RECOVERY);
    let kinds = u32::try_from(Kind::ALL.len()).unwrap_or(u32::MAX);
    let interval = (end.saturating_sub(WARM_UP) / kinds).min(INTERVAL);
    let movable = cameras.saturating_sub(1);
    let mut faults: Vec<Fault> = Vec::new();
    let mut busy = vec![Duration::ZERO; movable];
    let mut moved: Option<Duration> = None;
    let (mut at, mut offset) = (WARM_UP, 0);
    let mut round = Vec::new();
    while at + interval <= end {
        if round.is_empty() {
            round = Kind::ALL.to_vec();
            round.shuffle(&mut rng);
            // The recovery from these takes longest. The last element is the next one.
            if faults.is_empty() {
                round.sort_by_key(|kind| *kind <= Kind::DiskFull);
            }
        }
        let Some(mut kind) = round.pop() else { break };
        if kind == Kind::Moved && moved.is_some_and(|moved| at < moved + SEARCH_INTERVAL) {
            kind = Kind::Killed;
        }
        let longest = (interval * 2).min(MAX_LENGTH).max(Duration::from_secs(2));
        let mut length = rng.random_range(Duration::from_secs(1)..=longest);
        let mut fault = Fault {
            at,
            length,
            kind,
            camera: movable,
            step: 0,
        };
        match kind {
            Kind::Moved => moved = Some(at),
            // Long enough for several failed attempts, and over before the next one.
            Kind::DiskFull => length = length.clamp(SHORTEST_FULL, LONGEST_FULL),
            Kind::ClockStepped => {
                let steps = STEPS.map(|step| (step, offset + step));
                let within = |(_, after): &&(i64, i64)| after.abs() <= MAX_OFFSET;
                let steps: Vec<_> = steps.iter().filter(within).collect();
                if let Some((step, after)) = steps.choose(&mut rng) {
                    (fault.step, offset) = (*step, *after);
                }
            }
            _ => {}
        }
        fault.length = length;
        if kind.has_camera() {
            let idle: Vec<_> = (0..movable)
                .filter(|camera| busy.get(*camera).is_some_and(|busy| *busy <= at))
                .collect();
            if let Some(camera) = idle.choose(&mut rng).copied() {
                fault.camera = camera;
                if let Some(busy) = busy.get_mut(camera) {
                    *busy = at + length + PAUSE;
                }
                faults.push(fault);
            }
        } else {
            faults.push(fault);
        }
        at += interval;
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn depends_on_the_seed_only() {
        let minutes = |seed| schedule(seed, Duration::from_secs(600), 5);
        assert_eq!(minutes(1), minutes(1));
        assert_ne!(minutes(1), minutes(2));
    }

    #[test]
    fn contains_each_kind_and_leaves_time_to_recover() {
        for (seed, seconds) in (0..50).flat_map(|seed| [(seed, 40), (seed, 600)]) {
            let duration = Duration::from_secs(seconds);
            let faults = schedule(seed, duration, 5);
            let kinds: BTreeSet<_> = faults.iter().map(|fault| fault.kind).collect();
            assert_eq!(kinds.len(), Kind::ALL.len(), "{seed} {seconds}: {kinds:?}");
            for fault in &faults {
                assert!(fault.at >= WARM_UP && fault.at + RECOVERY <= duration);
                assert_eq!(fault.camera == 4, !fault.kind.has_camera());
                assert_eq!(fault.step != 0, fault.kind == Kind::ClockStepped);
            }
        }
    }

    #[test]
    fn faults_of_a_camera_do_not_overlap() {
        let faults = schedule(3, Duration::from_secs(3_600), 5);
        for camera in 0..4 {
            let own = faults.iter().filter(|fault| fault.camera == camera);
            let own: Vec<_> = own.collect();
            assert!(own.len() > 20);
            for pair in own.windows(2) {
                assert!(pair[0].at + pair[0].length < pair[1].at, "{pair:?}");
            }
        }
        let full = faults.iter().filter(|fault| fault.kind == Kind::DiskFull);
        let full: Vec<_> = full.collect();
        assert!(
            full.windows(2)
                .all(|two| two[0].at + two[0].length < two[1].at)
        );
        let moves = faults.iter().filter(|fault| fault.kind == Kind::Moved);
        let moves: Vec<_> = moves.map(|fault| fault.at).collect();
        assert!(moves.len() > 5);
        assert!(
            moves
                .windows(2)
                .all(|two| two[1] >= two[0] + SEARCH_INTERVAL)
        );
    }
}
