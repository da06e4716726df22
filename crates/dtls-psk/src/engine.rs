//! The state that clients and servers share: records, transcript, reassembly, flight and queues.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use tutk_time::Instant;
use zeroize::Zeroizing;

use crate::alert::Alert;
use crate::config::{Config, Psk};
use crate::crypto::{CryptoProvider, Hash};
use crate::error::Error;
use crate::event::{Event, Stats};
use crate::flight::{Flight, FlightItem};
use crate::group::Group;
use crate::key_schedule::{MasterSecret, Parameters, PremasterSecret, Protections, Side};
use crate::key_share::KeyShare;
use crate::messages::{Fragment, HANDSHAKE_HEADER_LEN, Message, handshake_header};
use crate::reassembly::{Inserted, Reassembler};
use crate::record::{self, ContentType, Epoch};
use crate::record_layer::RecordLayer;
use crate::seed::Seed;
use crate::send_queue::SendQueue;
use crate::transcript::{Transcript, TranscriptHash};

/// The smallest fragment that is appended to a datagram with other content, in bytes.
const MIN_FRAGMENT: usize = 64;

/// The role-independent part of a connection.
pub(crate) struct Engine {
    pub(crate) config: Arc<Config>,
    pub(crate) provider: &'static dyn CryptoProvider,
    pub(crate) seed: Seed,
    pub(crate) records: RecordLayer,
    pub(crate) transcript: Transcript,
    pub(crate) reassembly: Reassembler,
    pub(crate) flight: Flight,
    pub(crate) send_queue: SendQueue,
    pub(crate) events: VecDeque<Event>,
    pub(crate) stats: Stats,
    /// The number of the next handshake message to send.
    pub(crate) next_message: u16,
    /// The latest instant passed to the connection.
    pub(crate) now: Instant,
}

impl Engine {
    pub(crate) fn new(config: Arc<Config>, seed: Seed, now: Instant) -> Result<Self, Error> {
        config.check()?;
        let flight = Flight::new(
            config.initial_timeout,
            config.max_timeout,
            config.max_retransmits,
        );
        Ok(Self {
            transcript: Transcript::default(),
            provider: config.provider,
            seed,
            config,
            records: RecordLayer::default(),
            reassembly: Reassembler::default(),
            flight,
            send_queue: SendQueue::default(),
            events: VecDeque::new(),
            stats: Stats::default(),
            next_message: 0,
            now,
        })
    }

    /// Creates the key pair of an ephemeral key exchange.
    pub(crate) fn key_share(&self, group: Group) -> Result<KeyShare, Error> {
        KeyShare::new(self.provider, &self.seed, group)
    }

    /// Returns the hash of the transcript.
    pub(crate) fn transcript_hash(&self, hash: Hash) -> Result<TranscriptHash, Error> {
        self.transcript.hash(self.provider, hash)
    }

    /// Derives the master secret and the protections of both directions. The transcript must end
    /// with the ClientKeyExchange.
    pub(crate) fn derive_keys(
        &mut self,
        side: Side,
        parameters: &Parameters,
        shared: Option<&[u8; 32]>,
        psk: &Psk,
    ) -> Result<(MasterSecret, Protections), Error> {
        let premaster = PremasterSecret::new(shared.map(<[u8; 32]>::as_slice), psk)?;
        let session_hash = self.transcript_hash(parameters.suite.suite().hash)?;
        let provider = self.provider;
        let master = MasterSecret::derive(provider, parameters, &premaster, &session_hash)?;
        if self.config.key_log {
            let line = master.key_log(&parameters.client_random);
            self.events.push_back(Event::KeyLog(line));
        }
        let iv_key = match parameters.suite.is_cbc() {
            true => self.seed.derive(provider, "explicit IVs", 0)?,
            false => Zeroizing::new([0; 32]),
        };
        let protections = master.protections(provider, parameters, &iv_key, side)?;
        Ok((master, protections))
    }

