//! The one AV grammar, inside DTLS application data: header, optional link clock, optional group
//! header, body (wire.md section 8).

use bytes::BufMut;
use nom::Parser;
use nom::number::complete::{le_u16, le_u32, u8};

use crate::Error;
use crate::media::MediaKind;
use crate::read::layout;

/// The type byte of grouped packets: IOCTL to the camera, and media in resend mode.
pub const GROUPED: u8 = 0x0c;
/// The flag that says that a link clock follows the header.
pub const FLAG_CLOCK: u8 = 0x08;
/// The AV version of the `summary` dialect, and of media everywhere.
pub const VERSION_MEDIA: u16 = 0x000b;
/// The AV version of control packets in the `transcode` and `cc51` dialects.
pub const VERSION_CONTROL: u16 = 0x000c;

/// The 8 bytes that every AV packet begins with (wire.md section 8).
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 1 | type |
/// | 1 | 1 | flags; [`FLAG_CLOCK`]: a [`LinkClock`] follows |
/// | 2 | 2 | version, `0b 00` or `0c 00` |
/// | 4 | 2 | counter |
/// | 6 | 2 | varies by session |
///
/// summary.md reads bytes 0..2 as one number, now low byte first (0x7000 is `00 70`), now as
/// printed (0x0508 is `05 08`), and bytes 4..8 as one u32: [`AvStamp::sequence`].
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

/// Bytes 2..8 of every AV packet: what there is beside type and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AvStamp {
    /// [`VERSION_MEDIA`] or [`VERSION_CONTROL`]; never checked.
    pub version: u16,
    /// The counter, low half of the summary's AV sequence.
    pub counter: u16,
    /// Differs by session in the field (0x507e and 0x4e81 were seen); high half of the summary's
    /// AV sequence.
    pub tail: u16,
}

/// The link clock, 8 bytes after the header when [`FLAG_CLOCK`] is set (wire.md section 8).
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 2 | clock |
/// | 2 | 2 | round trip |
/// | 4 | 4 | not known |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct LinkClock {
    /// The sender's clock, low 16 bits; the answer echoes it.
    pub clock: u16,
    /// The round trip that the sender measured.
    pub round_trip: u16,
    /// Meaning not known.
    pub word: u32,
}

/// The group header, 8 bytes, in packets of type [`GROUPED`] (wire.md sections 8 and 12).
///
/// | at | size | what |
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
    /// The packet's place in the group.
    pub index: u8,
    /// Data packets in the group.
    pub k: u8,
    /// Parity packets in the group.
    pub m: u32,
}

/// Which layout media packets have: a field of the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum MediaLayout {
    /// summary.md phase 6: bytes 0..2 are `05 08`, `05 00` or `05 01`, always a
    /// [`FragmentHeader`](crate::FragmentHeader), never a link clock.
    Fragment,
    /// wire.md section 10: kind in byte 0, a link clock by flag 0x08, and a
    /// [`SliceHeader`](crate::SliceHeader).
    Slice,
}

/// What an AV packet is, by its type and flags (wire.md section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
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
    /// `09 00`, heartbeat and acknowledgement.
    Heartbeat,
    /// `0a 08`, a link probe.
    Probe,
    /// `0b 00`, the answer to a link probe; the summary's status message.
    ProbeAnswer,
    /// `0c ..`: an IOCTL to the camera when the group's k is 0, grouped media otherwise.
    Grouped,
    /// Media: `03`, `05`, `07`, or the summary's `05 01`, `05 08`, `05 00`.
    Media(MediaKind),
    /// Media sent again: `04`, `06`, `08`.
    Resent(MediaKind),
    /// None of these.
    Unknown,
}

/// An AV packet, taken apart as far as the grammar goes; the body is borrowed.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 8 | [`AvHeader`] |
/// | 8 | 8 | [`LinkClock`], if the header says so |
/// | .. | 8 | [`GroupHeader`], if the type is [`GROUPED`] |
/// | .. | | body |
///
/// The body of a media packet of [`MediaLayout::Fragment`] begins at 8, inside its header: parse
/// the packet's bytes with [`Fragment`](crate::Fragment).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvPacket<'a> {
    /// The first 8 bytes.
    pub header: AvHeader,
    /// The link clock, when there is one.
    pub clock: Option<LinkClock>,
    /// The group header, when there is one.
    pub group: Option<GroupHeader>,
    /// All the rest.
    pub body: &'a [u8],
}

impl AvHeader {
    /// Bytes of the header.
    pub const LEN: usize = 8;

