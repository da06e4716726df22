//! Records of epoch 1 that arrived before they could be opened.

use alloc::vec::Vec;

use crate::record::{ContentType, RecordId};

/// The maximum number of kept records.
const MAX_RECORDS: usize = 32;
/// The maximum total size of kept records, in bytes.
const MAX_BYTES: usize = 32 * 1024;

/// The kept records, ordered by sequence number.
#[derive(Debug, Default)]
pub(crate) struct PendingRecords {
    records: Vec<PendingRecord>,
    bytes: usize,
}

/// A record that is still encrypted.
#[derive(Debug)]
pub(crate) struct PendingRecord {
    pub(crate) id: RecordId,
    pub(crate) fragment: Vec<u8>,
}

impl PendingRecords {
    /// Keeps a copy of the record. Returns the number of records that were dropped to make room.
    pub(crate) fn insert(&mut self, id: RecordId, fragment: &[u8]) -> u64 {
        let at = self
            .records
            .partition_point(|kept| kept.id.sequence <= id.sequence);
        self.bytes += fragment.len();
        self.records.insert(
            at,
            PendingRecord {
                id,
                fragment: fragment.to_vec(),
            },
        );
        let mut dropped = 0;
        while self.records.len() > MAX_RECORDS || self.bytes > MAX_BYTES {
            // The oldest data goes first, because the Finished is more important.
            let data = |kept: &PendingRecord| kept.id.content_type == ContentType::ApplicationData;
            let oldest = self.records.iter().position(data).unwrap_or(0);
            self.bytes -= self.records.remove(oldest).fragment.len();
            dropped += 1;
        }
        dropped
    }

    /// Removes and returns the next record. Skips application data unless `data` is set.
    pub(crate) fn take(&mut self, data: bool) -> Option<PendingRecord> {
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
    fn records_are_returned_in_order_with_data_last() {
        let mut pending = PendingRecords::default();
        pending.insert(id(ContentType::ApplicationData, 2), b"b");
        pending.insert(id(ContentType::Handshake, 3), b"f");
        pending.insert(id(ContentType::ApplicationData, 1), b"a");
        assert_eq!(pending.take(false).unwrap().fragment, b"f");
        assert!(pending.take(false).is_none());
        assert_eq!(pending.take(true).unwrap().fragment, b"a");
        assert_eq!(pending.take(true).unwrap().fragment, b"b");
        assert_eq!(pending.bytes, 0);
    }

    #[test]
    fn record_count_and_bytes_are_limited() {
        let mut pending = PendingRecords::default();
        let dropped: u64 = (0..100)
            .map(|n| pending.insert(id(ContentType::ApplicationData, n), &[0; 10]))
            .sum();
        assert_eq!(dropped, 100 - MAX_RECORDS as u64);
        assert_eq!(pending.take(true).unwrap().id.sequence, 68);
        pending.insert(id(ContentType::Handshake, 0), &[]);
        pending.insert(id(ContentType::ApplicationData, 200), &[0; MAX_BYTES]);
        assert_eq!(pending.records.len(), 2, "the Finished is kept");
        assert_eq!(pending.bytes, MAX_BYTES);
    }
}
