//! Deviations of cameras from docs/protocol.md that a client accepts, and their counters.

use core::fmt;

/// A deviation of a camera from docs/protocol.md that the client accepts. Real cameras do this, or
/// may do it (docs/protocol.md, section 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Deviation {
    /// The length field of a datagram is not the datagram's length.
    DatagramLength,
    /// The tag of a `cc51` datagram is not the one that the client computes.
    Tag,
    /// A datagram from the camera's address names another session.
    Session,
    /// The login answer does not repeat the random bytes of the login.
    LoginNonce,
    /// The status of the login answer is not 0x10.
    LoginStatus,
    /// A command is answered in a `0c 00` packet.
    GroupedAnswer,
    /// The size of a slice is not that of the rest of its packet, outside groups or in a group.
    SliceSize,
    /// Audio and video frames share one count of numbers.
    SharedNumbers,
    /// The handshake was answered only without extended master secret, or with another suite.
    HandshakeOffer,
}

impl Deviation {
    /// All deviations.
    pub const ALL: [Self; 9] = [
        Self::DatagramLength,
        Self::Tag,
        Self::Session,
        Self::LoginNonce,
        Self::LoginStatus,
        Self::GroupedAnswer,
        Self::SliceSize,
        Self::SharedNumbers,
        Self::HandshakeOffer,
    ];

    /// Returns the name for metrics and JSON, in snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    /// Returns the name and a description.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::DatagramLength => (
                "datagram_length",
                "length field that is not the datagram's length",
            ),
            Self::Tag => ("tag", "cc51 tag that does not match"),
            Self::Session => ("session", "datagram with another session id"),
            Self::LoginNonce => (
                "login_nonce",
                "login answer without the random bytes of the login",
            ),
            Self::LoginStatus => ("login_status", "login answer with a status other than 0x10"),
            Self::GroupedAnswer => ("grouped_answer", "command answer in a 0c 00 packet"),
            Self::SliceSize => ("slice_size", "slice size that does not fit its packet"),
            Self::SharedNumbers => ("shared_numbers", "frame after a number of the other stream"),
            Self::HandshakeOffer => (
                "handshake_offer",
                "handshake that needed another ClientHello than the first",
            ),
        }
    }
}

impl fmt::Display for Deviation {
    /// Describes the deviation in a few words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.texts().1)
    }
}

/// How often a client accepted each [`Deviation`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tolerated {
    /// By the position in [`Deviation::ALL`].
    counts: [u64; Deviation::ALL.len()],
    /// Bit i is set if deviation i was counted and not yet returned by
    /// [`take_first`](Self::take_first).
    unreported: u16,
}

impl Tolerated {
    /// Returns how often the deviation was accepted.
    #[must_use]
    pub fn count(&self, deviation: Deviation) -> u64 {
        self.counts.get(deviation as usize).copied().unwrap_or(0)
    }

    /// Returns the deviations that were accepted at least once, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Deviation, u64)> + '_ {
        let all = Deviation::ALL.into_iter().zip(self.counts);
        all.filter(|&(_, count)| count > 0)
    }

    /// Returns `true` if nothing was accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts == [0; Deviation::ALL.len()]
    }

    pub(crate) fn record(&mut self, deviation: Deviation) {
        if let Some(count) = self.counts.get_mut(deviation as usize) {
            self.unreported |= u16::from(*count == 0) << (deviation as u16);
            *count = count.saturating_add(1);
        }
    }

    /// Raises a count that is kept elsewhere.
    pub(crate) fn raise_to(&mut self, deviation: Deviation, count: u64) {
        if self.count(deviation) < count {
            self.record(deviation);
        }
        if let Some(own) = self.counts.get_mut(deviation as usize) {
            *own = count.max(*own);
        }
    }

    /// Returns a deviation that was accepted for the first time. Call again until it returns
    /// `None`.
    pub(crate) fn take_first(&mut self) -> Option<Deviation> {
        if self.unreported == 0 {
            return None;
        }
        let at = self.unreported.trailing_zeros();
        self.unreported &= self.unreported - 1;
        Deviation::ALL.into_iter().nth(usize::try_from(at).ok()?)
    }

    /// Combines the counts of two sessions.
    #[must_use]
    pub(crate) fn with(&self, other: &Self, each: impl Fn(u64, u64) -> u64) -> Self {
        let mut counts = self.counts;
        for (count, other) in counts.iter_mut().zip(other.counts) {
            *count = each(*count, other);
        }
        Self {
            counts,
            unreported: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_counted_and_reported_once() {
        let mut tolerated = Tolerated::default();
        assert!(tolerated.is_empty());
        for (at, deviation) in Deviation::ALL.into_iter().enumerate() {
            assert_eq!(deviation as usize, at, "the order of ALL");
            tolerated.record(deviation);
            tolerated.record(deviation);
            assert_eq!(tolerated.take_first(), Some(deviation));
            assert_eq!(tolerated.take_first(), None);
            assert_eq!(tolerated.count(deviation), 2);
        }
        assert_eq!(tolerated.iter().count(), Deviation::ALL.len());
        let sum = tolerated.with(&tolerated, u64::saturating_add);
        assert!(sum.iter().all(|(_, count)| count == 4));
    }

    #[test]
    fn names_are_unique() {
        let mut names = Deviation::ALL.map(Deviation::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Deviation::ALL.len());
    }
}
