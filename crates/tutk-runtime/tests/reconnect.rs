//! Reconnects over real UDP sockets on loopback. The policy itself is tested in tutk-session.
//!
//! Tokio's clock is paused: it jumps to the next timer when every task waits, so times can be
//! compared exactly.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Duration;

use futures_lite::StreamExt as _;
use testkit::runtime::{
    Relay, assert_sent, camera_config, client_config, clip, start_camera, start_camera_at,
    wait_for_leave,
};
use tokio::time::Instant;
use tutk_runtime::tutk_session::hl_ioctl::commands::{Media, MediaControl, SetAnswer, Switch};
use tutk_runtime::tutk_session::hl_ioctl::{Command as _, Request};
use tutk_runtime::tutk_session::{
    ClientConfig, ConnectionError, Disconnect, Error as SessionError, Event, Outage, Phase,
    ReconnectPolicy, SupervisorConfig, SupervisorEvent, Tally,
};
use tutk_runtime::tutk_simulator::{Clip, LeaveReason, SimulatorEvent};
use tutk_runtime::{Controller, Error, Session, SimulatedCamera, connect};

const SOUND_OFF: MediaControl = MediaControl {
    media: Media::Audio,
    switch: Switch::Off,
};

const FPS: u8 = 20;
/// The duration of a frame.
const FRAME: Duration = Duration::from_millis(50);

/// Without jitter.
fn policy() -> ReconnectPolicy {
    let mut policy = ReconnectPolicy::default();
    policy.jitter = 0.0;
    policy
}

fn reconnecting(config: ClientConfig) -> SupervisorConfig {
    SupervisorConfig::new(config, policy())
}

async fn connected(config: ClientConfig) -> Session {
    connect(reconnecting(config)).await.unwrap()
}

/// Reads events until `pick` accepts one.
async fn until<T>(session: &mut Session, mut pick: impl FnMut(SupervisorEvent) -> Option<T>) -> T {
    loop {
        let event = session.next_event().await.unwrap();
        let ended = format!("{event:?}");
        let over = matches!(event, SupervisorEvent::Ended(_));
        if let Some(picked) = pick(event) {
            return picked;
        }
        assert!(!over, "{ended}");
    }
}

async fn disconnected(session: &mut Session) -> Disconnect {
    let disconnected = |event| match event {
        SupervisorEvent::Disconnected(disconnect) => Some(disconnect),
        _ => None,
    };
    until(session, disconnected).await
}

async fn restored(session: &mut Session) -> Outage {
    let restored = |event| match event {
        SupervisorEvent::Restored(outage) => Some(outage),
        _ => None,
    };
    until(session, restored).await
}

async fn ended(session: &mut Session) -> Result<(), ConnectionError> {
    let ended = |event| match event {
        SupervisorEvent::Ended(result) => Some(result),
        _ => None,
    };
    let result = until(session, ended).await;
    assert!(session.next_event().await.is_none());
    result
}

/// Timestamp and arrival of a frame.
type Placed = (Duration, Instant);

/// Reads `count` frames of a new session, numbered from 1, and returns the last. `before` is the
/// last frame of the session before.
async fn frames(session: &mut Session, clip: &Clip, count: u32, before: Option<Placed>) -> Placed {
    let frame = |event| match event {
        SupervisorEvent::Frame(frame) => Some(frame),
        _ => None,
    };
    let mut last = before;
    for number in 1..=count {
        let next = until(session, frame).await;
        let (place, now) = (next.frame.timestamp, Instant::now());
        assert_eq!(next.frame.number, number);
        assert_sent(&next.frame, clip);
        assert_eq!(next.discontinuity, number == 1 && before.is_some());
        match last {
            Some((last, _)) if number > 1 => assert_eq!(place - last, FRAME),
            Some((last, at)) => assert_eq!(place - last, now - at, "the gap has another length"),
            None => assert_eq!(place, Duration::ZERO),
        }
        last = Some((place, now));
    }
    last.unwrap()
}

/// Restarts the camera as soon as the session has noticed that it is gone.
async fn reboot(
    session: &mut Session,
    server: &mut Option<SimulatedCamera>,
    clip: &Clip,
) -> Disconnect {
    let old = server.take().unwrap();
    let address = old.local_addr();
    old.close().await;
    let disconnect = disconnected(session).await;
    *server = Some(start_camera_at(camera_config(clip), address).await);
    disconnect
}

