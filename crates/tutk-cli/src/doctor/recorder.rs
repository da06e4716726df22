//! The datagrams of an examination, for the report.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tutk_runtime::{ObservedDatagram, Observer};

use crate::clock::unix_time;

/// The largest number of payload bytes that are kept. Ten seconds of a camera are about 5 MB.
const MAX_BYTES: usize = 64 << 20;

/// Collects datagrams and keys. Clones share the collection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Recording>>);

/// What was collected. Contains secrets.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) datagrams: Vec<RecordedDatagram>,
    pub(crate) key_log: String,
    bytes: usize,
    /// Datagrams that did not fit.
    pub(crate) dropped: u64,
}

#[derive(Debug)]
pub(crate) struct RecordedDatagram {
    /// The time since 1970.
    pub(crate) time: Duration,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

impl Recorder {
    /// Adds a datagram that is sent or received now.
    pub(crate) fn add(&self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        self.datagram(&ObservedDatagram {
            time: unix_time(),
            source,
            destination,
            payload,
        });
    }

    /// Returns what was collected so far, in the order of the times.
    pub(crate) fn take(&self) -> Recording {
        let mut recording = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recording = std::mem::take(&mut *recording);
        recording.datagrams.sort_by_key(|datagram| datagram.time);
        recording
    }
}

impl Observer for Recorder {
    fn datagram(&self, datagram: &ObservedDatagram<'_>) {
        // Held for moments only: nothing else than this module locks it.
        let mut recording = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recording.bytes.saturating_add(datagram.payload.len()) > MAX_BYTES {
            recording.dropped += 1;
            return;
        }
        recording.bytes += datagram.payload.len();
        recording.datagrams.push(RecordedDatagram {
            time: datagram.time,
            source: datagram.source,
            destination: datagram.destination,
            payload: datagram.payload.to_vec(),
        });
    }

    fn key_log(&self, line: &str) {
        let mut recording = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recording.key_log.push_str(line);
        recording.key_log.push('\n');
    }
}