    /// Clears the transcript. It excludes the first hello and the HelloVerifyRequest, and is not
    /// needed after the handshake.
    pub(crate) fn reset_transcript(&mut self) {
        self.transcript = Transcript::default();
    }

    /// Inserts a fragment and counts dropped ones. Returns `true` if its message was already
    /// handled.
    pub(crate) fn insert(&mut self, fragment: &Fragment<'_>) -> bool {
        let inserted = self.reassembly.insert(fragment);
        if matches!(inserted, Inserted::Refused | Inserted::Replaced) {
            self.stats.fragments_dropped += 1;
        }
        inserted == Inserted::Old
    }

    /// Adds a message to the flight and to the transcript.
    pub(crate) fn add_message(&mut self, handshake_type: u8, body: Vec<u8>) -> Result<(), Error> {
        let message = Message {
            handshake_type,
            sequence: self.next_message,
            body,
        };
        self.next_message = self.next_message.wrapping_add(1);
        self.transcript.add(&message)?;
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

    /// Queues the flight in as few datagrams as possible. Each record gets a new sequence number.
    pub(crate) fn transmit_flight(&mut self) -> Result<(), Error> {
        let items = core::mem::take(&mut self.flight.items);
        let result = self.transmit(&items);
        self.flight.items = items;
        result
    }

    fn transmit(&mut self, items: &[FlightItem]) -> Result<(), Error> {
        let mtu = self.config.mtu;
        let mut datagram = self.send_queue.buffer();
        for item in items {
            match item {
                FlightItem::ChangeCipherSpec => {
                    let room = mtu.saturating_sub(datagram.len());
                    if self.records.max_plaintext(Epoch::Plain, room) < Some(1) {
                        self.queue(core::mem::take(&mut datagram));
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
                            self.queue(core::mem::take(&mut datagram));
                            room = self.room_for_fragment(*epoch, 0);
                        }
                        // The smallest MTU has room for the smallest fragment of every suite.
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

    /// Returns the room for a handshake message in a datagram with `used` bytes.
    fn room_for_fragment(&self, epoch: Epoch, used: usize) -> Option<usize> {
        let room = self.config.mtu.saturating_sub(used);
        let plaintext = self.records.max_plaintext(epoch, room)?;
        plaintext.checked_sub(HANDSHAKE_HEADER_LEN)
    }

    /// Sends the flight for the first time. Starts the timer if an answer is expected.
    pub(crate) fn send_flight(&mut self, expects_answer: bool) -> Result<(), Error> {
        self.transmit_flight()?;
        if expects_answer {
            self.flight.arm(self.now);
        }
        Ok(())
    }

    /// Retransmits the flight because the peer retransmitted its own (RFC 6347 section 4.2.4).
    pub(crate) fn resend_flight(&mut self, authenticated: bool) -> Result<(), Error> {
        if !self.flight.may_resend(authenticated) {
            self.stats.unexpected += 1;
            return Ok(());
        }
        self.stats.flights_resent += 1;
        self.transmit_flight()?;
        if self.flight.deadline().is_some() {
            self.flight.arm(self.now);
        }
        Ok(())
    }

    /// Queues an alert in its own datagram.
    pub(crate) fn send_alert(&mut self, alert: Alert) -> Result<(), Error> {
        let mut datagram = self.send_queue.buffer();
        let epoch = self.records.write_epoch();
        self.records
            .append(epoch, ContentType::Alert, &alert.to_wire(), &mut datagram)?;
        self.queue(datagram);
        Ok(())
    }

    /// Queues a record in the clear with the given sequence number.
    pub(crate) fn send_plain(&mut self, id: record::RecordId, content: &[u8]) -> Result<(), Error> {
        let mut datagram = self.send_queue.buffer();
        record::append_plain(id, content, &mut datagram)?;
        self.queue(datagram);
        Ok(())
    }

    fn queue(&mut self, datagram: Vec<u8>) {
        // The queue is full if the caller does not poll. Handshake datagrams are retransmitted.
        if !self.send_queue.push(datagram) {
            self.stats.send_queue_dropped += 1;
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
