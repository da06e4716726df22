use super::*;
use crate::{CipherSuite, Psk};

fn psk() -> Psk {
    Psk::new([9; 32])
}

fn server_config() -> Config {
    Config::server(|_: &[u8]| Some(psk()))
}

struct Fixture {
    acceptor: Acceptor,
    clients: u8,
    now: Instant,
}

impl Fixture {
    fn new(config: Config) -> Self {
        Self {
            acceptor: Acceptor::new(Arc::new(config), [0; 32]).unwrap(),
            clients: 0,
            now: Instant::ZERO,
        }
    }

    fn client(&mut self, suites: &[CipherSuite]) -> Connection {
        let config = Config::client("x", psk()).with_suites(suites);
        self.clients += 1;
        Connection::client(Arc::new(config), [self.clients; 32], self.now).unwrap()
    }

    fn receive(&mut self, peer: &[u8], datagram: &[u8]) -> Accept<'_> {
        let mut datagram = datagram.to_vec();
        self.acceptor
            .handle_datagram(self.now, peer, &mut datagram)
            .unwrap()
    }

    /// Returns `client`'s hello with the cookie for `peer`.
    fn second_hello(&mut self, peer: &[u8], client: &mut Connection) -> Vec<u8> {
        let now = self.now;
        let first = datagrams(client).remove(0);
        let Accept::Reply(reply) = self.receive(peer, &first) else {
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
fn client_with_valid_cookie_connects() {
    for suite in CipherSuite::ALL {
        let mut fixture = Fixture::new(server_config().with_suites(CipherSuite::ALL));
        let now = fixture.now;
        let mut client = fixture.client(&[*suite]);
        let hello = fixture.second_hello(b"a", &mut client);
        let Accept::Connection(mut server) = fixture.receive(b"a", &hello) else {
            panic!("no connection");
        };
        assert!(server.has_started());
        while !client.is_connected() {
            for mut datagram in datagrams(&mut server) {
                client.handle_datagram(now, &mut datagram, |_| {}).unwrap();
            }
            for mut datagram in datagrams(&mut client) {
                server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
            }
        }
        assert!(server.is_connected());
        let stats = fixture.acceptor.stats();
        assert_eq!((stats.datagrams, stats.accepted), (2, 1));
    }
}

#[test]
fn cookie_is_valid_for_one_address_and_two_secrets() {
    let mut fixture = Fixture::new(server_config());
    let mut client = fixture.client(crate::DEFAULT_SUITES);
    let hello = fixture.second_hello(b"a", &mut client);
    assert!(matches!(fixture.receive(b"b", &hello), Accept::Reply(_)));
    assert!(matches!(
        fixture.receive(b"a", &hello),
        Accept::Connection(_)
    ));
    let rotate = |fixture: &mut Fixture| fixture.acceptor.rotate_secret().unwrap();
    rotate(&mut fixture);
    assert!(matches!(
        fixture.receive(b"a", &hello),
        Accept::Connection(_)
    ));
    rotate(&mut fixture);
    assert!(matches!(fixture.receive(b"a", &hello), Accept::Reply(_)));
    // A cookie is not valid for a changed hello.
    let mut client = fixture.client(crate::DEFAULT_SUITES);
    let hello = fixture.second_hello(b"a", &mut client);
    for at in 0..hello.len() * 8 {
        let mut changed = hello.clone();
        changed[at / 8] ^= 1 << (at % 8);
        // The cookie does not cover the record's version and number, nor the message's number.
        let covered = !(1..11).contains(&(at / 8)) && !(17..19).contains(&(at / 8));
        let accept = fixture.receive(b"a", &changed);
        assert!(
            !covered || !matches!(accept, Accept::Connection(_)),
            "bit {at}"
        );
    }
}

#[test]
fn flood_of_hellos_does_not_grow_memory() {
    let mut fixture = Fixture::new(server_config());
    let mut client = fixture.client(crate::DEFAULT_SUITES);
    let hello = datagrams(&mut client).remove(0);
    fixture.receive(b"first", &hello);
    let capacity = fixture.acceptor.reply.capacity();
    for peer in 0..20_000u32 {
        assert!(matches!(
            fixture.receive(&peer.to_be_bytes(), &hello),
            Accept::Reply(_)
        ));
    }
    assert_eq!(fixture.acceptor.reply.capacity(), capacity);
    assert_eq!(fixture.acceptor.stats().verify_requests, 20_001);
}

#[test]
fn unacceptable_hello_with_valid_cookie_gets_an_alert() {
    let mut fixture = Fixture::new(server_config());
    let mut client = fixture.client(&[CipherSuite::PskAes128Ccm8]);
    let hello = fixture.second_hello(b"a", &mut client);
    let Accept::Refuse { alert, error } = fixture.receive(b"a", &hello) else {
        panic!("not refused");
    };
    assert!(matches!(error, Error::CipherSuite { .. }));
    let mut alert = alert.to_vec();
    let now = fixture.now;
    let error = client.handle_datagram(now, &mut alert, |_| {}).unwrap_err();
    assert!(matches!(error, Error::PeerAlert { .. }));
}

#[test]
fn invalid_datagrams_are_dropped() {
    let mut fixture = Fixture::new(server_config());
    let mut client = fixture.client(crate::DEFAULT_SUITES);
    let hello = datagrams(&mut client).remove(0);
    let with = |at: usize, value: u8| {
        let mut changed = hello.clone();
        changed[at] = value;
        changed
    };
    // Empty, zeros, an alert, epoch 1, another message, a high message number, a fragment.
    for invalid in [
        vec![],
        vec![0; 100],
        with(0, 21),
        with(4, 1),
        with(13, 2),
        with(18, 33),
        with(21, 1),
    ] {
        assert!(matches!(fixture.receive(b"a", &invalid), Accept::Drop));
    }
    for len in 0..hello.len() {
        assert!(matches!(fixture.receive(b"a", &hello[..len]), Accept::Drop));
    }
    assert!(matches!(fixture.receive(b"a", &hello), Accept::Reply(_)));
    let stats = fixture.acceptor.stats();
    assert_eq!(stats.dropped + 1, stats.datagrams);
}

#[test]
fn without_cookie_exchange_a_hello_creates_a_connection() {
    let mut fixture = Fixture::new(server_config().with_cookie_exchange(false));
    let mut client = fixture.client(crate::DEFAULT_SUITES);
    let hello = datagrams(&mut client).remove(0);
    let mut fragment = hello.clone();
    fragment[21] = 1;
    assert!(matches!(fixture.receive(b"a", &fragment), Accept::Drop));
    assert!(matches!(
        fixture.receive(b"a", &hello),
        Accept::Connection(_)
    ));
}

#[test]
fn client_configuration_is_rejected() {
    let config = Arc::new(Config::client("x", psk()));
    let error = Acceptor::new(config, [0; 32]).unwrap_err();
    assert!(matches!(error, Error::WrongRole { .. }));
}
