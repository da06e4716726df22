//! Copies of captures without secrets and personal data.
//!
//! A [`Redactor`] replaces UID, MAC and IP addresses, keys, passwords and account data by fakes of
//! the same length, and media by zeros. Layout, lengths, order and times of the packets stay. The
//! copy is encrypted with other keys, which are in [`Redactor::key_log`], so that it can be
//! dissected.
//!
//! The same value has the same fake everywhere in a copy, and other fakes in another copy.

mod fakes;
mod forms;
mod mask;
mod packet;
mod sealer;
mod tags;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tutk_session::{AuthKey, CredentialParts, Credentials, Dialect, Mac, derive_auth_key};

use self::fakes::Fakes;
use self::sealer::Sealers;
use self::tags::Taggers;
use crate::capture::Datagram;
use crate::dissector::Dissector;
use crate::error::Error;
use crate::keys::Keys;

/// Makes a redacted copy of a capture, datagram by datagram.
///
/// ```
/// use tutk_dissect::{Keys, redact::Redactor};
/// use tutk_session::Credentials;
///
/// let real = Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF")?;
/// let mut redactor = Redactor::new(real, Keys::new(), [7; 32])?;
/// redactor.add_secret(b"the name of my network");
/// let text = redactor.text("HSBJYB5HSETGCDWD111A answered");
/// assert!(!text.contains("HSBJYB5HSETGCDWD111A"));
/// assert!(text.ends_with(" answered"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Redactor {
    dissector: Dissector,
    fakes: Fakes,
    real: Credentials,
    fake: Credentials,
    sealers: Sealers,
    taggers: Taggers,
    counts: Redactions,
}

/// What a [`Redactor`] has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Redactions {
    /// Datagrams.
    pub datagrams: u64,
    /// Encrypted records that were decrypted, redacted and encrypted again.
    pub encrypted_again: u64,
    /// Encrypted records whose keys are not known, and datagrams whose records were not read at all
    /// because their session is not known or not followed. They are zeros now.
    pub zeroed_records: u64,
    /// Finished messages, whose verify_data is zeros now.
    pub finished: u64,
    /// Tags that did not belong to the camera's key. They are zeros now.
    pub unknown_tags: u64,
    /// Media packets, whose media is zeros now.
    pub media: u64,
    /// Datagrams that are not of the protocol. Only their beginning is kept.
    pub unknown_datagrams: u64,
}

/// A redacted datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The sender.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
    /// The payload, as long as the real one.
    pub payload: Vec<u8>,
}

impl Redactor {
    /// Starts a copy of a capture of the camera with the credentials `real`. `keys` decrypts its
    /// sessions. `seed` must be random.
    ///
    /// # Errors
    /// [`Error::Credentials`] if the credentials are invalid.
    pub fn new(real: Credentials, mut keys: Keys, seed: [u8; 32]) -> Result<Self, Error> {
        keys.add_credentials(&real);
        let mut fakes = Fakes::new(seed);
        let uid = fakes.of(&real.uid.0);
        let enr = fakes.of(real.enr.reveal());
        let [uid_text, enr_text] = [&uid, &enr].map(|text| String::from_utf8_lossy(text));
        let mac = real.mac.map(|mac| fakes.add_mac(&mac));
        let key = fakes.derive(key_text(&real.auth_key));
        let [mac, key] = [mac.as_ref().map(<[u8; 12]>::as_slice), Some(&key)]
            .map(|text| text.map(String::from_utf8_lossy));
        let base_station = real.base_station.as_ref().map(|of| {
            let enr = fakes.of(of.enr.reveal());
            (enr, fakes.add_mac(&of.mac))
        });
        let parent = base_station
            .as_ref()
            .map(|(enr, mac)| (String::from_utf8_lossy(enr), String::from_utf8_lossy(mac)));
        let fake = Credentials::from_parts(CredentialParts {
            uid: &uid_text,
            enr: &enr_text,
            mac: mac.as_deref(),
            // The AuthKey follows from the fake MAC, if there is one.
            auth_key: key.as_deref().filter(|_| mac.is_none() && parent.is_none()),
            parent_enr: parent.as_ref().map(|(enr, _)| &**enr),
            parent_mac: parent.as_ref().map(|(_, mac)| &**mac),
        });
        let fake = fake.map_err(Error::Credentials)?;
        let sealers = Sealers::new(keys.provider());
        let mut redactor = Self {
            dissector: Dissector::new(keys),
            fakes,
            taggers: Taggers::default(),
            sealers,
            real,
            fake,
            counts: Redactions::default(),
        };
        let (real, fake) = (
            redactor.real.auth_key.clone(),
            redactor.fake.auth_key.clone(),
        );
        redactor.add_auth_key(&real, &fake);
        Ok(redactor)
    }

