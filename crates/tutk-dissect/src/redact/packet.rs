//! Redacts one datagram of the protocol.

use std::ops::Range;

use hl_ioctl::{ChallengeStatus, HEADER_SIZE, challenge_response};
use tutk_frame::{Iotc, IotcHeader, SessionStamp, Uid};
use tutk_session::{Dialect, Transport};

use super::{Redactor, mask};
use crate::layers::av::{self, Event, Reading};
use crate::layers::dtls::{content, handshake};
use crate::layers::hl::{self, code};
use crate::opened::OpenedRecord;
use crate::packet::{Direction, Packet};

/// The number of bytes that are kept of a datagram that is not of the protocol.
const BEGINNING: usize = 16;

/// The bytes of K10001 and K10002 that belong to the challenge: status and challenge, or response
/// and id.
const CHALLENGE: Range<usize> = 0..20;

impl Redactor {
    /// Redacts a datagram that is not of the protocol.
    pub(super) fn unknown(&mut self, payload: &[u8]) -> Vec<u8> {
        self.counts.unknown_datagrams += 1;
        let mut bytes = payload.to_vec();
        let mut done = vec![false; bytes.len()];
        self.fakes.replace(&mut bytes, &mut done);
        mask::texts(&mut self.fakes, &mut bytes, &mut done);
        zero(&mut bytes, BEGINNING..payload.len());
        bytes
    }

    pub(super) fn packet(&mut self, packet: Packet) -> Vec<u8> {
        let dialect = packet.dialect.as_deref();
        let real = &packet.opened.datagram;
        let mut bytes = real.clone();
        if packet.opened.records.is_empty() {
            self.set_up(&packet, dialect, &mut bytes);
        } else {
            self.records(&packet, dialect, &mut bytes);
        }
        if let Some(dialect) = dialect {
            dialect.scramble(&mut bytes);
            if matches!(dialect.transport, Transport::Cc51) {
                let known = self.taggers.replace(real, &mut bytes);
                self.counts.unknown_tags += u64::from(!known);
            }
        }
        // What the layers did not show, for example in bytes that are not scrambled.
        self.fakes.replace_long(&mut bytes);
        bytes
    }

    /// Redacts discovery, session requests and keepalives.
    fn set_up(&mut self, packet: &Packet, dialect: Option<&Dialect>, bytes: &mut [u8]) {
        let mut done = vec![false; bytes.len()];
        // Numbers and random bytes. A text in them would be a coincidence.
        let mut numbers = done.clone();
        let Some(outer) = packet.layers.first() else {
            return;
        };
        for field in &outer.fields {
            let range = field.offset..field.offset + field.length;
            match field.name {
                "UID" | "AuthKey" => self.text_field(bytes, &mut done, range),
                "address" => {
                    let octets = bytes.get(range).and_then(<[u8]>::first_chunk::<4>);
                    if let Some(&octets) = octets {
                        self.fakes.add_address(octets.into());
                    }
                }
                _ => fill(&mut numbers, range),
            }
        }
        if let Some(records) = &packet.opened.range {
            // Their session is not known or not followed, or no record is complete.
            self.counts.zeroed_records += 1;
            zero(bytes, records.clone());
        }
        self.replace_texts(bytes, &mut done, &numbers);
        if let Some(dialect) = dialect {
            update_crc(dialect, &packet.opened.datagram, bytes);
        }
    }

    /// Replaces known secrets, and other texts except in `numbers`.
    fn replace_texts(&mut self, bytes: &mut [u8], done: &mut [bool], numbers: &[bool]) {
        self.fakes.replace(bytes, done);
        for (done, number) in done.iter_mut().zip(numbers) {
            *done |= number;
        }
        mask::texts(&mut self.fakes, bytes, done);
    }

    /// Replaces a text that is padded with zeros.
    fn text_field(&mut self, bytes: &mut [u8], done: &mut [bool], range: Range<usize>) {
        let text = bytes.get(range.clone()).unwrap_or_default();
        let len = text
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        let range = range.start..range.start + len;
        if let Some(text) = bytes.get_mut(range.clone()).filter(|text| !text.is_empty()) {
            text.copy_from_slice(&self.fakes.of(text));
            fill(done, range);
        }
    }

