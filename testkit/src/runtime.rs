//! Simulated cameras on UDP sockets on loopback, and their clients.

mod relay;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use tutk_runtime::{Error, SimulatedCamera, simulate};
use tutk_session::{ClientConfig, Codec, Dialect, Frame};
use tutk_simulator::{ClientId, Clip, ClipFrame, LeaveReason, SimulatorConfig, SimulatorEvent};

pub use self::relay::Relay;
use crate::session::credentials;

/// The distance of key frames in [`clip`].
pub const GOP: usize = 10;

/// An address on loopback with any free port.
pub fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Three GOPs in which every frame has other data.
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

pub fn camera_config(clip: &Clip) -> SimulatorConfig {
    SimulatorConfig::new(credentials(), clip.clone())
}

pub fn start_camera(config: SimulatorConfig) -> SimulatedCamera {
    simulate(config, loopback()).unwrap()
}

/// Starts a camera at the address of one that was closed. Retries while the address is in use.
pub async fn start_camera_at(config: SimulatorConfig, address: SocketAddr) -> SimulatedCamera {
    loop {
        match simulate(config.clone(), address) {
            Ok(camera) => return camera,
            Err(Error::Io(error)) if error.kind() == ErrorKind::AddrInUse => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn client_config(camera: SocketAddr) -> ClientConfig {
    ClientConfig::new(camera, credentials())
}

pub fn client_config_in(camera: SocketAddr, dialect: &Dialect) -> ClientConfig {
    let mut config = client_config(camera);
    config.dialects = vec![Arc::new(dialect.clone())];
    config
}

/// Asserts that the frame is the one that the camera sent under its number.
pub fn assert_sent(frame: &Frame, clip: &Clip) {
    // Frame numbers start at 1, and the clip repeats.
    let index = (frame.number as usize - 1) % clip.frames().len();
    let sent = &clip.frames()[index];
    assert_eq!(frame.data, sent.data, "frame {}", frame.number);
    assert_eq!(frame.is_key(), sent.key, "frame {}", frame.number);
}

/// Waits until a client leaves the camera.
pub async fn wait_for_leave(camera: &mut SimulatedCamera) -> (ClientId, LeaveReason) {
    loop {
        match camera.next_event().await {
            Some(SimulatorEvent::Left { client, reason, .. }) => return (client, reason),
            Some(_) => {}
            None => panic!("the camera stopped"),
        }
    }
}
