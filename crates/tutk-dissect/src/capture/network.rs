//! The layers below TUTK: link, IP and UDP.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, PacketBuilder, TransportSlice};

use crate::error::Error;

/// The longest datagram that [`udp_packet`] accepts, in bytes: an IPv4 packet less its headers.
pub const MAX_PAYLOAD: usize = 65_535 - 20 - 8;

/// The time to live of packets from [`udp_packet`].
const HOP_LIMIT: u8 = 64;

/// A link-layer type, as registered for capture files (<https://www.tcpdump.org/linktypes.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

/// A UDP datagram in a captured packet. The payload is borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The sender.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
    /// The payload.
    pub payload: &'a [u8],
    /// The number of payload bytes that the capture does not contain.
    pub missing: usize,
}

/// Why a captured packet contains no UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotUdp {
    /// The link type is not supported.
    LinkType(LinkType),
    /// The packet is not IP.
    NotIp,
    /// A fragment of an IP packet. Fragments are not reassembled: DTLS keeps datagrams short.
    Fragment,
    /// Another protocol than UDP, or a damaged packet.
    OtherProtocol,
}

impl LinkType {
    /// The BSD loopback, with the address family in the byte order of the capturing machine.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// IPv4 or IPv6 without a link layer.
    pub const RAW: Self = Self(101);
    /// The OpenBSD loopback, with the address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux "cooked", version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// IPv4 without a link layer.
    pub const IPV4: Self = Self(228);
    /// IPv6 without a link layer.
    pub const IPV6: Self = Self(229);
    /// Wireshark's exported PDUs.
    pub const WIRESHARK_UPPER_PDU: Self = Self(252);
    /// Linux "cooked", version 2, as `tcpdump -i any` writes it.
    pub const LINUX_SLL2: Self = Self(276);
    /// Two numbers of raw IP that some systems write to files: `DLT_RAW`.
    const RAW_DLT: [Self; 2] = [Self(12), Self(14)];

    /// Returns the length of this link layer's header and the place of the EtherType in it. IP
    /// follows a header without an EtherType.
    fn header(self) -> Option<(usize, Option<usize>)> {
        match self {
            Self::NULL | Self::LOOP => Some((4, None)),
            Self::LINUX_SLL => Some((16, Some(14))),
            Self::LINUX_SLL2 => Some((20, Some(0))),
            Self::RAW | Self::IPV4 | Self::IPV6 => Some((0, None)),
            raw if Self::RAW_DLT.contains(&raw) => Some((0, None)),
            _ => None,
        }
    }
}

impl<'a> Datagram<'a> {
    /// Finds the UDP datagram in a captured packet. VLAN tags and IPv6 extension headers are
    /// skipped.
    ///
    /// # Errors
    /// [`NotUdp`].
    pub fn parse(link: LinkType, packet: &'a [u8]) -> Result<Self, NotUdp> {
        let sliced = if link == LinkType::ETHERNET {
            LaxSlicedPacket::from_ethernet(packet).map_err(|_| NotUdp::NotIp)?
        } else {
            let (len, ether_type) = link.header().ok_or(NotUdp::LinkType(link))?;
            let (header, rest) = packet.split_at_checked(len).ok_or(NotUdp::NotIp)?;
            match ether_type {
                None => LaxSlicedPacket::from_ip(rest).map_err(|_| NotUdp::NotIp)?,
                Some(at) => {
                    let bytes = header.get(at..).and_then(<[u8]>::first_chunk);
                    let number = bytes.map_or(0, |bytes| u16::from_be_bytes(*bytes));
                    LaxSlicedPacket::from_ether_type(EtherType(number), rest)
                }
            }
        };
        let (source, destination): (IpAddr, IpAddr) = match &sliced.net {
            Some(LaxNetSlice::Ipv4(ip)) => {
                let header = ip.header();
                (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                )
            }
            Some(LaxNetSlice::Ipv6(ip)) => {
                let header = ip.header();
                (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                )
            }
            _ => return Err(NotUdp::NotIp),
        };
        let Some(TransportSlice::Udp(udp)) = sliced.transport else {
            let payload = sliced.net.as_ref().and_then(LaxNetSlice::ip_payload_ref);
            return Err(match payload {
                Some(payload) if payload.fragmented => NotUdp::Fragment,
                _ => NotUdp::OtherProtocol,
            });
        };
        let payload = udp.payload();
        // A length of 0 stands for the rest of the packet (RFC 2675).
        let announced = usize::from(udp.length()).saturating_sub(8);
        Ok(Self {
            source: SocketAddr::new(source, udp.source_port()),
            destination: SocketAddr::new(destination, udp.destination_port()),
            payload,
            missing: announced.saturating_sub(payload.len()),
        })
    }
}

/// Makes the IP packet of a datagram, for [`LinkType::RAW`]. Its checksums are correct.
///
/// # Errors
/// [`Error::MixedAddresses`], and [`Error::DatagramTooLong`] for more than [`MAX_PAYLOAD`] bytes.
pub fn udp_packet(
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
) -> Result<Vec<u8>, Error> {
    let builder = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            PacketBuilder::ipv4(from.octets(), to.octets(), HOP_LIMIT)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            PacketBuilder::ipv6(from.octets(), to.octets(), HOP_LIMIT)
        }
        _ => return Err(Error::MixedAddresses),
    };
    let too_long = Error::DatagramTooLong {
        max: MAX_PAYLOAD,
        got: payload.len(),
    };
    if payload.len() > MAX_PAYLOAD {
        return Err(too_long);
    }
    let builder = builder.udp(source.port(), destination.port());
    let mut packet = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut packet, payload).map_err(|_| too_long)?;
    Ok(packet)
}
