//! Follows the sessions of a capture, packet by packet.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tutk_session::{Dialect, Phase};

use crate::capture::{Captured, Datagram, NotUdp};
use crate::channel::Channel;
use crate::keys::Keys;
use crate::layers::av::{self, Event, Reading};
use crate::layers::dtls::{self, content};
use crate::layers::hl::{self, code};
use crate::layers::{Outer, Step, cc51, iotc};
use crate::media::{CapturedFrame, MAX_MEDIA_BYTES, Media};
use crate::obfuscation::Obfuscation;
use crate::opened::Opened;
use crate::packet::{Direction, Layer, Packet};
use crate::session::{MAX_SESSIONS, Session};
use crate::walk::undecoded_text;

/// The largest number of sessions whose handshakes and frames are followed at a time. The session
/// that was silent for longest is no longer followed when another one starts.
pub const MAX_FOLLOWED: usize = 64;

/// The largest number of session ids that are kept. A session of `cc51` has two.
const MAX_SESSION_IDS: usize = 4 * MAX_SESSIONS;

/// The largest number of DTLS channels of a session. Two are known.
const MAX_CHANNELS: usize = 4;

/// Dissects the packets of a capture.
///
/// Pass each packet to [`handle`](Self::handle) in the order of the capture. After each one, take
/// the complete frames with [`poll_frame`](Self::poll_frame). At the end, call
/// [`finish`](Self::finish) and take the remaining frames.
#[derive(Debug)]
pub struct Dissector {
    keys: Keys,
    dialects: Vec<Arc<Dialect>>,
    sessions: Vec<Session>,
    followed: HashMap<usize, Followed>,
    /// Sessions by client and session id.
    by_id: HashMap<(SocketAddr, [u8; 8]), usize>,
    /// The newest session of each client.
    by_client: HashMap<SocketAddr, usize>,
    frames: VecDeque<CapturedFrame>,
    skipped: Skipped,
    messages: Vec<CapturedMessage>,
}

/// The state of a session that is followed.
#[derive(Debug, Default)]
struct Followed {
    channels: BTreeMap<u8, Channel>,
    media: Media,
    /// The number of the newest packet.
    newest: u64,
}

/// Packets without a layer of the protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// UDP datagrams of other protocols.
    pub other_udp: u64,
    /// Packets without a UDP datagram, by reason.
    pub not_udp: HashMap<NotUdp, u64>,
}

