//! Many clients behind one socket.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use testkit::session::{ENR, MAC, client_address, clip, epoch, start};
use tutk_session::{
    Client, ClientConfig, ClientId, Credentials, Dialect, Endpoint, Event, Frame, Instant, Output,
    Status,
};
use tutk_simulator::{Simulator, SimulatorConfig};

/// Two cameras behind one IP address, and one elsewhere.
const CAMERAS: [(&str, &str); 3] = [
    ("192.0.2.1:32761", "HSBJYB5HSETGCDWD111A"),
    ("192.0.2.1:40001", "AAAAYB5HSETGCDWD111A"),
    ("192.0.2.3:32761", "BBBBYB5HSETGCDWD111A"),
];

const FRAMES: usize = 20;

/// An endpoint and cameras on a network without delay.
struct Network {
    now: Instant,
    dialect: &'static Dialect,
    endpoint: Endpoint,
    deadline: Instant,
    cameras: BTreeMap<SocketAddr, (Simulator, Instant)>,
    in_flight: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    frames: BTreeMap<ClientId, Vec<Frame>>,
    ended: Vec<ClientId>,
}

impl Network {
    fn new(dialect: &'static Dialect) -> Self {
        let now = start();
        let cameras = (1..).zip(CAMERAS).map(|(seed, (address, uid))| {
            let address: SocketAddr = address.parse().unwrap();
            let credentials = Credentials::new(uid, ENR, MAC).unwrap();
            let mut config = SimulatorConfig::new(credentials, clip(seed, FRAMES, 10));
            config.dialects = vec![Arc::new(dialect.clone())];
            config.frames = Some(FRAMES as u64);
            let camera = Simulator::new(
                config,
                address,
                testkit::session::seed(seed),
                epoch(now, now),
            )
            .unwrap();
            (address, (camera, now))
        });
        Self {
            now,
            dialect,
            endpoint: Endpoint::new(),
            deadline: now,
            cameras: cameras.collect(),
            in_flight: VecDeque::new(),
            frames: BTreeMap::new(),
            ended: Vec::new(),
        }
    }

    fn join(&mut self, camera: usize, seed: u64) -> ClientId {
        let (address, uid) = CAMERAS[camera];
        let credentials = Credentials::new(uid, ENR, MAC).unwrap();
        let mut config = ClientConfig::new(address.parse().unwrap(), credentials);
        config.dialects = vec![Arc::new(self.dialect.clone())];
        let client = Client::new(
            config,
            testkit::session::seed(seed),
            epoch(start(), self.now),
        );
        let id = self.endpoint.insert(client);
        self.poll();
        id
    }

    fn poll(&mut self) {
        self.deadline = loop {
            match self.endpoint.poll_output() {
                Output::Transmit(datagram) => {
                    let bytes = datagram.payload.to_vec();
                    self.in_flight
                        .push_back((client_address(), datagram.to, bytes));
                }
                Output::Event((id, Event::Frame(frame))) => {
                    self.frames.entry(id).or_default().push(frame);
                }
                Output::Event((id, Event::Ended(_))) => self.ended.push(id),
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        for (address, (camera, deadline)) in &mut self.cameras {
            *deadline = loop {
                match camera.poll_output() {
                    Output::Transmit(datagram) => {
                        let bytes = datagram.payload.to_vec();
                        self.in_flight.push_back((*address, datagram.to, bytes));
                    }
                    Output::Event(_) => {}
                    Output::Timeout(deadline) => break deadline,
                }
            };
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while let Some((from, to, mut bytes)) = self.in_flight.pop_front() {
                if to == client_address() {
                    self.endpoint.handle_datagram(self.now, from, &mut bytes);
                } else if let Some((camera, _)) = self.cameras.get_mut(&to) {
                    camera.handle_datagram(self.now, from, &mut bytes);
                }
                self.poll();
            }
            let cameras = self.cameras.values().map(|(_, deadline)| *deadline);
            let next = cameras.chain([self.deadline]).min().unwrap().max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            self.endpoint.handle_timeout(next);
            for (camera, deadline) in self.cameras.values_mut() {
                if *deadline <= next {
                    camera.handle_timeout(next);
                }
            }
            self.poll();
        }
    }
}

#[test]
fn clients_of_cameras_behind_one_address_share_a_socket() {
    for dialect in &Dialect::ALL {
        let mut network = Network::new(dialect);
        let ids = [0, 1, 2].map(|camera| network.join(camera, 10 + camera as u64));
        network.run(Duration::from_secs(5));
        for (seed, id) in (1..).zip(ids) {
            let expected = clip(seed, FRAMES, 10);
            let frames = network.frames.get(&id).map_or(&[][..], Vec::as_slice);
            assert_eq!(frames.len(), FRAMES, "{dialect}, camera {seed}");
            let matches = frames.iter().zip(expected.frames());
            let equal = matches.filter(|(frame, sent)| frame.data == sent.data);
            assert_eq!(equal.count(), FRAMES, "{dialect}, camera {seed}");
        }
    }
}

#[test]
fn datagrams_for_no_client_are_counted_and_dropped() {
    let mut network = Network::new(&Dialect::TRANSCODE);
    let id = network.join(0, 1);
    network.run(Duration::from_secs(1));
    let client = network.endpoint.client(id).unwrap();
    let (camera, stranger) = (CAMERAS[0].0, CAMERAS[2].0);
    let [camera, stranger] = [camera, stranger].map(|address| address.parse().unwrap());
    assert!(!client.accepts(camera, b"neither obfuscated nor long"));
    let before = (network.endpoint.unclaimed(), client.stats().datagrams);
    for (from, mut datagram) in [
        (camera, vec![0x55; 60]),
        (stranger, vec![0; 2000]),
        (camera, vec![]),
    ] {
        let handled = network
            .endpoint
            .handle_datagram(network.now, from, &mut datagram);
        assert_eq!(handled, None);
    }
    let client = network.endpoint.client(id).unwrap();
    let after = (network.endpoint.unclaimed(), client.stats().datagrams);
    assert_eq!(after, (before.0 + 3, before.1));
}

#[test]
fn a_closed_client_stays_until_it_is_removed() {
    let mut network = Network::new(&Dialect::TRANSCODE);
    let [first, second] = [0, 1].map(|camera| network.join(camera, camera as u64));
    network.run(Duration::from_millis(300));
    let now = network.now;
    network.endpoint.client_mut(first).unwrap().close(now);
    network.poll();
    assert_eq!(network.ended, [first]);
    let status = network.endpoint.client(first).unwrap().status();
    assert!(matches!(status, Status::Ended));
    assert!(network.endpoint.remove(first).is_some());
    assert!(network.endpoint.remove(first).is_none());
    assert!(network.endpoint.client_mut(first).is_none());
    network.run(Duration::from_secs(5));
    assert_eq!(network.frames[&second].len(), FRAMES);
    assert_eq!(network.endpoint.clients().count(), 1);
}

#[test]
fn close_ends_every_session_once() {
    let mut network = Network::new(&Dialect::TRANSCODE);
    let clients = [network.join(0, 1), network.join(2, 2)];
    network.run(Duration::from_millis(300));
    assert!(network.ended.is_empty());
    for _ in 0..2 {
        network.endpoint.close(network.now);
        network.poll();
        network.run(Duration::from_millis(300));
        assert_eq!(network.ended, clients);
    }
}
