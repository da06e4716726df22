//! The client's side of grouped media: slices pass through, and one that is missing is recovered.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use tutk_frame::{FrameInfo, GroupHeader, GroupedMedia, SliceHeader};

use crate::xor::Xor;
use crate::{Origin, Slice};

/// How far a recovered slice's counter may be from that of a slice that came, where it is not between
/// two of them. A group has at most 255 slices, and others may be sent between them.
const MAX_SPREAD: u16 = 512;

/// The limits of [`ParityDecoder`]. At most `groups * body_bytes` bytes are held, and 4 for each slice of a
/// group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParityLimits {
    /// ParityDecoder that are remembered, at least 1. One more, and the oldest is forgotten.
    pub groups: usize,
    /// Bytes of a body, slice header and payload. Nothing is recovered from a group that has a longer
    /// one.
    pub body_bytes: usize,
}

/// What [`ParityDecoder`] did and dropped, since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParityStats {
    /// Slices that came in groups, and were passed on.
    pub slices: u64,
    /// Parity packets that came.
    pub parity: u64,
    /// Those of groups with more than one parity packet, whose code is not known. Not used.
    pub unsupported_parity: u64,
    /// Slices that were recovered.
    pub recovered: u64,
    /// Slices that could have been, but what came of it is no slice that could stand there. Dropped.
    pub rejected: u64,
    /// Packets that say another size of their group than the first, or have a body over
    /// [`ParityLimits::body_bytes`]. Slices are passed on all the same.
    pub inconsistent: u64,
}

/// Takes the packets of resend mode: hands slices on, keeps parity to itself, and recovers one lost slice
/// of each group that has one parity packet (wire.md section 12).
///
/// Nothing is kept of a slice but the exclusive or of its group, so this costs one pass over the bytes
/// and no copy; of groups without parity nothing is kept at all. A recovered slice must be one that could
/// stand in its place: a slice header whose length fits the bytes, and a counter that lies between those of its
/// neighbours. What is left of the check is the [`Reassembler`](crate::Reassembler)'s
/// ([`Origin::Recovered`]).
///
/// The contract: after each [`push`](Self::push) take what [`recovered`](Self::recovered) has.
#[derive(Debug)]
pub struct ParityDecoder {
    limits: ParityLimits,
    stats: ParityStats,
    /// In the order in which they began.
    groups: VecDeque<Group>,
    /// A recovered slice: where its group is, and how long its body.
    ready: Option<(usize, usize)>,
}

/// What is known of a group.
#[derive(Debug, Default)]
struct Group {
    number: u16,
    /// The counter of each slice that came.
    counters: Vec<Option<u16>>,
    have: usize,
    /// Bytes of parity, once it came.
    parity: Option<usize>,
    /// Nothing is to be recovered any more.
    is_closed: bool,
    xor: Xor,
}

impl ParityDecoder {
    /// Without any group yet.
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

