//! AV packets (docs/protocol.md, sections 11 to 13 and 15 to 17).

use tutk_frame::{AvHeader, AvKind, GroupHeader, MediaKind, MediaLayout};
use tutk_session::Dialect;

use super::{hl, login, media};
use crate::packet::Layer;
use crate::walk::Walk;

/// An AV packet.
pub(crate) struct Av {
    pub(crate) layer: Layer,
    pub(crate) message: Option<hl::Message>,
    pub(crate) event: Option<Event>,
}

/// What the session's state needs of an AV packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A login that requests resend mode or not.
    Login {
        resend: bool,
    },
    LoginAnswer {
        status: u8,
    },
    Media,
}

/// How to read an AV packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) layout: MediaLayout,
    /// `true` for a packet to the camera on the backchannel, where media has another layout.
    pub(crate) is_talk: bool,
    pub(crate) show_secrets: bool,
}

impl Reading {
    /// Returns how to read a packet on a channel. `dialect` is `None` if it is not known.
    pub(crate) fn new(
        dialect: Option<&Dialect>,
        channel: u8,
        from_client: bool,
        show_secrets: bool,
    ) -> Self {
        let is_talk = channel != 0 && from_client;
        // Audio to the camera has the same layout in all dialects.
        let own_layout = dialect.filter(|_| !is_talk).map(|dialect| dialect.media);
        Self {
            layout: own_layout.unwrap_or(MediaLayout::Slice),
            is_talk,
            show_secrets,
        }
    }
}

pub(crate) fn dissect(bytes: &[u8], reading: Reading) -> Av {
    let mut walk = Walk::new("AV", bytes);
    let mut packet = Packet {
        message: None,
        event: None,
    };
    if packet.fields(&mut walk, bytes, reading).is_none() {
        walk.note("the packet does not have the layout of its type");
    }
    Av {
        layer: walk.finish(),
        message: packet.message,
        event: packet.event,
    }
}

struct Packet {
    message: Option<hl::Message>,
    event: Option<Event>,
}

