//! The RTSP server over real sockets on loopback, with tokio's clock stopped: clients that stall,
//! that are too many, that go without a word.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    reason = "tests fail by panicking"
)]

mod common;

use std::time::Duration;

use common::tcp_client::Client;
use common::{FPS, H264, camera, heard, hub, left, loopback, patient, picture, served, settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::LeaveReason;
use tutk_serve::rtsp::{GRACE, SESSION_TIMEOUT};
use tutk_serve::{CameraState, FAILURE_TIME, Hub, LINGER, MAX_FAILURES, RtspConfig, RtspServer};

async fn serve(
    fps: u8,
) -> (
    tutk_runtime::SimulatedCamera,
    Hub,
    tutk_serve::Camera,
    RtspServer,
) {
    let mut config = camera(H264, fps);
    config.sound = Some(heard(Codec::Pcmu, 8_000, 1));
    let camera = served(config);
    let (hub, front) = hub(settings(&camera));
    let server = RtspServer::start(hub.clone(), RtspConfig::new(loopback()))
        .await
        .unwrap();
    (camera, hub, front, server)
}

#[tokio::test(start_paused = true)]
async fn stalled_client_does_not_delay_others_or_use_memory() {
    let (_camera, hub, front, server) = serve(100).await;
    let mut stalled = Client::narrow(&server).await;
    stalled.play("RTP/AVP/TCP").await;
    let mut fast = front.watch("fast");
    let (mut most, mut waited) = (0, 0);
    // Until what the system keeps for it is full, and it is given up a minute after that.
    loop {
        picture(&mut fast).await;
        let stats = front.stats().await;
        most = most.max(stats.kept_bytes);
        let Some(viewer) = stats
            .viewers
            .iter()
            .find(|viewer| viewer.label.starts_with("rtsp "))
        else {
            break;
        };
        // Five seconds of pictures and sound, and a group of pictures.
        waited = waited.max(viewer.waiting);
        assert!(viewer.waiting < 5 * 150 + 2 * 60, "{viewer:?}");
    }
    assert!(waited > 4 * 150, "it did not stall: {waited}");
    assert!(most < 2 << 20, "{most}");
    assert_eq!(fast.stats().unwrap().missed, 0);
    server.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn camera_stays_connected_while_a_client_plays() {
    let (mut camera, hub, front, server) = serve(FPS).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.ask("DESCRIBE", "", "").await.status, 200);
    // Between what is asked, nobody leaves.
    tokio::time::sleep(SESSION_TIMEOUT / 2).await;
    assert_eq!(front.stats().await.sessions, 1);
    client.play("RTP/AVP;unicast;client_port=7000-7001").await;
    assert_eq!(front.stats().await.viewers.len(), 1);
    assert_eq!(client.ask("TEARDOWN", "", "").await.status, 200);
    assert_eq!(front.stats().await.viewers.len(), 0);
    let left_at = tokio::time::Instant::now();
    drop(client);
    assert_eq!(left(&mut camera).await, (LeaveReason::Closed, 1));
    assert!(left_at.elapsed() >= LINGER);
    // One that says nothing more goes, too.
    let mut silent = Client::connect(&server).await;
    silent.play("RTP/AVP;unicast;client_port=7000-7001").await;
    assert_eq!(left(&mut camera).await.0, LeaveReason::Closed);
    assert!(silent.is_closed().await);
    assert!(matches!(front.state(), CameraState::Idle));
    server.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn connections_are_limited_and_time_out() {
    let (_camera, hub, _, server) = serve(FPS).await;
    server.close().await;
    let mut config = RtspConfig::new(loopback());
    config.max_connections = 2;
    let server = RtspServer::start(hub.clone(), config).await.unwrap();
    let mut two = [
        Client::connect(&server).await,
        Client::connect(&server).await,
    ];
    for client in &mut two {
        assert_eq!(client.ask("OPTIONS", "", "").await.status, 200);
    }
    assert!(Client::connect(&server).await.is_closed().await);
    assert_eq!(two[0].ask("OPTIONS", "", "").await.status, 200);
    let [one, two] = two;
    drop(one);
    tokio::time::sleep(SESSION_TIMEOUT / 2).await;
    let mut next = Client::connect(&server).await;
    assert_eq!(next.ask("DESCRIBE", "/unknown", "").await.status, 404);
    let other = server.local_addr();
    next.url = format!("rtsp://{other}/other");
    assert_eq!(next.ask("DESCRIBE", "", "").await.status, 404);
    // One that says nothing is closed; in bytes that make no request it says nothing.
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
    let (_camera, hub, front, server) = serve(FPS).await;
    let before = Handle::current().metrics().num_alive_tasks();
    let mut clients = Vec::new();
    for transport in ["RTP/AVP/TCP", "RTP/AVP;unicast;client_port=7000-7001"] {
        let mut client = Client::connect(&server).await;
        client.play(transport).await;
        clients.push(client);
    }
    assert!(hub.remove("front").await);
    let told = tokio::time::Instant::now();
    // They have a moment, and then it is over.
    for client in &mut clients {
        let mut rest = Vec::new();
        let _ = patient(client.stream.read_to_end(&mut rest)).await;
        assert!(told.elapsed() >= GRACE);
    }
    assert!(matches!(front.state(), CameraState::Closed));
    let mut late = Client::connect(&server).await;
    assert_eq!(late.ask("DESCRIBE", "", "").await.status, 404);
    server.close().await;
    assert!(late.is_closed().await);
    drop(clients);
    while Handle::current().metrics().num_alive_tasks() > before - 2 {
        tokio::task::yield_now().await;
    }
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn address_is_blocked_after_too_many_wrong_passwords() {
    let mut config = RtspConfig::new(loopback());
    config.accounts.add("anna", "secret").unwrap();
    let hub = Hub::new();
    let server = RtspServer::start(hub.clone(), config).await.unwrap();
    // anna:secret, and anna:wrong
    let right = "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n";
    let wrong = "Authorization: Basic YW5uYTp3cm9uZw==\r\n";
    let mut inside = Client::connect(&server).await;
    assert_eq!(inside.ask("DESCRIBE", "", "").await.status, 401);
    for _ in 0..MAX_FAILURES {
        // To ask without a password first is no failure.
        let mut client = Client::connect(&server).await;
        assert_eq!(client.ask("DESCRIBE", "", "").await.status, 401);
        assert_eq!(client.ask("DESCRIBE", "", wrong).await.status, 401);
    }
    assert!(Client::connect(&server).await.is_closed().await);
    assert_eq!(inside.ask("DESCRIBE", "", right).await.status, 404);
    tokio::time::sleep(FAILURE_TIME).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.ask("DESCRIBE", "", right).await.status, 404);
    server.close().await;
    hub.close().await;
}