/// An HL message in a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedMessage {
    /// The number of its session.
    pub session: usize,
    /// The time at which it was captured.
    pub time: Duration,
    /// The direction.
    pub direction: Direction,
    /// The code.
    pub code: u16,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Dissector {
    /// Starts a capture. The keys of all its sessions must be known in advance: see
    /// [`Keys::add_capture`].
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            dialects: Dialect::ALL.map(Arc::new).into(),
            sessions: Vec::new(),
            followed: HashMap::new(),
            by_id: HashMap::new(),
            by_client: HashMap::new(),
            frames: VecDeque::new(),
            skipped: Skipped::default(),
            messages: Vec::new(),
        }
    }

    /// Sets the dialects to recognise; by default [`Dialect::ALL`].
    #[must_use]
    pub fn with_dialects(self, dialects: Vec<Arc<Dialect>>) -> Self {
        Self { dialects, ..self }
    }

    /// Dissects a packet. Returns `None` if it is not of the protocol.
    pub fn handle(&mut self, captured: &Captured<'_>) -> Option<Packet> {
        self.messages.clear();
        match Datagram::parse(captured.link, captured.data) {
            Ok(datagram) => self.handle_datagram(captured.number, captured.time, &datagram),
            Err(reason) => {
                *self.skipped.not_udp.entry(reason).or_default() += 1;
                None
            }
        }
    }

    /// As [`handle`](Self::handle), for a datagram whose lower layers are already removed.
    pub fn handle_datagram(
        &mut self,
        number: u64,
        time: Duration,
        datagram: &Datagram<'_>,
    ) -> Option<Packet> {
        self.messages.clear();
        let Datagram {
            source,
            destination,
            ..
        } = *datagram;
        let ends = [source, destination];
        let mut bytes = datagram.payload.to_vec();
        let is_known = ends.iter().any(|end| self.by_client.contains_key(end));
        let is_expected = is_known || Obfuscation::is_expected(ends.map(|end| end.port()));
        let Some(obfuscation) = Obfuscation::remove(&self.dialects, &mut bytes, is_expected) else {
            self.skipped.other_udp += 1;
            return None;
        };
        let mut outer = match obfuscation.iotc_layout() {
            Some(layout) => iotc::dissect(&bytes, layout, self.keys.show_secrets),
            None => cc51::dissect(&bytes),
        };
        if datagram.missing > 0 {
            let note = format!(
                "the capture lacks {} bytes of the datagram",
                datagram.missing
            );
            outer.layer.notes.push(note.into());
        }
        let direction = self.direction(&outer, ends);
        let index = self.session(&outer, direction, ends, &obfuscation, time);
        let mut packet = Packet {
            number,
            time,
            source,
            destination,
            direction,
            dialect: obfuscation.dialect().cloned(),
            session: index.map(|index| index + 1),
            phase: None,
            protocol: outer.layer.name,
            summary: String::new(),
            layers: Vec::new(),
            opened: Opened {
                channel: outer.channel,
                range: outer.records.clone(),
                ..Opened::default()
            },
        };
        if let Some(index) = index {
            self.update_session(index, &outer, &packet);
            self.open_records(index, &outer, &bytes, &mut packet);
        }
        packet.layers.insert(0, outer.layer);
        packet.opened.datagram = bytes;
        self.summarize(&mut packet);
        Some(packet)
    }

    /// Returns the next complete frame.
    pub fn poll_frame(&mut self) -> Option<CapturedFrame> {
        self.frames.pop_front()
    }

    /// Returns the HL messages of the packet that was handled last.
    #[must_use]
    pub fn messages(&self) -> &[CapturedMessage] {
        &self.messages
    }

    /// Ends the capture: delivers the frames that waited for others.
    pub fn finish(&mut self) {
        self.messages.clear();
        let followed: Vec<usize> = self.followed.keys().copied().collect();
        for index in followed {
            self.flush(index);
        }
    }

    /// Returns the sessions so far.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Returns the counters of packets that are not of the protocol.
    #[must_use]
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Returns what the keys of a session's channel depend on, while the session is followed and if
    /// both hellos were seen. `session` is its number, from 1.
    #[must_use]
    pub fn parameters(
        &self,
        session: usize,
        channel: u8,
    ) -> Option<&dtls_psk::passive::Parameters> {
        let followed = self.followed.get(&session.checked_sub(1)?)?;
        followed.channels.get(&channel)?.parameters()
    }

    /// Returns the direction: by the packet's command, or because a client is known.
    fn direction(
        &self,
        outer: &Outer,
        [source, destination]: [SocketAddr; 2],
    ) -> Option<Direction> {
        if outer.direction.is_some() {
            return outer.direction;
        }
        if self.by_client.contains_key(&source) {
            return Some(Direction::ToCamera);
        }
        let from_camera = self.by_client.contains_key(&destination);
        from_camera.then_some(Direction::FromCamera)
    }

    /// Finds the session of a packet, or adds one. Returns its index.
    fn session(
        &mut self,
        outer: &Outer,
        direction: Option<Direction>,
        [source, destination]: [SocketAddr; 2],
        obfuscation: &Obfuscation,
        time: Duration,
    ) -> Option<usize> {
        let (client, camera) = match direction? {
            Direction::ToCamera => (source, destination),
            Direction::FromCamera => (destination, source),
        };
        let newest = self.by_client.get(&client).copied();
        let newest_of_dialect = newest.filter(|index| {
            let session = self.sessions.get(*index);
            session.is_some_and(|session| session.dialect.as_ref() == obfuscation.dialect())
        });
        let Some(id) = outer.session else {
            return newest_of_dialect.or(newest);
        };
        if let Some(index) = self.by_id.get(&(client, id)) {
            return Some(*index);
        }
        // A camera of `cc51` assigns another session id, and the session id in a discovery answer
        // is not verified.
        let is_new = match (obfuscation.iotc_layout(), outer.step) {
            (_, Some(Step::DiscoveryRequest)) => true,
            (None, _) | (_, Some(Step::DiscoveryAnswer)) => newest_of_dialect.is_none(),
            _ => true,
        };
        let index = match (is_new, newest_of_dialect) {
            (false, Some(index)) => index,
            _ if self.sessions.len() >= MAX_SESSIONS => return None,
            _ => {
                let number = self.sessions.len() + 1;
                let (ends, dialect) = ([client, camera], obfuscation.dialect().cloned());
                self.sessions
                    .push(Session::new(number, ends, dialect, time));
                number - 1
            }
        };
        if self.by_id.len() < MAX_SESSION_IDS {
            self.by_id.insert((client, id), index);
        }
        self.by_client.insert(client, index);
        Some(index)
    }

    fn update_session(&mut self, index: usize, outer: &Outer, packet: &Packet) {
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        session.packets += 1;
        session.last = packet.time;
        if session.uid.is_none() {
            session.uid.clone_from(&outer.uid);
        }
        if packet.direction == Some(Direction::FromCamera) {
            session.camera = packet.source;
        }
        let phase = match outer.step {
            Some(Step::DiscoveryAnswer) => Some(Phase::Discovery),
            Some(Step::SessionAnswer) => Some(Phase::Session),
            _ => None,
        };
        if let Some(phase) = phase {
            session.complete(phase, packet.number, packet.time);
        }
        for note in &outer.layer.notes {
            session.note(&format!("{}: {note}", outer.layer.name));
        }
    }

    /// Returns the state of a session, and stops following another one if there are too many.
    fn follow(&mut self, index: usize, number: u64) -> &mut Followed {
        if !self.followed.contains_key(&index) && self.followed.len() >= MAX_FOLLOWED {
            let oldest = self.followed.iter().min_by_key(|(_, state)| state.newest);
            if let Some(oldest) = oldest.map(|(oldest, _)| *oldest) {
                self.flush(oldest);
                self.followed.remove(&oldest);
            }
        }
        let followed = self.followed.entry(index).or_default();
        followed.newest = number;
        followed
    }

    /// Opens the DTLS records of a packet and adds their layers.
    fn open_records(&mut self, index: usize, outer: &Outer, bytes: &[u8], packet: &mut Packet) {
        let Some(range) = outer.records.clone() else {
            return;
        };
        let from_client = packet.direction == Some(Direction::ToCamera);
        // The camera is the DTLS client on the backchannel (docs/protocol.md, section 10).
        let client_is_dtls_client = outer.channel == 0;
        let no_keys = Keys::new_with(self.keys.provider());
        let keys = std::mem::replace(&mut self.keys, no_keys);
        let followed = self.follow(index, packet.number);
        if !followed.channels.contains_key(&outer.channel)
            && followed.channels.len() >= MAX_CHANNELS
        {
            self.keys = keys;
            return;
        }
        let channel = followed.channels.entry(outer.channel).or_default();
        let records = channel.open(bytes, range, from_client, client_is_dtls_client, &keys);
        let suite = channel.parameters().map(|known| known.suite.name());
        self.keys = keys;
        if let Some((session, suite)) = self.sessions.get_mut(index).zip(suite) {
            session.suites.insert(outer.channel, suite);
        }
        let (dialect, show_secrets) = (packet.dialect.as_deref(), self.keys.show_secrets);
        let reading = Reading::new(dialect, outer.channel, from_client, show_secrets);
        for (at, record) in records.records.iter().enumerate() {
            let record_bytes = bytes.get(record.range()).unwrap_or_default();
            let content = record.content.as_deref();
            packet
                .layers
                .push(dtls::record(record_bytes, record.header, content));
            for (_, message, body) in records.messages.iter().filter(|(of, ..)| *of == at) {
                packet.layers.push(dtls::message(*message, body));
            }
            if record.header.epoch == 0 {
                continue;
            }
            let is_data = record.header.content_type == content::APPLICATION_DATA;
            self.count_record(index, packet, record.header.content_type, content.is_some());
            if let Some(content) = content.filter(|_| is_data) {
                self.av_packet(index, content, reading, packet, outer.channel);
            }
        }
        if !records.rest.is_empty() {
            let rest = bytes.get(records.rest).unwrap_or_default();
            packet.layers.push(Layer::undecoded("DTLS", rest));
        }
        packet.opened.records = records.records;
    }

    fn count_record(&mut self, index: usize, packet: &Packet, content_type: u8, opened: bool) {
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        match opened {
            true => session.decrypted += 1,
            false => session.encrypted += 1,
        }
        let from_camera = packet.direction == Some(Direction::FromCamera);
        // The server's Finished ends the handshake, and data proves that it has ended.
        let ends = content_type == content::APPLICATION_DATA
            || (content_type == content::HANDSHAKE && from_camera);
        if ends && packet.opened.channel == 0 {
            session.complete(Phase::Dtls, packet.number, packet.time);
        }
    }

    /// Adds the layers of an AV packet.
    fn av_packet(
        &mut self,
        index: usize,
        content: &[u8],
        reading: Reading,
        packet: &mut Packet,
        channel: u8,
    ) {
        let av = av::dissect(content, reading);
        let (number, time) = (packet.number, packet.time);
        if let Some(session) = self.sessions.get_mut(index) {
            for note in &av.layer.notes {
                session.note(&format!("AV {}: {note}", av.layer.title));
            }
            if channel == 0 {
                match av.event {
                    Some(Event::Login { resend }) => session.resend |= resend,
                    Some(Event::LoginAnswer { .. }) => {
                        session.complete(Phase::Login, number, time);
                    }
                    _ => {}
                }
            }
        }
        packet.layers.push(av.layer);
        if let Some(message) = av.message {
            self.message(index, message, packet);
        }
        let from_camera = packet.direction == Some(Direction::FromCamera);
        if av.event == Some(Event::Media) && channel == 0 && from_camera {
            let followed = self.follow(index, number);
            followed.media.handle(content, reading.layout);
            self.poll_media(index, time);
            if let Some(session) = self.sessions.get_mut(index)
                && session.media.video > 0
            {
                session.complete(Phase::Stream, number, time);
            }
            self.limit_media();
        }
    }

    fn message(&mut self, index: usize, message: hl::Message, packet: &mut Packet) {
        if let Some(session) = self.sessions.get_mut(index) {
            for note in &message.layer.notes {
                session.note(&format!("HL: {note}"));
            }
            match message.code {
                Some(code::CHALLENGE) => session.challenge_status = message.first,
                Some(result) if code::is_result(result) => {
                    session.complete(Phase::Authentication, packet.number, packet.time);
                }
                _ => {}
            }
        }
        if let Some((code, direction)) = message.code.zip(packet.direction) {
            self.messages.push(CapturedMessage {
                session: index + 1,
                time: packet.time,
                direction,
                code,
                payload: message.payload,
            });
        }
        packet.layers.push(message.layer);
    }

    /// Sets the protocol, summary and phase of a packet from its layers.
    fn summarize(&self, packet: &mut Packet) {
        packet.phase = packet.session.and_then(|number| {
            let session = self.sessions.get(number.checked_sub(1)?)?;
            Some(session.phase())
        });
        let inner = |index: usize| {
            let next = packet.layers.get(index + 1).map(|layer| layer.name);
            match packet.layers.get(index).map(|layer| layer.name) {
                // What follows these layers says more.
                Some("IOTC" | "cc51") => next != Some("DTLS"),
                Some("DTLS") => !matches!(next, Some("AV" | "Handshake")),
                Some("AV") => next != Some("HL"),
                _ => true,
            }
        };
        let mut parts = Vec::new();
        for (index, layer) in packet.layers.iter().enumerate() {
            if inner(index) {
                packet.protocol = layer.name;
                parts.push(layer.title.to_string());
            }
            parts.extend(layer.notes.iter().map(|note| format!("({note})")));
            parts.extend(undecoded_text(layer).map(|text| format!("[{text}]")));
        }
        packet.summary = parts.join(", ");
    }

    fn poll_media(&mut self, index: usize, time: Duration) {
        let followed = self.followed.get_mut(&index);
        if let Some((followed, session)) = followed.zip(self.sessions.get_mut(index)) {
            let counts = &mut session.media;
            let number = session.number;
            followed.media.poll(number, time, counts, &mut self.frames);
        }
    }

    /// Delivers the frames of a session that wait for others.
    fn flush(&mut self, index: usize) {
        if let Some(followed) = self.followed.get_mut(&index) {
            followed.media.flush();
        }
        let last = self.sessions.get(index).map(|session| session.last);
        self.poll_media(index, last.unwrap_or_default());
    }

    /// Keeps the frames in assembly within [`MAX_MEDIA_BYTES`].
    fn limit_media(&mut self) {
        let usage = |state: &Followed| state.media.memory_usage();
        let total: usize = self.followed.values().map(usage).sum();
        if total > MAX_MEDIA_BYTES {
            let most = self.followed.iter().max_by_key(|(_, state)| usage(state));
            if let Some(most) = most.map(|(most, _)| *most) {
                self.flush(most);
                if let Some(followed) = self.followed.get_mut(&most) {
                    followed.media = Media::default();
                }
            }
        }
    }
}
