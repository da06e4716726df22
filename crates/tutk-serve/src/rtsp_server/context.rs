//! State shared by all connections of an RTSP server.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::udp::UdpPair;
use crate::accounts::Accounts;
use crate::hub::Hub;

#[derive(Debug)]
pub(super) struct Context {
    pub(super) hub: Hub,
    pub(super) accounts: Arc<Accounts>,
    pub(super) allow_plain_auth: bool,
    pub(super) udp: Option<Arc<UdpPair>>,
    pub(super) timeout: Duration,
    /// Cameras for which the log already has a warning that RTP cannot carry their audio.
    silent: Mutex<BTreeSet<String>>,
}

impl Context {
    pub(super) fn new(
        hub: Hub,
        accounts: Accounts,
        allow_plain_auth: bool,
        udp: Option<Arc<UdpPair>>,
        timeout: Duration,
    ) -> Self {
        Self {
            hub,
            accounts: Arc::new(accounts),
            allow_plain_auth,
            udp,
            timeout,
            silent: Mutex::default(),
        }
    }

    /// Returns `true` the first time it is called for a camera.
    pub(super) fn first_without_audio(&self, camera: &str) -> bool {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        // Only names of existing cameras get here, so the set stays small.
        silent.insert(camera.to_owned())
    }
}
