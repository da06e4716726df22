//! Records of epoch 1 that came before they could be used.

use crate::record::{ContentType, RecordId};

/// How many records are kept.
const MAX_RECORDS: usize = 32;
/// How many bytes of them are kept.
const MAX_BYTES: usize = 32 * 1024;

/// Kept records, by sequence number.
#[derive(Debug, Default)]
pub(crate) struct EarlyRecords {
    records: Vec<EarlyRecord>,
    bytes: usize,
}

/// A record, still sealed.
#[derive(Debug)]
pub(crate) struct EarlyRecord {
    pub(crate) id: RecordId,
    pub(crate) fragment: Vec<u8>,
}

impl EarlyRecords {
    /// Keeps a copy: the datagram is the caller's and ends with the call. Says how many had to go for it.
    pub(crate) fn keep(&mut self, id: RecordId, fragment: &[u8]) -> u64 {
        let at = self
            .records
            .partition_point(|kept| kept.id.sequence <= id.sequence);
        self.bytes += fragment.len();
        self.records.insert(
            at,
            EarlyRecord {
                id,
                fragment: fragment.to_vec(),
            },
        );
        let mut dropped = 0;
        while self.records.len() > MAX_RECORDS || self.bytes > MAX_BYTES {
            // The oldest data goes first: a Finished is worth more than any of it.
            let data = |kept: &EarlyRecord| kept.id.content_type == ContentType::ApplicationData;
            let oldest = self.records.iter().position(data).unwrap_or(0);
            self.bytes -= self.records.remove(oldest).fragment.len();
            dropped += 1;
        }
        dropped
    }

    /// The next one; application data only if `data` says so.
    pub(crate) fn take(&mut self, data: bool) -> Option<EarlyRecord> {
        let at = self
            .records
            .iter()
            .position(|kept| data || kept.id.content_type != ContentType::ApplicationData)?;
        let record = self.records.remove(at);
        self.bytes -= record.fragment.len();
        Some(record)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{DTLS_1_2, Epoch};

    fn id(content_type: ContentType, sequence: u64) -> RecordId {
        RecordId {
            content_type,
            version: DTLS_1_2,
            epoch: Epoch::Protected,
            sequence,
        }
    }

    #[test]
    fn comes_out_by_number_and_data_last() {
        let mut early = EarlyRecords::default();
        early.keep(id(ContentType::ApplicationData, 2), b"b");
        early.keep(id(ContentType::Handshake, 3), b"f");
        early.keep(id(ContentType::ApplicationData, 1), b"a");
        assert_eq!(early.take(false).unwrap().fragment, b"f");
        assert!(early.take(false).is_none());
        assert_eq!(early.take(true).unwrap().fragment, b"a");
        assert_eq!(early.take(true).unwrap().fragment, b"b");
        assert_eq!(early.bytes, 0);
    }

    #[test]
    fn is_bounded_in_records_and_in_bytes() {
        let mut early = EarlyRecords::default();
        let dropped: u64 = (0..100)
            .map(|n| early.keep(id(ContentType::ApplicationData, n), &[0; 10]))
            .sum();
        assert_eq!(dropped, 100 - MAX_RECORDS as u64);
        assert_eq!(early.take(true).unwrap().id.sequence, 68);
        early.keep(id(ContentType::Handshake, 0), &[]);
        early.keep(id(ContentType::ApplicationData, 200), &[0; MAX_BYTES]);
        assert_eq!(early.records.len(), 2, "the Finished stays");
        assert_eq!(early.bytes, MAX_BYTES);
    }
}