#[tokio::test(start_paused = true)]
async fn reconnects_after_camera_reboot() {
    let clip = clip(FPS);
    let mut server = Some(start_camera(camera_config(&clip)));
    let address = server.as_ref().unwrap().local_addr();
    let mut session = connected(client_config(address)).await;
    let mut before = None;
    // No session is stable, so the delay grows.
    for delay in [500, 1000, 2000].map(Duration::from_millis) {
        before = Some(frames(&mut session, &clip, 25, before).await);
        session.command(&SOUND_OFF).await.unwrap();
        let disconnect = reboot(&mut session, &mut server, &clip).await;
        let phase = Phase::Stream;
        assert!(matches!(
            disconnect.error,
            ConnectionError::Session(SessionError::ClosedByCamera { phase: of }) if of == phase
        ));
        let lasted = disconnect.lasted.unwrap();
        assert!(lasted >= 24 * FRAME && lasted <= 26 * FRAME, "{lasted:?}");
        assert_eq!((disconnect.attempts, disconnect.next), (0, Some(delay)));

        let outage = restored(&mut session).await;
        assert_eq!(outage.attempts, 0);
        assert!(outage.down.unwrap() >= delay);
    }
    frames(&mut session, &clip, 25, before).await;
    let tally = session.tally().await;
    assert!(tally.frames >= 100 && tally.bytes > 0);
    assert_eq!(
        (tally.reconnects, tally.lost, tally.awaiting_key_frame),
        (3, 0, 0)
    );
    let outages = session.outages().await;
    assert_eq!(outages.len(), 3);
    assert!(outages.iter().all(|outage| outage.down.is_some()));
    session.close().await.unwrap();
    let mut server = server.unwrap();
    assert_eq!(wait_for_leave(&mut server).await.1, LeaveReason::Closed);
}

