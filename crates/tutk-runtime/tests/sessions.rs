//! Sessions over real UDP sockets on loopback. Tokio's clock is paused: it jumps to the next timer
//! when every task waits.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::Poll;
use std::time::Duration;

use futures_lite::StreamExt as _;
use testkit::runtime::{
    assert_sent, camera_config, client_config, client_config_in, clip, start_camera, wait_for_leave,
};
use tutk_runtime::tutk_session::hl_ioctl::commands::{Media, MediaControl, SetAnswer, Switch};
use tutk_runtime::tutk_session::hl_ioctl::{ChallengeStatus, Command as _, Request};
use tutk_runtime::tutk_session::{Dialect, Error as SessionError, Event, Phase, SupervisorEvent};
use tutk_runtime::tutk_simulator::{Impairment, LeaveReason};
use tutk_runtime::{EVENT_QUEUE, Error, MAX_AWAITED_REQUESTS, Session, connect, simulate};

#[tokio::test(start_paused = true)]
async fn connects_streams_and_closes() {
    let clip = clip(50);
    for dialect in &Dialect::ALL {
        let mut server = start_camera(camera_config(&clip));
        let mut session = connect(client_config_in(server.local_addr(), dialect))
            .await
            .unwrap();
        for number in 1..=40 {
            let frame = session.try_next().await.unwrap().unwrap();
            assert_eq!(frame.frame.number, number, "{dialect}");
            assert_sent(&frame.frame, &clip);
        }
        let stats = session.stats().await.unwrap();
        assert!(stats.media.frames >= 40 && stats.malformed == 0);
        assert_eq!(session.overrun(), 0);
        session.close().await.unwrap();
        assert_eq!(
            wait_for_leave(&mut server).await.1,
            LeaveReason::Closed,
            "{dialect}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn reports_every_phase() {
    let server = start_camera(camera_config(&clip(50)));
    let mut session = Session::start(client_config(server.local_addr())).unwrap();
    let mut phases = Vec::new();
    while phases.len() < Phase::ALL.len() {
        let event = session.next_event().await.unwrap();
        if let SupervisorEvent::Session(Event::Phase(report)) = event {
            phases.push(report.phase);
        }
    }
    assert_eq!(phases, Phase::ALL);
    session.request_close();
    let mut ended = false;
    while let Some(event) = session.next_event().await {
        assert!(!ended, "an event after the end: {event:?}");
        ended = matches!(event, SupervisorEvent::Ended(Ok(())));
    }
    assert!(ended);
    assert_eq!(session.stats().await, None);
    let off = MediaControl {
        media: Media::Audio,
        switch: Switch::Off,
    };
    assert!(matches!(session.command(&off).await, Err(Error::Closed)));
    assert!(session.tally().await.frames > 0);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn serves_several_clients_at_once() {
    let clip = clip(50);
    let mut server = start_camera(camera_config(&clip));
    let address = server.local_addr();
    let clients: Vec<_> = (0..6)
        .map(|index| {
            let (clip, dialect) = (clip.clone(), &Dialect::ALL[index % 2]);
            tokio::spawn(async move {
                let mut session = connect(client_config_in(address, dialect)).await.unwrap();
                // Each client gets the clip from its start.
                for number in 1..=30 {
                    let frame = session.try_next().await.unwrap().unwrap();
                    assert_eq!(frame.frame.number, number);
                    assert_sent(&frame.frame, &clip);
                }
                session.close().await.unwrap();
            })
        })
        .collect();
    let mut gone = BTreeSet::new();
    for client in clients {
        client.await.unwrap();
        let (client, reason) = wait_for_leave(&mut server).await;
        assert_eq!(reason, LeaveReason::Closed);
        gone.insert(client);
    }
    assert_eq!(gone.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn dropped_session_is_closed_at_the_camera() {
    let mut config = camera_config(&clip(50));
    config.personality.max_clients = 1;
    let mut server = start_camera(config);
    let first = connect(client_config(server.local_addr())).await.unwrap();

    let mut second = client_config(server.local_addr());
    second.deadlines.session = Duration::from_millis(300);
    match connect(second).await {
        Err(Error::Session(SessionError::Silent {
            phase: Phase::Session,
            ..
        })) => {}
        other => panic!("a second client was accepted: {other:?}"),
    }

    drop(first);
    assert_eq!(wait_for_leave(&mut server).await.1, LeaveReason::Closed);
    let mut third = connect(client_config(server.local_addr())).await.unwrap();
    assert_eq!(third.try_next().await.unwrap().unwrap().frame.number, 1);
}

#[tokio::test(start_paused = true)]
async fn commands_are_answered() {
    let server = start_camera(camera_config(&clip(50)));
    let session = connect(client_config(server.local_addr())).await.unwrap();
    let off = MediaControl {
        media: Media::Video,
        switch: Switch::Off,
    };
    let requests = (0..MAX_AWAITED_REQUESTS).map(|_| session.request(&off));
    for answer in futures(requests).await {
        let answer = answer.unwrap();
        assert_eq!(answer.code, MediaControl::ANSWER_CODE);
        let answer = MediaControl::decode_answer(&answer.payload).unwrap();
        assert_eq!(answer, SetAnswer::Done);
    }
    let unknown = Request {
        code: 65_000,
        payload: vec![1],
    };
    let error = session.request(unknown.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered { code: 65_000 }));
    // None of these is answered, so the first one that ends is the one that was refused.
    let mut requests: Vec<_> = (0..=MAX_AWAITED_REQUESTS)
        .map(|_| Box::pin(session.request(unknown.clone())))
        .collect();
    let refused = poll_fn(|cx| {
        let mut polled = requests.iter_mut().map(|request| request.as_mut().poll(cx));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    });
    assert!(matches!(
        refused.await,
        Err(Error::TooManyRequests(MAX_AWAITED_REQUESTS))
    ));
    drop(requests);
    session.close().await.unwrap();
}

/// Waits for all at once.
async fn futures<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<_> = waiting.iter().map(|_| None).collect();
    poll_fn(|cx| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *done = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn stream_ends_with_an_error_when_the_camera_closes() {
    for impairment in [
        Impairment::default(),
        // Datagrams are delayed. The last ones must still be sent.
        Impairment {
            reorder: 0.1,
            ..Impairment::default()
        },
    ] {
        let mut config = camera_config(&clip(50));
        config.impairment = impairment;
        let server = start_camera(config);
        let mut session = connect(client_config(server.local_addr())).await.unwrap();
        session.try_next().await.unwrap().unwrap();
        server.close().await;
        let error = loop {
            match session.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("no error at the end"),
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

#[tokio::test(start_paused = true)]
async fn full_queue_keeps_room_for_the_end() {
    let server = start_camera(camera_config(&clip(50)));
    let mut session = connect(client_config(server.local_addr())).await.unwrap();
    // Frames fill the queue, except for the places that only other events use.
    while session.overrun() == 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for round in 0..2 {
        for code in 0..60 {
            let unknown = Request {
                code: 60_000 + 100 * round + code,
                payload: Vec::new(),
            };
            session.command(unknown).await.unwrap();
        }
        // Each is unanswered after five seconds.
        tokio::time::sleep(Duration::from_secs(6)).await;
    }
    session.request_close();
    while session.stats().await.is_some() {}
    let (mut events, mut ended) = (0, false);
    while let Some(event) = session.next_event().await {
        events += 1;
        ended = matches!(event, SupervisorEvent::Ended(Ok(())));
    }
    assert!(ended);
    assert_eq!(events, EVENT_QUEUE, "the queue was not full");
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn refusal_names_its_phase() {
    let mut config = camera_config(&clip(50));
    config.personality.status = ChallengeStatus::Updating;
    let server = start_camera(config);
    match connect(client_config(server.local_addr())).await {
        Err(Error::Session(error @ SessionError::Authentication(_))) => {
            assert_eq!(error.phase(), Phase::Authentication);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn port_in_use_is_an_error() {
    let server = start_camera(camera_config(&clip(50)));
    match simulate(camera_config(&clip(50)), server.local_addr()) {
        Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn streams_over_a_lossy_network() {
    let clip = clip(50);
    let mut lost = 0;
    for (seed, dialect) in (1..=4).zip(Dialect::ALL.iter().cycle()) {
        let mut config = camera_config(&clip);
        config.impairment = Impairment {
            loss: 0.1,
            reorder: 0.1,
            duplicate: 0.1,
            seed,
        };
        let server = start_camera(config);
        let mut session = connect(client_config_in(server.local_addr(), dialect))
            .await
            .unwrap();
        let mut last = 0;
        for _ in 0..30 {
            let frame = session.try_next().await.unwrap().unwrap().frame;
            assert!(frame.number > last, "{} after {last}", frame.number);
            lost += frame.number - last - 1;
            last = frame.number;
            assert_sent(&frame, &clip);
        }
        session.close().await.unwrap();
    }
    assert!(lost > 0, "the network lost nothing");
}
