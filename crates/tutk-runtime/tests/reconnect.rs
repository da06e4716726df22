//! Cameras that fall and come back, over real UDP sockets on loopback.
//!
//! The clock is tokio's, stopped: it jumps to the next timer whenever nobody has anything to do, so that
//! minutes of silence take no time, and times can be compared exactly.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::relay::Relay;
use common::{GOP, MAC, UID, camera, check, client, clip, left, served, served_at};
use futures_lite::StreamExt as _;
use tokio::time::Instant;
use tutk_runtime::tutk_session::hl_ioctl::Command as _;
use tutk_runtime::tutk_session::hl_ioctl::commands::{Media, MediaControl, SetAnswer, Switch};
use tutk_runtime::tutk_session::{
    ClientConfig, Codec, Credentials, Error as SessionError, Event, Failure, Phase,
};
use tutk_runtime::tutk_simulator::{Clip, LeaveReason};
use tutk_runtime::{
    Error, Fall, Outage, ReconnectEvent, ReconnectPolicy, Reconnecting, SimulatedCamera, Tally,
};

const SOUND_OFF: MediaControl = MediaControl {
    media: Media::Audio,
    switch: Switch::Off,
};

/// Frames per second, and what that makes of a frame.
const FPS: u8 = 20;
const FRAME: Duration = Duration::from_millis(50);

/// Without chance in it.
fn policy() -> ReconnectPolicy {
    let mut policy = ReconnectPolicy::default();
    policy.jitter = 0.0;
    policy
}

async fn connect(config: ClientConfig) -> Reconnecting {
    Reconnecting::connect(config, policy()).await.unwrap()
}

/// Events until `pick` finds what it looks for.
async fn until<T>(
    session: &mut Reconnecting,
    mut pick: impl FnMut(ReconnectEvent) -> Option<T>,
) -> T {
    loop {
        let event = session.next_event().await.unwrap();
        let ended = format!("{event:?}");
        let over = matches!(event, ReconnectEvent::Ended(_));
        if let Some(picked) = pick(event) {
            return picked;
        }
        assert!(!over, "{ended}");
    }
}

async fn fall(session: &mut Reconnecting) -> Fall {
    let fall = |event| match event {
        ReconnectEvent::Fell(fall) => Some(fall),
        _ => None,
    };
    until(session, fall).await
}

async fn restored(session: &mut Reconnecting) -> Outage {
    let restored = |event| match event {
        ReconnectEvent::Restored(outage) => Some(outage),
        _ => None,
    };
    until(session, restored).await
}

async fn ended(session: &mut Reconnecting) -> Result<(), Error> {
    let ended = |event| match event {
        ReconnectEvent::Ended(result) => Some(result),
        _ => None,
    };
    let result = until(session, ended).await;
    assert!(session.next_event().await.is_none());
    result
}

/// Place on the line and arrival of a frame.
type Placed = (Duration, Instant);

/// Takes `count` frames of a new session, numbered from 1, and returns where the last stands. `before` is
/// where the last frame of the session before stood.
async fn frames(
    session: &mut Reconnecting,
    clip: &Clip,
    count: u32,
    before: Option<Placed>,
) -> Placed {
    let frame = |event| match event {
        ReconnectEvent::Frame(frame) => Some(frame),
        _ => None,
    };
    let mut last = before;
    for number in 1..=count {
        let next = until(session, frame).await;
        let (place, now) = (next.frame.timestamp, Instant::now());
        assert_eq!(next.frame.number, number);
        check(&next.frame, clip);
        assert_eq!(next.discontinuity, number == 1 && before.is_some());
        match last {
            Some((last, _)) if number > 1 => assert_eq!(place - last, FRAME),
            Some((last, at)) => assert_eq!(place - last, now - at, "the line is not the clock"),
            None => assert_eq!(place, Duration::ZERO),
        }
        last = Some((place, now));
    }
    last.unwrap()
}

/// Stops the camera, waits until that is noticed, and starts it again.
async fn reboot(
    session: &mut Reconnecting,
    server: &mut Option<SimulatedCamera>,
    clip: &Clip,
) -> Fall {
    let old = server.take().unwrap();
    let address = old.local_addr();
    old.close().await;
    let fall = fall(session).await;
    *server = Some(served_at(camera(clip), address).await);
    fall
}

