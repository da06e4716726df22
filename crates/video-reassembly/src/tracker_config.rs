//! Limits and counters of the tracker.

use core::time::Duration;

/// When a [`ResendTracker`](crate::ResendTracker) requests slices, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerConfig {
    /// How far a missing slice may be behind the newest counter before it is given up, from 1 to
    /// 16,384.
    pub window: u16,
    /// The maximum number of missing slices. If there are more, the oldest are given up. Should
    /// match the camera's retransmission window, because the camera cannot answer requests for
    /// older slices.
    pub max_missing: u16,
    /// How long a slice may be missing before it is given up.
    pub give_up_after: Duration,
    /// The number of newer counters that must be known before a missing slice is requested.
    pub reorder_slices: u16,
    /// How long a slice must be missing before it is requested without `reorder_slices` newer ones.
    pub reorder_time: Duration,
    /// Requests for a slice before it is given up. Requests during an outage, after which no slice
    /// arrives, do not count, up to 32 requests in total.
    pub max_requests: u8,
    /// The minimum interval between two requests.
    pub min_interval: Duration,
}

/// The counters of a [`ResendTracker`](crate::ResendTracker).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackerStats {
    /// Slices detected as missing.
    pub missing: u64,
    /// Missing slices that arrived: late, retransmitted or recovered.
    pub filled: u64,
    /// Missing slices given up, for any reason.
    pub abandoned: u64,
    /// Missing slices given up because of [`TrackerConfig::max_missing`].
    pub over_limit: u64,
    /// Missing slices given up because of [`TrackerConfig::give_up_after`].
    pub expired: u64,
    /// Slices requested, once for each request.
    pub requested: u64,
    /// Slices that were already received or given up.
    pub duplicates: u64,
    /// Counters out of range.
    pub out_of_range: u64,
    /// Confirmed jumps of the counter.
    pub jumps: u64,
}

impl Default for TrackerConfig {
    /// A window of 1024 slices, of which 512 may be missing, for 2 s each; reordering of 9 slices
    /// or 20 ms; 6 requests, 5 ms apart.
    fn default() -> Self {
        Self {
            window: 1024,
            max_missing: 512,
            give_up_after: Duration::from_secs(2),
            // A packet that is 8 places late arrives after 8 newer ones.
            reorder_slices: 9,
            reorder_time: Duration::from_millis(20),
            max_requests: 6,
            min_interval: Duration::from_millis(5),
        }
    }
}
