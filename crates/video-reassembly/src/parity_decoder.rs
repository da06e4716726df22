//! The client's side of grouped media: forward error correction by parity.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use tutk_frame::{FrameInfo, GroupHeader, GroupedMedia, SliceHeader};

use crate::xor::Xor;
use crate::{Origin, Slice};

/// The largest difference between the counters of a recovered slice and a received one of its
/// group. A group has at most 255 slices, and slices of other groups can be sent in between.
const MAX_SPREAD: u16 = 512;

/// The limits of a [`ParityDecoder`]. It holds at most `groups * body_bytes` bytes, and 4 bytes for
/// each slice of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParityLimits {
    /// Groups held, at least 1. One more drops the oldest.
    pub groups: usize,
    /// Bytes of a slice header and payload. A group with a longer one is not recovered.
    pub body_bytes: usize,
}

/// The counters of a [`ParityDecoder`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParityStats {
    /// Grouped slices received.
    pub slices: u64,
    /// Parity packets received.
    pub parity: u64,
    /// Parity packets ignored because their group has several, whose code is unknown.
    pub unsupported_parity: u64,
    /// Slices recovered.
    pub recovered: u64,
    /// Slices recovered and dropped because they are not valid in their place.
    pub rejected: u64,
    /// Packets whose group size differs from the first packet's, or whose body is over
    /// [`ParityLimits::body_bytes`]. Their slices are returned nevertheless.
    pub inconsistent: u64,
}

/// Decodes grouped media. Returns the slices, consumes the parity packets and recovers one lost
/// slice of each group with one parity packet (docs/protocol.md, section 17).
///
/// The decoder keeps only the XOR of each group, so it reads each byte once and copies none. It
/// keeps nothing of groups without parity. A recovered slice must have a header with a matching
/// length, and a counter between those of its neighbours. The [`Reassembler`](crate::Reassembler)
/// checks the rest, see [`Origin::Recovered`].
///
/// Call [`recovered`](Self::recovered) after each [`push`](Self::push).
#[derive(Debug)]
pub struct ParityDecoder {
    limits: ParityLimits,
    stats: ParityStats,
    /// Oldest first.
    groups: VecDeque<Group>,
    /// The group index and body length of a recovered slice.
    ready: Option<(usize, usize)>,
}

#[derive(Debug, Default)]
struct Group {
    number: u16,
    /// The counter of each received slice.
    counters: Vec<Option<u16>>,
    received: usize,
    /// Bytes of the parity, once received.
    parity: Option<usize>,
    /// Set when nothing can be recovered any longer.
    is_closed: bool,
    xor: Xor,
}

impl ParityDecoder {
    /// Creates a decoder without a group.
    #[must_use]
    pub fn new(limits: ParityLimits) -> Self {
        Self {
            limits: ParityLimits {
                groups: limits.groups.max(1),
                ..limits
            },
            stats: ParityStats::default(),
            groups: VecDeque::new(),
            ready: None,
        }
    }

