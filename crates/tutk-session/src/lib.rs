#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod channel;
mod client;
mod credentials;
mod deviation;
mod dialect;
mod discoverer;
mod discovery_plan;
mod endpoint;
mod error;
mod event;
mod handshake_offer;
mod interface;
pub mod models;
mod output;
mod phase;
pub mod psk;
mod random;
mod supervisor;
mod url;
mod wire;

pub use client::{
    Client, ClientConfig, KnownCamera, MAX_REQUESTS, MediaRequest, ResendPolicy, TalkFrame,
};
pub use credentials::{
    BaseStation, CredentialParts, Credentials, CredentialsError, Mac, derive_auth_key,
};
pub use deviation::{Deviation, Tolerated};
pub use dialect::{
    AuthIdRule, Cipher, Dialect, HeartbeatRule, IotcTransport, KeyRule, Liveness, PasswordRule,
    SequenceRule, Transport,
};
pub use discoverer::{DiscoveredCamera, Discoverer};
pub use discovery_plan::{DiscoveryPlan, DiscoveryScope, Search, Target, any_port_for};
pub use endpoint::{ClientId, Endpoint};
pub use error::{Error, Failure, TalkError};
pub use event::{Answer, Event, RequestId, Stats, Status, TalkEvent};
pub use handshake_offer::HandshakeOffer;
pub use interface::Interface;
pub use output::{MAX_DATAGRAM, Output, Transmit};
pub use phase::{Deadlines, Epoch, Phase, PhaseReport};
pub use supervisor::{
    CommandError, Connect, ConnectionError, ContinuousFrame, Demand, Disconnect, DriverError, Keep,
    LINGER, MAX_OUTAGES, Outage, OverflowFilter, ReconnectPolicy, Supervisor, SupervisorConfig,
    SupervisorEvent, SupervisorOutput, TalkQueue, Tally,
};
pub use url::{CameraUrl, DISCOVERY_PORT, Subtype, UrlError};
pub use wire::MAX_HL_PAYLOAD;

/// Items for `tutk-simulator`. Not covered by semantic versioning.
#[doc(hidden)]
pub mod internal {
    pub use crate::channel::{AvCounter, Channel};
    pub use crate::client::{IDLE_TIMEOUT, REPEAT_INTERVAL};
    pub use crate::output::Outbox;
    pub use crate::wire::{
        AssignedSession, BACKCHANNEL, CC51_DISCOVERY_ANSWER, DiscoveryQuery, Incoming,
        MAIN_CHANNEL, SessionQuery, Side, Wrapper,
    };
}

// Crates whose types are part of this crate's API.
pub use tutk_frame::{AudioFlags, AuthKey, Codec, FrameInfo, MediaKind, Uid};
pub use tutk_time::Instant;
pub use video_reassembly::{Frame, FramePolicy, Limits, Lost};
pub use {av_login, disco_cipher, dtls_psk, hl_ioctl, tutk_frame, video_reassembly};
