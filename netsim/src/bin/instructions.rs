//! The work for `cargo xtask scale` to count instructions of: `instructions WORK yes|no`.
//!
//! Both runs prepare the same. `yes` does the work, and prints how many units it has. The
//! difference of their instructions is that of the work.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement fails by panicking, and needs an instant to start from"
)]

use std::hint::black_box;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Buf as _, Bytes};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use testkit::session::{camera_address, credentials, epoch, start};
use tutk_media::{AccessUnit, Codec as VideoCodec, ParameterSets};
use tutk_serve::rtsp::{Connection, ConnectionConfig, Event as RtspEvent, Output as RtspOutput};
use tutk_serve::{FrameContent, LiveFrame, StreamDescription};
use tutk_session::{Client, ClientConfig, Codec, Dialect, Event, MediaKind, Output, Phase, Status};
use tutk_simulator::{Clip, ClipFrame, Simulator, SimulatorConfig};

/// Bytes of a frame: 2 Mbit/s at 20 frames per second.
const FRAME: usize = 12_500;

const FRAMES: usize = 20;

const VIEWERS: usize = 100;

/// SPS, PPS and the start of an IDR slice.
const KEY: [u8; 21] = [
    0, 0, 0, 1, 0x67, 0x64, 0, 0x28, 0xac, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 1, 0x65, 0x88,
];

const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 2], 50_000);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["datagrams", run] => datagrams(run == "yes"),
        ["viewer-frames", run] => viewer_frames(run == "yes"),
        _ => panic!("usage: instructions datagrams|viewer-frames yes|no"),
    }
}

/// Random bytes, so that they contain no start codes worth mentioning.
fn random(bytes: usize) -> Vec<u8> {
    let mut data = vec![0; bytes];
    StdRng::seed_from_u64(1).fill_bytes(&mut data);
    data.iter_mut().for_each(|byte| *byte |= 4);
    data
}

