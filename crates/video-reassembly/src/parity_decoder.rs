//! The client's side of grouped media: forward error correction by parity.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use tutk_frame::{FrameInfo, GroupHeader, GroupedMedia, SliceHeader};

use crate::reed_solomon::{factor, multiply_add};
use crate::{Origin, Slice};

/// The number of points of the parity code, one for each packet of a group.
const POINTS: u32 = 256;

/// The limits of a [`ParityDecoder`]. A group has at most 256 packets, so the decoder holds at most
/// `groups * 256 * body_bytes` bytes. With the groups of real cameras, k = 20, it holds one
/// twelfth of that.
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
    /// Parity packets ignored because their group has more than 256 packets.
    pub unsupported_parity: u64,
    /// Slices recovered.
    pub recovered: u64,
    /// Slices recovered and dropped because they are not valid in their place.
    pub rejected: u64,
    /// Packets whose k or m differs from the first packet's of their group, or whose body is over
    /// [`ParityLimits::body_bytes`]. Their slices are returned nevertheless.
    pub inconsistent: u64,
    /// Parity packets whose number of bytes differs from their length field.
    pub length_mismatches: u64,
}

/// Decodes grouped media. Returns the slices, consumes the parity packets, and recovers the lost
/// slices of each group of which any k packets arrived (docs/protocol.md, section 17).
///
/// A recovered slice must have a header with a matching length, and the counter that follows from
/// its place in the group. The [`Reassembler`](crate::Reassembler) checks the rest, see
/// [`Origin::Recovered`].
///
/// The packets of an incomplete group are copied, because each recovered byte depends on a byte of
/// k packets, and the factors depend on which packets are lost. The buffers are reused, and nothing
/// is kept of groups without parity.
///
/// After each [`push`](Self::push), call [`recovered`](Self::recovered) until it returns `None`.
#[derive(Debug)]
pub struct ParityDecoder {
    limits: ParityLimits,
    stats: ParityStats,
    /// Oldest first.
    groups: VecDeque<Group>,
    /// Buffers of closed groups.
    spare: Vec<Vec<u8>>,
    /// The bytes of recovered slices, and where each of them is, last one first.
    recovered: Vec<u8>,
    ready: Vec<Range<usize>>,
}

/// The packets of a group that have arrived.
#[derive(Debug, Default)]
struct Group {
    number: u16,
    k: u8,
    m: u32,
    /// In the order of arrival. Their bodies are consecutive in `bytes`.
    packets: Vec<Packet>,
    bytes: Vec<u8>,
    /// The counter of slice 0.
    first_counter: Option<u16>,
    /// Set when nothing can be recovered any longer.
    is_closed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Packet {
    /// The index in the group, which is its point in the parity code.
    point: u8,
    /// The length of its body.
    len: usize,
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
            spare: Vec::new(),
            recovered: Vec::new(),
            ready: Vec::new(),
        }
    }

    /// Handles the body of a grouped media packet. Returns its slice, or `None` for parity.
    ///
    /// # Errors
    /// The errors of [`GroupedMedia::parse_body`].
    pub fn push<'a>(
        &mut self,
        group: GroupHeader,
        body: &'a [u8],
    ) -> Result<Option<Slice<'a>>, tutk_frame::Error> {
        self.ready.clear();
        match GroupedMedia::parse_body(group, body)? {
            GroupedMedia::Slice(slice) => {
                self.stats.slices += 1;
                // The kind of a retransmission differs from the one that the parity covers.
                if group.m > 0 && !slice.header.resent {
                    self.add(group, Some(slice.header.counter), body);
                }
                Ok(Some(slice.into()))
            }
            GroupedMedia::Parity(parity) => {
                self.stats.parity += 1;
                self.stats.length_mismatches += u64::from(!parity.has_announced_length());
                self.add(group, None, parity.bytes());
                Ok(None)
            }
        }
    }

    /// Returns the next slice that the last packet made recoverable.
    pub fn recovered(&mut self) -> Option<Slice<'_>> {
        let body = self.recovered.get(self.ready.pop()?)?;
        let slice = tutk_frame::Slice::parse_body(body).ok()?;
        Some(Slice {
            origin: Origin::Recovered,
            ..slice.into()
        })
    }

    /// Returns the memory in bytes that the groups occupy.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        let groups = self
            .groups
            .iter()
            .map(|group| group.packets.capacity() * size_of::<Packet>() + group.bytes.capacity());
        groups.sum::<usize>()
            + self.groups.capacity() * size_of::<Group>()
            + self.spare.iter().map(Vec::capacity).sum::<usize>()
            + self.recovered.capacity()
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> ParityStats {
        self.stats
    }

    /// Adds a slice's body, or parity if `counter` is `None`, to its group.
    fn add(&mut self, header: GroupHeader, counter: Option<u16>, body: &[u8]) {
        if u32::from(header.k).saturating_add(header.m) > POINTS {
            self.stats.unsupported_parity += u64::from(counter.is_none());
            return;
        }
        let at = self.find_or_insert(header);
        let Some(group) = self.groups.get_mut(at) else {
            return;
        };
        if (group.k, group.m) != (header.k, header.m) || body.len() > self.limits.body_bytes {
            self.stats.inconsistent += 1;
            // The parity may cover this body, so the group cannot be recovered.
            group.close(&mut self.spare);
            return;
        }
        if group.is_closed || group.packets.iter().any(|p| p.point == header.index) {
            return;
        }
        if let Some(counter) = counter {
            let first = counter.wrapping_sub(header.index.into());
            group.first_counter.get_or_insert(first);
        }
        group.packets.push(Packet {
            point: header.index,
            len: body.len(),
        });
        group.bytes.extend_from_slice(body);
        if group.packets.len() < header.k.into() {
            return;
        }
        self.recovered.clear();
        // The last one is returned first.
        for point in (0..group.k).rev() {
            if group.packets.iter().any(|packet| packet.point == point) {
                continue;
            }
            match group.recover(point, &mut self.recovered) {
                Some(place) => {
                    self.stats.recovered += 1;
                    self.ready.push(place);
                }
                None => self.stats.rejected += 1,
            }
        }
        group.close(&mut self.spare);
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
        if group.bytes.capacity() == 0 {
            group.bytes = self.spare.pop().unwrap_or_default();
        }
        self.groups.push_back(group);
        self.groups.len() - 1
    }
}

