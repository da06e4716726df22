//! The sockets of the RTSP server.

use tokio::net::UdpSocket;
use tutk_serve::rtsp::{MAX_BODY_BYTES, MAX_HEAD_BYTES};
use tutk_serve::{Hub, MAX_UNAUTHENTICATED, RtspConfig, RtspServer};

use crate::common::rtsp_tcp_client::Client;
use crate::common::{
    FPS, H264, camera_config, hub_with_camera, loopback, next_video_frame, settings, start_camera,
};
use crate::memory::{Alone, Memory};
use crate::{Attack, MORE_THAN_ALL_BUFFERS, STATE_BYTES, many_connections};

/// The longest interleaved packet.
const INPUT: usize = 64 << 10;

const RESPONSES: usize = 16 << 10;

async fn start() -> (Hub, RtspServer) {
    let hub = Hub::new();
    let server = RtspServer::start(hub.clone(), RtspConfig::new(loopback()));
    (hub, server.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn rtsp_input_and_unread_responses_are_bounded() {
    let _alone = Alone::wait();
    let (hub, server) = start().await;
    let options = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".repeat(50);
    let unread = Attack {
        name: "responses that are not read",
        first: Vec::new(),
        then: options,
        most: MORE_THAN_ALL_BUFFERS,
        limit: INPUT + RESPONSES,
    };
    let accepted = unread.run(server.local_addr()).await;
    assert!(accepted < MORE_THAN_ALL_BUFFERS, "the server reads on");

    let endless_head = Attack {
        name: "a head without an end",
        first: b"OPTIONS * RTSP/1.0\r\nX: ".to_vec(),
        then: vec![b'x'; 1_000],
        most: MORE_THAN_ALL_BUFFERS,
        limit: MAX_HEAD_BYTES,
    };
    let accepted = endless_head.run(server.local_addr()).await;
    assert!(accepted < MORE_THAN_ALL_BUFFERS, "the server reads on");

    let body = format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: {MAX_BODY_BYTES}\r\n\r\n");
    for (name, first, bytes, limit) in [
        (
            "an unfinished interleaved packet",
            &b"$\0\xff\xff"[..],
            usize::from(u16::MAX),
            INPUT,
        ),
        (
            "an unfinished body",
            body.as_bytes(),
            MAX_BODY_BYTES,
            MAX_HEAD_BYTES + MAX_BODY_BYTES,
        ),
    ] {
        let unfinished = Attack {
            name,
            first: first.to_vec(),
            then: vec![b'x'; 1_000],
            most: bytes - 1,
            limit,
        };
        unfinished.run(server.local_addr()).await;
    }
    server.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn rtsp_connections_of_strangers_are_bounded() {
    let _alone = Alone::wait();
    let (hub, server) = start().await;
    let half = format!(
        "OPTIONS * RTSP/1.0\r\nX: {}",
        "x".repeat(MAX_HEAD_BYTES / 2)
    );
    let limit = MAX_UNAUTHENTICATED * (2 * MAX_HEAD_BYTES + STATE_BYTES);
    many_connections(server.local_addr(), half.as_bytes(), limit).await;
    server.close().await;
    hub.close().await;
}

/// Reports reach every client that plays over UDP, and are dropped there.
#[tokio::test(start_paused = true)]
async fn rtcp_reports_over_udp_are_bounded() {
    const CLIENTS: usize = 4;
    const REPORTS: usize = 20_000;
    const QUEUE: usize = 64 * 1_500;
    let _alone = Alone::wait();
    let camera = start_camera(camera_config(H264, FPS));
    let (hub, front) = hub_with_camera(settings(&camera));
    let server = RtspServer::start(hub.clone(), RtspConfig::new(loopback()));
    let server = server.await.unwrap();
    let mut clients = Vec::new();
    let mut port = 0;
    for _ in 0..CLIENTS {
        let mut client = Client::connect(&server).await;
        let transport = "Transport: RTP/AVP;unicast;client_port=7000-7001\r\n";
        let setup = client.request("SETUP", "/trackID=0", transport).await;
        let ports = setup.header("Transport").unwrap();
        let ports = ports.rsplit_once("server_port=").unwrap().1;
        let rtcp = ports.split(['-', ';']).nth(1).unwrap();
        port = rtcp.parse().unwrap();
        client
            .play_tracks(1, "RTP/AVP;unicast;client_port=7000-7001")
            .await;
        clients.push(client);
    }
    let mut direct = front.watch("direct");
    next_video_frame(&mut direct).await;

    let stranger = UdpSocket::bind(loopback()).await.unwrap();
    stranger
        .connect((server.local_addr().ip(), port))
        .await
        .unwrap();
    let mut memory = Memory::start();
    // A receiver report, and then anything.
    let mut report = vec![0x81, 201, 0x01, 0x76];
    report.resize(1_500, 0x5a);
    for at in 0..REPORTS {
        // The buffer of the kernel may be full.
        let _ = stranger.try_send(&report);
        if at % 64 == 0 {
            tokio::task::yield_now().await;
        }
        memory.sample();
    }
    memory.assert_at_most(2 * QUEUE + CLIENTS * STATE_BYTES, "RTCP reports");
    // All clients still play.
    assert_eq!(front.stats().await.viewers.len(), CLIENTS + 1);
    next_video_frame(&mut direct).await;
    for client in &mut clients {
        assert_eq!(client.request("TEARDOWN", "", "").await.status, 200);
    }
    server.close().await;
    hub.close().await;
}