    /// Redacts a datagram with DTLS records.
    fn records(&mut self, packet: &Packet, dialect: Option<&Dialect>, bytes: &mut [u8]) {
        let mut end = 0;
        let mut encrypted = vec![false; bytes.len()];
        for record in &packet.opened.records {
            end = record.fragment.end;
            if record.header.epoch > 0 {
                fill(&mut encrypted, record.fragment.clone());
            }
            let fragment = self.record(packet, dialect, record);
            let Some(place) = bytes.get_mut(record.fragment.clone()) else {
                continue;
            };
            match fragment.filter(|fragment| fragment.len() == place.len()) {
                Some(fragment) => place.copy_from_slice(&fragment),
                None => {
                    self.counts.zeroed_records += 1;
                    place.fill(0);
                }
            }
        }
        // Bytes after the last record, whose meaning is not known.
        if let Some(range) = &packet.opened.range {
            zero(bytes, end..range.end);
        }
        self.fakes.replace(bytes, &mut encrypted);
    }

    /// Returns the redacted fragment of a record, or `None` if it cannot be decrypted or encrypted.
    fn record(
        &mut self,
        packet: &Packet,
        dialect: Option<&Dialect>,
        record: &OpenedRecord,
    ) -> Option<Vec<u8>> {
        let mut plain = record.content.clone()?;
        if record.header.epoch == 0 {
            // A handshake in the clear contains known secrets at most, which are replaced later.
            return Some(plain);
        }
        let content_type = record.header.content_type;
        if content_type == content::APPLICATION_DATA {
            self.av(packet, dialect, &mut plain);
        } else {
            let len = plain.len();
            self.fakes.replace(&mut plain, &mut vec![false; len]);
            if content_type == content::HANDSHAKE {
                self.counts.finished += 1;
                zero(&mut plain, handshake::HEADER_LEN.min(len)..len);
            }
        }
        self.seal(packet, record, &plain)
    }

    fn seal(&mut self, packet: &Packet, record: &OpenedRecord, plain: &[u8]) -> Option<Vec<u8>> {
        let channel = packet.opened.channel;
        let parameters = *self.dissector.parameters(packet.session?, channel)?;
        let OpenedRecord { header, sender, .. } = *record;
        let sealed = (self.sealers).seal(&self.fakes, &parameters, sender, header, plain)?;
        self.counts.encrypted_again += 1;
        Some(sealed)
    }

    /// Redacts an AV packet.
    fn av(&mut self, packet: &Packet, dialect: Option<&Dialect>, bytes: &mut [u8]) {
        let from_client = packet.direction == Some(Direction::ToCamera);
        let reading = Reading::new(dialect, packet.opened.channel, from_client, false);
        let dissected = av::dissect(bytes, reading);
        let mut done = vec![false; bytes.len()];
        let mut numbers = done.clone();
        for field in &dissected.layer.fields {
            let range = field.offset..field.offset + field.length;
            match field.name {
                "media" | "parity" => {
                    zero(bytes, range.clone());
                    fill(&mut done, range);
                }
                "MAC" => self.text_field(bytes, &mut done, range),
                // The same for every camera (docs/protocol.md, section 11).
                "user" | "password" if is_constant(bytes, &range) => fill(&mut numbers, range),
                // Replaced below: it may contain known secrets in any place.
                "user" | "password" | "user and password" => {}
                _ => fill(&mut numbers, range),
            }
        }
        self.fakes.replace(bytes, &mut done);
        // Also if its layout is not known, and no field contains the media.
        if dissected.event == Some(Event::Media) {
            self.counts.media += 1;
            for unknown in &dissected.layer.undecoded {
                zero(bytes, unknown.offset..unknown.offset + unknown.bytes.len());
            }
            return;
        }
        if let Some(message) = &dissected.message {
            let start = bytes.len().saturating_sub(message.layer.length);
            let payload = start + HEADER_SIZE;
            fill(&mut numbers, start..payload);
            if self.message(dialect, message, payload, bytes, &mut done) {
                fill(&mut numbers, payload..payload + CHALLENGE.end);
            }
        }
        self.replace_texts(bytes, &mut done, &numbers);
    }