fn session_error(error: &Error) -> &SessionError {
    match error {
        Error::Session(error) => error,
        other => panic!("{other:?}"),
    }
}

fn with_enr(config: &ClientConfig, enr: &str) -> ClientConfig {
    let mut config = config.clone();
    config.credentials = Credentials::new(UID, enr, MAC).unwrap();
    config
}

/// A camera that is not there.
fn nobody() -> ClientConfig {
    // Gone at once: nobody has its port now.
    client(served(camera(&clip(FPS))).local_addr())
}

#[tokio::test(start_paused = true)]
async fn a_camera_that_restarts_is_found_again() {
    let clip = clip(FPS);
    let mut server = Some(served(camera(&clip)));
    let address = server.as_ref().unwrap().local_addr();
    let mut session = connect(client(address)).await;
    let mut before = None;
    // No session lasts long enough for the delays to begin anew.
    for delay in [500, 1000, 2000].map(Duration::from_millis) {
        before = Some(frames(&mut session, &clip, 25, before).await);
        assert!(session.session().is_some());
        let fall = reboot(&mut session, &mut server, &clip).await;
        let phase = Phase::Stream;
        let why = SessionError::ClosedByCamera { phase };
        assert_eq!(session_error(&fall.error), &why);
        let lasted = fall.lasted.unwrap();
        assert!(lasted >= 24 * FRAME && lasted <= 26 * FRAME, "{lasted:?}");
        assert_eq!((fall.attempts, fall.next), (0, Some(delay)));
        assert!(session.session().is_none());

        let outage = restored(&mut session).await;
        assert_eq!(outage.attempts, 0);
        assert!(outage.down.unwrap() >= delay);
        assert_eq!(session_error(&outage.error), &why);
    }
    frames(&mut session, &clip, 25, before).await;
    let tally = session.tally().await;
    assert!(tally.frames >= 100 && tally.bytes > 0);
    assert_eq!((tally.reconnects, tally.lost, tally.headless), (3, 0, 0));
    assert_eq!(session.outages().len(), 3);
    assert!(session.outages().all(|outage| outage.down.is_some()));
    session.close().await.unwrap();
    let mut server = server.unwrap();
    assert_eq!(left(&mut server).await.1, LeaveReason::Closed);
}

