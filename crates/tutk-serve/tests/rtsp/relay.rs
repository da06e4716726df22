//! A relay: a server that pulls from this one when its own client connects, and drops what arrives
//! before that client has set up its tracks. go2rtc and MediaMTX do so.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;
use tutk_runtime::tutk_session::Codec;
use tutk_serve::rtsp::MAX_START_DELAY;
use tutk_serve::{Hub, RtspConfig, RtspServer};

use crate::common::rtsp_tcp_client::Client;
use crate::common::{
    FPS, H264, camera_config, hub_with_camera, loopback, settings, start_camera, tone_audio,
    with_timeout,
};

/// The clip has a key frame every 40 frames.
const GOP: Duration = Duration::from_secs(2);

const FRAME: Duration = Duration::from_millis(50);

const MS: Duration = Duration::from_millis(1);

async fn cold_server() -> (tutk_runtime::SimulatedCamera, Hub, RtspServer) {
    let mut config = camera_config(H264, FPS);
    // Without audio, the description waits for it, and the key frame is no longer new.
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    let camera = start_camera(config);
    let (hub, _) = hub_with_camera(settings(&camera));
    let server = RtspServer::start(hub.clone(), RtspConfig::new(loopback()))
        .await
        .unwrap();
    (camera, hub, server)
}

/// Pulls from a server whose camera is not connected yet, drops all packets for `dropped` after
/// `PLAY`, and waits for a key frame. Returns when it came after `PLAY`.
async fn first_key_frame(query: &str, dropped: Duration) -> Duration {
    let (_camera, hub, server) = cold_server().await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.request("DESCRIBE", query, "").await.status, 200);
    client.play_tracks(1, "RTP/AVP/TCP").await;
    let started = Instant::now();
    loop {
        let packet = with_timeout(next_packet(&mut client)).await;
        if started.elapsed() >= dropped && packet.is_some_and(|rtp| begins_key_frame(&rtp[12..])) {
            break;
        }
    }
    let elapsed = started.elapsed();
    server.close().await;
    hub.close().await;
    elapsed
}

/// Reads an interleaved packet. Returns `None` if it is not RTP.
async fn next_packet(client: &mut Client) -> Option<Vec<u8>> {
    let mut header = [0; 4];
    client.stream.read_exact(&mut header).await.unwrap();
    assert_eq!(header[0], b'$');
    let mut packet = vec![0; u16::from_be_bytes([header[2], header[3]]).into()];
    client.stream.read_exact(&mut packet).await.unwrap();
    (header[1] == 0).then_some(packet)
}

/// Returns `true` for an IDR slice, or its first fragment (RFC 6184 sections 5.6 and 5.8).
fn begins_key_frame(payload: &[u8]) -> bool {
    match payload {
        [header, fragment, ..] if header & 0x1f == 28 => fragment & 0x9f == 0x85,
        [header, ..] => header & 0x1f == 5,
        [] => false,
    }
}

#[tokio::test(start_paused = true)]
async fn direct_client_starts_at_once() {
    let delay = first_key_frame("", Duration::ZERO).await;
    assert!(delay <= FRAME, "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn relay_that_drops_the_first_packets_waits_for_the_next_key_frame() {
    for dropped in [10 * MS, 100 * MS] {
        let delay = first_key_frame("", dropped).await;
        assert!(
            delay > GOP - 10 * FRAME && delay <= GOP + FRAME,
            "{dropped:?}: {delay:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn relay_with_a_start_delay_receives_the_first_key_frame() {
    for dropped in [10 * MS, 100 * MS] {
        let delay = first_key_frame("?start_delay=300", dropped).await;
        assert!(
            delay >= 300 * MS && delay <= 300 * MS + FRAME,
            "{dropped:?}: {delay:?}"
        );
    }
    // Longer delays are reduced. The viewer still starts with the same key frame.
    let delay = first_key_frame("?start_delay=60000", MS).await;
    assert!(
        delay >= MAX_START_DELAY && delay <= MAX_START_DELAY + FRAME,
        "{delay:?}"
    );
    // A delay that is too short does not help.
    let delay = first_key_frame("?start_delay=100", 200 * MS).await;
    assert!(delay > GOP - 10 * FRAME, "{delay:?}");
}
