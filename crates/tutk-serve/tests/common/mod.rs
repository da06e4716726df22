//! Cameras to serve.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and each test file uses a part of this"
)]

pub mod client;
pub mod players;
pub mod sync;
pub mod tcp_client;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpSocket, TcpStream};
use tutk_media::{AudioClip, AudioCodec, AudioFormat, Clip, Codec as VideoCodec, nal_units, tone};
use tutk_runtime::tutk_session::{AudioFlags, ClientConfig, Codec, Credentials};
use tutk_runtime::tutk_simulator::{
    ClipFrame, LeaveReason, SimulatorConfig, SimulatorEvent, Sound, SoundFormat,
};
use tutk_runtime::{Error, Impairment, SimulatedCamera, simulate};
use tutk_serve::{
    Camera, CameraSettings, CameraState, Hub, LiveFrame, Registration, UrlScheme, UrlTarget,
    Viewer, ViewerEvent,
};

pub const UID: &str = "HSBJYB5HSETGCDWD111A";
pub const ENR: &str = "aKzdqckqZ8HUHFe5";
pub const MAC: &str = "AABBCCDDEEFF";

pub const H264: &[u8] = include_bytes!("../../../tutk-cli/assets/clip.h264");
pub const H265: &[u8] = include_bytes!("../../../tutk-cli/assets/clip.h265");
pub const TONE: &[u8] = include_bytes!("../../../tutk-cli/assets/tone.aac");

/// Frames a second of the clips.
pub const FPS: u8 = 20;

pub fn credentials() -> Credentials {
    Credentials::new(UID, ENR, MAC).unwrap()
}

/// Any free port.
pub fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// The access units of a clip.
pub fn clip(stream: &'static [u8]) -> Clip {
    Clip::parse(Bytes::from_static(stream)).unwrap()
}

/// The NAL units of a stream.
pub fn nals(stream: &[u8]) -> Vec<&[u8]> {
    nal_units(stream).map(|nal| nal.payload).collect()
}

/// As the simulated camera wants it, at any speed.
pub fn shown(stream: &'static [u8], fps: u8) -> tutk_runtime::tutk_simulator::Clip {
    let clip = clip(stream);
    let codec = match clip.codec() {
        VideoCodec::H264 => Codec::H264,
        VideoCodec::H265 => Codec::H265,
    };
    let frames = clip.units().map(|unit| ClipFrame {
        data: unit.data().clone(),
        key: unit.is_key(),
    });
    tutk_runtime::tutk_simulator::Clip::new(frames, codec, fps).unwrap()
}

/// A second of the tone in 20 ms a frame; AAC is 8 s.
pub fn heard(codec: Codec, rate: u32, channels: u8) -> Sound {
    let audio = |codec| AudioFormat {
        codec,
        rate,
        channels,
    };
    let pcm = tone(rate, channels, 0, rate as usize);
    let clip = match codec {
        Codec::AacAdts => AudioClip::from_adts(Bytes::from_static(TONE)),
        Codec::AacRaw => {
            AudioClip::from_adts(Bytes::from_static(TONE)).map(AudioClip::without_adts)
        }
        Codec::Pcmu => AudioClip::from_pcm(&pcm, audio(AudioCodec::Pcmu), SOUND_FRAME),
        Codec::Pcma => AudioClip::from_pcm(&pcm, audio(AudioCodec::Pcma), SOUND_FRAME),
        Codec::Pcm => AudioClip::from_pcm(&pcm, audio(AudioCodec::Pcm), SOUND_FRAME),
        other => panic!("{other:?}"),
    };
    let clip = clip.unwrap();
    let frames = clip.frames().map(|(frame, _)| frame.clone());
    let flags = AudioFlags::new(rate, 16, channels).unwrap();
    Sound::new(frames, SoundFormat { codec, flags }, clip.frame_samples()).unwrap()
}

