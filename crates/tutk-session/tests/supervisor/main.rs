//! The supervisor with a simulated camera.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod commands;
mod demand;
mod fast_connect;
mod incidents;
mod reconnecting;
mod search;

use std::sync::Arc;
use std::time::Duration;

use testkit::session::cameras::TestCamera;
use testkit::session::supervised::SupervisorSimulation;
use testkit::session::{MAC, UID, camera_address, clip, credentials};
use tutk_session::hl_ioctl::commands::{Media, MediaControl, Switch};
use tutk_session::{
    ClientConfig, ConnectionError, Credentials, Error, ReconnectPolicy, SupervisorConfig,
};
use tutk_simulator::SimulatorConfig;

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

const AUDIO_OFF: MediaControl = MediaControl {
    media: Media::Audio,
    switch: Switch::Off,
};

/// 20 frames per second, a key frame every ten frames.
fn camera() -> SimulatorConfig {
    SimulatorConfig::new(credentials(), clip(1, 30, 10))
}

/// A supervisor that reconnects without jitter.
fn reconnecting() -> SupervisorConfig {
    let client = ClientConfig::new(camera_address(), credentials());
    let mut policy = ReconnectPolicy::default();
    policy.jitter = 0.0;
    SupervisorConfig::new(client, policy)
}

fn with_config(config: SupervisorConfig) -> SupervisorSimulation {
    SupervisorSimulation::new(config, camera(), 1)
}

fn simulation() -> SupervisorSimulation {
    with_config(reconnecting())
}

/// A supervisor of a camera, and the camera.
fn simulation_of(camera: &TestCamera) -> SupervisorSimulation {
    let (config, camera) = configs_of(camera);
    SupervisorSimulation::new(config, camera, 1)
}

fn configs_of(camera: &TestCamera) -> (SupervisorConfig, SimulatorConfig) {
    let (mut config, mut simulated) = (reconnecting(), self::camera());
    config.client.dialects = vec![Arc::clone(&camera.dialect)];
    simulated.dialects = vec![Arc::clone(&camera.dialect)];
    camera.apply(&mut config.client, &mut simulated);
    (config, simulated)
}

/// A simulation without a camera.
fn without_camera(config: SupervisorConfig) -> SupervisorSimulation {
    let mut simulation = with_config(config);
    simulation.camera = None;
    simulation
}

fn session_error(error: &ConnectionError) -> &Error {
    match error {
        ConnectionError::Session(error) => error,
        other => panic!("{other:?}"),
    }
}

/// A wrong ENR with the right AuthKey: a camera does not answer a wrong AuthKey.
fn wrong_enr() -> Credentials {
    let mut wrong = Credentials::new(UID, "0000000000000000", MAC).unwrap();
    wrong.auth_key = credentials().auth_key;
    wrong
}
