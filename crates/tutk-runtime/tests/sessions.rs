//! Sessions over real UDP sockets on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use common::{camera, check, client, client_in, clip, left, loopback, served};
use futures_lite::StreamExt as _;
use tokio::sync::oneshot;
use tutk_runtime::tutk_session::hl_ioctl::commands::{Media, MediaControl, SetAnswer, Switch};
use tutk_runtime::tutk_session::hl_ioctl::{ChallengeStatus, Command as _};
use tutk_runtime::tutk_session::{
    Dialect, Error as SessionError, Event, MAX_REQUESTS, Phase, Target, Uid,
};
use tutk_runtime::tutk_simulator::LeaveReason;
use tutk_runtime::{EVENT_QUEUE, Error, Impairment, Session, connect, discover, simulate};

#[tokio::test]
async fn connect_frames_close() {
    let clip = clip(50);
    for dialect in Dialect::ALL {
        let mut server = served(camera(&clip));
        let mut session = connect(client_in(server.local_addr(), dialect))
            .await
            .unwrap();
        for number in 1..=40 {
            let frame = session.try_next().await.unwrap().unwrap();
            assert_eq!(frame.number, number, "{dialect}");
            check(&frame, &clip);
        }
        let stats = session.stats().await.unwrap();
        assert!(stats.media.frames >= 40 && stats.malformed == 0);
        assert_eq!(session.overrun(), 0);
        session.close().await.unwrap();
        assert_eq!(left(&mut server).await.1, LeaveReason::Closed, "{dialect}");
    }
}

#[tokio::test]
async fn every_phase_is_told_from_the_first_on() {
    let server = served(camera(&clip(50)));
    let mut session = Session::start(client(server.local_addr())).unwrap();
    let mut phases = Vec::new();
    while phases.len() < Phase::ALL.len() {
        if let Event::Phase(report) = session.next_event().await.unwrap() {
            phases.push(report.phase);
        }
    }
    assert_eq!(phases, Phase::ALL);
    session.request_close().await;
    let mut ended = false;
    while let Some(event) = session.next_event().await {
        assert!(!ended, "something after the end: {event:?}");
        ended = matches!(event, Event::Ended(Ok(())));
    }
    assert!(ended);
    // Over: all that is left to do says so.
    assert_eq!(session.stats().await, None);
    let off = MediaControl {
        media: Media::Audio,
        switch: Switch::Off,
    };
    assert!(matches!(session.command(&off).await, Err(Error::Gone)));
    session.close().await.unwrap();
}

#[tokio::test]
async fn several_clients_at_once() {
    let clip = clip(50);
    let mut server = served(camera(&clip));
    let address = server.local_addr();
    let clients: Vec<_> = (0..6)
        .map(|index| {
            let (clip, dialect) = (clip.clone(), Dialect::ALL[index % 2]);
            tokio::spawn(async move {
                let mut session = connect(client_in(address, dialect)).await.unwrap();
                // Each from the clip's beginning, whenever it came.
                for number in 1..=30 {
                    let frame = session.try_next().await.unwrap().unwrap();
                    assert_eq!(frame.number, number);
                    check(&frame, &clip);
                }
                session.close().await.unwrap();
            })
        })
        .collect();
    let mut gone = BTreeSet::new();
    for client in clients {
        client.await.unwrap();
        let (client, reason) = left(&mut server).await;
        assert_eq!(reason, LeaveReason::Closed);
        gone.insert(client);
    }
    assert_eq!(gone.len(), 6);
}

#[tokio::test]
async fn a_dropped_session_makes_room() {
    let mut config = camera(&clip(50));
    config.max_clients = 1;
    let mut server = served(config);
    let first = connect(client(server.local_addr())).await.unwrap();

    let mut second = client(server.local_addr());
    second.deadlines.session = Duration::from_millis(300);
    match connect(second).await {
        Err(Error::Session(SessionError::Silent {
            phase: Phase::Session,
            ..
        })) => {}
        other => panic!("there was room for a second: {other:?}"),
    }

    drop(first);
    assert_eq!(left(&mut server).await.1, LeaveReason::Closed);
    let mut third = connect(client(server.local_addr())).await.unwrap();
    assert_eq!(third.try_next().await.unwrap().unwrap().number, 1);
}

#[tokio::test]
async fn commands_are_answered() {
    let server = served(camera(&clip(50)));
    let mut session = connect(client(server.local_addr())).await.unwrap();
    let off = MediaControl {
        media: Media::Video,
        switch: Switch::Off,
    };
    session.command(&off).await.unwrap();
    loop {
        if let Event::Answer(answer) = session.next_event().await.unwrap() {
            assert_eq!(answer.code, MediaControl::ANSWER_CODE);
            let answer = MediaControl::decode_answer(&answer.payload).unwrap();
            assert_eq!(answer, SetAnswer::Done);
            return;
        }
    }
}

