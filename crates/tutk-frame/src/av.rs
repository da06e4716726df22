//! The grammar of AV packets inside DTLS application data: a header, an optional link clock, an
//! optional group header and a body (docs/protocol.md, section 11).

use nom::Parser;
use nom::number::complete::{le_u16, le_u32, u8};

use crate::Error;
use crate::buffer::Buffer;
use crate::media::MediaKind;
use crate::read::{layout, magic};

/// The type of grouped packets: IOCTLs to the camera, and media in resend mode.
pub const GROUPED: u8 = 0x0c;
/// The flag that announces a link clock after the header.
pub const FLAG_CLOCK: u8 = 0x08;
/// The AV version of media packets, and of every packet in the `summary` dialect.
pub const VERSION_MEDIA: u16 = 0x000b;
/// The AV version of control packets in the `transcode` and `cc51` dialects.
pub const VERSION_CONTROL: u16 = 0x000c;

/// The first 8 bytes of every AV packet.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 1 | type |
/// | 1 | 1 | flags; [`FLAG_CLOCK`]: a [`LinkClock`] follows |
/// | 2 | 2 | version, `0b 00` or `0c 00` |
/// | 4 | 2 | counter |
/// | 6 | 2 | varies by session |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AvHeader {
    /// Byte 0.
    pub packet_type: u8,
    /// Byte 1.
    pub flags: u8,
    /// Bytes 2..8.
    pub stamp: AvStamp,
}

/// Bytes 2..8 of every AV packet.
///
/// The `summary` dialect reads bytes 4..8 as one number, see [`AvStamp::sequence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AvStamp {
    /// [`VERSION_MEDIA`] or [`VERSION_CONTROL`]. Never checked.
    pub version: u16,
    /// The counter. In `summary`, the low half of the AV sequence.
    pub counter: u16,
    /// A number that differs by session: 0x507e and 0x4e81 were seen. In `summary`, the high half
    /// of the AV sequence.
    pub tail: u16,
}

/// The link clock, the 8 bytes after the header if [`FLAG_CLOCK`] is set.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | clock |
/// | 2 | 2 | round trip |
/// | 4 | 4 | not known |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct LinkClock {
    /// The low 16 bits of the sender's clock. The answer echoes them.
    pub clock: u16,
    /// The round trip that the sender measured.
    pub round_trip: u16,
    /// A word of unknown meaning.
    pub word: u32,
}

/// The group header, 8 bytes, in packets of type [`GROUPED`] (docs/protocol.md, sections 11 and
/// 17).
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | group |
/// | 2 | 1 | index in the group |
/// | 3 | 1 | k, data packets in the group; 0: an IOCTL |
/// | 4 | 4 | m, parity packets in the group |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct GroupHeader {
    /// The group's number.
    pub group: u16,
    /// The packet's index in the group.
    pub index: u8,
    /// The number of data packets in the group.
    pub k: u8,
    /// The number of parity packets in the group.
    pub m: u32,
}

/// The layout of media packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum MediaLayout {
    /// A [`FragmentHeader`](crate::FragmentHeader) of 32 bytes that begins with `05 08`, `05 00` or
    /// `05 01`. A link clock never follows. Used by `summary`.
    Fragment,
    /// The kind in byte 0, a link clock if [`FLAG_CLOCK`] is set, and a
    /// [`SliceHeader`](crate::SliceHeader). Used by `transcode` and `cc51`.
    Slice,
}

/// The kind of an AV packet, by its type and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum AvKind {
    /// `00 00`, the first login packet.
    Login1,
    /// `00 20`, the second login packet.
    Login2,
    /// `00 21`, the answer to a login.
    LoginAnswer,
    /// `00 10`, a channel message.
    Channel,
    /// `00 11`, the acknowledgement of a channel message.
    ChannelAck,
    /// `00 12`, a buffer reset.
    BufferReset,
    /// `00 13`, the acknowledgement of a buffer reset.
    BufferResetAck,
    /// `00 70`, an IOCTL from the camera.
    Ioctl,
    /// `00 71`, the acknowledgement of an IOCTL from the camera.
    IoctlAck,
    /// `09 00`, a heartbeat, which is also an acknowledgement.
    Heartbeat,
    /// `0a 08`, a link probe.
    Probe,
    /// `0b 00`, the answer to a link probe. In `summary`, the status message.
    ProbeAnswer,
    /// `0c ..`: an IOCTL to the camera if the group's k is 0, grouped media otherwise.
    Grouped,
    /// Media: `03`, `05` or `07`. With [`MediaLayout::Fragment`]: `05 01`, `05 08` or `05 00`.
    Media(MediaKind),
    /// Retransmitted media: `04`, `06` or `08`.
    Resent(MediaKind),
    /// Any other packet.
    Unknown,
}

