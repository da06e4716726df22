//! Frames and events of a camera, for viewers and recorders that read nothing.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::{Clip, ClipFrame};
use tutk_serve::{EVENT_BACKLOG, KEPT_BYTES, Keep, RtspConfig, RtspServer};

use crate::STATE_BYTES;
use crate::client::{StreamingResponse, TestServer, WebSocket};
use crate::common::rtsp_tcp_client::Client;
use crate::common::{
    self, FPS, H264, camera_config, connect_with_small_buffer, hub_with_camera, loopback, nals,
    settings, start_camera,
};
use crate::memory::{Alone, Memory};

/// Viewers of each kind.
const EACH: usize = 3;

const FRAME: usize = 100 << 10;

const PATHS: [&str; 3] = [
    "/front/stream.mp4",
    "/front/stream.mp4?sound=flac",
    "/front/stream.ts",
];

/// A frame is kept as it arrived and in each form that a viewer needs: MP4 without audio, with
/// audio and with FLAC, and MPEG-TS. RTP payloads refer to the frame.
const FORMS: usize = 1 + 4;

/// Returns a clip of key frames without pictures.
fn clip() -> Clip {
    let mut key = Vec::new();
    for set in &nals(common::clip(H264).unit(0).unwrap().data())[..2] {
        key.extend([&[0, 0, 0, 1][..], set].concat());
    }
    key.extend([0, 0, 0, 1, 0x65, 0x88]);
    key.resize(FRAME, 0x55);
    let frame = ClipFrame {
        data: key.into(),
        key: true,
    };
    Clip::new([frame], Codec::H264, 50).unwrap()
}

#[tokio::test(start_paused = true)]
async fn viewers_that_read_nothing_need_only_the_frames_of_the_camera() {
    let _alone = Alone::wait();
    let mut config = camera_config(H264, 50);
    config.clip = clip();
    let server = TestServer::start(config).await;
    let rtsp = RtspServer::start(server.hub.clone(), RtspConfig::new(loopback()));
    let rtsp = rtsp.await.unwrap();
    let host = server.address();
    let mut memory = Memory::start();
    let (mut streams, mut sockets, mut clients) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..EACH {
        for path in PATHS {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let tcp = connect_with_small_buffer(host).await;
            streams.push(StreamingResponse::over(tcp, &request).await);
        }
        sockets.push(WebSocket::connect_with_small_buffer(host, "/front/live").await);
        let mut client = Client::connect_with_small_buffer(&rtsp).await;
        client.play_tracks(1, "RTP/AVP/TCP").await;
        clients.push(client);
    }
    // A viewer of each form that reads, and a recorder that needs all frames and does not.
    let mut readers = JoinSet::new();
    for path in PATHS {
        let mut stream = server.stream(path).await;
        readers.spawn(async move { while stream.next_chunk().await.is_some() {} });
    }
    let mut recorder = server.front.watch("recorder");
    recorder.set_max_lag(None);
    // Until the frames of the recorder have reached the limit and are dropped.
    let mut kept = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        memory.sample();
        let bytes = server.front.stats().await.kept_bytes;
        if bytes < kept {
            break;
        }
        kept = bytes;
    }
    assert!(
        kept > KEPT_BYTES - 5 * FRAME && kept <= KEPT_BYTES,
        "{kept}"
    );
    let viewers = 5 * EACH * (4 * FRAME + STATE_BYTES);
    memory.assert_at_most(FORMS * KEPT_BYTES + viewers, "frames");
    drop((streams, sockets, clients, readers));
    server.close().await;
    rtsp.close().await;
}

/// A camera that is away causes events at every attempt to connect.
#[tokio::test(start_paused = true)]
async fn events_without_a_receiver_are_bounded() {
    /// Room for the longest event.
    const EVENT: usize = 1_024;
    let _alone = Alone::wait();
    let camera = start_camera(camera_config(H264, FPS));
    let mut settings = settings(&camera);
    settings.keep = Keep::Always;
    camera.close().await;
    let (hub, front) = hub_with_camera(settings);
    let mut events = front.events();
    let mut memory = Memory::start();
    let mut newest = front.events();
    for _ in 0..4 * EVENT_BACKLOG {
        newest.recv().await.unwrap();
        memory.sample();
    }
    memory.assert_at_most(EVENT_BACKLOG * EVENT + STATE_BYTES, "events");
    let missed = events.recv().await.unwrap_err();
    assert_eq!(missed, RecvError::Lagged(3 * EVENT_BACKLOG as u64));
    assert_eq!(events.len(), EVENT_BACKLOG);
    hub.close().await;
}