#[tokio::test(start_paused = true)]
async fn who_takes_frames_late_does_not_make_a_gap_short() {
    let clip = clip(FPS);
    let mut server = served(camera(&clip));
    let address = server.local_addr();
    let mut session = connect(client(address)).await;
    frames(&mut session, &clip, 10, None).await;
    tokio::time::sleep(20 * FRAME).await;
    server.close().await;
    let closed = Instant::now();
    server = served_at(camera(&clip), address).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    // All that had come by then, and only now the fall.
    let mut last = Duration::ZERO;
    let frame = |event| match event {
        ReconnectEvent::Frame(frame) => Some(frame),
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
    assert!(
        gap >= closed.elapsed() && gap <= closed.elapsed() + FRAME,
        "{gap:?}"
    );
    session.close().await.unwrap();
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn a_camera_that_is_away_for_long_is_found_again() {
    let clip = clip(FPS);
    let server = served(camera(&clip));
    let address = server.local_addr();
    let mut session = connect(client(address)).await;
    let before = frames(&mut session, &clip, 300, None).await;
    // No farewell: it just falls silent.
    drop(server);
    let fell = fall(&mut session).await;
    let stream = Duration::from_secs(10);
    let why = SessionError::Stalled { waited: stream };
    assert_eq!(session_error(&fell.error), &why);
    assert!(fell.lasted.unwrap() >= 299 * FRAME + stream);
    let mut waits = vec![fell.next.unwrap().as_secs_f64()];
    for attempts in 1..=8 {
        let fall = fall(&mut session).await;
        let phase = session_error(&fall.error).phase();
        assert_eq!((fall.attempts, fall.lasted), (attempts, None));
        assert_eq!(phase, Phase::Discovery);
        waits.push(fall.next.unwrap().as_secs_f64());
    }
    assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    assert_eq!(session.outages().next().unwrap().down, None);

    let _server = served_at(camera(&clip), address).await;
    let outage = restored(&mut session).await;
    assert_eq!(session_error(&outage.error), &why);
    let last = outage.last_error.unwrap();
    assert_eq!(session_error(&last).phase(), Phase::Discovery);
    // Eight attempts of five seconds, and all that was waited.
    let least = 8.0 * 5.0 + waits.iter().sum::<f64>();
    let down = outage.down.unwrap().as_secs_f64();
    assert!(down >= least && down < least + 1.0, "{down} {least}");
    frames(&mut session, &clip, 25, Some(before)).await;
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stalls_is_begun_again() {
    let clip = clip(FPS);
    let mut server = served(camera(&clip));
    let relay = Relay::start(server.local_addr()).await;
    let mut session = connect(client(relay.address())).await;
    let before = frames(&mut session, &clip, 10, None).await;
    relay.mute(true);
    let fell = fall(&mut session).await;
    assert!(matches!(
        session_error(&fell.error),
        SessionError::Stalled { .. }
    ));
    // The camera is there, and is told that this session is over.
    assert_eq!(left(&mut server).await.1, LeaveReason::Closed);
    relay.mute(false);
    restored(&mut session).await;
    frames(&mut session, &clip, 10, Some(before)).await;
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_camera_may_come_back_at_another_port() {
    let clip = clip(FPS);
    let mut server = served(camera(&clip));
    let mut relay = Relay::start(server.local_addr()).await;
    let mut session = Reconnecting::start(client(relay.address()), policy()).unwrap();
    let mut before = None;
    let mut ports = BTreeSet::new();
    for round in 1..=4 {
        let found = |event| match event {
            ReconnectEvent::Session(Event::Found { camera, .. }) => Some(camera),
            _ => None,
        };
        ports.insert(until(&mut session, found).await);
        assert_eq!(ports.len(), round, "the port did not change");
        before = Some(frames(&mut session, &clip, 10, before).await);
        server = served(camera(&clip));
        relay.replace(server.local_addr()).await;
        assert_eq!(fall(&mut session).await.attempts, 0);
    }
    drop(server);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn delta_frames_without_a_key_frame_are_dropped_and_counted() {
    let whole = clip(FPS);
    // The same, from its fourth frame on.
    let late = Clip::new(whole.frames()[3..].to_vec(), Codec::H264, FPS).unwrap();
    let server = served(camera(&late));
    let mut session = connect(client(server.local_addr())).await;
    let first = session.try_next().await.unwrap().unwrap();
    assert!(first.frame.is_key() && !first.discontinuity);
    let before = (GOP - 3) as u64;
    assert_eq!(u64::from(first.frame.number), before + 1);
    check(&first.frame, &late);
    assert_eq!(session.tally().await.headless, before);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_is_told_and_not_retried() {
    let server = served(camera(&clip(FPS)));
    let wrong = with_enr(&client(server.local_addr()), "0000000000000000");
    for (config, failure) in [(wrong, Failure::Refused), (nobody(), Failure::Silent)] {
        let error = Reconnecting::connect(config.clone(), policy())
            .await
            .unwrap_err();
        assert_eq!(session_error(&error).failure(), failure);

        // By events: no fall, only the end.
        let mut session = Reconnecting::start(config, policy()).unwrap();
        assert!(matches!(
            session.command(&SOUND_OFF).await,
            Err(Error::Down)
        ));
        let told = ended(&mut session).await.unwrap_err();
        assert_eq!(session_error(&told).failure(), failure);
        assert!(matches!(
            session.command(&SOUND_OFF).await,
            Err(Error::Gone)
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn on_request_the_first_session_is_tried_again() {
    let config = nobody();
    let address = config.camera;
    let mut policy = policy();
    policy.retry_first = true;
    let session = tokio::spawn(Reconnecting::connect(config, policy));
    tokio::time::sleep(Duration::from_secs(20)).await;
    let clip = clip(FPS);
    let _server = served_at(camera(&clip), address).await;
    let mut session = session.await.unwrap().unwrap();
    let outage = restored(&mut session).await;
    assert!(outage.attempts >= 3 && outage.down.unwrap() >= Duration::from_secs(20));
    assert_eq!(outage.lasted, Duration::ZERO);
    // Nothing was there before: no gap.
    frames(&mut session, &clip, 10, None).await;
    assert_eq!(session.tally().await.reconnects, 0);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn refusals_in_a_row_wait_longest() {
    let clip = clip(FPS);
    let config = camera(&clip);
    let mut server = Some(served(config.clone()));
    let address = server.as_ref().unwrap().local_addr();
    let mut session = connect(client(address)).await;
    frames(&mut session, &clip, 10, None).await;
    // Set up anew: the ENR is another one.
    server.take().unwrap().close().await;
    let mut other = config.clone();
    other.credentials = Credentials::new(UID, "0000000000000000", MAC).unwrap();
    let server = served_at(other, address).await;
    assert_eq!(fall(&mut session).await.next.unwrap().as_secs_f64(), 0.5);
    for (attempts, delay) in (1..).zip([1.0, 30.0, 30.0]) {
        let fall = fall(&mut session).await;
        assert_eq!(session_error(&fall.error).failure(), Failure::Refused);
        assert_eq!(fall.attempts, attempts);
        assert_eq!(fall.next.unwrap().as_secs_f64(), delay);
    }
    // And when it is the old one again, it is found again.
    server.close().await;
    let _server = served_at(config, address).await;
    assert_eq!(restored(&mut session).await.attempts, 3);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_when_it_was_told_to() {
    let clip = clip(FPS);
    let mut by_attempts = policy();
    by_attempts.give_up_attempts = Some(3);
    let mut by_time = policy();
    by_time.give_up_after = Some(Duration::from_secs(20));
    // Fallen at 0; attempts fail at 5.5, 11.5 and 18.5; the next would begin at 22.5.
    for policy in [by_attempts, by_time] {
        let server = served(camera(&clip));
        let config = client(server.local_addr());
        let mut session = Reconnecting::connect(config, policy).await.unwrap();
        frames(&mut session, &clip, 10, None).await;
        server.close().await;
        let began = Instant::now();
        for attempts in 0..3 {
            let fall = fall(&mut session).await;
            assert_eq!(fall.attempts, attempts);
            assert!(fall.next.is_some());
        }
        let last = fall(&mut session).await;
        assert_eq!((last.attempts, last.next), (3, None));
        let error = ended(&mut session).await.unwrap_err();
        assert_eq!(session_error(&error).failure(), Failure::Silent);
        let after = began.elapsed().as_secs_f64();
        assert!((18.5..19.0).contains(&after), "{after}");
        assert_eq!(session.outages().next().unwrap().attempts, 3);
        assert_eq!(session.tally().await.frames, 10);
        assert!(session.close().await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn it_can_be_closed_in_any_state() {
    let clip = clip(FPS);
    let mut config = camera(&clip);
    // Who does not leave is in the way.
    config.max_clients = 1;
    let mut server = served(config.clone());
    let address = server.local_addr();
    let start = || Reconnecting::start(client(address), policy()).unwrap();

    // While it connects: in each phase before it is let in, and when it was not even looked at.
    start().close().await.unwrap();
    for phase in &Phase::ALL[..4] {
        let mut session = start();
        let done = |event| match event {
            ReconnectEvent::Session(Event::Phase(report)) => (report.phase == *phase).then_some(()),
            _ => None,
        };
        until(&mut session, done).await;
        assert!(session.session().is_none());
        session.close().await.unwrap();
    }
    // While it is up; and with what is there to be taken taken first.
    connect(client(address)).await.close().await.unwrap();
    let mut session = connect(client(address)).await;
    frames(&mut session, &clip, 10, None).await;
    session.request_close().await;
    ended(&mut session).await.unwrap();
    session.request_close().await;
    assert!(session.next_event().await.is_none());
    // Dropped.
    drop(connect(client(address)).await);

    // While it waits, and while it tries again.
    let mut waiting = connect(client(address)).await;
    server.close().await;
    fall(&mut waiting).await;
    let began = Instant::now();
    waiting.close().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    server = served_at(config.clone(), address).await;
    let mut trying = connect(client(address)).await;
    server.close().await;
    fall(&mut trying).await;
    let nothing = tokio::time::timeout(Duration::from_secs(1), fall(&mut trying)).await;
    assert!(nothing.is_err());
    trying.request_close().await;
    ended(&mut trying).await.unwrap();
    // It had fallen, and nobody had noticed.
    server = served_at(config, address).await;
    let fallen = connect(client(address)).await;
    server.close().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(fallen.command(&SOUND_OFF).await, Err(Error::Down)));
    fallen.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn commands_go_to_the_session_of_now() {
    let clip = clip(FPS);
    let mut server = Some(served(camera(&clip)));
    let address = server.as_ref().unwrap().local_addr();
    let mut session = connect(client(address)).await;
    for _ in 0..3 {
        session.command(&SOUND_OFF).await.unwrap();
        let answer = |event| match event {
            ReconnectEvent::Session(Event::Answer(answer)) => Some(answer),
            _ => None,
        };
        let answer = until(&mut session, answer).await;
        let answer = MediaControl::decode_answer(&answer.payload).unwrap();
        assert_eq!(answer, SetAnswer::Done);
        reboot(&mut session, &mut server, &clip).await;
        assert!(matches!(
            session.command(&SOUND_OFF).await,
            Err(Error::Down)
        ));
        restored(&mut session).await;
    }
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_by_who_stops_waiting() {
    let clip = clip(FPS);
    let mut server = Some(served(camera(&clip)));
    let address = server.as_ref().unwrap().local_addr();
    let mut session = connect(client(address)).await;
    let mut numbers = Vec::new();
    let mut falls = 0;
    let mut restored = 0;
    while restored < 2 || numbers.len() < 20 {
        let short = Duration::from_millis(7);
        let event = tokio::time::timeout(short, session.next_event()).await;
        match event.map(Option::unwrap) {
            Ok(ReconnectEvent::Frame(frame)) => numbers.push(frame.frame.number),
            Ok(ReconnectEvent::Fell(_)) => falls += 1,
            Ok(ReconnectEvent::Restored(_)) => {
                restored += 1;
                assert!(numbers.iter().copied().eq(1..=20), "{numbers:?}");
                numbers.clear();
            }
            Ok(ReconnectEvent::Ended(result)) => panic!("{result:?}"),
            Ok(_) | Err(_) => {}
        }
        if numbers.len() == 20 && restored < 2 && falls == restored {
            if let Some(server) = server.take() {
                server.close().await;
            }
        } else if server.is_none() && falls > restored {
            server = Some(served_at(camera(&clip), address).await);
        }
    }
    assert_eq!(falls, 2);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_frames_and_at_last_the_error() {
    let clip = clip(FPS);
    let server = served(camera(&clip));
    let address = server.local_addr();
    let mut policy = policy();
    policy.give_up_attempts = Some(1);
    let mut session = Reconnecting::connect(client(address), policy)
        .await
        .unwrap();
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
    assert_eq!(session_error(&error).failure(), Failure::Silent);
    assert!(session.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_camera_is_found_by_its_name_at_every_attempt() {
    let clip = clip(FPS);
    let server = served(camera(&clip));
    let config = client(server.local_addr());
    let mut policy = policy();
    policy.host = Some("localhost".to_owned());
    // Nobody is there, and nobody ever was.
    let mut elsewhere = config.clone();
    elsewhere.camera.set_ip([0, 0, 0, 0].into());
    let mut session = Reconnecting::connect(elsewhere.clone(), policy.clone())
        .await
        .unwrap();
    frames(&mut session, &clip, 3, None).await;
    session.close().await.unwrap();
    // And again with an address that the name has not.
    elsewhere.camera.set_ip([127, 9, 9, 9].into());
    let mut session = Reconnecting::connect(elsewhere.clone(), policy.clone())
        .await
        .unwrap();
    frames(&mut session, &clip, 3, None).await;
    session.close().await.unwrap();

    // A name that is nobody's: the address is all there is, if there is one.
    policy.host = Some("camera.invalid".to_owned());
    let mut session = Reconnecting::connect(config.clone(), policy.clone())
        .await
        .unwrap();
    frames(&mut session, &clip, 3, None).await;
    session.close().await.unwrap();
    elsewhere.camera.set_ip([0, 0, 0, 0].into());
    let error = Reconnecting::connect(elsewhere.clone(), policy.clone())
        .await
        .unwrap_err();
    assert!(matches!(&error, Error::Io(_)), "{error}");
    assert!(error.to_string().contains("camera.invalid"), "{error}");
    // It can be waited for, and given up.
    policy.retry_first = true;
    let mut session = Reconnecting::start(elsewhere, policy).unwrap();
    assert_eq!(fall(&mut session).await.attempts, 1);
    assert_eq!(fall(&mut session).await.attempts, 2);
    session.close().await.unwrap();
    server.close().await;
}