#[tokio::test(start_paused = true)]
async fn slow_consumer_does_not_change_the_gap() {
    let clip = clip(FPS);
    let mut server = start_camera(camera_config(&clip));
    let address = server.local_addr();
    let mut session = connected(client_config(address)).await;
    frames(&mut session, &clip, 10, None).await;
    tokio::time::sleep(20 * FRAME).await;
    server.close().await;
    let closed = Instant::now();
    server = start_camera_at(camera_config(&clip), address).await;
    // The session reconnects while its events wait.
    let delay = Duration::from_millis(500);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut last = Duration::ZERO;
    let frame = |event| match event {
        SupervisorEvent::Frame(frame) => Some(frame),
        _ => None,
    };
    let first = loop {
        let next = until(&mut session, frame).await;
        if next.discontinuity {
            break next;
        }
        last = next.frame.timestamp;
    };
    assert!(last >= 28 * FRAME);
    let gap = first.frame.timestamp - last;
    assert!(gap >= delay && gap <= delay + 3 * FRAME, "{gap:?}");
    assert!(closed.elapsed() >= Duration::from_secs(5));
    session.close().await.unwrap();
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn reconnects_to_another_port() {
    let clip = clip(FPS);
    let mut server = start_camera(camera_config(&clip));
    let mut relay = Relay::start(server.local_addr()).await;
    let mut session = Session::start(reconnecting(client_config(relay.address()))).unwrap();
    let mut before = None;
    let mut ports = BTreeSet::new();
    for round in 1..=4 {
        let found = |event| match event {
            SupervisorEvent::Session(Event::Found { camera, .. }) => Some(camera),
            _ => None,
        };
        ports.insert(until(&mut session, found).await);
        assert_eq!(ports.len(), round, "the port did not change");
        before = Some(frames(&mut session, &clip, 10, before).await);
        server = start_camera(camera_config(&clip));
        relay.replace(server.local_addr()).await;
        assert_eq!(disconnected(&mut session).await.attempts, 0);
    }
    drop(server);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closes_in_every_state() {
    let clip = clip(FPS);
    let mut config = camera_config(&clip);
    // A session that is not closed blocks the next one.
    config.personality.max_clients = 1;
    let mut server = start_camera(config.clone());
    let address = server.local_addr();
    let start = || Session::start(reconnecting(client_config(address))).unwrap();

    // At once, and in each phase.
    start().close().await.unwrap();
    for phase in &Phase::ALL[..4] {
        let mut session = start();
        let done = |event| match event {
            SupervisorEvent::Session(Event::Phase(report)) => {
                (report.phase == *phase).then_some(())
            }
            _ => None,
        };
        until(&mut session, done).await;
        let error = session.command(&SOUND_OFF).await.unwrap_err();
        assert!(matches!(error, Error::NotConnected), "{error}");
        session.close().await.unwrap();
    }
    // While it is connected, with and without events in the queue.
    connected(client_config(address))
        .await
        .close()
        .await
        .unwrap();
    let mut session = connected(client_config(address)).await;
    frames(&mut session, &clip, 10, None).await;
    session.request_close();
    ended(&mut session).await.unwrap();
    session.request_close();
    assert!(session.next_event().await.is_none());
    // By dropping it.
    drop(connected(client_config(address)).await);

    // In the back-off, and in the next attempt.
    let mut waiting = connected(client_config(address)).await;
    server.close().await;
    disconnected(&mut waiting).await;
    let began = Instant::now();
    waiting.close().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    server = start_camera_at(config.clone(), address).await;
    let mut trying = connected(client_config(address)).await;
    server.close().await;
    disconnected(&mut trying).await;
    let second = Duration::from_secs(1);
    let nothing = tokio::time::timeout(second, disconnected(&mut trying)).await;
    assert!(nothing.is_err());
    trying.request_close();
    ended(&mut trying).await.unwrap();
    // With a disconnect that was not read.
    server = start_camera_at(config, address).await;
    let unread = connected(client_config(address)).await;
    server.close().await;
    tokio::time::sleep(second).await;
    let error = unread.command(&SOUND_OFF).await.unwrap_err();
    assert!(matches!(error, Error::NotConnected), "{error}");
    unread.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_use_the_current_session() {
    let clip = clip(FPS);
    let mut server = Some(start_camera(camera_config(&clip)));
    let address = server.as_ref().unwrap().local_addr();
    let mut session = connected(client_config(address)).await;
    for _ in 0..3 {
        let answer = session.request(&SOUND_OFF).await.unwrap();
        let answer = MediaControl::decode_answer(&answer.payload).unwrap();
        assert_eq!(answer, SetAnswer::Done);
        reboot(&mut session, &mut server, &clip).await;
        let error = session.command(&SOUND_OFF).await.unwrap_err();
        assert!(matches!(error, Error::NotConnected), "{error}");
        restored(&mut session).await;
    }
    // A disconnect ends those that wait for an answer.
    let unknown = Request {
        code: 65_000,
        payload: Vec::new(),
    };
    let controller = Controller::clone(&session);
    let waiting = tokio::spawn(async move { controller.request(unknown).await });
    tokio::task::yield_now().await;
    reboot(&mut session, &mut server, &clip).await;
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::NotConnected), "{error}");
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn next_event_is_cancel_safe() {
    let clip = clip(FPS);
    let mut server = Some(start_camera(camera_config(&clip)));
    let address = server.as_ref().unwrap().local_addr();
    let mut session = connected(client_config(address)).await;
    let mut numbers = Vec::new();
    let mut disconnects = 0;
    let mut restored = 0;
    while restored < 2 || numbers.len() < 20 {
        let short = Duration::from_millis(7);
        let event = tokio::time::timeout(short, session.next_event()).await;
        match event.map(Option::unwrap) {
            Ok(SupervisorEvent::Frame(frame)) => numbers.push(frame.frame.number),
            Ok(SupervisorEvent::Disconnected(_)) => disconnects += 1,
            Ok(SupervisorEvent::Restored(_)) => {
                restored += 1;
                assert!(numbers.iter().copied().eq(1..=20), "{numbers:?}");
                numbers.clear();
            }
            Ok(SupervisorEvent::Ended(result)) => panic!("{result:?}"),
            Ok(_) | Err(_) => {}
        }
        if numbers.len() == 20 && restored < 2 && disconnects == restored {
            if let Some(server) = server.take() {
                server.close().await;
            }
        } else if server.is_none() && disconnects > restored {
            server = Some(start_camera_at(camera_config(&clip), address).await);
        }
    }
    assert_eq!(disconnects, 2);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stream_ends_with_the_error() {
    let clip = clip(FPS);
    let server = start_camera(camera_config(&clip));
    let mut config = reconnecting(client_config(server.local_addr()));
    config.policy.give_up_attempts = Some(1);
    let mut session = connect(config).await.unwrap();
    let mut before = Tally::default();
    for _ in 0..10 {
        session.try_next().await.unwrap().unwrap();
        let tally = session.tally().await;
        let bytes = tally.since(&before).bytes;
        assert!(bytes > 0 && tally.bytes == before.bytes + bytes);
        before = tally;
    }
    server.close().await;
    let error = session.try_next().await.unwrap_err();
    assert!(
        matches!(error, Error::Session(SessionError::Silent { .. })),
        "{error}"
    );
    assert!(session.next().await.is_none());
    assert_eq!(session.tally().await.frames, 10);
}

#[tokio::test(start_paused = true)]
async fn resolves_the_host_name_at_every_attempt() {
    let clip = clip(FPS);
    let server = start_camera(camera_config(&clip));
    let mut config = reconnecting(client_config(server.local_addr()));
    config.policy.host = Some("localhost".to_owned());
    // The configured address is not the camera's.
    for other in [[0, 0, 0, 0], [127, 9, 9, 9]] {
        let mut elsewhere = config.clone();
        elsewhere.client.camera.set_ip(other.into());
        let mut session = connect(elsewhere).await.unwrap();
        frames(&mut session, &clip, 3, None).await;
        session.close().await.unwrap();
    }

    // A name that does not exist: the address is used, if there is one.
    config.policy.host = Some("camera.invalid".to_owned());
    let mut session = connect(config.clone()).await.unwrap();
    frames(&mut session, &clip, 3, None).await;
    session.close().await.unwrap();
    config.client.camera.set_ip([0, 0, 0, 0].into());
    let error = connect(config.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Io(_)), "{error}");
    assert!(error.to_string().contains("camera.invalid"), "{error}");
    config.policy.retry_first = true;
    let mut session = Session::start(config).unwrap();
    assert_eq!(disconnected(&mut session).await.attempts, 1);
    assert_eq!(disconnected(&mut session).await.attempts, 2);
    session.close().await.unwrap();
    server.close().await;
}

/// Loopback takes the place of a network on which the camera's address changes.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn finds_a_camera_whose_address_has_changed() {
    let clip = clip(FPS);
    let start = |ip: [u8; 4], port| start_camera_at(camera_config(&clip), (ip, port).into());
    let server = start([127, 0, 0, 77], 0).await;
    let old = server.local_addr();
    let mut config = reconnecting(client_config(old));
    config.policy.search = true;
    let mut session = connect(config).await.unwrap();
    let before = frames(&mut session, &clip, 10, None).await;
    server.close().await;
    // Broadcasts do not reach it.
    let server = start([127, 0, 0, 99], old.port()).await;
    let moved = |event| match event {
        SupervisorEvent::Moved { from, to } => Some((from, to)),
        _ => None,
    };
    assert_eq!(until(&mut session, moved).await, (old, server.local_addr()));
    frames(&mut session, &clip, 10, Some(before)).await;
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn uses_a_free_local_port_of_the_range() {
    let clip = clip(FPS);
    let mut server = start_camera(camera_config(&clip));
    let used = tokio::net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let first = used.local_addr().unwrap().port();
    let mut config = client_config(server.local_addr());
    config.local_ports = first..=first;
    let error = connect(config.clone()).await.unwrap_err();
    assert!(matches!(&error, Error::Io(error) if error.kind() == ErrorKind::AddrInUse));
    assert_eq!(
        error.to_string(),
        format!("the local UDP port {first} is in use")
    );
    let ports = first..=first.saturating_add(20);
    config.local_ports = ports.clone();
    let session = connect(reconnecting(config)).await.unwrap();
    let client = loop {
        if let Some(SimulatorEvent::Joined { client, .. }) = server.next_event().await {
            break client.address;
        }
    };
    assert!(
        ports.contains(&client.port()) && client.port() != first,
        "{client}"
    );
    session.close().await.unwrap();
}