    /// Takes the body of a grouped media packet. Returns its slice, for the reassembler; `None` for
    /// parity.
    ///
    /// # Errors
    /// Those of [`GroupedMedia::parse`].
    pub fn push<'a>(
        &mut self,
        group: GroupHeader,
        body: &'a [u8],
    ) -> Result<Option<Slice<'a>>, tutk_frame::Error> {
        self.ready = None;
        match GroupedMedia::parse(group, body)? {
            GroupedMedia::Slice(slice) => {
                self.stats.slices += 1;
                // Of one that is sent again the first byte is another than its parity has seen.
                if group.m == 1 && !slice.header.resent {
                    self.note(group, Some(slice.header.counter), body);
                }
                Ok(Some(slice.into()))
            }
            GroupedMedia::Parity(parity) => {
                self.stats.parity += 1;
                if group.m == 1 {
                    self.note(group, None, parity.data);
                } else {
                    self.stats.unsupported_parity += 1;
                }
                Ok(None)
            }
        }
    }

    /// The slice that the last packet has made known, once.
    pub fn recovered(&mut self) -> Option<Slice<'_>> {
        let (at, len) = self.ready.take()?;
        let body = self.groups.get(at)?.xor.bytes().get(..len)?;
        let slice = tutk_frame::Slice::parse(body).ok()?;
        Some(Slice {
            origin: Origin::Recovered,
            ..slice.into()
        })
    }

    /// Bytes of memory that the groups take now.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        let groups = self.groups.iter().map(|group| {
            group.counters.capacity() * size_of::<Option<u16>>() + group.xor.capacity()
        });
        groups.sum::<usize>() + self.groups.capacity() * size_of::<Group>()
    }

    /// What was done and dropped so far.
    #[must_use]
    pub fn stats(&self) -> ParityStats {
        self.stats
    }

    /// Remembers a slice's body by its counter, or parity without one.
    fn note(&mut self, header: GroupHeader, counter: Option<u16>, bytes: &[u8]) {
        let at = self.find_or_begin(header);
        let Some(group) = self.groups.get_mut(at) else {
            return;
        };
        if group.counters.len() != usize::from(header.k) || bytes.len() > self.limits.body_bytes {
            self.stats.inconsistent += 1;
            // What does not fit it does not stay out of it: the group can no longer be trusted.
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
                group.have += 1;
            }
            None if group.parity.is_some() => return,
            None => group.parity = Some(bytes.len()),
        }
        group.xor.add(0, bytes);
        if group.have == group.counters.len() {
            group.is_closed = true;
        } else if group.have + 1 == group.counters.len() && group.parity.is_some() {
            group.is_closed = true;
            match group.missing_body() {
                Some(len) => {
                    self.stats.recovered += 1;
                    self.ready = Some((at, len));
                }
                None => self.stats.rejected += 1,
            }
        }
    }

    fn find_or_begin(&mut self, header: GroupHeader) -> usize {
        // The last ones are the likely ones.
        let found = self.groups.iter().rposition(|g| g.number == header.group);
        if let Some(at) = found {
            return at;
        }
        let oldest = match self.groups.len() < self.limits.groups {
            true => None,
            false => self.groups.pop_front(),
        };
        let mut group = oldest.unwrap_or_default();
        group.begin(header);
        self.groups.push_back(group);
        self.groups.len() - 1
    }
}

impl Group {
    fn begin(&mut self, header: GroupHeader) {
        self.number = header.group;
        self.counters.clear();
        self.counters.resize(header.k.into(), None);
        self.have = 0;
        self.parity = None;
        self.is_closed = false;
        self.xor.clear();
    }

    /// How long the body is that is left of parity when all others were taken from it; `None` if it can
    /// be no slice of this group.
    fn missing_body(&self) -> Option<usize> {
        let bytes = self.xor.bytes();
        // No body may be longer than the parity of them all.
        if self.parity != Some(bytes.len()) {
            return None;
        }
        let (header, rest) = SliceHeader::parse(bytes).ok()?;
        let size = usize::from(header.size);
        let info = usize::from(header.info_len().unwrap_or(0));
        // Where the length does not count the frame info, the frame info comes behind it
        // (tutk_frame::Slice::parse takes both). Whatever is behind the body is padding.
        let len = [size, size + info].into_iter().find(|&len| {
            let padding = rest.get(len..);
            padding.is_some_and(|padding| padding.iter().all(|&byte| byte == 0))
        })?;
        let body = bytes.get(..SliceHeader::LEN + len)?;
        let slice = tutk_frame::Slice::parse(body).ok()?;
        let has_info = FrameInfo::parse(slice.info).is_ok();
        let fits = !slice.header.resent
            && slice.header.is_last() == has_info
            && self.fits_in(slice.header.counter);
        fits.then_some(body.len())
    }

    /// Whether a counter is one that the only missing slice can have: slices are counted up as they are
    /// sent.
    fn fits_in(&self, counter: u16) -> bool {
        let Some(place) = self.counters.iter().position(Option::is_none) else {
            return false;
        };
        let mut counters = self.counters.iter().enumerate();
        counters.all(|(index, other)| {
            let Some(other) = *other else { return true };
            let (ahead, by) = match index < place {
                true => (counter.wrapping_sub(other), place - index),
                false => (other.wrapping_sub(counter), index - place),
            };
            usize::from(ahead) >= by && ahead <= MAX_SPREAD
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
