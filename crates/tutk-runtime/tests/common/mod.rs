//! A camera to talk to.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test file uses a part of this"
)]

pub mod relay;

use std::io::ErrorKind;
use std::net::SocketAddr;

use tutk_runtime::tutk_session::{ClientConfig, Codec, Credentials, Dialect, Frame};
use tutk_runtime::tutk_simulator::{
    ClientId, Clip, ClipFrame, LeaveReason, SimulatorConfig, SimulatorEvent,
};
use tutk_runtime::{Error, Impairment, SimulatedCamera, simulate};

pub const UID: &str = "HSBJYB5HSETGCDWD111A";
pub const ENR: &str = "aKzdqckqZ8HUHFe5";
pub const MAC: &str = "AABBCCDDEEFF";

/// A key frame each so many frames of the clip.
pub const GOP: usize = 10;

pub fn credentials() -> Credentials {
    Credentials::new(UID, ENR, MAC).unwrap()
}

/// Any free port.
pub fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Three groups of pictures whose bytes say which frame they are of.
pub fn clip(fps: u8) -> Clip {
    let frames = (0..3 * GOP).map(|index| {
        let key = index % GOP == 0;
        let len = if key { 6000 } else { 300 + 97 * index };
        let data: Vec<u8> = (0..len).map(|at| ((at * 31) ^ (index * 7)) as u8).collect();
        ClipFrame {
            data: data.into(),
            key,
        }
    });
    Clip::new(frames, Codec::H264, fps).unwrap()
}

pub fn camera(clip: &Clip) -> SimulatorConfig {
    SimulatorConfig::new(credentials(), clip.clone())
}

pub fn served(config: SimulatorConfig) -> SimulatedCamera {
    simulate(config, loopback(), Impairment::default()).unwrap()
}

/// At an address that another camera has just left, as soon as the system gives it.
pub async fn served_at(config: SimulatorConfig, address: SocketAddr) -> SimulatedCamera {
    loop {
        match simulate(config.clone(), address, Impairment::default()) {
            Ok(server) => return server,
            Err(Error::Io(error)) if error.kind() == ErrorKind::AddrInUse => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn client(camera: SocketAddr) -> ClientConfig {
    ClientConfig::new(camera, credentials())
}

pub fn client_in(camera: SocketAddr, dialect: &'static Dialect) -> ClientConfig {
    let mut config = client(camera);
    config.dialects = vec![dialect];
    config
}

/// That the frame is what the camera sent under its number.
pub fn check(frame: &Frame, clip: &Clip) {
    // Numbers on the wire begin at 1, and the clip begins again after its end.
    let index = (frame.number as usize - 1) % clip.frames().len();
    let sent = &clip.frames()[index];
    assert_eq!(frame.data, sent.data, "frame {}", frame.number);
    assert_eq!(frame.is_key(), sent.key, "frame {}", frame.number);
}

/// The next client that leaves, and why.
pub async fn left(server: &mut SimulatedCamera) -> (ClientId, LeaveReason) {
    loop {
        match server.next_event().await {
            Some(SimulatorEvent::Left { client, reason, .. }) => return (client, reason),
            Some(_) => {}
            None => panic!("the camera stopped"),
        }
    }
}
