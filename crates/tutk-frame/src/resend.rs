//! The acknowledgement of media in resend mode, which requests retransmissions (docs/protocol.md,
//! section 17).

use crate::av::{AvHeader, AvStamp};
use crate::buffer::{Buffer, write_to_slice};
use crate::control::Heartbeat;
use crate::error::Error;

const WHAT: &str = "media acknowledgement";

/// The largest number of bytes before the list of a [`MediaAckLayout`].
const MAX_HEAD: usize = 64;

/// Where the fields of a [`MediaAck`] are, in bytes from the start of the packet. Each is a u16.
///
/// **Not verified on hardware.** That an acknowledgement has these fields is verified, their
/// offsets are not. Therefore they are data: a [`MediaAckLayout`] with other offsets is written and
/// parsed by the same code. A field beyond byte 64 or over another field is not useful, and harms
/// nothing but the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MediaAckLayout {
    /// [`MediaAck::base`].
    pub base: u8,
    /// [`MediaAck::highest`].
    pub highest: u8,
    /// [`MediaAck::commands`].
    pub commands: u8,
    /// [`MediaAck::heartbeats`].
    pub heartbeats: u8,
    /// [`MediaAck::clock`].
    pub clock: u8,
    /// The number of missing counters.
    pub count: u8,
    /// The list of missing counters, to the end of the packet. Each is an offset from the base.
    pub list: u8,
}

/// A heartbeat in resend mode. It acknowledges the slices that arrived and lists missing ones.
///
/// With [`MediaAckLayout::LIKELY`]:
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 8 | AV header, `09 00` |
/// | 8 | 2 | base: every slice counter before it arrived or is no longer needed |
/// | 10 | 2 | the highest slice counter that arrived or is known to be missing |
/// | 12 | 2 | commands received |
/// | 14 | 4 | zero |
/// | 18 | 2 | heartbeats sent |
/// | 20 | 2 | low 16 bits of a millisecond clock |
/// | 22 | 2 | n, the number of offsets, at most [`MAX`](Self::MAX) |
/// | 24 | 2 n | offsets: base + offset is the counter of a missing slice; u16 each, wrapping |
///
/// With n = 0 it has the layout of a [`Heartbeat`], whose fields 8 and 10 have another meaning.
///
/// ```
/// use tutk_frame::{AvStamp, MediaAck, MediaAckLayout};
///
/// let ack = MediaAck {
///     stamp: AvStamp::default(),
///     base: 100,
///     highest: 120,
///     commands: 2,
///     heartbeats: 5,
///     clock: 1000,
/// };
/// let mut packet = Vec::new();
/// ack.write(&[103, 117], &MediaAckLayout::LIKELY, &mut packet);
/// let (parsed, missing) = MediaAck::parse(&packet, &MediaAckLayout::LIKELY)?;
/// assert_eq!((parsed, missing.collect::<Vec<_>>()), (ack, vec![103, 117]));
/// # Ok::<(), tutk_frame::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MediaAck {
    /// Version and counter.
    pub stamp: AvStamp,
    /// The base. Every counter before it is settled.
    pub base: u16,
    /// The highest counter that arrived or is known to be missing.
    pub highest: u16,
    /// The number of commands received, as in [`Heartbeat::commands`].
    pub commands: u16,
    /// The number of heartbeats sent, including this one.
    pub heartbeats: u16,
    /// The low 16 bits of the sender's millisecond clock.
    pub clock: u16,
}

/// The counters of the missing slices in a [`MediaAck`], in the order of the list.
#[derive(Debug, Clone)]
pub struct MissingSlices<'a> {
    base: u16,
    offsets: core::slice::Iter<'a, [u8; 2]>,
}

impl MediaAckLayout {
    /// The likely layout: a heartbeat with the number of offsets at 22 and the offsets after it.
    pub const LIKELY: Self = Self {
        base: 8,
        highest: 10,
        commands: 12,
        heartbeats: 18,
        clock: 20,
        count: 22,
        list: 24,
    };

    /// Returns the offset of each field, and of the list, before which all fields end.
    fn offsets(&self) -> ([usize; 6], usize) {
        let Self {
            base,
            highest,
            commands,
            heartbeats,
            clock,
            count,
            list,
        } = *self;
        let fields = [base, highest, commands, heartbeats, clock, count].map(usize::from);
        let ends = fields.iter().map(|at| at + 2).chain([AvHeader::LEN]);
        let end = ends.fold(usize::from(list), usize::max).min(MAX_HEAD);
        (fields, end)
    }
}

impl MediaAck {
    /// The maximum number of counters in one packet.
    pub const MAX: usize = 256;

    /// Parses the packet from its first byte. Returns it with the missing slices. If the list has
    /// more or fewer offsets than announced, or more than [`MAX`](Self::MAX), the smallest of the
    /// three numbers is used.
    ///
    /// # Errors
    /// [`Error::Length`] if the packet ends before the list, [`Error::Magic`] at 0.
    pub fn parse<'a>(
        bytes: &'a [u8],
        layout: &MediaAckLayout,
    ) -> Result<(Self, MissingSlices<'a>), Error> {
        let (stamp, _) = AvHeader::expect(WHAT, Heartbeat::MAGIC, bytes)?;
        let (fields, end) = layout.offsets();
        let Some((head, list)) = bytes.split_at_checked(end) else {
            return Err(Error::Length {
                what: WHAT,
                offset: bytes.len(),
                expected: end,
                actual: bytes.len(),
            });
        };
        let [base, highest, commands, heartbeats, clock, count] = fields.map(|at| {
            let field = head.get(at..).and_then(<[u8]>::first_chunk);
            field.copied().map_or(0, u16::from_le_bytes)
        });
        let (offsets, _) = list.as_chunks();
        let count = offsets.len().min(count.into()).min(Self::MAX);
        let ack = Self {
            stamp,
            base,
            highest,
            commands,
            heartbeats,
            clock,
        };
        let missing = MissingSlices {
            base,
            offsets: offsets.get(..count).unwrap_or_default().iter(),
        };
        Ok((ack, missing))
    }

    /// Writes the packet with the counters of the missing slices. Counters beyond the first
    /// [`MAX`](Self::MAX) are left out.
    pub fn write(&self, missing: &[u16], layout: &MediaAckLayout, out: &mut impl Buffer) {
        let missing = missing.get(..Self::MAX).unwrap_or(missing);
        let count = u16::try_from(missing.len()).unwrap_or_default();
        let (fields, end) = layout.offsets();
        let values = [
            self.base,
            self.highest,
            self.commands,
            self.heartbeats,
            self.clock,
            count,
        ];
        let mut head = [0; MAX_HEAD];
        for (at, value) in fields.into_iter().zip(values) {
            if let Some(field) = head.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *field = value.to_le_bytes();
            }
        }
        let header = AvHeader::new(Heartbeat::MAGIC, self.stamp);
        // The header always fits.
        let _ = write_to_slice(&mut head, |out| header.write(out));
        out.put_slice(head.get(..end).unwrap_or_default());
        for counter in missing {
            out.put_u16_le(counter.wrapping_sub(self.base));
        }
    }
}

impl Iterator for MissingSlices<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let offset = u16::from_le_bytes(*self.offsets.next()?);
        Some(self.base.wrapping_add(offset))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.offsets.size_hint()
    }
}

impl ExactSizeIterator for MissingSlices<'_> {}
