//! A file with the inputs of a client and the digest of its outputs.

use core::ffi::CStr;

use semihosting::fs::File;
use semihosting::io::{self, Read as _, Write as _};
use tutk_session::{Instant, MAX_DATAGRAM};

use crate::fail;
use crate::session::Input;

const DATAGRAM: u8 = 0;
const TIMEOUT: u8 = 1;
const CLOSE: u8 = 2;
const DIGEST: u8 = 3;

/// The file, relative to the folder in which QEMU runs.
const PATH: &CStr = c"target/session.recording";

/// Writes a recording.
pub struct Writer(File);

impl Writer {
    /// Creates the file.
    pub fn create() -> Self {
        let file = File::create(PATH).unwrap_or_else(|error| fail(error));
        Self(file)
    }

    /// Adds an input.
    pub fn input(&mut self, now: Instant, input: &Input<'_>) {
        match input {
            Input::Datagram(datagram) => self.entry(DATAGRAM, now, datagram),
            Input::Timeout => self.entry(TIMEOUT, now, &[]),
            Input::Close => self.entry(CLOSE, now, &[]),
        }
    }

    /// Adds the digest of the outputs.
    pub fn finish(mut self, now: Instant, digest: [u8; 32]) {
        self.entry(DIGEST, now, &digest);
    }

    fn entry(&mut self, kind: u8, now: Instant, payload: &[u8]) {
        let len = u16::try_from(payload.len()).unwrap_or_else(|error| fail(error));
        let written = self
            .0
            .write_all(&[kind])
            .and_then(|()| self.0.write_all(&now.as_micros().to_le_bytes()))
            .and_then(|()| self.0.write_all(&len.to_le_bytes()))
            .and_then(|()| self.0.write_all(payload));
        written.unwrap_or_else(|error| fail(error));
    }
}

/// Reads a recording.
pub struct Reader {
    file: File,
    buffer: [u8; MAX_DATAGRAM],
}

/// An entry of a recording.
pub enum Entry<'a> {
    /// An input of the client.
    Input(Input<'a>),
    /// The digest of all outputs. It is the last entry.
    Digest(&'a [u8]),
}

impl Reader {
    /// Opens the file.
    pub fn open() -> Self {
        Self {
            file: File::open(PATH).unwrap_or_else(|error| fail(error)),
            buffer: [0; MAX_DATAGRAM],
        }
    }

    /// Reads the next entry.
    pub fn read_entry(&mut self) -> io::Result<(Instant, Entry<'_>)> {
        let (mut kind, mut micros, mut len) = ([0; 1], [0; 8], [0; 2]);
        self.file.read_exact(&mut kind)?;
        self.file.read_exact(&mut micros)?;
        self.file.read_exact(&mut len)?;
        let now = Instant::from_micros(u64::from_le_bytes(micros));
        let len = usize::from(u16::from_le_bytes(len));
        let payload = self.buffer.get_mut(..len);
        let payload = payload.ok_or(io::ErrorKind::InvalidData)?;
        self.file.read_exact(payload)?;
        let entry = match kind {
            [DATAGRAM] => Entry::Input(Input::Datagram(payload)),
            [TIMEOUT] => Entry::Input(Input::Timeout),
            [CLOSE] => Entry::Input(Input::Close),
            [DIGEST] => Entry::Digest(payload),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        Ok((now, entry))
    }
}
