//! What both handshakes stand on: records, fragments, the transcript, the flight, and the queues.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use dimpl::crypto::{ActiveKeyExchange, Buf, CryptoProvider, NamedGroup};
use zeroize::{Zeroize, Zeroizing};

use crate::alert::Alert;
use crate::config::Config;
use crate::error::Error;
use crate::event::{Event, Stats};
use crate::flight::{Flight, FlightItem};
use crate::messages::{Fragment, HANDSHAKE_HEADER_LEN, Message, handshake_header};
use crate::outbox::Outbox;
use crate::reassembly::{Inserted, Reassembler};
use crate::record::{self, ContentType, Epoch, HEADER_LEN, RecordLayer};
use crate::suites::SUITES;
use crate::transcript::Transcript;

/// A fragment with less of its message than this does not start at the end of a datagram.
const MIN_FRAGMENT: usize = 64;

/// The machinery without a role.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) config: Arc<Config>,
    pub(crate) provider: CryptoProvider,
    pub(crate) records: RecordLayer,
    pub(crate) transcript: Transcript,
    pub(crate) reassembly: Reassembler,
    pub(crate) flight: Flight,
    pub(crate) outbox: Outbox,
    pub(crate) events: VecDeque<Event>,
    pub(crate) stats: Stats,
    /// The number of the next handshake message to send.
    pub(crate) next_message: u16,
    /// The newest instant that was given.
    pub(crate) now: Instant,
}

impl Engine {
    pub(crate) fn new(config: Arc<Config>, now: Instant) -> Result<Self, Error> {
        config.validate()?;
        let provider = config.provider.clone().ok_or(Error::NoProvider)?;
        for suite in SUITES {
            suite.check(&provider)?;
        }
        let flight = Flight::new(
            config.initial_timeout,
            config.max_timeout,
            config.max_retransmits,
        );
        Ok(Self {
            transcript: Transcript::new(&provider),
            config,
            provider,
            records: RecordLayer::default(),
            reassembly: Reassembler::default(),
            flight,
            outbox: Outbox::default(),
            events: VecDeque::new(),
            stats: Stats::default(),
            next_message: 0,
            now,
        })
    }

    /// Begins an X25519 exchange; the provider draws the key.
    pub(crate) fn start_key_exchange(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let group = self
            .provider
            .kx_groups
            .iter()
            .find(|group| group.name() == NamedGroup::X25519)
            .ok_or(Error::ProviderLacks("X25519"))?;
        Ok(group.start_exchange(Buf::new())?)
    }

    /// Forgets the transcript: the first hello and the HelloVerifyRequest do not count.
    pub(crate) fn restart_transcript(&mut self) {
        self.transcript = Transcript::new(&self.provider);
    }

    /// Holds a fragment; counts it if that was refused. Says whether it is old.
    pub(crate) fn insert(&mut self, fragment: &Fragment<'_>) -> bool {
        let inserted = self.reassembly.insert(fragment);
        if inserted == Inserted::Refused {
            self.stats.fragments_dropped += 1;
        }
        inserted == Inserted::Old
    }

    /// Adds a message to the transcript, as if it had come or gone whole.
    pub(crate) fn note(&mut self, message: &Message) -> Result<(), Error> {
        let len = message.body.len();
        self.transcript.add(&handshake_header(
            message.handshake_type,
            len,
            message.sequence,
            0,
            len,
        )?);
        self.transcript.add(&message.body);
        Ok(())
    }

    /// Adds a message to the flight and to the transcript.
    pub(crate) fn add_message(&mut self, handshake_type: u8, body: Vec<u8>) -> Result<(), Error> {
        let message = Message {
            handshake_type,
            sequence: self.next_message,
            body,
        };
        self.next_message = self.next_message.wrapping_add(1);
        self.note(&message)?;
        let epoch = self.records.write_epoch();
        self.flight
            .items
            .push(FlightItem::Handshake(epoch, message));
        Ok(())
    }

    /// Adds a ChangeCipherSpec to the flight.
    pub(crate) fn add_change_cipher_spec(&mut self) {
        self.flight.items.push(FlightItem::ChangeCipherSpec);
    }

    /// Queues the flight, every record with a new sequence number, as few datagrams as may be.
    pub(crate) fn transmit_flight(&mut self) -> Result<(), Error> {
        let items = std::mem::take(&mut self.flight.items);
        let result = self.transmit(&items);
        self.flight.items = items;
        result
    }

