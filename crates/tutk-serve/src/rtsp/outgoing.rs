//! Outgoing bytes: responses, interleaved packets and datagrams, in order.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tutk_media::{RTP_HEADER_BYTES, RtpPayload};

use super::unwritten::Unwritten;

/// The maximum number of datagrams in [`Output::Datagrams`](super::Output::Datagrams). A key frame
/// has hundreds, and the receive buffer of a client has room for about ninety: 208 KiB by default
/// on Linux.
pub const MAX_DATAGRAMS: usize = 16;

/// The maximum size of all datagrams that are sent at once: that of one UDP datagram.
const MAX_BATCH_BYTES: usize = 65_507;

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

/// Queued bytes. Headers are written into reused buffers, and payloads are shared by all viewers.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Responses and interleaved packets.
    pub(super) stream: Unwritten,
    /// The headers of all queued datagrams.
    headers: BytesMut,
    queue: VecDeque<Datagram>,
    /// The datagrams that were taken last.
    batch: BytesMut,
}

#[derive(Debug)]
struct Datagram {
    to: SocketAddr,
    channel: Channel,
    /// The number of bytes in [`Outgoing::headers`].
    header: usize,
    payload: Bytes,
}

/// The properties of the datagrams that were taken last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) to: SocketAddr,
    pub(super) channel: Channel,
    /// The size of each datagram except the last one, which can be shorter.
    pub(super) datagram_bytes: usize,
}

impl Path {
    pub(super) fn is_interleaved(self) -> bool {
        matches!(self, Self::Interleaved { .. })
    }
}

impl Datagram {
    fn len(&self) -> usize {
        self.header + self.payload.len()
    }
}

impl Outgoing {
    /// Appends an RTP packet. Returns `false` if it is too long for the interleaved header.
    pub(super) fn rtp(
        &mut self,
        path: Path,
        header: [u8; RTP_HEADER_BYTES],
        payload: &RtpPayload,
    ) -> bool {
        let [prefix, _] = payload.parts();
        self.packet(path, Channel::Rtp, &[&header, prefix], payload.data())
    }

    /// Appends an RTCP packet.
    pub(super) fn rtcp(&mut self, path: Path, packet: &[u8]) {
        self.packet(path, Channel::Rtcp, &[packet], &Bytes::new());
    }

    fn packet(&mut self, path: Path, channel: Channel, header: &[&[u8]], payload: &Bytes) -> bool {
        let bytes = header.iter().map(|part| part.len()).sum::<usize>();
        let out = match path {
            Path::Interleaved { rtp, rtcp } => {
                let number = match channel {
                    Channel::Rtp => rtp,
                    Channel::Rtcp => rtcp,
                };
                let Ok(length) = u16::try_from(bytes + payload.len()) else {
                    return false;
                };
                let own = self.stream.own();
                own.put_slice(&[b'$', number]);
                own.put_u16(length);
                own
            }
            Path::Udp { rtp, rtcp } => {
                self.queue.push_back(Datagram {
                    to: match channel {
                        Channel::Rtp => rtp,
                        Channel::Rtcp => rtcp,
                    },
                    channel,
                    header: bytes,
                    payload: payload.clone(),
                });
                &mut self.headers
            }
        };
        for part in header {
            out.put_slice(part);
        }
        if path.is_interleaved() {
            self.stream.push_shared(payload.clone());
        }
        true
    }

    /// Takes the next datagrams for one address: all have the same size, except that the last one
    /// can be shorter. [`batch`](Self::batch) returns their bytes.
    pub(super) fn take_datagrams(&mut self) -> Option<Batch> {
        let first = self.queue.front()?;
        let batch = Batch {
            to: first.to,
            channel: first.channel,
            datagram_bytes: first.len(),
        };
        self.batch.clear();
        for _ in 0..MAX_DATAGRAMS {
            let fits = |next: &&Datagram| {
                (next.to, next.channel) == (batch.to, batch.channel)
                    && next.len() <= batch.datagram_bytes
                    && (self.batch.is_empty() || self.batch.len() + next.len() <= MAX_BATCH_BYTES)
            };
            let Some(next) = self.queue.front().filter(fits) else {
                break;
            };
            let header = self.headers.get(..next.header).unwrap_or_default();
            self.batch.put_slice(header);
            self.headers.advance(header.len());
            self.batch.put_slice(&next.payload);
            let is_last = next.len() < batch.datagram_bytes;
            self.queue.pop_front();
            if is_last {
                break;
            }
        }
        Some(batch)
    }

