//! Input handling: from datagrams to records, fragments and messages.

use super::{Connection, Handshake, Phase};
use crate::alert::{Alert, AlertDescription, AlertLevel};
use crate::error::{Error, Stage};
use crate::messages::{Fragment, Message, handshake_type};
use crate::record::{ContentType, Epoch, RecordId, Split, split};
use crate::record_layer::OpenError;

impl Connection {
    pub(super) fn handle_records(
        &mut self,
        datagram: &mut [u8],
        deliver: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), Error> {
        let mut rest = datagram;
        while !rest.is_empty() {
            if self.phase == Phase::Closed {
                self.engine.stats.unexpected += 1;
                return Ok(());
            }
            rest = match split(rest) {
                Split::Record(id, fragment, rest) => {
                    match id.epoch {
                        Epoch::Plain => self.handle_plain(id, fragment)?,
                        Epoch::Protected => self.handle_protected(id, fragment, deliver)?,
                    }
                    self.open_pending(deliver)?;
                    rest
                }
                Split::Unsupported(rest) => {
                    self.engine.stats.unexpected += 1;
                    rest
                }
                Split::Malformed => {
                    self.engine.stats.malformed += 1;
                    return Ok(());
                }
            };
        }
        Ok(())
    }

    /// Handles a record of epoch 0, which is not authenticated.
    fn handle_plain(&mut self, id: RecordId, content: &[u8]) -> Result<(), Error> {
        match id.content_type {
            _ if self.phase == Phase::Connected => {
                if id.content_type == ContentType::Alert {
                    self.engine.stats.alerts_ignored += 1;
                } else {
                    self.engine.stats.unexpected += 1;
                }
                Ok(())
            }
            ContentType::Handshake => self.handle_fragments(id, content),
            ContentType::ChangeCipherSpec => {
                if content == [1] && self.expects_change_cipher_spec() {
                    self.peer_changed_cipher = true;
                } else {
                    self.engine.stats.unexpected += 1;
                }
                Ok(())
            }
            ContentType::Alert => self.handle_alert(content, false),
            ContentType::ApplicationData => {
                self.engine.stats.unexpected += 1;
                Ok(())
            }
        }
    }

    /// Handles a record of epoch 1: opens it, keeps it until it can be opened, or drops it.
    fn handle_protected(
        &mut self,
        id: RecordId,
        fragment: &mut [u8],
        deliver: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), Error> {
        let data = id.content_type == ContentType::ApplicationData;
        if self.phase == Phase::Connected || (self.can_open() && !data) {
            return self.open(id, fragment, deliver);
        }
        if self.expects_change_cipher_spec() {
            self.engine.stats.pending_kept += 1;
            self.engine.stats.pending_dropped += self.pending.insert(id, fragment);
        } else {
            self.engine.stats.unexpected += 1;
        }
        Ok(())
    }

    /// Opens the kept records that can now be opened.
    fn open_pending(&mut self, deliver: &mut impl FnMut(&mut [u8])) -> Result<(), Error> {
        while self.phase != Phase::Closed && self.can_open() {
            let Some(mut record) = self.pending.take(self.phase == Phase::Connected) else {
                break;
            };
            self.open(record.id, &mut record.fragment, deliver)?;
        }
        Ok(())
    }

    fn open(
        &mut self,
        id: RecordId,
        fragment: &mut [u8],
        deliver: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), Error> {
        let stats = &mut self.engine.stats;
        let plaintext = match self.engine.records.open(id, fragment) {
            Ok(opened) => {
                stats.reordered += u64::from(opened.reordered);
                opened.plaintext
            }
            Err(OpenError::Replayed) => {
                stats.replayed += 1;
                return Ok(());
            }
            Err(OpenError::Unauthentic) => {
                stats.undecryptable += 1;
                if self.phase == Phase::Handshake && id.content_type == ContentType::Handshake {
                    stats.undecryptable_finished += 1;
                }
                return Ok(());
            }
        };
        match id.content_type {
            ContentType::ApplicationData => {
                stats.delivered += 1;
                deliver(plaintext);
                Ok(())
            }
            ContentType::Handshake => self.handle_fragments(id, plaintext),
            ContentType::Alert => self.handle_alert(plaintext, true),
            ContentType::ChangeCipherSpec => {
                stats.unexpected += 1;
                Ok(())
            }
        }
    }

    /// Handles the fragments in one record.
    fn handle_fragments(&mut self, id: RecordId, content: &[u8]) -> Result<(), Error> {
        let mut rest = content;
        while !rest.is_empty() {
            let Some((fragment, tail)) = Fragment::split(rest) else {
                self.engine.stats.malformed += 1;
                return Ok(());
            };
            match self.phase {
                Phase::Handshake => self.handle_fragment(id, &fragment)?,
                Phase::Connected => self.handle_late_fragment(id.epoch, &fragment)?,
                Phase::Closed => return Ok(()),
            }
            rest = tail;
        }
        Ok(())
    }