/// An AV packet, split into the parts of the grammar. The body is borrowed.
///
/// [`AvPacket::content`] parses the body.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 8 | [`AvHeader`] |
/// | 8 | 8 | [`LinkClock`], if the flags announce it |
/// | .. | 8 | [`GroupHeader`], if the type is [`GROUPED`] |
/// | .. | | body |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvPacket<'a> {
    /// The first 8 bytes.
    pub header: AvHeader,
    /// The link clock.
    pub clock: Option<LinkClock>,
    /// The group header.
    pub group: Option<GroupHeader>,
    /// The rest of the packet.
    pub body: &'a [u8],
}

impl AvHeader {
    /// The header's length in bytes.
    pub const LEN: usize = 8;

    /// Parses the header and returns it with the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let parser =
            (u8, u8, le_u16, le_u16, le_u16).map(|(packet_type, flags, version, counter, tail)| {
                Self {
                    packet_type,
                    flags,
                    stamp: AvStamp {
                        version,
                        counter,
                        tail,
                    },
                }
            });
        layout("AV header", Self::LEN, bytes, parser)
    }

    /// Parses the header of a packet with this type and these flags. `what` names the packet in
    /// errors.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes, [`Error::Magic`] for another type or flags.
    pub fn expect<'a>(
        what: &'static str,
        expected: [u8; 2],
        bytes: &'a [u8],
    ) -> Result<(AvStamp, &'a [u8]), Error> {
        let (header, rest) = Self::parse(bytes)?;
        magic(what, 0, expected, header.magic())?;
        Ok((header.stamp, rest))
    }

    /// Makes the header of a packet with this type and these flags.
    #[must_use]
    pub fn new([packet_type, flags]: [u8; 2], stamp: AvStamp) -> Self {
        Self {
            packet_type,
            flags,
            stamp,
        }
    }

    /// Writes the 8 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        out.put_u8(self.packet_type);
        out.put_u8(self.flags);
        out.put_u16_le(self.stamp.version);
        out.put_u16_le(self.stamp.counter);
        out.put_u16_le(self.stamp.tail);
    }

    /// Returns type and flags, the first two bytes.
    #[must_use]
    pub fn magic(&self) -> [u8; 2] {
        [self.packet_type, self.flags]
    }

    /// Returns the packet's kind.
    #[must_use]
    pub fn kind(&self, layout: MediaLayout) -> AvKind {
        match (layout, self.packet_type, self.flags) {
            (_, 0x00, 0x00) => AvKind::Login1,
            (_, 0x00, 0x20) => AvKind::Login2,
            (_, 0x00, 0x21) => AvKind::LoginAnswer,
            (_, 0x00, 0x10) => AvKind::Channel,
            (_, 0x00, 0x11) => AvKind::ChannelAck,
            (_, 0x00, 0x12) => AvKind::BufferReset,
            (_, 0x00, 0x13) => AvKind::BufferResetAck,
            (_, 0x00, 0x70) => AvKind::Ioctl,
            (_, 0x00, 0x71) => AvKind::IoctlAck,
            (_, 0x09, 0x00) => AvKind::Heartbeat,
            (_, 0x0a, 0x08) => AvKind::Probe,
            (_, 0x0b, 0x00) => AvKind::ProbeAnswer,
            (_, GROUPED, _) => AvKind::Grouped,
            (MediaLayout::Fragment, 0x05, 0x08) => AvKind::Media(MediaKind::Key),
            (MediaLayout::Fragment, 0x05, 0x00) => AvKind::Media(MediaKind::Delta),
            (MediaLayout::Fragment, 0x05, 0x01) => AvKind::Media(MediaKind::Audio),
            (MediaLayout::Slice, code, _) => match MediaKind::from_code(code) {
                Some((kind, false)) => AvKind::Media(kind),
                Some((kind, true)) => AvKind::Resent(kind),
                None => AvKind::Unknown,
            },
            _ => AvKind::Unknown,
        }
    }

    /// Returns `true` if a link clock follows.
    #[must_use]
    pub fn has_clock(&self, layout: MediaLayout) -> bool {
        // In `05 08`, the magic of a fragment, 0x08 is not a flag.
        let is_fragment = layout == MediaLayout::Fragment && self.packet_type == 0x05;
        self.flags & FLAG_CLOCK != 0 && !is_fragment
    }

    /// Returns `true` if a group header follows.
    #[must_use]
    pub fn has_group(&self) -> bool {
        self.packet_type == GROUPED
    }
}

