//! The layers below the protocol.

use tutk_dissect::Error;
use tutk_dissect::capture::{Datagram, LinkType, MAX_PAYLOAD, NotUdp, udp_packet};

const FROM: &str = "192.0.2.1:50000";
const TO: &str = "192.0.2.7:32761";

fn ip() -> Vec<u8> {
    udp_packet(FROM.parse().unwrap(), TO.parse().unwrap(), b"payload").unwrap()
}

fn ether_type_after(header: &[u8]) -> Vec<u8> {
    [header, &ip()].concat()
}

#[test]
fn finds_the_datagram_behind_every_link_layer() {
    let mac = [0x02; 12];
    let ethernet = [&mac[..], &[0x08, 0x00]].concat();
    let tagged = [&mac[..], &[0x81, 0x00, 0x00, 0x05, 0x08, 0x00]].concat();
    let mut sll = [0; 16];
    sll[14] = 0x08;
    let mut sll2 = [0; 20];
    sll2[0] = 0x08;
    for (link, packet) in [
        (LinkType::ETHERNET, ether_type_after(&ethernet)),
        (LinkType::ETHERNET, ether_type_after(&tagged)),
        (LinkType::LINUX_SLL, ether_type_after(&sll)),
        (LinkType::LINUX_SLL2, ether_type_after(&sll2)),
        (LinkType::NULL, ether_type_after(&[2, 0, 0, 0])),
        (LinkType::LOOP, ether_type_after(&[0, 0, 0, 2])),
        (LinkType::RAW, ip()),
        (LinkType(12), ip()),
        (LinkType::IPV4, ip()),
    ] {
        let datagram = Datagram::parse(link, &packet).unwrap();
        assert_eq!(datagram.source, FROM.parse().unwrap(), "{link:?}");
        assert_eq!(datagram.destination, TO.parse().unwrap());
        assert_eq!((datagram.payload, datagram.missing), (&b"payload"[..], 0));
    }
}

#[test]
fn finds_the_datagram_in_ipv6() {
    let [from, to] = ["[2001:db8::1]:50000", "[2001:db8::2]:32761"].map(|a| a.parse().unwrap());
    let packet = udp_packet(from, to, b"six").unwrap();
    let datagram = Datagram::parse(LinkType::RAW, &packet).unwrap();
    assert_eq!((datagram.source, datagram.payload), (from, &b"six"[..]));
    assert!(udp_packet(from, TO.parse().unwrap(), b"").is_err());
}

#[test]
fn reports_a_cut_datagram_and_other_packets() {
    let packet = ip();
    let cut = Datagram::parse(LinkType::RAW, &packet[..packet.len() - 3]).unwrap();
    assert_eq!((cut.payload, cut.missing), (&b"payl"[..], 3));

    let parse = |link, packet: &[u8]| Datagram::parse(link, packet).unwrap_err();
    assert_eq!(
        parse(LinkType(105), &packet),
        NotUdp::LinkType(LinkType(105))
    );
    assert_eq!(parse(LinkType::RAW, &[]), NotUdp::NotIp);
    assert_eq!(parse(LinkType::LINUX_SLL2, &[0; 9]), NotUdp::NotIp);
    let mut fragment = packet.clone();
    fragment[6] = 0x20;
    assert_eq!(parse(LinkType::RAW, &fragment), NotUdp::Fragment);
    let mut tcp = packet;
    tcp[9] = 6;
    assert_eq!(parse(LinkType::RAW, &tcp), NotUdp::OtherProtocol);
}

#[test]
fn rejects_a_datagram_that_does_not_fit_into_a_packet() {
    let packet = |len| udp_packet(FROM.parse().unwrap(), TO.parse().unwrap(), &vec![0; len]);
    assert_eq!(packet(MAX_PAYLOAD).unwrap().len(), 65_535);
    assert!(matches!(
        packet(MAX_PAYLOAD + 1),
        Err(Error::DatagramTooLong { .. })
    ));
}
