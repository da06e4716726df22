//! The memory of the process, by an allocator that counts.
//!
//! Not a part of `common`, because it replaces the allocator of the test program.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::panic,
    reason = "tests fail by panicking, and each test file uses a part of this"
)]

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The number of allocated bytes.
pub fn allocated() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.cast_signed() - stats.bytes_deallocated.cast_signed()
}

/// Makes other tests of this program wait, because the allocator counts for all of them.
pub struct Alone(MutexGuard<'static, ()>);

impl Alone {
    pub fn wait() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        Self(ALONE.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The largest number of bytes that were allocated since the start of an attack.
pub struct Memory {
    before: isize,
    peak: isize,
}

impl Memory {
    pub fn start() -> Self {
        let before = allocated();
        Self {
            before,
            peak: before,
        }
    }

    pub fn sample(&mut self) {
        self.peak = self.peak.max(allocated());
    }

    /// Panics if the attack needed more than `limit` bytes.
    pub fn assert_at_most(&self, limit: usize, attack: &str) {
        let bytes = (self.peak - self.before).cast_unsigned();
        println!("{attack}: {bytes} of {limit} bytes");
        assert!(bytes <= limit, "{attack}: {bytes} bytes, limit {limit}");
    }
}