    /// Handles the body of a grouped media packet. Returns its slice, or `None` for parity.
    ///
    /// # Errors
    /// The errors of [`GroupedMedia::parse`].
    pub fn push<'a>(
        &mut self,
        group: GroupHeader,
        body: &'a [u8],
    ) -> Result<Option<Slice<'a>>, tutk_frame::Error> {
        self.ready = None;
        match GroupedMedia::parse(group, body)? {
            GroupedMedia::Slice(slice) => {
                self.stats.slices += 1;
                // The kind of a retransmission differs from the one that the parity covers.
                if group.m == 1 && !slice.header.resent {
                    self.add(group, Some(slice.header.counter), body);
                }
                Ok(Some(slice.into()))
            }
            GroupedMedia::Parity(parity) => {
                self.stats.parity += 1;
                if group.m == 1 {
                    self.add(group, None, parity.data);
                } else {
                    self.stats.unsupported_parity += 1;
                }
                Ok(None)
            }
        }
    }

    /// Returns the slice that the last packet made recoverable, once.
    pub fn recovered(&mut self) -> Option<Slice<'_>> {
        let (at, len) = self.ready.take()?;
        let body = self.groups.get(at)?.xor.bytes().get(..len)?;
        let slice = tutk_frame::Slice::parse(body).ok()?;
        Some(Slice {
            origin: Origin::Recovered,
            ..slice.into()
        })
    }

    /// Returns the memory in bytes that the groups occupy.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        let groups = self.groups.iter().map(|group| {
            group.counters.capacity() * size_of::<Option<u16>>() + group.xor.memory_usage()
        });
        groups.sum::<usize>() + self.groups.capacity() * size_of::<Group>()
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> ParityStats {
        self.stats
    }

    /// Adds a slice's body, or parity if `counter` is `None`, to its group.
    fn add(&mut self, header: GroupHeader, counter: Option<u16>, bytes: &[u8]) {
        let at = self.find_or_insert(header);
        let Some(group) = self.groups.get_mut(at) else {
            return;
        };
        if group.counters.len() != usize::from(header.k) || bytes.len() > self.limits.body_bytes {
            self.stats.inconsistent += 1;
            // The parity may cover this body, so the group cannot be recovered.
            group.is_closed = true;
            return;
        }
        if group.is_closed {
            return;
        }
        match counter {
            Some(_) => {
                let Some(entry) = group.counters.get_mut(usize::from(header.index)) else {
                    return;
                };
                if entry.is_some() {
                    return;
                }
                *entry = counter;
                group.received += 1;
            }
            None if group.parity.is_some() => return,
            None => group.parity = Some(bytes.len()),
        }
        group.xor.add(0, bytes);
        if group.received == group.counters.len() {
            group.is_closed = true;
        } else if group.received + 1 == group.counters.len() && group.parity.is_some() {
            group.is_closed = true;
            match group.recover() {
                Some(len) => {
                    self.stats.recovered += 1;
                    self.ready = Some((at, len));
                }
                None => self.stats.rejected += 1,
            }
        }
    }

    fn find_or_insert(&mut self, header: GroupHeader) -> usize {
        // Most packets are of a recent group.
        let found = self.groups.iter().rposition(|g| g.number == header.group);
        if let Some(at) = found {
            return at;
        }
        let oldest = match self.groups.len() < self.limits.groups {
            true => None,
            false => self.groups.pop_front(),
        };
        let mut group = oldest.unwrap_or_default();
        group.reset(header);
        self.groups.push_back(group);
        self.groups.len() - 1
    }
}

impl Group {
    /// Clears the group and keeps its memory.
    fn reset(&mut self, header: GroupHeader) {
        self.number = header.group;
        self.counters.clear();
        self.counters.resize(header.k.into(), None);
        self.received = 0;
        self.parity = None;
        self.is_closed = false;
        self.xor.clear();
    }

    /// Returns the length of the missing body, which `xor` starts with. Returns `None` if it is not
    /// a valid slice of this group.
    fn recover(&self) -> Option<usize> {
        let bytes = self.xor.bytes();
        // No body may be longer than the parity.
        if self.parity != Some(bytes.len()) {
            return None;
        }
        let (header, rest) = SliceHeader::parse(bytes).ok()?;
        let size = usize::from(header.size);
        let info = usize::from(header.info_len().unwrap_or(0));
        // The size may or may not include the frame info, see `tutk_frame::Slice::parse`. The bytes
        // after the body are padding.
        let len = [size, size + info].into_iter().find(|&len| {
            let padding = rest.get(len..);
            padding.is_some_and(|padding| padding.iter().all(|&byte| byte == 0))
        })?;
        let body = bytes.get(..SliceHeader::LEN + len)?;
        let slice = tutk_frame::Slice::parse(body).ok()?;
        let has_info = FrameInfo::parse(slice.info).is_ok();
        let is_valid = !slice.header.resent
            && slice.header.is_last() == has_info
            && self.is_plausible(slice.header.counter);
        is_valid.then_some(body.len())
    }

    /// Returns `true` if the missing slice can have that counter. Counters increase within a group.
    fn is_plausible(&self, counter: u16) -> bool {
        let Some(missing) = self.counters.iter().position(Option::is_none) else {
            return false;
        };
        let mut counters = self.counters.iter().enumerate();
        counters.all(|(index, other)| {
            let Some(other) = *other else { return true };
            let (ahead, at_least) = match index < missing {
                true => (counter.wrapping_sub(other), missing - index),
                false => (other.wrapping_sub(counter), index - missing),
            };
            usize::from(ahead) >= at_least && ahead <= MAX_SPREAD
        })
    }
}

impl Default for ParityLimits {
    /// 32 groups, bodies of 2048 bytes.
    fn default() -> Self {
        Self {
            groups: 32,
            body_bytes: 2048,
        }
    }
}
