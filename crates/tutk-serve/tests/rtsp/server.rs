//! The RTSP server over sockets on loopback, with tokio's clock paused: stalled clients, limits and
//! timeouts.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::LeaveReason;
use tutk_serve::rtsp::{GRACE, SESSION_TIMEOUT};
use tutk_serve::{
    AUTHENTICATION_TIME, Camera, CameraState, Hub, LINGER, MAX_FAILURES, MAX_UNAUTHENTICATED,
    MAX_UNAUTHENTICATED_PER_ADDRESS, RtspConfig, RtspServer,
};

use crate::common::rtsp_tcp_client::Client;
use crate::common::{
    FPS, H264, camera_config, connect_from, hub_with_camera, loopback, next_video_frame, settings,
    start_camera, tone_audio, wait_for_leave, with_timeout,
};

async fn start(fps: u8) -> (SimulatedCamera, Hub, Camera, RtspServer) {
    let mut config = camera_config(H264, fps);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    let camera = start_camera(config);
    let (hub, front) = hub_with_camera(settings(&camera));
    let server = RtspServer::start(hub.clone(), RtspConfig::new(loopback()))
        .await
        .unwrap();
    (camera, hub, front, server)
}

#[tokio::test(start_paused = true)]
async fn stalled_client_does_not_delay_others_or_use_memory() {
    let (_camera, hub, front, server) = start(100).await;
    let mut stalled = Client::connect_with_small_buffer(&server).await;
    stalled.play("RTP/AVP/TCP").await;
    let mut fast = front.watch("fast");
    let (mut max_bytes, mut max_waiting) = (0, 0);
    // Until the socket buffers are full, and the server closes the connection a minute later.
    loop {
        next_video_frame(&mut fast).await;
        let stats = front.stats().await;
        max_bytes = max_bytes.max(stats.kept_bytes);
        let Some(viewer) = stats
            .viewers
            .iter()
            .find(|viewer| viewer.label.starts_with("rtsp "))
        else {
            break;
        };
        // Video and audio of 5 s, and of a GOP.
        max_waiting = max_waiting.max(viewer.waiting);
        assert!(viewer.waiting < 5 * 150 + 2 * 60, "{viewer:?}");
    }
    assert!(
        max_waiting > 4 * 150,
        "the client did not stall: {max_waiting}"
    );
    assert!(max_bytes < 2 << 20, "{max_bytes}");
    assert_eq!(fast.stats().unwrap().missed, 0);
    server.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn camera_stays_connected_while_a_client_plays() {
    let (mut camera, hub, front, server) = start(FPS).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.request("DESCRIBE", "", "").await.status, 200);
    // The session stays open between DESCRIBE and SETUP.
    tokio::time::sleep(SESSION_TIMEOUT / 2).await;
    assert_eq!(front.stats().await.sessions, 1);
    client.play("RTP/AVP;unicast;client_port=7000-7001").await;
    assert_eq!(front.stats().await.viewers.len(), 1);
    assert_eq!(client.request("TEARDOWN", "", "").await.status, 200);
    assert_eq!(front.stats().await.viewers.len(), 0);
    let left_at = tokio::time::Instant::now();
    drop(client);
    assert_eq!(wait_for_leave(&mut camera).await, (LeaveReason::Closed, 1));
    assert!(left_at.elapsed() >= LINGER);
    // A silent client times out.
    let mut silent = Client::connect(&server).await;
    silent.play("RTP/AVP;unicast;client_port=7000-7001").await;
    assert_eq!(wait_for_leave(&mut camera).await.0, LeaveReason::Closed);
    assert!(silent.is_closed().await);
    assert!(matches!(front.state(), CameraState::Idle));
    server.close().await;
    hub.close().await;
}