impl Packet {
    fn fields(&mut self, walk: &mut Walk<'_>, bytes: &[u8], reading: Reading) -> Option<()> {
        let (header, _) = AvHeader::parse(bytes).ok()?;
        let kind = header.kind(reading.layout);
        let [packet_type, flags] = walk.array("type and flags")?;
        walk.last_is(format!("{packet_type:02x} {flags:02x}"));
        walk.title(kind_name(kind));
        walk.u16("version")?;
        match kind {
            AvKind::Login1 | AvKind::Login2 => {
                walk.zeros(4)?;
                let resend = login::request(walk, bytes, reading.show_secrets)?;
                self.event = Some(Event::Login { resend });
                return Some(());
            }
            AvKind::LoginAnswer => {
                let status = login::answer(walk)?;
                self.event = Some(Event::LoginAnswer { status });
                return Some(());
            }
            _ => {}
        }
        let counter = walk.u16("counter")?;
        walk.u16("tail")?;
        if header.has_clock(reading.layout) {
            walk.u16("link clock")?;
            walk.u16("round trip")?;
            walk.zeros(4)?;
        }
        let mut group = None;
        if header.has_group() {
            group = walk.peek::<{ GroupHeader::LEN }>().and_then(|bytes| {
                let (group, _) = GroupHeader::parse(bytes).ok()?;
                Some(group)
            });
            walk.u16("group")?;
            walk.u8("index")?;
            walk.u8("k")?;
            walk.u32("m")?;
        }
        match kind {
            AvKind::Heartbeat => {
                heartbeat(walk)?;
            }
            AvKind::ProbeAnswer => {
                walk.u16("clock")?;
                let received = walk.u16("received")?;
                walk.u16("received again")?;
                walk.zeros(walk.remaining())?;
                walk.title(format!("probe answer, {received} received"));
            }
            AvKind::Channel | AvKind::ChannelAck => {
                walk.u8("channel")?;
                walk.zeros(1)?;
                walk.u8("subtype")?;
                walk.zeros(1)?;
                walk.zeros(24)?;
                self.message(walk)?;
            }
            AvKind::BufferReset | AvKind::BufferResetAck => {
                walk.zeros(8)?;
                walk.u32("size")?;
                walk.array::<4>("message id")?;
                walk.array::<12>("data")?;
                walk.zeros(walk.remaining())?;
            }
            AvKind::IoctlAck => {
                walk.zeros(8)?;
                walk.u32("size")?;
                walk.array::<4>("message id")?;
                walk.zeros(walk.remaining())?;
            }
            AvKind::Ioctl => {
                walk.zeros(8)?;
                walk.u32("size")?;
                walk.array::<4>("message id")?;
                walk.zeros(4)?;
                let io_type = walk.u32("IO type")?;
                walk.last_is(format!("{io_type:#x}"));
                self.message(walk)?;
            }
            AvKind::Grouped => {
                let group = group?;
                if group.is_ioctl() {
                    self.request(walk)?;
                } else {
                    self.event = Some(Event::Media);
                    media::grouped(walk, &group)?;
                }
            }
            AvKind::Media(_) | AvKind::Resent(_) => {
                self.event = Some(Event::Media);
                match (reading.is_talk, reading.layout, kind) {
                    (true, ..) => media::talk(walk)?,
                    (_, MediaLayout::Fragment, AvKind::Media(kind)) => {
                        media::fragment(walk, kind, counter)?;
                    }
                    _ => media::slice(walk)?,
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Reads an IOCTL after the group header.
    fn request(&mut self, walk: &mut Walk<'_>) -> Option<()> {
        walk.title("IOCTL");
        walk.array::<2>("channel type")?;
        walk.u16("index")?;
        walk.u32("constant 1")?;
        walk.u32("size")?;
        walk.u32("index again")?;
        walk.zeros(4)?;
        let io_type = walk.u32("IO type")?;
        walk.last_is(format!("{io_type:#x}"));
        self.message(walk)
    }

    /// Reads the rest of the packet as an HL message. Other bytes are undecoded.
    fn message(&mut self, walk: &mut Walk<'_>) -> Option<()> {
        let before = walk.offset();
        let bytes = walk.inner(walk.remaining())?;
        self.message = hl::dissect(bytes);
        if self.message.is_none() && !bytes.is_empty() {
            walk.seek(before);
            walk.uncover();
        }
        Some(())
    }
}

/// Reads a heartbeat after its AV header. In resend mode, the number and the offsets of missing
/// slices are at its end (docs/protocol.md, section 17).
fn heartbeat(walk: &mut Walk<'_>) -> Option<()> {
    let base = walk.u16("reported, or base")?;
    let newest = walk.u16("newest counter")?;
    walk.u16("commands")?;
    walk.zeros(4)?;
    let heartbeats = walk.u16("heartbeats")?;
    walk.u16("clock")?;
    let missing = usize::from(walk.u16("missing")?);
    let mut title = format!("heartbeat {heartbeats}, newest counter {newest}");
    if missing > 0 {
        let list = walk.bytes(
            "missing offsets",
            missing.saturating_mul(2).min(walk.remaining()),
        )?;
        let (offsets, _) = list.as_chunks::<2>();
        let counters = offsets.iter().map(|offset| {
            let counter = base.wrapping_add(u16::from_le_bytes(*offset));
            counter.to_string()
        });
        title += &format!(", missing {}", counters.collect::<Vec<_>>().join(" "));
    }
    walk.title(title);
    Some(())
}

fn kind_name(kind: AvKind) -> &'static str {
    match kind {
        AvKind::Login1 => "login 1",
        AvKind::Login2 => "login 2",
        AvKind::LoginAnswer => "login answer",
        AvKind::Channel => "channel message",
        AvKind::ChannelAck => "channel message ack",
        AvKind::BufferReset => "buffer reset",
        AvKind::BufferResetAck => "buffer reset ack",
        AvKind::Ioctl => "IOCTL",
        AvKind::IoctlAck => "IOCTL ack",
        AvKind::Heartbeat => "heartbeat",
        AvKind::Probe => "link probe",
        AvKind::ProbeAnswer => "probe answer",
        AvKind::Grouped => "grouped media",
        AvKind::Media(MediaKind::Audio) | AvKind::Resent(MediaKind::Audio) => "audio",
        AvKind::Media(_) | AvKind::Resent(_) => "video",
        _ => "unknown packet",
    }
}
