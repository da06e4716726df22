//! Outgoing bytes: responses, interleaved packets and datagrams, in order.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::message::INTERLEAVED_HEADER;

/// The kind of a datagram, which determines the server's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// RTP.
    Rtp,
    /// RTCP.
    Rtcp,
}

/// The transport of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// Interleaved in the RTSP connection, on these channels.
    Interleaved { rtp: u8, rtcp: u8 },
    /// UDP to these addresses.
    Udp { rtp: SocketAddr, rtcp: SocketAddr },
}

/// Reused buffers. Packets are written in place.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Responses and interleaved packets.
    pub(super) stream: BytesMut,
    /// The payloads of all queued datagrams.
    datagrams: BytesMut,
    queue: VecDeque<(SocketAddr, Channel, usize)>,
    /// The payload of the datagram that was taken last.
    current: BytesMut,
}

impl Path {
    pub(super) fn is_interleaved(self) -> bool {
        matches!(self, Self::Interleaved { .. })
    }
}

impl Outgoing {
    /// Appends a packet with `write`, and returns its size. Returns `None` if `write` returns
    /// `false`, or if the packet is too long for the interleaved header.
    pub(super) fn packet(
        &mut self,
        path: Path,
        channel: Channel,
        write: impl FnOnce(&mut BytesMut) -> bool,
    ) -> Option<usize> {
        match path {
            Path::Interleaved { rtp, rtcp } => {
                let number = match channel {
                    Channel::Rtp => rtp,
                    Channel::Rtcp => rtcp,
                };
                let at = self.stream.len();
                self.stream.put_slice(&[b'$', number, 0, 0]);
                let written = write(&mut self.stream);
                let bytes = self.stream.len() - at - INTERLEAVED_HEADER;
                let length = u16::try_from(bytes).ok().filter(|_| written);
                let header = self.stream.get_mut(at + 2..at + INTERLEAVED_HEADER);
                match (length, header) {
                    (Some(length), Some(header)) => {
                        header.copy_from_slice(&length.to_be_bytes());
                        Some(bytes)
                    }
                    _ => {
                        self.stream.truncate(at);
                        None
                    }
                }
            }
            Path::Udp { rtp, rtcp } => {
                let to = match channel {
                    Channel::Rtp => rtp,
                    Channel::Rtcp => rtcp,
                };
                let at = self.datagrams.len();
                if !write(&mut self.datagrams) {
                    self.datagrams.truncate(at);
                    return None;
                }
                let bytes = self.datagrams.len() - at;
                self.queue.push_back((to, channel, bytes));
                Some(bytes)
            }
        }
    }

    /// Makes room for packets, so that one allocation holds a frame.
    pub(super) fn reserve(&mut self, path: Path, packets: usize, bytes: usize) {
        match path {
            Path::Interleaved { .. } => {
                self.stream.reserve(bytes + packets * INTERLEAVED_HEADER);
            }
            Path::Udp { .. } => self.datagrams.reserve(bytes),
        }
    }

    /// Takes all bytes for the connection.
    pub(super) fn take_stream(&mut self) -> Option<Bytes> {
        (!self.stream.is_empty()).then(|| self.stream.split().freeze())
    }

    /// Takes the next datagram. [`current`](Self::current) returns its payload.
    pub(super) fn take_datagram(&mut self) -> Option<(SocketAddr, Channel)> {
        let (to, channel, bytes) = self.queue.pop_front()?;
        self.current = self.datagrams.split_to(bytes);
        Some((to, channel))
    }

    /// Returns the payload of the datagram that was taken last.
    pub(super) fn current(&self) -> &[u8] {
        &self.current
    }

    /// Returns `true` if nothing is queued.
    pub(super) fn is_empty(&self) -> bool {
        self.stream.is_empty() && self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_sorted_by_transport() {
        let mut out = Outgoing::default();
        let interleaved = Path::Interleaved { rtp: 4, rtcp: 5 };
        let to = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let udp = Path::Udp {
            rtp: to(6),
            rtcp: to(7),
        };
        let put = |bytes: &'static [u8]| {
            move |out: &mut BytesMut| {
                out.put_slice(bytes);
                !bytes.is_empty()
            }
        };
        out.stream.put_slice(b"answer");
        assert_eq!(out.packet(interleaved, Channel::Rtp, put(b"abc")), Some(3));
        assert_eq!(out.packet(interleaved, Channel::Rtp, put(b"")), None);
        assert_eq!(out.packet(interleaved, Channel::Rtcp, put(b"d")), Some(1));
        assert_eq!(out.packet(udp, Channel::Rtp, put(b"ef")), Some(2));
        assert_eq!(out.packet(udp, Channel::Rtcp, put(b"")), None);
        assert_eq!(out.packet(udp, Channel::Rtcp, put(b"g")), Some(1));
        // A packet that is too long for the interleaved header is dropped.
        static LONG: [u8; 65_536] = [0; 65_536];
        assert_eq!(out.packet(interleaved, Channel::Rtp, put(&LONG)), None);

        assert_eq!(
            out.take_stream().unwrap(),
            &b"answer$\x04\x00\x03abc$\x05\x00\x01d"[..]
        );
        assert_eq!(out.take_stream(), None);
        assert!(!out.is_empty());
        assert_eq!(out.take_datagram(), Some((to(6), Channel::Rtp)));
        assert_eq!(out.current(), b"ef");
        assert_eq!(out.take_datagram(), Some((to(7), Channel::Rtcp)));
        assert_eq!(out.current(), b"g");
        assert_eq!(out.take_datagram(), None);
        assert!(out.is_empty());
    }
}
