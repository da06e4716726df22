//! Sessions of a capture.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tutk_session::{Dialect, Phase};

use crate::packet::{dialect_name, seconds};

/// The largest number of sessions in a capture. Packets of further sessions have no session, and
/// are not decrypted.
pub const MAX_SESSIONS: usize = 4096;

/// A session: one attempt of a client to connect to a camera, and what follows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Session {
    /// The number, from 1 in the order of the first packets.
    pub number: usize,
    /// The address of the client.
    pub client: SocketAddr,
    /// The newest address of the camera. Before the camera answers, the address that was asked.
    pub camera: SocketAddr,
    /// The dialect, by its obfuscation: [`Packet::dialect`](crate::Packet::dialect). Its name is
    /// serialized.
    #[serde(serialize_with = "dialect_name")]
    pub dialect: Option<Arc<Dialect>>,
    /// The UID in the first packet that had one.
    pub uid: Option<String>,
    /// The time of the first packet.
    #[serde(serialize_with = "seconds")]
    pub first: Duration,
    /// The time of the last packet.
    #[serde(serialize_with = "seconds")]
    pub last: Duration,
    /// The completed phases, in the order of completion.
    pub phases: Vec<PhaseEnd>,
    /// The number of packets in both directions.
    pub packets: u64,
    /// The cipher suites by channel: 0 main, 1 backchannel.
    pub suites: BTreeMap<u8, &'static str>,
    /// The number of protected records that were decrypted.
    pub decrypted: u64,
    /// The number of protected records that were not decrypted, because the keys are not known, the
    /// handshake is not in the capture, or the record is damaged.
    pub encrypted: u64,
    /// `true` if the client requested resend mode in its login.
    pub resend: bool,
    /// The status of the challenge in K10001.
    pub challenge_status: Option<u8>,
    /// Frames and losses.
    pub media: MediaCounts,
    /// What was unusual, and how often.
    pub notes: BTreeMap<String, u64>,
}

/// The end of a phase of a session.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PhaseEnd {
    /// The name of the phase.
    pub phase: &'static str,
    /// The number of the packet that completed the phase.
    pub packet: u64,
    /// The time since the first packet of the session.
    #[serde(serialize_with = "seconds")]
    pub after: Duration,
}

/// The frames of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MediaCounts {
    /// Complete video frames.
    pub video: u64,
    /// Complete key frames.
    pub key: u64,
    /// Complete audio frames.
    pub audio: u64,
    /// Video and audio frames that are incomplete or missing.
    pub lost: u64,
    /// The bytes of complete frames.
    pub bytes: u64,
}

/// The largest number of different [`Session::notes`].
const MAX_NOTES: usize = 64;

impl Session {
    pub(crate) fn new(
        number: usize,
        [client, camera]: [SocketAddr; 2],
        dialect: Option<Arc<Dialect>>,
        time: Duration,
    ) -> Self {
        Self {
            number,
            client,
            camera,
            dialect,
            uid: None,
            first: time,
            last: time,
            phases: Vec::new(),
            packets: 0,
            suites: BTreeMap::new(),
            decrypted: 0,
            encrypted: 0,
            resend: false,
            challenge_status: None,
            media: MediaCounts::default(),
            notes: BTreeMap::new(),
        }
    }

    /// Returns the phase that the session is in.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let completed = |phase: &Phase| self.phases.iter().any(|end| end.phase == phase.name());
        // A later phase can be complete although a packet of an earlier one is not in the capture.
        let last = Phase::ALL.into_iter().rev().find(completed);
        match last {
            None => Phase::Discovery,
            Some(last) => last.next().unwrap_or(Phase::Stream),
        }
    }

    /// Completes a phase, if it is not complete.
    pub(crate) fn complete(&mut self, phase: Phase, packet: u64, time: Duration) {
        let name = phase.name();
        if self.phases.iter().all(|end| end.phase != name) {
            self.phases.push(PhaseEnd {
                phase: name,
                packet,
                after: time.saturating_sub(self.first),
            });
        }
    }

    pub(crate) fn note(&mut self, note: &str) {
        if let Some(count) = self.notes.get_mut(note) {
            *count += 1;
        } else if self.notes.len() < MAX_NOTES {
            self.notes.insert(note.to_owned(), 1);
        }
    }
}
