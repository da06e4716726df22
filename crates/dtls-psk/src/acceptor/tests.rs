use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::{CipherSuite, Psk};

fn psk() -> Psk {
    Psk::new([9; 32])
}

fn server_config() -> Config {
    Config::server(|_: &[u8]| Some(psk()))
}

struct Door {
    acceptor: Acceptor,
    rng: StdRng,
    now: Instant,
}

impl Door {
    #[allow(
        clippy::disallowed_methods,
        reason = "any instant will do as a beginning"
    )]
    fn new(config: Config) -> Self {
        let mut rng = StdRng::seed_from_u64(5);
        Self {
            acceptor: Acceptor::new(Arc::new(config), &mut rng).unwrap(),
            rng,
            now: Instant::now(),
        }
    }

    fn client(&mut self, suites: &[CipherSuite]) -> Connection {
        let config = Config::client("x", psk()).with_suites(suites);
        Connection::client(Arc::new(config), &mut self.rng, self.now).unwrap()
    }

    fn take(&mut self, peer: &[u8], datagram: &[u8]) -> Accept<'_> {
        let mut datagram = datagram.to_vec();
        self.acceptor
            .handle_datagram(peer, &mut datagram, &mut self.rng, self.now)
            .unwrap()
    }

    /// The hello with a cookie that `client` says to `peer` after its first.
    fn second_hello(&mut self, peer: &[u8], client: &mut Connection) -> Vec<u8> {
        let now = self.now;
        let first = datagrams(client).remove(0);
        let Accept::Reply(reply) = self.take(peer, &first) else {
            panic!("no reply");
        };
        assert!(reply.len() <= first.len(), "no amplification");
        let mut reply = reply.to_vec();
        client.handle_datagram(now, &mut reply, |_| {}).unwrap();
        datagrams(client).remove(0)
    }
}

fn datagrams(connection: &mut Connection) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Output::Transmit(datagram) = connection.poll_output() {
        all.push(datagram.to_vec());
    }
    all
}

#[test]
fn a_client_with_a_cookie_is_let_in_and_connects() {
    for suite in CipherSuite::ALL {
        let mut door = Door::new(server_config().with_suites(CipherSuite::ALL));
        let now = door.now;
        let mut client = door.client(&[*suite]);
        let hello = door.second_hello(b"a", &mut client);
        let Accept::Connection(mut server) = door.take(b"a", &hello) else {
            panic!("no connection");
        };
        assert!(server.has_begun());
        while !client.is_connected() {
            for mut datagram in datagrams(&mut server) {
                client.handle_datagram(now, &mut datagram, |_| {}).unwrap();
            }
            for mut datagram in datagrams(&mut client) {
                server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
            }
        }
        assert!(server.is_connected());
        let stats = door.acceptor.stats();
        assert_eq!((stats.datagrams, stats.accepted), (2, 1));
    }
}

#[test]
fn a_cookie_is_good_for_one_address_and_two_secrets() {
    let mut door = Door::new(server_config());
    let mut client = door.client(crate::DEFAULT_SUITES);
    let hello = door.second_hello(b"a", &mut client);
    assert!(matches!(door.take(b"b", &hello), Accept::Reply(_)));
    assert!(matches!(door.take(b"a", &hello), Accept::Connection(_)));
    let rotate = |door: &mut Door| door.acceptor.rotate_secret(&mut door.rng);
    rotate(&mut door);
    assert!(matches!(door.take(b"a", &hello), Accept::Connection(_)));
    rotate(&mut door);
    assert!(matches!(door.take(b"a", &hello), Accept::Reply(_)));
    // And with no bit of the hello other than it was.
    let mut client = door.client(crate::DEFAULT_SUITES);
    let hello = door.second_hello(b"a", &mut client);
    for at in 0..hello.len() * 8 {
        let mut changed = hello.clone();
        changed[at / 8] ^= 1 << (at % 8);
        // The record's version and number, and the message's number, are no part of it.
        let covered = !(1..11).contains(&(at / 8)) && !(17..19).contains(&(at / 8));
        let accept = door.take(b"a", &changed);
        assert!(
            !covered || !matches!(accept, Accept::Connection(_)),
            "bit {at}"
        );
    }
}

#[test]
fn a_flood_leaves_nothing_behind() {
    let mut door = Door::new(server_config());
    let mut client = door.client(crate::DEFAULT_SUITES);
    let hello = datagrams(&mut client).remove(0);
    door.take(b"first", &hello);
    let capacity = door.acceptor.reply.capacity();
    for peer in 0..20_000u32 {
        assert!(matches!(
            door.take(&peer.to_be_bytes(), &hello),
            Accept::Reply(_)
        ));
    }
    assert_eq!(door.acceptor.reply.capacity(), capacity);
    assert_eq!(door.acceptor.stats().verify_requests, 20_001);
}

#[test]
fn a_hello_that_cannot_be_served_is_told_so_once_it_has_a_cookie() {
    let mut door = Door::new(server_config());
    let mut client = door.client(&[CipherSuite::PskAes128Ccm8]);
    let hello = door.second_hello(b"a", &mut client);
    let Accept::Refuse { alert, error } = door.take(b"a", &hello) else {
        panic!("not refused");
    };
    assert!(matches!(error, Error::CipherSuite { .. }));
    let mut alert = alert.to_vec();
    let now = door.now;
    let error = client.handle_datagram(now, &mut alert, |_| {}).unwrap_err();
    assert!(matches!(error, Error::PeerAlert { .. }));
}

#[test]
fn noise_is_dropped() {
    let mut door = Door::new(server_config());
    let mut client = door.client(crate::DEFAULT_SUITES);
    let hello = datagrams(&mut client).remove(0);
    let with = |at: usize, value: u8| {
        let mut changed = hello.clone();
        changed[at] = value;
        changed
    };
    // No record, alert, epoch 1, another message, a high message number, a fragment.
    for noise in [
        vec![],
        vec![0; 100],
        with(0, 21),
        with(4, 1),
        with(13, 2),
        with(18, 33),
        with(21, 1),
    ] {
        assert!(matches!(door.take(b"a", &noise), Accept::Drop));
    }
    for len in 0..hello.len() {
        assert!(matches!(door.take(b"a", &hello[..len]), Accept::Drop));
    }
    assert!(matches!(door.take(b"a", &hello), Accept::Reply(_)));
    let stats = door.acceptor.stats();
    assert_eq!(stats.dropped + 1, stats.datagrams);
}

#[test]
fn without_cookies_a_hello_is_a_connection() {
    let mut door = Door::new(server_config().with_cookie_exchange(false));
    let mut client = door.client(crate::DEFAULT_SUITES);
    let hello = datagrams(&mut client).remove(0);
    let mut fragment = hello.clone();
    fragment[21] = 1;
    assert!(matches!(door.take(b"a", &fragment), Accept::Drop));
    assert!(matches!(door.take(b"a", &hello), Accept::Connection(_)));
}

#[test]
fn a_client_has_no_door() {
    let mut rng = StdRng::seed_from_u64(5);
    let config = Arc::new(Config::client("x", psk()));
    let error = Acceptor::new(config, &mut rng).unwrap_err();
    assert!(matches!(error, Error::WrongRole { .. }));
}