#[tokio::test]
async fn a_thousand_viewers_of_one_camera_get_frames() {
    const VIEWERS: usize = 1_000;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let files = 2 * VIEWERS as u64 + 200;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(files.min(hard)), hard).unwrap();
    let (_camera, hub, front, server) = start(5).await;
    server.close().await;
    let mut config = RtspConfig::new(loopback());
    config.max_connections = VIEWERS;
    let server = RtspServer::start(hub.clone(), config).await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..VIEWERS {
        let mut client = Client::connect(&server).await;
        client.play_tracks(1, "RTP/AVP/TCP").await;
        clients.push(client);
    }
    let mut late = Client::connect(&server).await;
    let describe = "DESCRIBE rtsp://h/x RTSP/1.0\r\nCSeq: 2\r\n\r\n";
    late.stream.write_all(describe.as_bytes()).await.unwrap();
    assert!(late.is_closed().await);
    for client in &mut clients {
        let stream = &mut client.stream;
        // The last packet of a frame has the marker.
        let mut frames = 0;
        while frames < 3 {
            let mut header = [0; 4];
            with_timeout(stream.read_exact(&mut header)).await.unwrap();
            let [b'$', channel, high, low] = header else {
                panic!("not an interleaved packet: {header:?}");
            };
            let mut packet = vec![0; u16::from_be_bytes([high, low]).into()];
            with_timeout(stream.read_exact(&mut packet)).await.unwrap();
            frames += u32::from(channel == 0 && packet[1] & 0x80 != 0);
        }
    }
    let stats = front.stats().await;
    assert_eq!((stats.viewers.len(), stats.sessions), (VIEWERS, 1));
    drop(clients);
    server.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn connections_are_limited_and_time_out() {
    let (_camera, hub, _, server) = start(FPS).await;
    server.close().await;
    let mut config = RtspConfig::new(loopback());
    config.max_connections = 2;
    let server = RtspServer::start(hub.clone(), config).await.unwrap();
    let mut two = [
        Client::connect(&server).await,
        Client::connect(&server).await,
    ];
    for client in &mut two {
        assert_eq!(client.request("DESCRIBE", "/x", "").await.status, 404);
    }
    let mut third = Client::connect(&server).await;
    assert_eq!(third.request("OPTIONS", "", "").await.status, 200);
    let describe = "DESCRIBE rtsp://h/x RTSP/1.0\r\nCSeq: 2\r\n\r\n";
    third.stream.write_all(describe.as_bytes()).await.unwrap();
    assert!(third.is_closed().await);
    assert_eq!(two[0].request("OPTIONS", "", "").await.status, 200);
    let [one, two] = two;
    drop(one);
    tokio::time::sleep(SESSION_TIMEOUT / 2).await;
    let mut next = Client::connect(&server).await;
    assert_eq!(next.request("DESCRIBE", "/unknown", "").await.status, 404);
    let other = server.local_addr();
    next.url = format!("rtsp://{other}/other");
    assert_eq!(next.request("DESCRIBE", "", "").await.status, 404);
    // A connection without requests times out. An incomplete request does not count.
    let mut idle = two;
    let idled = tokio::time::Instant::now();
    while idle.stream.write_all(b"X").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(idled.elapsed() <= SESSION_TIMEOUT / 2 + Duration::from_secs(4));
    assert!(idle.is_closed().await);
    server.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn clients_receive_a_goodbye_when_camera_or_server_ends() {
    let (_camera, hub, front, server) = start(FPS).await;
    let before = Handle::current().metrics().num_alive_tasks();
    let mut clients = Vec::new();
    for transport in ["RTP/AVP/TCP", "RTP/AVP;unicast;client_port=7000-7001"] {
        let mut client = Client::connect(&server).await;
        client.play(transport).await;
        clients.push(client);
    }
    assert!(hub.remove("front").await);
    let removed = tokio::time::Instant::now();
    // The clients have some time to end the session.
    for client in &mut clients {
        let mut rest = Vec::new();
        let _ = with_timeout(client.stream.read_to_end(&mut rest)).await;
        assert!(removed.elapsed() >= GRACE);
    }
    assert!(matches!(front.state(), CameraState::Closed));
    let mut late = Client::connect(&server).await;
    assert_eq!(late.request("DESCRIBE", "", "").await.status, 404);
    server.close().await;
    assert!(late.is_closed().await);
    drop(clients);
    while Handle::current().metrics().num_alive_tasks() > before - 2 {
        tokio::task::yield_now().await;
    }
    hub.close().await;
}

/// anna:secret, anna:wrong and bert:other
const RIGHT: &str = "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n";
const WRONG: &str = "Authorization: Basic YW5uYTp3cm9uZw==\r\n";
const OTHER: &str = "Authorization: Basic YmVydDpvdGhlcg==\r\n";

async fn start_with_accounts() -> (Hub, RtspServer) {
    let mut config = RtspConfig::new(loopback());
    config.accounts.add("anna", "secret").unwrap();
    config.accounts.add("bert", "other").unwrap();
    let hub = Hub::new();
    let server = RtspServer::start(hub.clone(), config).await.unwrap();
    (hub, server)
}

#[tokio::test(start_paused = true)]
async fn account_is_delayed_after_too_many_wrong_passwords_from_an_address() {
    let (hub, server) = start_with_accounts().await;
    for _ in 0..MAX_FAILURES {
        // A request without a password is not a failure.
        let mut client = Client::connect(&server).await;
        assert_eq!(client.request("DESCRIBE", "", "").await.status, 401);
        assert_eq!(client.request("DESCRIBE", "", WRONG).await.status, 401);
    }
    let mut client = Client::connect(&server).await;
    let delayed = client.request("DESCRIBE", "", RIGHT).await;
    assert_eq!(delayed.status, 503);
    assert_eq!(delayed.header("Retry-After"), Some("1"));
    assert_eq!(client.request("DESCRIBE", "", OTHER).await.status, 404);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.request("DESCRIBE", "", RIGHT).await.status, 404);
    server.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_open_already_share_the_budget_of_wrong_passwords() {
    let (hub, server) = start_with_accounts().await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(Client::connect(&server).await);
    }
    let mut checked = 0;
    for _ in 0..5 {
        for client in &mut clients {
            let response = client.request("DESCRIBE", "", WRONG).await;
            checked += u32::from(response.status == 401);
        }
    }
    assert_eq!(checked, MAX_FAILURES);
    server.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn clients_must_authenticate_in_time() {
    let (hub, server) = start_with_accounts().await;
    let mut known = Client::connect(&server).await;
    assert_eq!(known.request("DESCRIBE", "", RIGHT).await.status, 404);
    let mut stranger = Client::connect(&server).await;
    let connected = tokio::time::Instant::now();
    for header in ["", WRONG, ""] {
        assert_eq!(stranger.request("OPTIONS", "", header).await.status, 200);
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert!(stranger.is_closed().await);
    assert!(connected.elapsed() <= AUTHENTICATION_TIME + Duration::from_millis(10));
    assert_eq!(known.request("DESCRIBE", "", RIGHT).await.status, 404);
    server.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn strangers_cannot_use_up_the_connections() {
    let mut config = RtspConfig::new(loopback());
    config.accounts.add("anna", "secret").unwrap();
    config.max_connections = 2;
    let hub = Hub::new();
    let server = RtspServer::start(hub.clone(), config).await.unwrap();
    let mut viewer = Client::connect(&server).await;
    assert_eq!(viewer.request("DESCRIBE", "", RIGHT).await.status, 404);
    let mut strangers = Vec::new();
    for _ in 0..2 * MAX_UNAUTHENTICATED {
        let mut stranger = connect_from(2, server.local_addr()).await;
        let options = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
        stranger.write_all(options.as_bytes()).await.unwrap();
        strangers.push(stranger);
    }
    // The same address, and another one.
    let mut second = Client::connect(&server).await;
    assert_eq!(second.request("DESCRIBE", "", RIGHT).await.status, 404);
    drop(second);
    let stream = connect_from(2, server.local_addr()).await;
    let mut third = Client::over(stream, &server);
    assert_eq!(third.request("DESCRIBE", "", RIGHT).await.status, 404);
    assert_eq!(viewer.request("DESCRIBE", "", RIGHT).await.status, 404);
    // Most strangers were disconnected to make room.
    let mut open = 0;
    for stranger in &mut strangers {
        let mut rest = Vec::new();
        let read = stranger.read_to_end(&mut rest);
        let closed = tokio::time::timeout(Duration::from_millis(1), read).await;
        open += usize::from(closed.is_err());
    }
    assert!(open <= MAX_UNAUTHENTICATED_PER_ADDRESS, "{open}");
    server.close().await;
    hub.close().await;
}
