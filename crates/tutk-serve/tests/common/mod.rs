//! Simulated cameras, hubs that serve them, and waiting for their events.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and each test file uses a part of this"
)]

pub mod players;
pub mod rtsp_client;
pub mod rtsp_tcp_client;
pub mod timestamps;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
pub use testkit::runtime::{loopback, start_camera, start_camera_at};
pub use testkit::session::{ENR, MAC, UID, credentials};
use tokio::net::{TcpSocket, TcpStream};
use tutk_media::{AudioClip, AudioCodec, AudioFormat, Clip, Codec as VideoCodec, nal_units, tone};
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_session::{AudioFlags, ClientConfig, Codec};
use tutk_runtime::tutk_simulator::{
    ClipAudio, ClipAudioFormat, ClipFrame, LeaveReason, SimulatorConfig, SimulatorEvent,
};
use tutk_serve::{
    Camera, CameraSettings, CameraState, Hub, LiveFrame, Registration, UrlScheme, UrlTarget,
    Viewer, ViewerEvent,
};

/// Longer than anything takes on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(120);

pub const H264: &[u8] = include_bytes!("../../../tutk-cli/assets/clip.h264");
pub const H265: &[u8] = include_bytes!("../../../tutk-cli/assets/clip.h265");
pub const TONE: &[u8] = include_bytes!("../../../tutk-cli/assets/tone.aac");

/// The frame rate of the clips.
pub const FPS: u8 = 20;

/// Parses a clip into access units.
pub fn clip(stream: &'static [u8]) -> Clip {
    Clip::parse(Bytes::from_static(stream)).unwrap()
}

/// Returns the NAL units of an Annex B stream.
pub fn nals(stream: &[u8]) -> Vec<&[u8]> {
    nal_units(stream).map(|nal| nal.payload).collect()
}

/// Returns a clip for the simulated camera.
pub fn simulator_clip(stream: &'static [u8], fps: u8) -> tutk_runtime::tutk_simulator::Clip {
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

/// Returns 1 s of a tone in frames of 20 ms. AAC has 8 s in frames of 64 ms.
pub fn tone_audio(codec: Codec, rate: u32, channels: u8) -> ClipAudio {
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
        Codec::Pcmu => AudioClip::from_pcm(&pcm, audio(AudioCodec::Pcmu), AUDIO_FRAME),
        Codec::Pcma => AudioClip::from_pcm(&pcm, audio(AudioCodec::Pcma), AUDIO_FRAME),
        Codec::Pcm => AudioClip::from_pcm(&pcm, audio(AudioCodec::Pcm), AUDIO_FRAME),
        other => panic!("{other:?}"),
    };
    let clip = clip.unwrap();
    let frames = clip.frames().map(|(frame, _)| frame.clone());
    let flags = AudioFlags::new(rate, 16, channels).unwrap();
    ClipAudio::new(
        frames,
        ClipAudioFormat { codec, flags },
        clip.frame_samples(),
    )
    .unwrap()
}

/// Encodes 8 s of a tone as Opus with ffmpeg, 20 ms a frame.
pub fn opus_audio() -> ClipAudio {
    let tone = concat!(env!("CARGO_MANIFEST_DIR"), "/../tutk-cli/assets/tone.aac");
    let args = "-ac 1 -c:a libopus -frame_duration 20 -b:a 24k -f ogg -";
    let mut encoder = std::process::Command::new("ffmpeg");
    let encoder = encoder
        .args(["-v", "error", "-i", tone])
        .args(args.split(' '));
    let ogg = encoder.output().unwrap();
    assert!(ogg.status.success(), "{ogg:?}");
    // Two headers come first. The last packet is shorter.
    let packets = ogg_packets(&ogg.stdout).into_iter().skip(2).take(399);
    let flags = AudioFlags::new(48_000, 16, 1).unwrap();
    let format = ClipAudioFormat {
        codec: Codec::Opus,
        flags,
    };
    ClipAudio::new(packets.map(Bytes::from), format, 960).unwrap()
}

/// Returns the packets of an Ogg stream (RFC 3533 section 6).
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

pub const AUDIO_FRAME: Duration = Duration::from_millis(20);

pub fn camera_config(stream: &'static [u8], fps: u8) -> SimulatorConfig {
    SimulatorConfig::new(credentials(), simulator_clip(stream, fps))
}

/// Connects with a small receive buffer, so that the server soon cannot write. Reading may wait for
/// timers of the kernel, so that a paused clock jumps ahead.
pub async fn connect_with_small_buffer(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket.connect(address).await.unwrap()
}

/// Connects from another address of this machine, 127.0.0.`last`.
pub async fn connect_from(last: u8, address: SocketAddr) -> TcpStream {
    connect_from_address([127, 0, 0, last], address).await
}

/// Connects from an address of this machine. All in 127.0.0.0/8 are.
pub async fn connect_from_address(own: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((own, 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

pub fn settings(camera: &SimulatedCamera) -> CameraSettings {
    let mut settings = CameraSettings::new(ClientConfig::new(camera.local_addr(), credentials()));
    settings.policy.jitter = 0.0;
    settings
}

/// Returns a hub with one camera, `front`.
pub fn hub_with_camera(settings: CameraSettings) -> (Hub, Camera) {
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

pub async fn next_event(viewer: &mut Viewer) -> ViewerEvent {
    with_timeout(viewer.next_event()).await.unwrap()
}

pub async fn next_frame(viewer: &mut Viewer) -> LiveFrame {
    with_timeout(viewer.next_frame()).await.unwrap()
}

pub async fn next_video_frame(viewer: &mut Viewer) -> LiveFrame {
    loop {
        let frame = next_frame(viewer).await;
        if frame.kind.is_video() {
            return frame;
        }
    }
}

/// Awaits a future, and panics after [`TIMEOUT`].
pub async fn with_timeout<T>(future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(TIMEOUT, future).await {
        Ok(output) => output,
        Err(_) => panic!("nothing happened for {TIMEOUT:?}"),
    }
}

/// Waits for a state of the camera.
pub async fn wait_for_state(
    viewer: &mut Viewer,
    is_wanted: impl Fn(&CameraState) -> bool,
) -> CameraState {
    loop {
        if let ViewerEvent::State(state) = next_event(viewer).await
            && is_wanted(&state)
        {
            return state;
        }
    }
}

/// Waits until a client leaves the camera. Returns the reason, and how many clients have joined
/// since the last call.
pub async fn wait_for_leave(camera: &mut SimulatedCamera) -> (LeaveReason, usize) {
    let mut joined = 0;
    loop {
        match with_timeout(camera.next_event()).await.unwrap() {
            SimulatorEvent::Joined { .. } => joined += 1,
            SimulatorEvent::Left { reason, .. } => return (reason, joined),
            _ => {}
        }
    }
}