    /// Reads the header; gives the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let ((packet_type, flags, version, counter, tail), rest) = layout(
            "AV header",
            Self::LEN,
            bytes,
            (u8, u8, le_u16, le_u16, le_u16),
        )?;
        let stamp = AvStamp {
            version,
            counter,
            tail,
        };
        let header = Self {
            packet_type,
            flags,
            stamp,
        };
        Ok((header, rest))
    }

    /// Reads the header of a packet that must have this type and these flags; `what` names it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes, [`Error::Magic`] for another type or flags.
    pub fn expect<'a>(
        what: &'static str,
        magic: [u8; 2],
        bytes: &'a [u8],
    ) -> Result<(AvStamp, &'a [u8]), Error> {
        let (header, rest) = Self::parse(bytes)?;
        crate::read::magic(what, 0, magic, header.magic())?;
        Ok((header.stamp, rest))
    }

    /// The header of a packet with this type and these flags.
    #[must_use]
    pub fn new([packet_type, flags]: [u8; 2], stamp: AvStamp) -> Self {
        Self {
            packet_type,
            flags,
            stamp,
        }
    }

    /// Writes the 8 bytes.
    ///
    /// # Panics
    /// As every `write` of this crate: when `out` is a fixed buffer with too little room.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_u8(self.packet_type);
        out.put_u8(self.flags);
        out.put_u16_le(self.stamp.version);
        out.put_u16_le(self.stamp.counter);
        out.put_u16_le(self.stamp.tail);
    }

    /// Type and flags as on the wire.
    #[must_use]
    pub fn magic(&self) -> [u8; 2] {
        [self.packet_type, self.flags]
    }

    /// What the packet is.
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

    /// Whether a link clock follows. Never on the summary's media, whose `05 08` is a magic.
    #[must_use]
    pub fn has_clock(&self, layout: MediaLayout) -> bool {
        let fragment = layout == MediaLayout::Fragment && self.packet_type == 0x05;
        self.flags & FLAG_CLOCK != 0 && !fragment
    }

    /// Whether a group header follows.
    #[must_use]
    pub fn has_group(&self) -> bool {
        self.packet_type == GROUPED
    }
}

impl AvStamp {
    /// A stamp from the summary's reading: version, and one u32 at 4.
    #[must_use]
    pub fn from_sequence(version: u16, sequence: u32) -> Self {
        let [a, b, c, d] = sequence.to_le_bytes();
        Self {
            version,
            counter: u16::from_le_bytes([a, b]),
            tail: u16::from_le_bytes([c, d]),
        }
    }

    /// Bytes 4..8 as the summary reads them, one u32.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        u32::from(self.counter) | u32::from(self.tail) << 16
    }
}

impl LinkClock {
    /// Bytes of the link clock.
    pub const LEN: usize = 8;

    /// Reads the link clock; gives the bytes after it.
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
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_u16_le(self.clock);
        out.put_u16_le(self.round_trip);
        out.put_u32_le(self.word);
    }
}

impl GroupHeader {
    /// Bytes of the group header.
    pub const LEN: usize = 8;

    /// Reads the group header; gives the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let parser =
            (le_u16, u8, u8, le_u32).map(|(group, index, k, m)| Self { group, index, k, m });
        layout("group header", Self::LEN, bytes, parser)
    }

    /// Writes the 8 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_u16_le(self.group);
        out.put_u8(self.index);
        out.put_u8(self.k);
        out.put_u32_le(self.m);
    }

    /// Whether the packet is an IOCTL to the camera: k is 0.
    #[must_use]
    pub fn is_ioctl(&self) -> bool {
        self.k == 0
    }

    /// Whether the packet is parity, not media. That parity comes after the k data packets, at
    /// indices from k on, is likely and not sure.
    #[must_use]
    pub fn is_parity(&self) -> bool {
        self.k > 0 && self.index >= self.k
    }
}

impl<'a> AvPacket<'a> {
    /// Takes a packet apart; any type and flags pass.
    ///
    /// # Errors
    /// [`Error::Length`] when the packet ends inside a header that it announces.
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

    /// Writes the packet so that it parses: a link clock or group header that the header announces
    /// and the packet lacks is written as zeros, and one that it does not announce is left out.
    pub fn write(&self, layout: MediaLayout, out: &mut impl BufMut) {
        self.header.write(out);
        if self.header.has_clock(layout) {
            self.clock.unwrap_or_default().write(out);
        }
        if self.header.has_group() {
            self.group.unwrap_or_default().write(out);
        }
        out.put_slice(self.body);
    }

    /// What the packet is.
    #[must_use]
    pub fn kind(&self, layout: MediaLayout) -> AvKind {
        self.header.kind(layout)
    }

    /// Where the body begins: 8, 16 or 24.
    #[must_use]
    pub fn body_offset(&self) -> usize {
        let clock = self.clock.map_or(0, |_| LinkClock::LEN);
        let group = self.group.map_or(0, |_| GroupHeader::LEN);
        AvHeader::LEN + clock + group
    }
}
