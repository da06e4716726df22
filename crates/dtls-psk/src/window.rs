//! The replay window (RFC 6347 section 4.1.2.6).

/// The size of the replay window in sequence numbers, including the newest one. Older records are
/// dropped (RFC 6347 section 4.1.2.6).
pub const REPLAY_WINDOW: u16 = 64;

const WINDOW: u64 = REPLAY_WINDOW as u64;

/// The sequence numbers received. They are marked only after a record is authenticated.
#[derive(Debug, Default)]
pub(crate) struct ReplayWindow {
    /// The newest number plus 1, or 0 if there is none.
    next: u64,
    /// Bit i represents the number `next - 1 - i`.
    seen: u64,
}

impl ReplayWindow {
    /// Returns `true` if `sequence` is new.
    pub(crate) fn is_new(&self, sequence: u64) -> bool {
        match self.age(sequence) {
            None => true,
            Some(age) => age < WINDOW && self.seen & (1 << age) == 0,
        }
    }

    /// Marks `sequence` as received. It has 48 bits, so nothing overflows. Returns `true` if a
    /// higher number was received before.
    pub(crate) fn mark(&mut self, sequence: u64) -> bool {
        let age = self.age(sequence);
        match age {
            None => {
                let steps = sequence + 1 - self.next;
                self.seen = if steps < WINDOW {
                    self.seen << steps | 1
                } else {
                    1
                };
                self.next = sequence + 1;
            }
            Some(age) if age < WINDOW => self.seen |= 1 << age,
            Some(_) => {}
        }
        age.is_some()
    }

    /// Returns the distance of `sequence` from the newest number, or `None` if it is newer.
    fn age(&self, sequence: u64) -> Option<u64> {
        self.next.checked_sub(sequence + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn window_has_64_numbers() {
        let mut window = ReplayWindow::default();
        assert!(window.is_new(0));
        window.mark(0);
        assert!(!window.is_new(0));
        window.mark(63);
        assert!(!window.is_new(0));
        assert!(window.is_new(1));
        window.mark(64);
        assert!(!window.is_new(0), "older than the window");
        assert!(window.is_new(1), "the oldest one in it");
        let last = (1 << 48) - 1;
        window.mark(last);
        assert!(!window.is_new(last));
        assert!(window.is_new(last - 63));
        assert!(!window.is_new(last - 64));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(numbers in proptest::collection::vec(0u64..300, 0..400)) {
            let mut window = ReplayWindow::default();
            let mut seen = HashSet::new();
            let mut newest: Option<u64> = None;
            for number in numbers {
                let reachable = newest.is_none_or(|n| number + WINDOW > n);
                prop_assert_eq!(window.is_new(number), reachable && !seen.contains(&number));
                if window.is_new(number) {
                    prop_assert_eq!(window.mark(number), newest > Some(number));
                    seen.insert(number);
                    newest = newest.max(Some(number));
                }
            }
        }
    }
}