/// A client receives a second of video.
fn datagrams(run: bool) {
    let now = start();
    let dialect = Arc::new(Dialect::TRANSCODE);
    let frames = (0..FRAMES).map(|number| ClipFrame {
        data: random(FRAME).into(),
        key: number == 0,
    });
    let clip = Clip::new(frames, Codec::H264, 20).unwrap();
    let mut config = ClientConfig::new(camera_address(), credentials());
    config.dialects = vec![Arc::clone(&dialect)];
    let mut client = Client::new(config, [1; 32], epoch(now, now));
    let mut config = SimulatorConfig::new(credentials(), clip);
    config.dialects = vec![dialect];
    let mut camera = Simulator::new(config, camera_address(), [2; 32], epoch(now, now)).unwrap();

    let (mut at, mut recorded) = (now, Vec::new());
    while at < now + Duration::from_secs(2) {
        let client_at = to_camera(&mut client, &mut camera, at);
        let camera_at = loop {
            match camera.poll_output() {
                Output::Transmit(datagram) => {
                    let mut bytes = datagram.payload.to_vec();
                    match client.status() == Status::In(Phase::Stream) {
                        true => recorded.push((at, bytes)),
                        false => client.handle_datagram(at, camera_address(), &mut bytes),
                    }
                }
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        if client.status() != Status::In(Phase::Stream) {
            let answered = to_camera(&mut client, &mut camera, at);
            at = at.max(answered.min(camera_at).min(client_at));
            client.handle_timeout(at);
        } else {
            at = at.max(camera_at);
        }
        camera.handle_timeout(at);
    }
    if !run {
        return;
    }
    let mut received = 0;
    for (at, datagram) in &mut recorded {
        client.handle_datagram(*at, camera_address(), datagram);
        loop {
            match client.poll_output() {
                Output::Event(Event::Frame(frame)) => received += black_box(frame).data.len(),
                Output::Event(Event::Ended(result)) => panic!("ended: {result:?}"),
                Output::Timeout(_) => break,
                _ => {}
            }
        }
    }
    assert!(received > 10 * FRAME, "{received} bytes");
    println!("{}", recorded.len());
}

/// Passes everything that the client sends to the camera. Returns the client's deadline.
fn to_camera(
    client: &mut Client,
    camera: &mut Simulator,
    now: tutk_session::Instant,
) -> tutk_session::Instant {
    loop {
        match client.poll_output() {
            Output::Transmit(datagram) => {
                camera.handle_datagram(now, CLIENT.into(), &mut datagram.payload.to_vec());
            }
            Output::Event(Event::Ended(result)) => panic!("ended: {result:?}"),
            Output::Event(_) => {}
            Output::Timeout(deadline) => return deadline,
        }
    }
}

/// RTSP viewers get frames, which are planned once.
fn viewer_frames(run: bool) {
    let now = Instant::now();
    let description = Arc::new(StreamDescription {
        video: Some(ParameterSets::of(&AccessUnit::new(
            VideoCodec::H264,
            KEY.to_vec(),
        ))),
        sound: None,
        settled: true,
    });
    let frame = |number: usize| {
        let mut data = match number {
            0 => KEY.to_vec(),
            _ => vec![0, 0, 0, 1, 0x41],
        };
        data.extend(random(FRAME));
        let data = Bytes::from(data);
        LiveFrame::from(FrameContent {
            kind: if number == 0 {
                MediaKind::Key
            } else {
                MediaKind::Delta
            },
            unit: Some(AccessUnit::new(VideoCodec::H264, data.clone())),
            data,
            codec: Some(Codec::H264),
            timestamp: Duration::from_millis(50 * number as u64),
            wall: SystemTime::UNIX_EPOCH,
            discontinuity: false,
            description: Arc::clone(&description),
        })
    };
    let frames: Vec<_> = (0..FRAMES).map(frame).collect();
    let viewer = |number: usize| {
        let peer = SocketAddr::from(CLIENT);
        let rng = Box::new(StdRng::seed_from_u64(number as u64));
        let mut connection = Connection::new(ConnectionConfig::new(peer, peer.ip()), rng, now);
        let mut send = |request: &str| {
            connection.handle_bytes(now, request.as_bytes());
            pump(&mut connection, now, &description)
        };
        let setup = "SETUP rtsp://h/c/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n\
            Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
        let response = send(setup);
        let session = response
            .lines()
            .find_map(|line| line.strip_prefix("Session: "));
        let session = session.and_then(|id| id.split(';').next()).unwrap();
        send(&format!(
            "PLAY rtsp://h/c RTSP/1.0\r\nCSeq: 2\r\nSession: {session}\r\n\r\n"
        ));
        assert!(connection.wants_frames());
        connection
    };
    let mut viewers: Vec<_> = (0..VIEWERS).map(viewer).collect();
    if !run {
        return;
    }
    for frame in &frames {
        for viewer in &mut viewers {
            viewer.handle_frame(now, frame).unwrap();
            while let RtspOutput::Write(unwritten) = viewer.poll_output() {
                let mut slices = [IoSlice::new(&[]); 64];
                let used = unwritten.chunks_vectored(&mut slices);
                let written = slices.iter().take(used).map(|slice| slice.len()).sum();
                black_box(&slices);
                unwritten.advance(written);
                assert_eq!(unwritten.remaining(), 0);
                viewer.handle_written(now);
            }
        }
    }
    println!("{}", frames.len() * viewers.len());
}

/// Answers the connection's events, and returns what it writes.
fn pump(connection: &mut Connection, now: Instant, description: &Arc<StreamDescription>) -> String {
    let mut written = Vec::new();
    loop {
        match connection.poll_output() {
            RtspOutput::Write(unwritten) => {
                written.extend(unwritten.copy_to_bytes(unwritten.remaining()));
                connection.handle_written(now);
            }
            RtspOutput::Event(RtspEvent::Describe { .. }) => {
                connection.handle_description(now, Ok(Arc::clone(description)));
            }
            RtspOutput::Event(RtspEvent::Play { .. }) => connection.handle_playing(now, None),
            RtspOutput::Timeout(_) => return String::from_utf8(written).unwrap(),
            _ => {}
        }
    }
}