#[tokio::test]
async fn a_camera_that_closes_ends_the_stream_with_an_error() {
    for impairment in [
        Impairment::default(),
        // Datagrams take a while: the farewell must not be left behind.
        Impairment {
            reorder: 0.1,
            ..Impairment::default()
        },
    ] {
        let server = simulate(camera(&clip(50)), loopback(), impairment).unwrap();
        let mut session = connect(client(server.local_addr())).await.unwrap();
        session.try_next().await.unwrap().unwrap();
        server.close().await;
        let error = loop {
            match session.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("the end was not told"),
            }
        };
        assert!(
            matches!(
                error,
                Error::Session(SessionError::ClosedByCamera {
                    phase: Phase::Stream
                })
            ),
            "{error:?}"
        );
        assert!(session.next().await.is_none());
    }
}

#[tokio::test]
async fn the_end_is_told_to_who_takes_nothing() {
    let server = served(camera(&clip(50)));
    let mut session = connect(client(server.local_addr())).await.unwrap();
    let off = MediaControl {
        media: Media::Audio,
        switch: Switch::Off,
    };
    // More than can wait: each one over MAX_REQUESTS is an event of its own at once.
    for _ in 0..EVENT_QUEUE + MAX_REQUESTS + 100 {
        session.command(&off).await.unwrap();
    }
    session.request_close().await;
    // Nothing is taken before it is over.
    while session.stats().await.is_some() {}
    let (mut events, mut ended) = (0, false);
    while let Some(event) = session.next_event().await {
        events += 1;
        ended = matches!(event, Event::Ended(Ok(())));
    }
    assert!(ended);
    assert_eq!(events, EVENT_QUEUE, "the queue was not full");
}

#[tokio::test]
async fn a_refusal_is_an_error_of_its_phase() {
    let mut config = camera(&clip(50));
    config.status = ChallengeStatus::Updating;
    let server = served(config);
    match connect(client(server.local_addr())).await {
        Err(Error::Session(error @ SessionError::Authentication(_))) => {
            assert_eq!(error.phase(), Phase::Authentication);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let server = served(camera(&clip(50)));
    match simulate(
        camera(&clip(50)),
        server.local_addr(),
        Impairment::default(),
    ) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bad_network_is_got_through() {
    let clip = clip(50);
    let mut lost = 0;
    for (seed, dialect) in (1..=4).zip(Dialect::ALL.into_iter().cycle()) {
        let impairment = Impairment {
            loss: 0.1,
            reorder: 0.1,
            duplicate: 0.1,
            seed,
        };
        let server = simulate(camera(&clip), loopback(), impairment).unwrap();
        let mut session = connect(client_in(server.local_addr(), dialect))
            .await
            .unwrap();
        let mut last = 0;
        for _ in 0..30 {
            let frame = session.try_next().await.unwrap().unwrap();
            assert!(frame.number > last, "{} after {last}", frame.number);
            lost += frame.number - last - 1;
            last = frame.number;
            check(&frame, &clip);
        }
        session.close().await.unwrap();
    }
    assert!(lost > 0, "a network that loses nothing tests nothing");
}

#[tokio::test]
async fn cameras_are_found() {
    let server = served(camera(&clip(50)));
    let target = |uid, auth_key| Target {
        address: server.local_addr(),
        uid,
        auth_key,
    };
    let (found, mut all_found) = oneshot::channel();
    let mut found = Some(found);
    let mut seen = Vec::new();
    // In cc51 only who knows UID and AuthKey is answered.
    let credentials = common::credentials();
    let targets = vec![
        target(Uid::default(), None),
        target(credentials.uid, Some(credentials.auth_key.clone())),
    ];
    let discovery = discover(targets, Duration::from_secs(60), |camera| {
        assert_eq!(camera.uid, common::credentials().uid);
        assert_eq!(camera.address, server.local_addr());
        assert_eq!(camera.address.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        seen.push(camera.dialect);
        if seen.len() == Dialect::ALL.len() {
            found.take().unwrap().send(()).unwrap();
        }
    });
    tokio::select! {
        result = discovery => panic!("not all found: {result:?}"),
        result = &mut all_found => result.unwrap(),
    }
    assert!(Dialect::ALL.iter().all(|dialect| seen.contains(dialect)));
}
