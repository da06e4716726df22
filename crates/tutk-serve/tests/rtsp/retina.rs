//! The RTSP client `retina` receives every frame, with many viewers and after a camera restart.

use std::collections::BTreeSet;
use std::time::Duration;

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

use crate::common::players::run_concurrently;
use crate::common::{
    FPS, H264, H265, TONE, camera_config, clip, credentials, hub_with_camera, loopback, nals,
    settings, start_camera, start_camera_at, tone_audio, wait_for_leave, wait_for_state,
    with_timeout,
};

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

/// Returns the next video frame as Annex B, and its time.
async fn next_video(session: &mut Demuxed) -> (Vec<u8>, Duration) {
    loop {
        let item = with_timeout(session.next()).await.unwrap().unwrap();
        if let CodecItem::VideoFrame(frame) = item {
            assert_eq!(frame.loss(), 0);
            let time = Duration::from_secs_f64(frame.timestamp().elapsed_secs());
            return (frame.into_data(), time);
        }
    }
}

async fn start_server(hub: &Hub) -> RtspServer {
    let mut config = RtspConfig::new(loopback());
    config.accounts = Accounts::none();
    config.accounts.add("anna", "secret").unwrap();
    RtspServer::start(hub.clone(), config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_arrives() {
    let tcp = Transport::Tcp(TcpTransportOptions::default());
    let udp = Transport::Udp(UdpTransportOptions::default());
    let both = |stream| {
        [(&tcp, 1), (&udp, 3)]
            .map(|(transport, attempts)| receive_clip(stream, transport.clone(), attempts))
    };
    run_concurrently([H264, H265].into_iter().flat_map(both)).await;
}

async fn receive_clip(stream: &'static [u8], transport: Transport, attempts: usize) {
    for _ in 0..attempts {
        if try_receive_clip(stream, &transport).await {
            return;
        }
    }
    panic!("packets were lost over {transport:?}");
}

/// Returns `false` if packets were lost. Over UDP that can happen if the machine is too busy for
/// the client.
async fn try_receive_clip(stream: &'static [u8], transport: &Transport) -> bool {
    let mut config = camera_config(stream, FPS);
    config.audio = Some(tone_audio(Codec::AacAdts, 16_000, 1));
    let camera = start_camera(config);
    let (hub, _) = hub_with_camera(settings(&camera));
    let server = start_server(&hub).await;
    let mut session = open(&server, transport).await;
    let clip = clip(stream);
    let tone: Vec<_> = adts_frames(TONE).map(|frame| frame.unwrap()).collect();
    let (mut video, mut audio) = (0, 0);
    let mut streams_with_reports = BTreeSet::new();
    while video < clip.len() {
        match with_timeout(session.next()).await.unwrap().unwrap() {
            CodecItem::VideoFrame(frame) => {
                if frame.loss() > 0 {
                    return false;
                }
                let unit = clip.unit(video).unwrap();
                assert!(nals(frame.data()) == nals(unit.data()), "frame {video}");
                assert_eq!(frame.is_random_access_point(), unit.is_key());
                let interval = 90_000 / i64::from(FPS);
                let time = interval * i64::try_from(video).unwrap();
                assert_eq!(frame.timestamp().elapsed(), time);
                video += 1;
            }
            CodecItem::AudioFrame(frame) => {
                if frame.loss() > 0 {
                    return false;
                }
                // The client adds an ADTS header.
                let received = adts_frames(frame.data()).next().unwrap().unwrap();
                assert_eq!(received.payload(), tone[audio].payload());
                audio += 1;
            }
            CodecItem::Rtcp(packet) => {
                let report = packet.pkts().next().unwrap();
                if let Ok(Some(report)) = report.as_sender_report() {
                    streams_with_reports.insert(packet.stream_id());
                    assert!(report.ntp_timestamp().0 > 0);
                }
            }
            _ => {}
        }
    }
    let expected = video * 16_000 / 1_024 / usize::from(FPS);
    assert!(audio + 3 > expected, "{audio} of {expected}");
    assert_eq!(streams_with_reports.len(), 2);
    drop(session);
    server.close().await;
    hub.close().await;
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn many_viewers_share_one_session() {
    let mut camera = start_camera(camera_config(H264, FPS));
    let mut settings = settings(&camera);
    settings.client.media.audio = false;
    let (hub, front) = hub_with_camera(settings);
    let server = start_server(&hub).await;
    let tcp = Transport::Tcp(TcpTransportOptions::default());
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(open(&server, &tcp).await);
    }
    let clip = clip(H264);
    for session in &mut sessions {
        // Each viewer starts with a key frame, and misses no frame after that.
        let (first, _) = next_video(session).await;
        let at = clip
            .units()
            .position(|unit| nals(unit.data()) == nals(&first))
            .unwrap();
        assert!(clip.unit(at).unwrap().is_key());
        for next in at + 1..at + 20 {
            let unit = clip.unit(next % clip.len()).unwrap().data();
            assert!(nals(&next_video(session).await.0) == nals(unit));
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
    assert_eq!(wait_for_leave(&mut camera).await, (LeaveReason::Closed, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn player_survives_a_camera_restart() {
    let config = camera_config(H264, FPS);
    let first = start_camera(config.clone());
    let address = first.local_addr();
    let mut settings = settings(&first);
    settings.client.media.audio = false;
    let (hub, front) = hub_with_camera(settings);
    let server = start_server(&hub).await;
    let mut session = open(&server, &Transport::Tcp(TcpTransportOptions::default())).await;
    let mut before = Duration::ZERO;
    for _ in 0..10 {
        before = next_video(&mut session).await.1;
    }
    let mut viewer = front.watch("test");
    first.close().await;
    wait_for_state(&mut viewer, |state| matches!(state, CameraState::Down(_))).await;
    let _second = start_camera_at(config, address).await;
    wait_for_state(&mut viewer, |state| matches!(state, CameraState::Up)).await;
    let clip = clip(H264);
    // The last frames of the first camera, then the clip from the start.
    let mut next = next_video(&mut session).await;
    while next.1 < before + Duration::from_millis(400) {
        next = next_video(&mut session).await;
    }
    for unit in clip.units().take(20) {
        assert!(nals(&next.0) == nals(unit.data()));
        next = next_video(&mut session).await;
    }
    drop((session, viewer));
    server.close().await;
    hub.close().await;
}

/// A key frame has hundreds of datagrams, and the socket buffer of the client holds 90. Without
/// pacing, one of 15 frames is complete. On a busy machine, half of them are.
#[tokio::test(flavor = "multi_thread")]
async fn large_key_frames_fit_small_buffers() {
    const WINDOW: u64 = 20;
    let mut key = Vec::new();
    for set in &nals(clip(H264).unit(0).unwrap().data())[..2] {
        key.extend([&[0, 0, 0, 1][..], set].concat());
    }
    key.extend([0, 0, 0, 1, 0x65, 0x88]);
    key.resize(400_000, 0x55);
    let frame = ClipFrame {
        data: key.into(),
        key: true,
    };
    let clip = tutk_runtime::tutk_simulator::Clip::new([frame], Codec::H264, 10).unwrap();
    let camera = start_camera(SimulatorConfig::new(credentials(), clip));
    let mut settings = settings(&camera);
    settings.client.media.audio = false;
    let (hub, front) = hub_with_camera(settings);
    let server = start_server(&hub).await;
    let udp = Transport::Udp(UdpTransportOptions::default());
    let mut session = open(&server, &udp).await;
    // The machine may be too busy for the client at first.
    let mut complete = Vec::new();
    while complete.iter().all(|count| *count < WINDOW / 2) {
        assert!(complete.len() < 10, "of {WINDOW}: {complete:?}");
        let end = front.stats().await.video_frames + WINDOW;
        let mut count = 0;
        while front.stats().await.video_frames < end {
            let next = tokio::time::timeout(Duration::from_secs(1), session.next());
            if let Ok(Some(Ok(CodecItem::VideoFrame(frame)))) = next.await {
                count += u64::from(frame.data().len() >= 400_000);
            }
        }
        complete.push(count);
    }
    drop(session);
    server.close().await;
    hub.close().await;
}