    /// Redacts an HL message whose payload begins at `at`. Returns `true` if the payload begins
    /// with the bytes of a challenge.
    fn message(
        &mut self,
        dialect: Option<&Dialect>,
        message: &hl::Message,
        at: usize,
        bytes: &mut [u8],
        done: &mut [bool],
    ) -> bool {
        match message.code {
            Some(code::CHALLENGE) => {
                self.learn_response(dialect, &message.payload);
                true
            }
            Some(code::RESPONSE | code::DOORBELL_USER_RESPONSE | code::USER_RESPONSE) => {
                let response = at..at + 16;
                if done
                    .get(response.clone())
                    .is_some_and(|done| done.contains(&false))
                {
                    // The challenge is not in the capture.
                    if let Some(response) = bytes.get_mut(response) {
                        let fake: [u8; 16] = self.fakes.bytes(b"response", response);
                        response.copy_from_slice(&fake);
                    }
                }
                // In `summary`, the id is the beginning of the UID.
                let id = at + 16..at + CHALLENGE.end;
                let uids = [&self.real.uid.0, &self.fake.uid.0].map(|uid| uid.first_chunk::<4>());
                if let (Some(id), [Some(real), Some(fake)]) = (bytes.get_mut(id), uids)
                    && id == real
                {
                    id.copy_from_slice(fake);
                }
                // A user ID follows in some messages.
                true
            }
            _ if message.payload.contains(&b'{') => {
                let payload = at.min(bytes.len())..;
                let (Some(bytes), Some(done)) =
                    (bytes.get_mut(payload.clone()), done.get_mut(payload))
                else {
                    return false;
                };
                mask::json(&mut self.fakes, bytes, done);
                done.fill(true);
                false
            }
            _ => false,
        }
    }

    /// Learns the response to a challenge, which depends on the ENR.
    fn learn_response(&mut self, dialect: Option<&Dialect>, payload: &[u8]) {
        let Some((&status, challenge)) = payload.split_first() else {
            return;
        };
        let (Some(&challenge), Some(dialect)) = (challenge.first_chunk(), dialect) else {
            return;
        };
        let status = ChallengeStatus::from_byte(status);
        let response = |of: &tutk_session::Credentials| {
            challenge_response(dialect.challenge, status, challenge, &of.challenge_enr())
        };
        if let (Ok(real), Ok(fake)) = (response(&self.real), response(&self.fake)) {
            self.fakes.add_exact(&real, &fake);
        }
    }
}

/// Computes the CRC-32 of a session request of `summary` again, if it was right.
fn update_crc(dialect: &Dialect, real: &[u8], redacted: &mut [u8]) {
    let Transport::Iotc(iotc) = &dialect.transport else {
        return;
    };
    let Ok(Iotc::SessionRequest(mut request)) = Iotc::parse(real, iotc.layout) else {
        return;
    };
    let uid = redacted
        .get(IotcHeader::LEN..)
        .and_then(<[u8]>::first_chunk);
    if let (SessionStamp::Crc32, Some(&uid)) = (request.stamp, uid) {
        request.uid = Uid(uid);
        let mut written = Vec::new();
        request.write(&mut written);
        if let Some(start) = redacted.get_mut(..written.len()) {
            start.copy_from_slice(&written);
        }
    }
}

/// Returns `true` for the user and the password that are the same for every camera.
fn is_constant(bytes: &[u8], range: &Range<usize>) -> bool {
    let text = bytes.get(range.clone()).unwrap_or_default();
    let constants: [&[u8]; 2] = [b"admin", b"888888"];
    constants.into_iter().any(|constant| {
        let rest = text.strip_prefix(constant);
        rest.is_some_and(|rest| rest.iter().all(|&byte| byte == 0))
    })
}

fn zero(bytes: &mut [u8], range: Range<usize>) {
    if let Some(bytes) = bytes.get_mut(range) {
        bytes.fill(0);
    }
}

/// Marks a range as done, as far as it exists.
fn fill(done: &mut [bool], range: Range<usize>) {
    let end = range.end.min(done.len());
    if let Some(done) = done.get_mut(range.start..end) {
        done.fill(true);
    }
}
