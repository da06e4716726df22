//! Cameras that do not accept packets before their turn (docs/protocol.md, section "Fast connect").
//!
//! Such a camera handles a discovery request and the end of a handshake at its next timeout, which
//! is due at once. What a client has sent right behind them arrives before that.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use dtls_psk::Stage;
use dtls_psk::passive::RecordHeader;
use tutk_session::internal::DiscoveryQuery;

use crate::config::DialectSetup;
use crate::event::ClientId;
use crate::personality::EarlyPackets;

/// The maximum number of inputs that wait, and of refused clients. The oldest is dropped first:
/// source addresses can be forged.
const MAX_KEPT: usize = 64;

/// Finds the early packets of clients.
#[derive(Debug)]
pub(crate) struct EarlyFilter {
    rule: EarlyPackets,
    deferred: VecDeque<Deferred>,
    /// Clients that have requested a session early, and get none.
    refused: VecDeque<ClientId>,
}

/// An input that is handled later.
#[derive(Debug)]
pub(crate) enum Deferred {
    Discovery(Arc<DialectSetup>, ClientId, DiscoveryQuery),
    /// DTLS records of the main channel.
    Handshake(ClientId, Vec<u8>),
}

impl EarlyFilter {
    pub(crate) fn new(rule: EarlyPackets) -> Self {
        Self {
            rule,
            deferred: VecDeque::new(),
            refused: VecDeque::new(),
        }
    }

    /// Returns `true` if discovery requests and handshakes must be passed to
    /// [`defer`](Self::defer).
    pub(crate) fn is_on(&self) -> bool {
        self.rule != EarlyPackets::Accepted
    }

    pub(crate) fn defer(&mut self, input: Deferred) {
        keep(&mut self.deferred, input);
    }

    /// Returns `true` if a timeout is due.
    pub(crate) fn is_due(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Returns the next input to handle.
    pub(crate) fn take(&mut self) -> Option<Deferred> {
        self.deferred.pop_front()
    }

    /// Returns `true` if a session request is not granted.
    pub(crate) fn refuses_session(&mut self, client: ClientId) -> bool {
        let is_early = (self.deferred.iter())
            .any(|input| matches!(input, Deferred::Discovery(_, asking, _) if *asking == client));
        if is_early && self.rule == EarlyPackets::Refused {
            keep(&mut self.refused, client);
        }
        is_early || self.refused.contains(&client)
    }
}

/// Returns `true` for records that may complete the client's part of the handshake.
pub(crate) fn ends_handshake(stage: Stage, records: &[u8]) -> bool {
    stage == Stage::AwaitKeyExchange && !is_data(records)
}

/// Returns `true` for application data that is sent before the camera's Finished.
pub(crate) fn is_early_data(stage: Stage, records: &[u8]) -> bool {
    stage != Stage::Connected && is_data(records)
}

fn is_data(records: &[u8]) -> bool {
    /// The content type of application data (RFC 5246, section 6.2.1).
    const APPLICATION_DATA: u8 = 23;
    RecordHeader::split(records).is_some_and(|(header, ..)| header.content_type == APPLICATION_DATA)
}

fn keep<T>(queue: &mut VecDeque<T>, entry: T) {
    if queue.len() >= MAX_KEPT {
        queue.pop_front();
    }
    queue.push_back(entry);
}
