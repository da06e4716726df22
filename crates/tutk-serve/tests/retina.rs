//! What Rust's own RTSP client receives, frame for frame, and what many viewers are to one camera.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{
    FPS, H264, H265, TONE, camera, clip, credentials, heard, hub, left, loopback, nals, patient,
    served, served_at, settings, state,
};
use futures_lite::StreamExt as _;
use retina::client::{
    Credentials, Demuxed, PlayOptions, Session, SessionOptions, SetupOptions, TcpTransportOptions,
    Transport, UdpTransportOptions,
};
use retina::codec::{CodecItem, FrameFormat};
use tutk_media::adts_frames;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::{ClipFrame, LeaveReason, SimulatorConfig};
use tutk_serve::{Accounts, CameraState, Hub, RtspConfig, RtspServer};

async fn open(server: &RtspServer, transport: &Transport) -> Demuxed {
    let url = format!("rtsp://{}/front", server.local_addr());
    let credentials = Credentials {
        username: "anna".into(),
        password: "secret".into(),
    };
    let options = SessionOptions::default().creds(Some(credentials));
    let mut session = Session::describe(url.parse().unwrap(), options)
        .await
        .unwrap();
    for stream in 0..session.streams().len() {
        let setup = SetupOptions::default()
            .transport(transport.clone())
            .frame_format(FrameFormat::SIMPLE);
        session.setup(stream, setup).await.unwrap();
    }
    let session = session.play(PlayOptions::default()).await.unwrap();
    session.demuxed().unwrap()
}

/// The next picture, Annex B, and its time.
async fn picture(session: &mut Demuxed) -> (Vec<u8>, Duration) {
    loop {
        let item = patient(session.next()).await.unwrap().unwrap();
        if let CodecItem::VideoFrame(frame) = item {
            assert_eq!(frame.loss(), 0);
            let time = Duration::from_secs_f64(frame.timestamp().elapsed_secs());
            return (frame.into_data(), time);
        }
    }
}

