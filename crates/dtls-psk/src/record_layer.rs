//! The record layer (RFC 6347 section 4.1).

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::crypto::CryptoError;
use crate::error::Error;
use crate::protection::Protection;
use crate::record::{
    ContentType, DTLS_1_2, Epoch, HEADER_LEN, MAX_PLAINTEXT, MAX_SEQUENCE, RecordId, append_plain,
    append_with,
};
use crate::window::ReplayWindow;

/// The reason why a protected record was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    Replayed,
    Unauthentic,
}

/// An opened record.
pub(crate) struct Opened<'a> {
    pub(crate) plaintext: &'a mut [u8],
    /// A record with a higher sequence number was opened before.
    pub(crate) reordered: bool,
}

/// The sequence numbers, keys and replay window of a connection.
#[derive(Debug, Default)]
pub(crate) struct RecordLayer {
    next_plain: u64,
    next_protected: u64,
    write: Option<Box<dyn Protection>>,
    read: Option<Box<dyn Protection>>,
    window: ReplayWindow,
}

impl RecordLayer {
    /// Protects all records sent from now on, in epoch 1.
    pub(crate) fn install_write(&mut self, write: Box<dyn Protection>) {
        self.write = Some(write);
    }

    /// Allows records of epoch 1 to be opened.
    pub(crate) fn install_read(&mut self, read: Box<dyn Protection>) {
        self.read = Some(read);
    }

    pub(crate) fn can_open(&self) -> bool {
        self.read.is_some()
    }

    /// Returns the epoch of new records.
    pub(crate) fn write_epoch(&self) -> Epoch {
        match self.write {
            Some(_) => Epoch::Protected,
            None => Epoch::Plain,
        }
    }

    /// Sets the next sequence number of epoch 0. A server starts with its client's number (RFC 6347
    /// section 4.2.1).
    pub(crate) fn set_next_plain(&mut self, sequence: u64) {
        self.next_plain = sequence;
    }

    /// Sets the next sequence number of epoch 1.
    #[cfg(test)]
    pub(crate) fn set_next_protected(&mut self, sequence: u64) {
        self.next_protected = sequence;
    }

    /// Returns the longest plaintext that fits in a record of `epoch` with `room` bytes including
    /// its header, or `None` if none fits.
    pub(crate) fn max_plaintext(&self, epoch: Epoch, room: usize) -> Option<usize> {
        let fragment = room.checked_sub(HEADER_LEN)?;
        let plaintext = match (epoch, &self.write) {
            (Epoch::Protected, Some(write)) => write.max_plaintext(fragment)?,
            _ => fragment,
        };
        Some(plaintext.min(MAX_PLAINTEXT))
    }

    /// Appends one record to `out`. On error `out` is unchanged.
    pub(crate) fn append(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let next = match epoch {
            Epoch::Plain => &mut self.next_plain,
            Epoch::Protected => &mut self.next_protected,
        };
        let id = RecordId {
            content_type,
            version: DTLS_1_2,
            epoch,
            sequence: *next,
        };
        // The last number under the keys is reserved for an alert.
        let kept = epoch == Epoch::Protected && content_type != ContentType::Alert;
        if id.sequence > MAX_SEQUENCE - u64::from(kept) {
            return Err(Error::SequenceExhausted(epoch.number()));
        }
        match (epoch, &mut self.write) {
            (Epoch::Plain, _) => append_plain(id, plaintext, out)?,
            (Epoch::Protected, Some(write)) => append_with(id, plaintext.len(), out, |out| {
                write
                    .seal(id, plaintext, out)
                    .map_err(|CryptoError| Error::Crypto("sealing a record"))
            })?,
            (Epoch::Protected, None) => {
                return Err(Error::NotConnected(crate::Stage::AwaitHello));
            }
        }
        *next += 1;
        Ok(())
    }

    /// Opens a record of epoch 1 in place.
    ///
    /// Epoch 0 has no replay window. Its records are not authenticated, so a forged record with a
    /// high sequence number would block all that follow. Retransmissions are detected by message
    /// number.
    pub(crate) fn open<'a>(
        &mut self,
        id: RecordId,
        fragment: &'a mut [u8],
    ) -> Result<Opened<'a>, OpenError> {
        if !self.window.is_new(id.sequence) {
            return Err(OpenError::Replayed);
        }
        let read = self.read.as_mut().ok_or(OpenError::Unauthentic)?;
        let plaintext = read.open(id, fragment).ok_or(OpenError::Unauthentic)?;
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(OpenError::Unauthentic);
        }
        let reordered = self.window.mark(id.sequence);
        Ok(Opened {
            plaintext,
            reordered,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oversized_record_leaves_the_buffer_unchanged() {
        let mut out = vec![1, 2, 3];
        let mut records = RecordLayer::default();
        let error = records.append(
            Epoch::Plain,
            ContentType::Handshake,
            &[0; MAX_PLAINTEXT + 1],
            &mut out,
        );
        assert!(matches!(error, Err(Error::TooLong { .. })));
        assert_eq!(out, [1, 2, 3]);
    }

    #[test]
    fn sequence_numbers_end_at_48_bits() {
        let mut records = RecordLayer::default();
        records.set_next_plain(MAX_SEQUENCE);
        let mut out = Vec::new();
        let mut append = || records.append(Epoch::Plain, ContentType::Alert, &[1, 0], &mut out);
        assert_eq!(append(), Ok(()));
        assert_eq!(append(), Err(Error::SequenceExhausted(0)));
    }
}
