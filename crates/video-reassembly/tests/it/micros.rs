//! A tracker whose times are microseconds, to keep the numbers of the tests short.

use std::ops::Deref;
use std::time::Duration;

use video_reassembly::{Instant, Request, ResendTracker, TrackerConfig};

pub(crate) struct Tracker(ResendTracker);

impl Tracker {
    pub(crate) fn new(config: TrackerConfig) -> Self {
        Self(ResendTracker::new(config))
    }

    pub(crate) fn expect_first(&mut self, counter: u16) {
        self.0.expect_first(counter);
    }

    pub(crate) fn received(&mut self, counter: u16, now: u64) -> Option<u64> {
        let sample = self.0.received(Instant::from_micros(now), counter);
        sample.map(|sample| u64::try_from(sample.as_micros()).unwrap())
    }

    pub(crate) fn expect_through(&mut self, last: u16, now: u64) {
        self.0.expect_through(Instant::from_micros(now), last);
    }

    pub(crate) fn request(&mut self, now: u64, rtt: u64) -> Option<Request<'_>> {
        (self.0).request(Instant::from_micros(now), Duration::from_micros(rtt))
    }

    pub(crate) fn acknowledge(&mut self, now: u64, rtt: u64) -> Option<Request<'_>> {
        (self.0).acknowledge(Instant::from_micros(now), Duration::from_micros(rtt))
    }

    pub(crate) fn deadline(&self, rtt: u64) -> Option<u64> {
        (self.0.deadline(Duration::from_micros(rtt))).map(Instant::as_micros)
    }
}

impl Deref for Tracker {
    type Target = ResendTracker;

    fn deref(&self) -> &ResendTracker {
        &self.0
    }
}