impl Group {
    /// Clears the group and keeps its memory.
    fn reset(&mut self, header: GroupHeader) {
        self.number = header.group;
        self.k = header.k;
        self.m = header.m;
        self.packets.clear();
        self.bytes.clear();
        self.first_counter = None;
        self.is_closed = false;
    }

    /// Ignores further packets, and returns the buffer for the next group.
    fn close(&mut self, spare: &mut Vec<Vec<u8>>) {
        self.is_closed = true;
        self.packets.clear();
        let mut bytes = mem::take(&mut self.bytes);
        if bytes.capacity() > 0 {
            bytes.clear();
            spare.push(bytes);
        }
    }

    /// Appends the body of the missing slice `point` to `out` and returns its place there. Returns
    /// `None` if it is not a valid slice of this group.
    fn recover(&self, point: u8, out: &mut Vec<u8>) -> Option<Range<usize>> {
        let parity = self.packets.iter().find(|packet| packet.point >= self.k)?;
        // No body may be longer than the parity.
        if self.packets.iter().any(|packet| packet.len > parity.len) {
            return None;
        }
        let start = out.len();
        out.resize(start + parity.len, 0);
        let sum = out.get_mut(start..)?;
        let mut bodies = &self.bytes[..];
        for packet in &self.packets {
            let (body, rest) = bodies.split_at_checked(packet.len)?;
            let points = self.packets.iter().map(|packet| packet.point);
            multiply_add(sum, factor(points, packet.point, point), body);
            bodies = rest;
        }
        let len = self.body_len(point, sum)?;
        Some(start..start + len)
    }

    /// Returns the length of the body that `bytes` begins with. Returns `None` if it is not a valid
    /// slice in place `index` of this group.
    fn body_len(&self, index: u8, bytes: &[u8]) -> Option<usize> {
        let (header, rest) = SliceHeader::parse(bytes).ok()?;
        let size = usize::from(header.size);
        let info = usize::from(header.info_len().unwrap_or(0));
        // The size may or may not include the frame info, see `tutk_frame::Slice::parse_body`. The
        // bytes after the body are padding.
        let len = [size, size + info].into_iter().find(|&len| {
            let padding = rest.get(len..);
            padding.is_some_and(|padding| padding.iter().all(|&byte| byte == 0))
        })?;
        let body = bytes.get(..SliceHeader::LEN + len)?;
        let slice = tutk_frame::Slice::parse_body(body).ok()?;
        let has_info = FrameInfo::parse(slice.info).is_ok();
        let first_counter = header.counter.wrapping_sub(index.into());
        let is_valid = !header.resent
            && header.is_last() == has_info
            && self
                .first_counter
                .is_none_or(|first| first == first_counter);
        is_valid.then_some(body.len())
    }
}

impl Default for ParityLimits {
    /// 8 groups, which are more packets than the replay window of DTLS, and bodies of 2048 bytes.
    fn default() -> Self {
        Self {
            groups: 8,
            body_bytes: 2048,
        }
    }
}
