//! An observer decrypts recorded connections.

use dtls_psk::crypto::default_provider;
use dtls_psk::passive::{Handshake, Keys, RecordHeader, Side};
use dtls_psk::{CipherSuite, Psk};

use crate::common::KEY;
use crate::common::variants::{Variant, all_variants};

const FROM_CLIENT: &[u8] = b"from the client";
const FROM_SERVER: &[u8] = b"from the server";
const HANDSHAKE: u8 = 22;

/// A recorded connection: senders and datagrams, and the key log.
struct Recorded {
    datagrams: Vec<(Side, Vec<u8>)>,
    key_log: String,
}

impl Recorded {
    /// With a small MTU, the messages are fragmented.
    fn new(variant: Variant, mtu: usize) -> Self {
        let mut datagrams = Vec::new();
        let mut record = |_, from_client, datagram: Vec<u8>| {
            let sender = match from_client {
                true => Side::Client,
                false => Side::Server,
            };
            datagrams.push((sender, datagram.clone()));
            vec![datagram]
        };
        let [client, server] = [variant.client(), variant.server()];
        let mut pair = crate::common::Pair::new(client.with_mtu(mtu), server.with_mtu(mtu));
        pair.run(&mut record);
        pair.client.send(FROM_CLIENT);
        pair.exchange(&mut record);
        pair.server.send(FROM_SERVER);
        pair.exchange(&mut record);
        Self {
            key_log: pair.client.key_log()[0].clone(),
            datagrams,
        }
    }

    fn master_secret(&self) -> [u8; 48] {
        let digits = self.key_log.split(' ').next_back().unwrap();
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        std::array::from_fn(|index| byte(2 * index))
    }

    /// Follows the handshake in the order of the datagrams, or backwards.
    fn handshake(&self, backwards: bool) -> Handshake {
        let mut handshake = Handshake::default();
        let mut datagrams: Vec<_> = self.datagrams.iter().collect();
        if backwards {
            datagrams.reverse();
        }
        for (sender, datagram) in datagrams {
            for (header, fragment) in records(datagram) {
                if header.epoch == 0 && header.content_type == HANDSHAKE {
                    handshake.handle_record(*sender, &fragment, |_, _| {});
                }
            }
        }
        handshake
    }

    /// Opens all protected records with these keys.
    fn open(&self, keys: &mut Keys) -> Vec<(u8, Vec<u8>)> {
        let mut opened = Vec::new();
        for (sender, datagram) in &self.datagrams {
            for (header, mut fragment) in records(datagram) {
                if header.epoch == 1 {
                    let plaintext = keys.open(*sender, header, &mut fragment).unwrap();
                    opened.push((header.content_type, plaintext.to_vec()));
                }
            }
        }
        opened
    }
}

fn records(datagram: &[u8]) -> Vec<(RecordHeader, Vec<u8>)> {
    let mut records = Vec::new();
    let mut rest = datagram;
    while let Some((header, fragment, tail)) = RecordHeader::split(rest) {
        records.push((header, fragment.to_vec()));
        rest = tail;
    }
    assert!(rest.is_empty());
    records
}

fn is_whole_session(opened: &[(u8, Vec<u8>)]) -> bool {
    let data: Vec<_> = opened
        .iter()
        .filter(|(content_type, _)| *content_type != HANDSHAKE)
        .map(|(_, data)| data.as_slice())
        .collect();
    opened.len() == data.len() + 2 && data == [FROM_CLIENT, FROM_SERVER]
}

#[test]
fn opens_all_records_with_the_master_secret() {
    for variant in all_variants() {
        for mtu in [dtls_psk::MIN_MTU, dtls_psk::DEFAULT_MTU] {
            let recorded = Recorded::new(variant, mtu);
            let handshake = recorded.handshake(false);
            let offered = handshake.offers_extended_master_secret();
            assert_eq!(offered, Some(variant.all_options));
            for suite in CipherSuite::ALL {
                let offered = handshake.offers_any_suite(&[*suite]);
                assert_eq!(offered, Some(*suite == variant.suite));
            }
            let parameters = handshake.parameters().unwrap();
            assert_eq!(parameters.suite, variant.suite);
            assert_eq!(parameters.extended_master_secret, variant.all_options);
            let mut keys =
                Keys::new(default_provider(), parameters, &recorded.master_secret()).unwrap();
            assert!(is_whole_session(&recorded.open(&mut keys)), "{variant:?}");
        }
    }
}

#[test]
fn opens_all_records_of_a_plain_psk_suite_with_the_psk() {
    for variant in all_variants() {
        let recorded = Recorded::new(variant, dtls_psk::MIN_MTU);
        let handshake = recorded.handshake(false);
        let keys = Keys::from_psk(default_provider(), &handshake, &Psk::new(KEY)).unwrap();
        assert_eq!(keys.is_none(), variant.suite.has_forward_secrecy());
        let Some(mut keys) = keys else { continue };
        assert!(is_whole_session(&recorded.open(&mut keys)), "{variant:?}");

        let mut wrong = Keys::from_psk(default_provider(), &handshake, &Psk::new([1; 32]))
            .unwrap()
            .unwrap();
        let (sender, datagram) = recorded.datagrams.last().unwrap();
        let (header, mut fragment) = records(datagram).pop().unwrap();
        assert!(wrong.open(*sender, header, &mut fragment).is_none());
    }
}

#[test]
fn handshake_messages_can_arrive_in_any_order() {
    let variant = all_variants().pop().unwrap();
    let recorded = Recorded::new(variant, dtls_psk::MIN_MTU);
    let [forwards, backwards] = [false, true].map(|backwards| recorded.handshake(backwards));
    assert_eq!(backwards.parameters(), forwards.parameters());
    assert!(backwards.parameters().is_some());
}

#[test]
fn sealed_record_opens_with_the_same_keys() {
    for variant in all_variants() {
        let recorded = Recorded::new(variant, dtls_psk::DEFAULT_MTU);
        let handshake = recorded.handshake(false);
        let fake = [0x42; 48];
        let mut keys =
            Keys::new(default_provider(), handshake.parameters().unwrap(), &fake).unwrap();
        let (sender, datagram) = recorded.datagrams.last().unwrap();
        let (header, original) = records(datagram).pop().unwrap();
        let mut sealed = Vec::new();
        keys.seal(*sender, header, FROM_SERVER, &mut sealed)
            .unwrap();
        assert_eq!(sealed.len(), original.len(), "{variant:?}");
        assert_eq!(
            keys.open(*sender, header, &mut sealed).unwrap(),
            FROM_SERVER
        );
        let plain = RecordHeader { epoch: 0, ..header };
        assert!(keys.seal(*sender, plain, b"", &mut Vec::new()).is_err());
    }
}