    /// Returns the datagrams that were taken last.
    pub(super) fn batch(&self) -> &[u8] {
        &self.batch
    }

    /// Returns `true` if nothing is queued.
    pub(super) fn is_empty(&self) -> bool {
        !self.stream.has_remaining() && self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use tutk_media::{AccessUnit, Codec, RtpPayloads, RtpStream};

    use super::*;

    const INTERLEAVED: Path = Path::Interleaved { rtp: 4, rtcp: 5 };

    fn udp() -> Path {
        let [rtp, rtcp] = [6, 7].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        Path::Udp { rtp, rtcp }
    }

    /// The payloads of a NAL unit with this many bytes, in packets of 100 bytes.
    fn payloads(bytes: usize, packet_bytes: usize) -> RtpPayloads {
        let mut unit = vec![0, 0, 0, 1, 0x65];
        unit.resize(4 + bytes, 7);
        RtpPayloads::video(&AccessUnit::new(Codec::H264, unit), packet_bytes).unwrap()
    }

    #[test]
    fn packets_are_sorted_by_transport() {
        let mut out = Outgoing::default();
        let payloads = payloads(3, 100);
        let payload = payloads.iter().next().unwrap();
        let header = RtpStream::new(96, 1, 2).unwrap().next_header(payload, 3);
        out.stream.own().put_slice(b"answer");
        assert!(out.rtp(INTERLEAVED, header, payload));
        out.rtcp(INTERLEAVED, b"d");
        assert!(out.rtp(udp(), header, payload));
        out.rtcp(udp(), b"g");

        let mut packet = header.to_vec();
        packet.extend_from_slice(&[0x65, 7, 7]);
        let mut expected = b"answer$\x04\x00\x0f".to_vec();
        expected.extend_from_slice(&packet);
        expected.extend_from_slice(b"$\x05\x00\x01d");
        assert_eq!(out.stream.copy_to_bytes(out.stream.remaining()), expected);
        assert!(!out.is_empty());
        for (channel, port, bytes) in [
            (Channel::Rtp, 6, &packet[..]),
            (Channel::Rtcp, 7, &b"g"[..]),
        ] {
            let batch = out.take_datagrams().unwrap();
            assert_eq!((batch.channel, batch.to.port()), (channel, port));
            assert_eq!((out.batch(), batch.datagram_bytes), (bytes, bytes.len()));
        }
        assert_eq!(out.take_datagrams(), None);
        assert!(out.is_empty());
    }

    #[test]
    fn datagrams_of_one_size_are_taken_together() {
        let mut out = Outgoing::default();
        let mut stream = RtpStream::new(96, 1, 0).unwrap();
        // 40 packets of 100 bytes and a shorter one, twice.
        for _ in 0..2 {
            let payloads = payloads(40 * 86 + 11, 100);
            assert_eq!(payloads.len(), 41);
            for payload in &payloads {
                out.rtp(udp(), stream.next_header(payload, 0), payload);
            }
        }
        let mut expected = 0_u16;
        for count in [16, 16, 9, 16, 16, 9] {
            let batch = out.take_datagrams().unwrap();
            assert_eq!(batch.datagram_bytes, 100);
            let datagrams: Vec<_> = out.batch().chunks(100).collect();
            assert_eq!(datagrams.len(), count);
            for datagram in datagrams {
                assert_eq!(datagram[2..4], expected.to_be_bytes());
                expected += 1;
            }
        }
        assert!(out.is_empty());
        // A batch is not larger than a datagram can be.
        let payloads = payloads(80_000, 30_000);
        for payload in &payloads {
            out.rtp(udp(), stream.next_header(payload, 0), payload);
        }
        out.take_datagrams().unwrap();
        assert_eq!(out.batch().len(), 60_000);
    }

    #[test]
    fn packet_that_is_too_long_for_the_interleaved_header_is_dropped() {
        let mut out = Outgoing::default();
        out.rtcp(INTERLEAVED, &[0; 65_536]);
        assert!(out.is_empty());
        out.rtcp(INTERLEAVED, &[0; 65_535]);
        assert_eq!(out.stream.remaining(), 65_539);
    }
}