impl AvStamp {
    /// Makes a stamp of a version and the AV sequence at 4.
    #[must_use]
    pub fn from_sequence(version: u16, sequence: u32) -> Self {
        let [a, b, c, d] = sequence.to_le_bytes();
        Self {
            version,
            counter: u16::from_le_bytes([a, b]),
            tail: u16::from_le_bytes([c, d]),
        }
    }

    /// Returns bytes 4..8 as one number, the AV sequence of the `summary` dialect.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        u32::from(self.counter) | u32::from(self.tail) << 16
    }
}

impl LinkClock {
    /// The link clock's length in bytes.
    pub const LEN: usize = 8;

    /// Parses the link clock and returns it with the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let parser = (le_u16, le_u16, le_u32).map(|(clock, round_trip, word)| Self {
            clock,
            round_trip,
            word,
        });
        layout("link clock", Self::LEN, bytes, parser)
    }

    /// Writes the 8 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        out.put_u16_le(self.clock);
        out.put_u16_le(self.round_trip);
        out.put_u32_le(self.word);
    }
}

impl GroupHeader {
    /// The group header's length in bytes.
    pub const LEN: usize = 8;

    /// Parses the group header and returns it with the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let parser =
            (le_u16, u8, u8, le_u32).map(|(group, index, k, m)| Self { group, index, k, m });
        layout("group header", Self::LEN, bytes, parser)
    }

    /// Writes the 8 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        out.put_u16_le(self.group);
        out.put_u8(self.index);
        out.put_u8(self.k);
        out.put_u32_le(self.m);
    }

    /// Returns `true` if the packet is an IOCTL to the camera, that is if k is 0.
    #[must_use]
    pub fn is_ioctl(&self) -> bool {
        self.k == 0
    }

    /// Returns `true` if the packet is parity, not media. Parity has the indices from k on.
    #[must_use]
    pub fn is_parity(&self) -> bool {
        self.k > 0 && self.index >= self.k
    }
}

impl<'a> AvPacket<'a> {
    /// Splits a packet. Any type and flags are accepted.
    ///
    /// # Errors
    /// [`Error::Length`] if the packet ends inside a header that it announces.
    pub fn parse(bytes: &'a [u8], layout: MediaLayout) -> Result<Self, Error> {
        let (header, mut body) = AvHeader::parse(bytes)?;
        let at = |rest: &[u8]| bytes.len().saturating_sub(rest.len());
        let mut clock = None;
        if header.has_clock(layout) {
            let (parsed, rest) = LinkClock::parse(body).map_err(|e| e.at(at(body)))?;
            (clock, body) = (Some(parsed), rest);
        }
        let mut group = None;
        if header.has_group() {
            let (parsed, rest) = GroupHeader::parse(body).map_err(|e| e.at(at(body)))?;
            (group, body) = (Some(parsed), rest);
        }
        Ok(Self {
            header,
            clock,
            group,
            body,
        })
    }

    /// Writes the packet so that it parses: a missing link clock or group header that the header
    /// announces is written as zeros, and one that it does not announce is left out.
    pub fn write(&self, layout: MediaLayout, out: &mut impl Buffer) {
        self.header.write(out);
        if self.header.has_clock(layout) {
            self.clock.unwrap_or_default().write(out);
        }
        if self.header.has_group() {
            self.group.unwrap_or_default().write(out);
        }
        out.put_slice(self.body);
    }

    /// Returns the packet's kind.
    #[must_use]
    pub fn kind(&self, layout: MediaLayout) -> AvKind {
        self.header.kind(layout)
    }

    /// Returns the offset of the body: 8, 16 or 24.
    #[must_use]
    pub fn body_offset(&self) -> usize {
        let clock = self.clock.map_or(0, |_| LinkClock::LEN);
        let group = self.group.map_or(0, |_| GroupHeader::LEN);
        AvHeader::LEN + clock + group
    }
}