    /// Sets the dialects to recognise; by default [`Dialect::ALL`].
    #[must_use]
    pub fn with_dialects(mut self, dialects: Vec<Arc<Dialect>>) -> Self {
        self.dissector = self.dissector.with_dialects(dialects);
        self
    }

    /// Adds another MAC address that may be the camera's, and the AuthKey that follows from it.
    pub fn add_mac(&mut self, mac: &Mac) {
        let fake = self.fakes.add_mac(mac);
        let fake = String::from_utf8_lossy(&fake).parse::<Mac>();
        let enrs = [&self.real, &self.fake].map(|of| std::str::from_utf8(of.enr.reveal()).ok());
        if let ([Some(real_enr), Some(fake_enr)], Ok(fake)) = (enrs, fake) {
            let real = derive_auth_key(real_enr, mac);
            let fake = derive_auth_key(fake_enr, &fake);
            self.add_auth_key(&real, &fake);
        }
    }

    /// Adds another secret text, such as a user ID, a network name or a host name.
    pub fn add_secret(&mut self, secret: &[u8]) {
        self.fakes.of(secret);
    }

    /// Adds an address.
    pub fn add_address(&mut self, address: IpAddr) {
        self.fakes.add_address(address);
    }

    fn add_auth_key(&mut self, real: &AuthKey, fake: &AuthKey) {
        self.fakes.add(key_text(real), key_text(fake));
        self.taggers.add(&self.real.uid, real, &self.fake.uid, fake);
    }

    /// Returns the redacted copy of the next datagram.
    pub fn datagram(&mut self, number: u64, time: Duration, datagram: &Datagram<'_>) -> Redacted {
        self.counts.datagrams += 1;
        for end in [datagram.source, datagram.destination] {
            self.fakes.add_address(end.ip());
        }
        let payload = match self.dissector.handle_datagram(number, time, datagram) {
            Some(packet) => self.packet(packet),
            None => self.unknown(datagram.payload),
        };
        // Frames are not needed.
        while self.dissector.poll_frame().is_some() {}
        let fake = |end: SocketAddr| SocketAddr::new(self.fakes.address(end.ip()), end.port());
        Redacted {
            source: fake(datagram.source),
            destination: fake(datagram.destination),
            payload,
        }
    }

    /// Redacts a text, such as a report about the capture.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let mut done = vec![false; bytes.len()];
        self.fakes.replace(&mut bytes, &mut done);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the credentials of the camera in the copy.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.fake
    }

    /// Returns the key log of the copy's sessions, in SSLKEYLOGFILE format.
    #[must_use]
    pub fn key_log(&self) -> &str {
        self.sealers.key_log()
    }

    /// Returns what was changed.
    #[must_use]
    pub fn redactions(&self) -> Redactions {
        self.counts
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor")
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

/// Returns the AuthKey without its padding.
fn key_text(AuthKey(key): &AuthKey) -> &[u8] {
    let len = key.iter().position(|&byte| byte == 0);
    key.get(..len.unwrap_or(key.len())).unwrap_or(key)
}
