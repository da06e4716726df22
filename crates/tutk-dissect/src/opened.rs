//! The bytes of a packet without obfuscation and encryption.

use std::ops::Range;

use dtls_psk::passive::{RecordHeader, Side};

/// The bytes of a packet without obfuscation and encryption.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// The datagram without obfuscation.
    pub datagram: Vec<u8>,
    /// The number of the DTLS channel: 0 main, 1 backchannel.
    pub channel: u8,
    /// The place of the DTLS records in the datagram, also if they were not opened. `None` if it
    /// has no place for records.
    pub range: Option<Range<usize>>,
    /// The DTLS records in the datagram, in order. Empty if none is complete, or if their session
    /// is not followed.
    pub records: Vec<OpenedRecord>,
}

/// A DTLS record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedRecord {
    /// The header.
    pub header: RecordHeader,
    /// The sender.
    pub sender: Side,
    /// The place of the fragment in the datagram. Its header is before it.
    pub fragment: Range<usize>,
    /// The content: the fragment in epoch 0, the plaintext of a decrypted record, `None` if it
    /// could not be decrypted.
    pub content: Option<Vec<u8>>,
}

impl OpenedRecord {
    /// Returns the place of header and fragment in the datagram.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.fragment.start.saturating_sub(RecordHeader::LEN)..self.fragment.end
    }
}
