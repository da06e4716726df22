//! Decrypts one DTLS channel of a session.

use std::ops::Range;

use dtls_psk::passive::{Handshake, Keys as RecordKeys, Parameters, RecordHeader, Side};

use crate::keys::Keys;
use crate::layers::dtls::{content, handshake};
use crate::opened::OpenedRecord;

/// A DTLS connection.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    handshake: Handshake,
    /// The keys that opened a record, and what they were derived from.
    keys: Option<(Parameters, RecordKeys)>,
    /// The keys that may open the records of the handshake so far. Each handshake message can
    /// change them.
    candidates: Vec<RecordKeys>,
    /// `true` if this project's client is the DTLS client, as on the main channel. Known from the
    /// ClientHello.
    client_is_dtls_client: Option<bool>,
}

/// The records of a datagram.
pub(crate) struct Records {
    pub(crate) records: Vec<OpenedRecord>,
    /// The handshake messages that are complete, by the index of the record that completed them.
    pub(crate) messages: Vec<(usize, u8, Vec<u8>)>,
    /// The bytes after the last complete record.
    pub(crate) rest: Range<usize>,
}

impl Channel {
    /// Opens the records at `range` of a datagram. `from_client` is `true` if the client of the
    /// session sent it. `client_is_dtls_client` applies if the handshake was not seen.
    pub(crate) fn open(
        &mut self,
        datagram: &[u8],
        range: Range<usize>,
        from_client: bool,
        client_is_dtls_client: bool,
        keys: &Keys,
    ) -> Records {
        let mut at = range.start;
        let mut found = Records {
            records: Vec::new(),
            messages: Vec::new(),
            rest: range.end..range.end,
        };
        while let Some((header, fragment, rest)) =
            RecordHeader::split(datagram.get(at..range.end).unwrap_or_default())
        {
            let start = at + RecordHeader::LEN;
            at = range.end - rest.len();
            let is_handshake = header.epoch == 0 && header.content_type == content::HANDSHAKE;
            if is_handshake && fragment.first() == Some(&handshake::CLIENT_HELLO) {
                self.client_is_dtls_client = Some(from_client);
            }
            let client_is_dtls_client = self.client_is_dtls_client.unwrap_or(client_is_dtls_client);
            let sender = match from_client == client_is_dtls_client {
                true => Side::Client,
                false => Side::Server,
            };
            let content = match header.epoch {
                0 => {
                    if is_handshake {
                        let index = found.records.len();
                        let messages = &mut found.messages;
                        let candidates = &mut self.candidates;
                        self.handshake
                            .handle_record(sender, fragment, |message, body| {
                                messages.push((index, message, body.to_vec()));
                                candidates.clear();
                            });
                    }
                    Some(fragment.to_vec())
                }
                _ => self.decrypt(sender, header, fragment, keys),
            };
            found.records.push(OpenedRecord {
                header,
                sender,
                fragment: start..at,
                content,
            });
        }
        found.rest = at..range.end;
        found
    }

    /// Returns the parameters of the connection, if both hellos were seen.
    pub(crate) fn parameters(&self) -> Option<&Parameters> {
        self.handshake.parameters()
    }

    fn decrypt(
        &mut self,
        sender: Side,
        header: RecordHeader,
        fragment: &[u8],
        keys: &Keys,
    ) -> Option<Vec<u8>> {
        let open = |keys: &mut RecordKeys| {
            let mut fragment = fragment.to_vec();
            let plaintext = keys.open(sender, header, &mut fragment)?;
            Some(plaintext.to_vec())
        };
        if let Some((_, keys)) = &mut self.keys
            && let Some(plaintext) = open(keys)
        {
            return Some(plaintext);
        }
        let parameters = *self.handshake.parameters()?;
        if (self.keys.as_ref()).is_some_and(|(known, _)| *known == parameters) {
            return None;
        }
        if self.candidates.is_empty() {
            self.candidates = candidates(&self.handshake, &parameters, keys);
        }
        let mut candidates = self.candidates.iter_mut().enumerate();
        let (index, plaintext) = candidates.find_map(|(index, of)| Some((index, open(of)?)))?;
        // The keys that open a record are the right ones, because records are authenticated.
        self.keys = Some((parameters, self.candidates.swap_remove(index)));
        self.candidates.clear();
        Some(plaintext)
    }
}

/// Derives the keys from the master secret of the connection, or from each pre-shared key.
fn candidates(handshake: &Handshake, parameters: &Parameters, keys: &Keys) -> Vec<RecordKeys> {
    if let Some(master) = keys.master(&parameters.client_random) {
        let keys = RecordKeys::new(keys.provider(), parameters, master);
        return keys.into_iter().collect();
    }
    let psks = keys.psks().iter();
    psks.filter_map(|psk| RecordKeys::from_psk(keys.provider(), handshake, psk).ok()?)
        .collect()
}
