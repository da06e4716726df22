//! What both handshakes stand on: records, fragments, the transcript, the flight, and the queues.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use dimpl::crypto::{ActiveKeyExchange, Buf, CryptoProvider};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::alert::Alert;
use crate::config::Config;
use crate::error::Error;
use crate::event::{Event, Stats};
use crate::flight::{Flight, FlightItem};
use crate::group::Group;
use crate::messages::{Fragment, HANDSHAKE_HEADER_LEN, Message, handshake_header};
use crate::outbox::Outbox;
use crate::reassembly::{Inserted, Reassembler};
use crate::record::{self, ContentType, Epoch};
use crate::record_layer::RecordLayer;
use crate::transcript::Transcript;

/// A fragment with less of its message than this does not start at the end of a datagram.
const MIN_FRAGMENT: usize = 64;

/// The machinery without a role.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) config: Arc<Config>,
    pub(crate) provider: CryptoProvider,
    pub(crate) records: RecordLayer,
    /// What explicit IVs are made from.
    pub(crate) iv_key: Zeroizing<[u8; 32]>,
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
    /// Draws from `rng` only if a suite has explicit IVs.
    pub(crate) fn new(
        config: Arc<Config>,
        rng: &mut dyn CryptoRng,
        now: Instant,
    ) -> Result<Self, Error> {
        let provider = config.ready()?;
        let mut iv_key = Zeroizing::new([0; 32]);
        if config.uses_cbc() {
            rng.fill_bytes(iv_key.as_mut_slice());
        }
        let flight = Flight::new(
            config.initial_timeout,
            config.max_timeout,
            config.max_retransmits,
        );
        Ok(Self {
            iv_key,
            transcript: Transcript::default(),
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

    /// Begins an ephemeral exchange; the provider draws the key.
    pub(crate) fn start_key_exchange(
        &self,
        group: Group,
    ) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(group.find(&self.provider)?.start_exchange(Buf::new())?)
    }

    /// Forgets the transcript: the first hello and the HelloVerifyRequest do not count, and after the
    /// handshake nobody asks for it.
    pub(crate) fn forget_transcript(&mut self) {
        self.transcript = Transcript::default();
    }

    /// Holds a fragment; counts it if that was refused, or if something else had to go. Says whether it is
    /// old.
    pub(crate) fn insert(&mut self, fragment: &Fragment<'_>) -> bool {
        let inserted = self.reassembly.insert(fragment);
        if matches!(inserted, Inserted::Refused | Inserted::Replaced) {
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
                    let room = mtu.saturating_sub(datagram.len());
                    if self.records.max_plaintext(Epoch::Plain, room) < Some(1) {
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
                    let mut rest = message.body.as_slice();
                    loop {
                        let least = rest.len().min(MIN_FRAGMENT);
                        let mut room = self.room_for_fragment(*epoch, datagram.len());
                        if room < Some(least) {
                            self.queue(std::mem::take(&mut datagram));
                            room = self.room_for_fragment(*epoch, 0);
                        }
                        // The smallest MTU has room for the least fragment of every suite.
                        let room = room.unwrap_or(0).max(1);
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

    /// How much of a handshake message fits behind `used` bytes of a datagram.
    fn room_for_fragment(&self, epoch: Epoch, used: usize) -> Option<usize> {
        let room = self.config.mtu.saturating_sub(used);
        let plaintext = self.records.max_plaintext(epoch, room)?;
        plaintext.checked_sub(HANDSHAKE_HEADER_LEN)
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
    group: Group,
    peer: &[u8],
    message: &'static str,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let illegal = Error::IllegalParameter {
        message,
        what: "public key",
    };
    if !group.has_form_of_public_key(peer) {
        return Err(illegal);
    }
    // Room beforehand, so that no copy is left behind by growing.
    let mut out = Buf::new();
    out.resize(64, 0);
    out.clear();
    // A point that is not on the curve (RFC 8422 section 5.11), or a key that gives all zeros (RFC 7748
    // section 6.1), is the peer's doing.
    let completed = exchange.complete(peer, &mut out).map_err(|_| illegal);
    let secret = completed.map(|()| Zeroizing::new(out.to_vec()));
    out.as_mut().zeroize();
    secret
}
