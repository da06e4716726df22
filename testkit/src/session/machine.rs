//! The state machines without I/O under one trait.

use std::net::SocketAddr;

use tutk_session::tutk_frame::Direction;
use tutk_session::{Client, DiscoveredCamera, Discoverer, Event, MAX_DATAGRAM, Output};
use tutk_simulator::{Simulator, SimulatorEvent};
use tutk_time::Instant;

/// A state machine that receives datagrams.
pub trait StateMachine {
    type Event;

    /// The direction of received datagrams.
    const INCOMING: Direction;

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]);

    fn handle_timeout(&mut self, now: Instant);

    fn poll_output(&mut self) -> Output<'_, Self::Event>;

    /// Polls until the next timeout.
    fn drain(&mut self) -> Drained<Self::Event> {
        let (mut datagrams, mut ports, mut events) = (Vec::new(), Vec::new(), Vec::new());
        let deadline = loop {
            match self.poll_output() {
                Output::Transmit(datagram) => {
                    assert!(datagram.payload.len() <= MAX_DATAGRAM);
                    ports.push(datagram.port);
                    datagrams.push((datagram.to, datagram.payload.to_vec()));
                }
                Output::Event(event) => events.push(event),
                Output::Timeout(deadline) => break deadline,
            }
        };
        Drained {
            datagrams,
            ports,
            events,
            deadline,
        }
    }
}

/// All output of a state machine at one time.
pub struct Drained<Event> {
    /// Destinations and contents.
    pub datagrams: Vec<(SocketAddr, Vec<u8>)>,
    /// The ports of the datagrams.
    pub ports: Vec<u8>,
    pub events: Vec<Event>,
    pub deadline: Instant,
}

impl<Event> Drained<Event> {
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty() && self.events.is_empty()
    }
}

macro_rules! state_machine {
    ($machine:ty, $event:ty, $incoming:ident) => {
        impl StateMachine for $machine {
            type Event = $event;

            const INCOMING: Direction = Direction::$incoming;

            fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
                self.handle_datagram(now, from, datagram);
            }

            fn handle_timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
            }

            fn poll_output(&mut self) -> Output<'_, $event> {
                self.poll_output()
            }
        }
    };
}

state_machine!(Client, Event, FromCamera);
state_machine!(Discoverer, DiscoveredCamera, FromCamera);
state_machine!(Simulator, SimulatorEvent, ToCamera);
