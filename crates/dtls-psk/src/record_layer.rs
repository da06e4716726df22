//! The record layer (RFC 6347 section 4.1).

use crate::error::Error;
use crate::protection::Protection;
use crate::record::{
    ContentType, DTLS_1_2, Epoch, HEADER_LEN, MAX_PLAINTEXT, MAX_SEQUENCE, RecordId, append_plain,
    append_with,
};
use crate::window::ReplayWindow;

/// Why a protected record was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotOpened {
    Replayed,
    NotAuthentic,
}

/// Sequence numbers, keys and the replay window of both directions.
#[derive(Debug, Default)]
pub(crate) struct RecordLayer {
    next_plain: u64,
    next_protected: u64,
    write: Option<Box<dyn Protection>>,
    read: Option<Box<dyn Protection>>,
    window: ReplayWindow,
}

impl RecordLayer {
    /// From now on what is sent is sent in epoch 1.
    pub(crate) fn install_write(&mut self, write: Box<dyn Protection>) {
        self.write = Some(write);
    }

    /// From now on records of epoch 1 can be opened.
    pub(crate) fn install_read(&mut self, read: Box<dyn Protection>) {
        self.read = Some(read);
    }

    pub(crate) fn can_open(&self) -> bool {
        self.read.is_some()
    }

    /// The epoch that new records are sent in.
    pub(crate) fn write_epoch(&self) -> Epoch {
        match self.write {
            Some(_) => Epoch::Protected,
            None => Epoch::Plain,
        }
    }

    /// The first sequence number of epoch 0 (RFC 6347 section 4.2.1: a server begins with its client's).
    pub(crate) fn start_plain_at(&mut self, sequence: u64) {
        self.next_plain = sequence;
    }

    /// As if that many records had been sent in epoch 1.
    #[cfg(test)]
    pub(crate) fn start_protected_at(&mut self, sequence: u64) {
        self.next_protected = sequence;
    }

    /// The longest plaintext that fits in a record of `epoch` with at most `room` bytes, header and all;
    /// `None` if none does.
    pub(crate) fn max_plaintext(&self, epoch: Epoch, room: usize) -> Option<usize> {
        let fragment = room.checked_sub(HEADER_LEN)?;
        let plaintext = match (epoch, &self.write) {
            (Epoch::Protected, Some(write)) => write.max_plaintext(fragment)?,
            _ => fragment,
        };
        Some(plaintext.min(MAX_PLAINTEXT))
    }

    /// Appends one record to `out`. On an error `out` is as before.
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
        // The last number under the keys is kept for the alert that says so.
        let kept = epoch == Epoch::Protected && content_type != ContentType::Alert;
        if id.sequence > MAX_SEQUENCE - u64::from(kept) {
            return Err(Error::SequenceExhausted(epoch.number()));
        }
        match (epoch, &mut self.write) {
            (Epoch::Plain, _) => append_plain(id, plaintext, out)?,
            (Epoch::Protected, Some(write)) => append_with(id, plaintext.len(), out, |out| {
                Ok(write.seal(id, plaintext, out)?)
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
    /// Epoch 0 has no window: its records do not authenticate, so a single forged one with a high
    /// sequence number would shut out all that follow. Its repeats are known by their message numbers.
    pub(crate) fn open<'a>(
        &mut self,
        id: RecordId,
        fragment: &'a mut [u8],
    ) -> Result<&'a mut [u8], NotOpened> {
        if !self.window.is_new(id.sequence) {
            return Err(NotOpened::Replayed);
        }
        let read = self.read.as_mut().ok_or(NotOpened::NotAuthentic)?;
        let plaintext = read.open(id, fragment).ok_or(NotOpened::NotAuthentic)?;
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(NotOpened::NotAuthentic);
        }
        self.window.mark(id.sequence);
        Ok(plaintext)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_does_not_fit_leaves_the_buffer_alone() {
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
    fn the_last_sequence_number_is_the_last() {
        let mut records = RecordLayer::default();
        records.start_plain_at(MAX_SEQUENCE);
        let mut out = Vec::new();
        let mut append = || records.append(Epoch::Plain, ContentType::Alert, &[1, 0], &mut out);
        assert_eq!(append(), Ok(()));
        assert_eq!(append(), Err(Error::SequenceExhausted(0)));
    }
}