async fn serve(hub: &Hub) -> RtspServer {
    let mut config = RtspConfig::new(loopback());
    config.accounts = Accounts::none();
    config.accounts.add("anna", "secret").unwrap();
    RtspServer::start(hub.clone(), config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn frame_for_frame() {
    let tcp = Transport::Tcp(TcpTransportOptions::default());
    let udp = Transport::Udp(UdpTransportOptions::default());
    for (stream, transport) in [(H264, &tcp), (H265, &tcp), (H264, &udp), (H265, &udp)] {
        let mut config = camera(stream, 50);
        config.sound = Some(heard(Codec::AacAdts, 16_000, 1));
        let camera = served(config);
        let (hub, _) = hub(settings(&camera));
        let server = serve(&hub).await;
        let mut session = open(&server, transport).await;
        let clip = clip(stream);
        let tone: Vec<_> = adts_frames(TONE).map(|frame| frame.unwrap()).collect();
        let (mut pictures, mut sounds) = (0, 0);
        let mut reports = BTreeMap::new();
        while pictures < clip.len() {
            match patient(session.next()).await.unwrap().unwrap() {
                CodecItem::VideoFrame(frame) => {
                    let unit = clip.unit(pictures).unwrap();
                    assert!(
                        nals(frame.data()) == nals(unit.data()),
                        "picture {pictures}"
                    );
                    assert_eq!(
                        (frame.loss(), frame.is_random_access_point()),
                        (0, unit.is_key())
                    );
                    assert_eq!(
                        frame.timestamp().elapsed(),
                        1_800 * i64::try_from(pictures).unwrap()
                    );
                    pictures += 1;
                }
                CodecItem::AudioFrame(frame) => {
                    // It comes with a header of the client's.
                    let received = adts_frames(frame.data()).next().unwrap().unwrap();
                    assert_eq!(received.payload(), tone[sounds].payload());
                    assert_eq!(frame.loss(), 0);
                    sounds += 1;
                }
                CodecItem::Rtcp(packet) => {
                    let report = packet.pkts().next().unwrap();
                    if let Ok(Some(report)) = report.as_sender_report() {
                        *reports.entry(packet.stream_id()).or_insert(0) += 1;
                        assert!(report.ntp_timestamp().0 > 0);
                    }
                }
                _ => {}
            }
        }
        assert!(
            sounds + 3 > pictures * 16_000 / 1_024 / 50,
            "{sounds} of {pictures}"
        );
        assert_eq!(reports.len(), 2, "each stream's clock is told");
        drop(session);
        server.close().await;
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_viewers_are_one_session() {
    let mut camera = served(camera(H264, FPS));
    let mut with = settings(&camera);
    with.client.media.audio = false;
    let (hub, front) = hub(with);
    let server = serve(&hub).await;
    let tcp = Transport::Tcp(TcpTransportOptions::default());
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(open(&server, &tcp).await);
    }
    let clip = clip(H264);
    for session in &mut sessions {
        // Each begins with a key frame, and misses none from there on.
        let (first, _) = picture(session).await;
        let at = clip
            .units()
            .position(|unit| nals(unit.data()) == nals(&first))
            .unwrap();
        assert!(clip.unit(at).unwrap().is_key());
        for next in at + 1..at + 20 {
            let unit = clip.unit(next % clip.len()).unwrap().data();
            assert!(nals(&picture(session).await.0) == nals(unit));
        }
    }
    let stats = front.stats().await;
    assert_eq!((stats.sessions, stats.viewers.len()), (1, 20));
    assert!(
        stats.viewers.iter().all(|viewer| viewer.missed == 0),
        "{stats:?}"
    );
    drop(sessions);
    hub.close().await;
    server.close().await;
    assert_eq!(left(&mut camera).await, (LeaveReason::Closed, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn player_survives_a_camera_restart() {
    let config = camera(H264, FPS);
    let first = served(config.clone());
    let address = first.local_addr();
    let mut with = settings(&first);
    with.client.media.audio = false;
    let (hub, front) = hub(with);
    let server = serve(&hub).await;
    let mut session = open(&server, &Transport::Tcp(TcpTransportOptions::default())).await;
    let mut before = Duration::ZERO;
    for _ in 0..10 {
        before = picture(&mut session).await.1;
    }
    let mut viewer = front.watch("test");
    first.close().await;
    state(&mut viewer, |state| matches!(state, CameraState::Down(_))).await;
    let _second = served_at(config, address).await;
    state(&mut viewer, |state| matches!(state, CameraState::Up)).await;
    let clip = clip(H264);
    // What came before it fell, and then all from the beginning.
    let mut next = picture(&mut session).await;
    while next.1 < before + Duration::from_millis(400) {
        next = picture(&mut session).await;
    }
    for unit in clip.units().take(20) {
        assert!(nals(&next.0) == nals(unit.data()));
        next = picture(&mut session).await;
    }
    drop((session, viewer));
    server.close().await;
    hub.close().await;
}

/// A key frame is hundreds of datagrams, and the client's buffer holds ninety: sent at once, one of
/// fifteen arrives whole; with a pause now and then all do, and half of them on a machine that has
/// no time for the client.
#[tokio::test(flavor = "multi_thread")]
async fn large_key_frames_get_through_small_buffers() {
    let clip = clip(H264);
    let mut key = Vec::new();
    for set in &nals(clip.unit(0).unwrap().data())[..2] {
        key.extend([&[0, 0, 0, 1][..], set].concat());
    }
    key.extend([0, 0, 0, 1, 0x65, 0x88]);
    key.resize(400_000, 0x55);
    let frame = ClipFrame {
        data: key.into(),
        key: true,
    };
    let shown = tutk_runtime::tutk_simulator::Clip::new([frame], Codec::H264, 10).unwrap();
    let camera = served(SimulatorConfig::new(credentials(), shown));
    let mut with = settings(&camera);
    with.client.media.audio = false;
    let (hub, front) = hub(with);
    let server = serve(&hub).await;
    let udp = Transport::Udp(UdpTransportOptions::default());
    let mut session = open(&server, &udp).await;
    let mut whole = 0;
    while front.stats().await.video_frames < 20 {
        // Each second a picture or what is left of one.
        let next = tokio::time::timeout(Duration::from_secs(1), session.next());
        if let Ok(Some(Ok(CodecItem::VideoFrame(frame)))) = next.await {
            whole += u32::from(frame.data().len() >= 400_000);
        }
    }
    assert!(whole >= 10, "{whole} of 20");
    drop(session);
    server.close().await;
    hub.close().await;
}