    fn transmit(&mut self, items: &[FlightItem]) -> Result<(), Error> {
        let mtu = self.config.mtu;
        let mut datagram = self.outbox.buffer();
        for item in items {
            match item {
                FlightItem::ChangeCipherSpec => {
                    if datagram.len() + HEADER_LEN + 1 > mtu {
                        self.queue(std::mem::take(&mut datagram));
                    }
                    self.records.append(
                        Epoch::Plain,
                        ContentType::ChangeCipherSpec,
                        &[1],
                        &mut datagram,
                    )?;
                }
                FlightItem::Handshake(epoch, message) => {
                    let overhead = self.records.overhead(*epoch) + HANDSHAKE_HEADER_LEN;
                    let mut rest = message.body.as_slice();
                    loop {
                        let least = overhead + rest.len().min(MIN_FRAGMENT);
                        if datagram.len() + least > mtu {
                            self.queue(std::mem::take(&mut datagram));
                        }
                        let room = mtu.saturating_sub(datagram.len() + overhead);
                        let offset = message.body.len() - rest.len();
                        let (part, tail) = rest.split_at(rest.len().min(room));
                        let header = handshake_header(
                            message.handshake_type,
                            message.body.len(),
                            message.sequence,
                            offset,
                            part.len(),
                        )?;
                        let content = [&header[..], part].concat();
                        self.records.append(
                            *epoch,
                            ContentType::Handshake,
                            &content,
                            &mut datagram,
                        )?;
                        rest = tail;
                        if rest.is_empty() {
                            break;
                        }
                    }
                }
            }
        }
        self.queue(datagram);
        Ok(())
    }

    /// Sends the flight for the first time, and waits for the answer if `answered`.
    pub(crate) fn send_flight(&mut self, answered: bool) -> Result<(), Error> {
        self.transmit_flight()?;
        if answered {
            self.flight.arm(self.now);
        }
        Ok(())
    }

    /// Sends the flight again because the peer repeated its own (RFC 6347 section 4.2.4).
    pub(crate) fn answer_again(&mut self, authenticated: bool) -> Result<(), Error> {
        if !self.flight.may_answer_again(authenticated) {
            self.stats.unexpected += 1;
            return Ok(());
        }
        self.stats.flights_answered_again += 1;
        self.transmit_flight()?;
        if self.flight.deadline().is_some() {
            self.flight.arm(self.now);
        }
        Ok(())
    }

    /// Queues an alert in a datagram of its own.
    pub(crate) fn send_alert(&mut self, alert: Alert) -> Result<(), Error> {
        let mut datagram = self.outbox.buffer();
        let epoch = self.records.write_epoch();
        self.records
            .append(epoch, ContentType::Alert, &alert.to_wire(), &mut datagram)?;
        self.queue(datagram);
        Ok(())
    }

    /// Queues a record in the clear with a number of its own.
    pub(crate) fn send_plain(&mut self, id: record::RecordId, content: &[u8]) -> Result<(), Error> {
        let mut datagram = self.outbox.buffer();
        record::append_plain(id, content, &mut datagram)?;
        self.queue(datagram);
        Ok(())
    }

    fn queue(&mut self, datagram: Vec<u8>) {
        // A full queue means that nobody polls; what belongs to a handshake is sent again in time.
        if !self.outbox.push(datagram) {
            self.stats.outbox_dropped += 1;
        }
    }
}

/// Ends an exchange: the shared secret, zeroed on drop. `message` is where the peer's key came from.
pub(crate) fn complete_key_exchange(
    exchange: Box<dyn ActiveKeyExchange>,
    peer: &[u8],
    message: &'static str,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    // Room beforehand, so that no copy is left behind by growing.
    let mut out = Buf::new();
    out.resize(64, 0);
    out.clear();
    // A key of the wrong length, or one that gives all zeros (RFC 7748 section 6.1), is the peer's doing.
    let completed = exchange
        .complete(peer, &mut out)
        .map_err(|_| Error::IllegalParameter {
            message,
            what: "public key",
        });
    let secret = completed.map(|()| Zeroizing::new(out.to_vec()));
    out.as_mut().zeroize();
    secret
}