/// Opus, which ffmpeg makes of the tone: 8 s in 20 ms a frame.
pub fn opus() -> Sound {
    let tone = concat!(env!("CARGO_MANIFEST_DIR"), "/../tutk-cli/assets/tone.aac");
    let args = "-ac 1 -c:a libopus -frame_duration 20 -b:a 24k -f ogg -";
    let mut encoder = std::process::Command::new("ffmpeg");
    let encoder = encoder
        .args(["-v", "error", "-i", tone])
        .args(args.split(' '));
    let ogg = encoder.output().unwrap();
    assert!(ogg.status.success(), "{ogg:?}");
    // Two headers come first, and the last is cut short.
    let packets = ogg_packets(&ogg.stdout).into_iter().skip(2).take(399);
    let flags = AudioFlags::new(48_000, 16, 1).unwrap();
    let format = SoundFormat {
        codec: Codec::Opus,
        flags,
    };
    Sound::new(packets.map(Bytes::from), format, 960).unwrap()
}

/// The packets of an Ogg stream (RFC 3533 section 6).
fn ogg_packets(mut ogg: &[u8]) -> Vec<Vec<u8>> {
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    while let [_, ..] = ogg {
        let count = usize::from(ogg[26]);
        let mut body = &ogg[27 + count..];
        for &lace in &ogg[27..27 + count] {
            let (part, rest) = body.split_at(lace.into());
            packet.extend_from_slice(part);
            body = rest;
            if lace < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        ogg = body;
    }
    packets
}

pub const SOUND_FRAME: Duration = Duration::from_millis(20);

pub fn camera(stream: &'static [u8], fps: u8) -> SimulatorConfig {
    SimulatorConfig::new(credentials(), shown(stream, fps))
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

/// A connection for which the system holds little. Its own timers may be waited for when it is read
/// from, so that clocks that are stopped jump ahead.
pub async fn narrow(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.connect(address).await.unwrap()
}

pub fn settings(server: &SimulatedCamera) -> CameraSettings {
    let mut settings = CameraSettings::new(ClientConfig::new(server.local_addr(), credentials()));
    settings.policy.jitter = 0.0;
    settings
}

/// A hub with one camera, named `front`.
pub fn hub(settings: CameraSettings) -> (Hub, Camera) {
    let hub = Hub::new();
    let camera = hub.add("front", settings).unwrap();
    (hub, camera)
}

/// Registers RTSP on port 8554 without a server.
pub fn register_rtsp(hub: &Hub) -> Registration {
    hub.register(UrlScheme {
        scheme: "rtsp",
        address: ([127, 0, 0, 1], 8_554).into(),
        target: UrlTarget::Camera,
    })
}

/// The next event of a viewer, within a time that no working machine exceeds.
pub async fn event(viewer: &mut Viewer) -> ViewerEvent {
    patient(viewer.next_event()).await.unwrap()
}

pub async fn frame(viewer: &mut Viewer) -> LiveFrame {
    patient(viewer.next_frame()).await.unwrap()
}

pub async fn picture(viewer: &mut Viewer) -> LiveFrame {
    loop {
        let frame = frame(viewer).await;
        if frame.kind.is_video() {
            return frame;
        }
    }
}

pub async fn patient<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(120);
    match tokio::time::timeout(limit, future).await {
        Ok(done) => done,
        Err(_) => panic!("nothing happened for {limit:?}"),
    }
}

/// Until the camera stands where `wanted` says.
pub async fn state(viewer: &mut Viewer, wanted: impl Fn(&CameraState) -> bool) -> CameraState {
    loop {
        if let ViewerEvent::State(state) = event(viewer).await
            && wanted(&state)
        {
            return state;
        }
    }
}

/// The next client that leaves, and how many had joined before.
pub async fn left(server: &mut SimulatedCamera) -> (LeaveReason, usize) {
    let mut joined = 0;
    loop {
        match patient(server.next_event()).await.unwrap() {
            SimulatorEvent::Joined { .. } => joined += 1,
            SimulatorEvent::Left { reason, .. } => return (reason, joined),
            _ => {}
        }
    }
}
