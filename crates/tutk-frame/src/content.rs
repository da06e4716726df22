//! The content of an AV packet: its body, parsed by the packet's kind.

use crate::av::{AvHeader, AvKind, AvPacket, GroupHeader, MediaLayout};
use crate::control::{BufferReset, ChannelMessage, Heartbeat, Probe, ProbeAnswer};
use crate::error::Error;
use crate::ioctl::{IoctlAck, IoctlMessage, IoctlRequest};
use crate::media::{Fragment, Slice};

/// The content of an AV packet: what [`AvContent::parse`] and [`AvPacket::content`] return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AvContent<'a> {
    /// One of the two login packets. The crate `av-login` parses it.
    Login,
    /// The answer to a login. The crate `av-login` parses it.
    LoginAnswer,
    /// A channel message or its acknowledgement.
    ChannelMessage(ChannelMessage<'a>),
    /// A buffer reset or its acknowledgement.
    BufferReset(BufferReset),
    /// An IOCTL to the camera.
    IoctlRequest(IoctlRequest<'a>),
    /// An IOCTL from the camera.
    IoctlMessage(IoctlMessage<'a>),
    /// The acknowledgement of an IOCTL from the camera.
    IoctlAck(IoctlAck),
    /// A heartbeat. In resend mode its layout is another one, see
    /// [`MediaAck`](crate::MediaAck).
    Heartbeat(Heartbeat),
    /// A link probe.
    Probe(Probe),
    /// The answer to a link probe.
    ProbeAnswer(ProbeAnswer),
    /// Media.
    Media(AvMedia<'a>),
    /// A packet of a kind that this crate does not know.
    Unknown,
}

/// The content of a media packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AvMedia<'a> {
    /// A fragment of a frame, with [`MediaLayout::Fragment`].
    Fragment(Fragment<'a>),
    /// A slice of a frame, with [`MediaLayout::Slice`].
    Slice(Slice<'a>),
    /// A slice or parity of a group, for
    /// [`GroupedMedia::parse_body`](crate::GroupedMedia::parse_body).
    Grouped {
        /// The group header.
        group: GroupHeader,
        /// The bytes after it.
        body: &'a [u8],
    },
}

impl<'a> AvContent<'a> {
    /// Classifies and parses a whole decrypted AV packet. [`AvPacket`] has its headers, too.
    ///
    /// # Errors
    /// The errors of [`AvPacket::parse`] and [`AvPacket::content`].
    pub fn parse(bytes: &'a [u8], layout: MediaLayout) -> Result<Self, Error> {
        AvPacket::parse(bytes, layout)?.content(layout)
    }
}

impl<'a> AvPacket<'a> {
    /// Parses the body. The headers are not parsed again.
    ///
    /// `layout` must be the layout that the packet was parsed with.
    ///
    /// # Errors
    /// The errors of the content's own `parse`, with offsets from the packet's first byte.
    pub fn content(&self, layout: MediaLayout) -> Result<AvContent<'a>, Error> {
        let AvHeader { stamp, .. } = self.header;
        let body = self.body;
        Ok(match self.kind(layout) {
            AvKind::Login1 | AvKind::Login2 => AvContent::Login,
            AvKind::LoginAnswer => AvContent::LoginAnswer,
            AvKind::Channel => {
                AvContent::ChannelMessage(ChannelMessage::from_body(false, stamp, body)?)
            }
            AvKind::ChannelAck => {
                AvContent::ChannelMessage(ChannelMessage::from_body(true, stamp, body)?)
            }
            AvKind::BufferReset => {
                AvContent::BufferReset(BufferReset::from_body(false, stamp, body))
            }
            AvKind::BufferResetAck => {
                AvContent::BufferReset(BufferReset::from_body(true, stamp, body))
            }
            AvKind::Ioctl => AvContent::IoctlMessage(IoctlMessage::from_body(stamp, body)?),
            AvKind::IoctlAck => AvContent::IoctlAck(IoctlAck::from_body(stamp, body)),
            AvKind::Heartbeat => AvContent::Heartbeat(Heartbeat::from_body(stamp, body)?),
            AvKind::Probe => {
                let clock = self.clock.unwrap_or_default();
                AvContent::Probe(Probe { stamp, clock })
            }
            AvKind::ProbeAnswer => AvContent::ProbeAnswer(ProbeAnswer::from_body(stamp, body)?),
            AvKind::Grouped => {
                let group = self.group.unwrap_or_default();
                match layout {
                    _ if group.is_ioctl() => {
                        AvContent::IoctlRequest(IoctlRequest::from_packet(self)?)
                    }
                    MediaLayout::Slice => AvContent::Media(AvMedia::Grouped { group, body }),
                    MediaLayout::Fragment => AvContent::Unknown,
                }
            }
            AvKind::Media(_) | AvKind::Resent(_) => AvContent::Media(match layout {
                MediaLayout::Fragment => AvMedia::Fragment(Fragment::from_body(self.header, body)?),
                MediaLayout::Slice => {
                    AvMedia::Slice(Slice::parse_body(body).map_err(|e| e.at(self.body_offset()))?)
                }
            }),
            AvKind::Unknown => AvContent::Unknown,
        })
    }
}