    fn handle_fragment(&mut self, id: RecordId, fragment: &Fragment<'_>) -> Result<(), Error> {
        let engine = &mut self.engine;
        match &mut self.handshake {
            Handshake::Client(client) => match fragment.handshake_type {
                handshake_type::HELLO_VERIFY_REQUEST if id.epoch == Epoch::Plain => {
                    return client.handle_verify_request(engine, fragment);
                }
                // A HelloRequest is ignored during a handshake (RFC 5246 section 7.4.1.1).
                handshake_type::HELLO_REQUEST => {
                    engine.stats.unexpected += 1;
                    return Ok(());
                }
                _ => {}
            },
            Handshake::Server(server) if server.stage() == Stage::AwaitHello => {
                return server.handle_hello(engine, id.sequence, fragment);
            }
            Handshake::Server(_) => {}
        }
        // A Finished must be in epoch 1, all other messages in epoch 0.
        let finished = fragment.handshake_type == handshake_type::FINISHED;
        if finished != (id.epoch == Epoch::Protected) {
            engine.stats.unexpected += 1;
            return Ok(());
        }
        // While the Finished is awaited, only retransmissions are valid in the clear. A message
        // with the Finished's number or a later one is forged, and must not block it.
        let ahead = fragment.sequence >= engine.reassembly.next();
        if id.epoch == Epoch::Plain && ahead && self.stage() == Stage::AwaitFinished {
            self.engine.stats.unexpected += 1;
            return Ok(());
        }
        let engine = &mut self.engine;
        if engine.insert(fragment) {
            return if self.is_retransmission(fragment) {
                self.engine.resend_flight(false)
            } else {
                Ok(())
            };
        }
        while self.phase == Phase::Handshake
            && let Some(message) = self.engine.reassembly.pop()
        {
            self.handle_message(&message)?;
        }
        Ok(())
    }

    fn handle_message(&mut self, message: &Message) -> Result<(), Error> {
        let checked = match &self.handshake {
            Handshake::Client(client) => client.check(message),
            Handshake::Server(server) => server.check(message),
        };
        match checked {
            // An attacker may have sent this, and the peer's own message may still arrive. If it
            // does not, this error explains the failed handshake.
            Err(error @ (Error::Malformed { .. } | Error::UnexpectedMessage { .. }))
                if self.stage() != Stage::AwaitFinished =>
            {
                tracing::debug!(%error, stage = ?self.stage(), "handshake message dropped");
                self.engine.stats.messages_rejected += 1;
                self.engine.reassembly.expect_again();
                self.rejected = Some(error);
                return Ok(());
            }
            checked => checked?,
        }
        self.rejected = None;
        let engine = &mut self.engine;
        match &mut self.handshake {
            Handshake::Client(client) => client.handle_message(engine, message)?,
            Handshake::Server(server) => server.handle_message(engine, message)?,
        }
        match self.stage() {
            // The buffered fragments came in the clear, and only the Finished may follow.
            Stage::AwaitFinished => {
                self.engine.stats.fragments_dropped += self.engine.reassembly.clear();
            }
            Stage::Connected => self.phase = Phase::Connected,
            _ => {}
        }
        Ok(())
    }

    /// Handles a protected handshake message after the handshake: a retransmission of the client's
    /// Finished, or a renegotiation attempt, which is refused (RFC 5246 section 7.2.2).
    fn handle_late_fragment(&mut self, epoch: Epoch, fragment: &Fragment<'_>) -> Result<(), Error> {
        if epoch == Epoch::Protected && self.is_retransmission(fragment) {
            return self.engine.resend_flight(true);
        }
        let attempt = match self.handshake {
            Handshake::Client(_) => handshake_type::HELLO_REQUEST,
            Handshake::Server(_) => handshake_type::CLIENT_HELLO,
        };
        if epoch == Epoch::Protected && fragment.handshake_type == attempt && fragment.offset == 0 {
            self.engine.stats.renegotiations_refused += 1;
            return self.engine.send_alert(Alert::NO_RENEGOTIATION);
        }
        self.engine.stats.unexpected += 1;
        Ok(())
    }

    fn handle_alert(&mut self, content: &[u8], authenticated: bool) -> Result<(), Error> {
        let Some(alert) = Alert::parse(content) else {
            self.engine.stats.malformed += 1;
            return Ok(());
        };
        let closes = alert.description == AlertDescription::CLOSE_NOTIFY;
        if closes && self.phase == Phase::Connected {
            // The other side must answer with close_notify (RFC 5246 section 7.2.1).
            self.engine.send_alert(Alert::CLOSE_NOTIFY)?;
            self.end();
            return Ok(());
        }
        if (closes || alert.level == AlertLevel::Fatal) && self.has_started() {
            return Err(Error::PeerAlert {
                level: alert.level,
                description: alert.description,
                authenticated,
            });
        }
        self.engine.stats.alerts_ignored += 1;
        Ok(())
    }

    fn can_open(&self) -> bool {
        self.peer_changed_cipher && self.engine.records.can_open()
    }

    fn expects_change_cipher_spec(&self) -> bool {
        match &self.handshake {
            Handshake::Client(client) => client.expects_change_cipher_spec(),
            Handshake::Server(server) => server.expects_change_cipher_spec(),
        }
    }

    fn is_retransmission(&self, fragment: &Fragment<'_>) -> bool {
        match &self.handshake {
            Handshake::Client(client) => client.is_retransmission(fragment),
            Handshake::Server(server) => server.is_retransmission(fragment),
        }
    }
}
