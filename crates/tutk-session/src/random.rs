//! The random generator that a state machine is given at construction.

use std::fmt;

use rand_core::CryptoRng;

/// A generator. `Debug` does not show its state.
pub(crate) struct Random(pub(crate) Box<dyn CryptoRng + Send>);

impl Random {
    /// Returns a number from 0 to 1, without 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(…)")
    }
}
