//! Overload: events that are not read, and datagrams that do not fit into the receive buffer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use futures_lite::future::poll_once;
use testkit::runtime::{
    GOP, assert_sent, camera_config, client_config, clip, loopback, start_camera,
};
use tokio::net::UdpSocket;
use tutk_runtime::tutk_session::{Codec, SupervisorEvent};
use tutk_runtime::tutk_simulator::{Clip, ClipFrame, SimulatorEvent};
use tutk_runtime::{
    EVENT_QUEUE, EVENT_QUEUE_BYTES, MAX_BACKLOG, Session, SimulatedCamera, connect,
};

/// Sends datagrams that the client drops.
struct Stranger {
    socket: UdpSocket,
    client: std::net::SocketAddr,
}

impl Stranger {
    async fn new(server: &mut SimulatedCamera) -> Self {
        let client = loop {
            if let Some(SimulatorEvent::Joined { client, .. }) = server.next_event().await {
                break client.address;
            }
        };
        let socket = UdpSocket::bind(loopback()).await.unwrap();
        socket.writable().await.unwrap();
        Self { socket, client }
    }

    fn send(&self, count: usize) {
        for _ in 0..count {
            self.socket.try_send_to(&[0; 64], self.client).unwrap();
        }
    }
}

/// Returns the frames, as key or not, and the datagrams of [`SupervisorEvent::Overloaded`].
async fn queued(session: &mut Session) -> Vec<Result<bool, u64>> {
    let mut queued = Vec::new();
    while let Some(event) = poll_once(session.next_event()).await {
        match event.unwrap() {
            SupervisorEvent::Frame(next) => queued.push(Ok(next.frame.is_key())),
            SupervisorEvent::Overloaded { datagrams } => queued.push(Err(datagrams)),
            _ => {}
        }
    }
    queued
}

/// More datagrams arrive in each step than the driver handles.
#[tokio::test(start_paused = true)]
async fn delay_of_an_overloaded_driver_is_bounded() {
    const STEP: Duration = Duration::from_millis(100);
    let mut server = start_camera(camera_config(&clip(20)));
    let mut session = connect(client_config(server.local_addr())).await.unwrap();
    let stranger = Stranger::new(&mut server).await;
    while queued(&mut session).await.is_empty() {
        tokio::time::sleep(STEP).await;
    }
    let mut steps = 0;
    let mut events = loop {
        stranger.send(200);
        tokio::time::advance(STEP).await;
        steps += 1;
        let events = queued(&mut session).await;
        if events.iter().any(Result::is_err) {
            break events;
        }
        assert!(steps * STEP < 2 * MAX_BACKLOG);
    };
    assert!(steps * STEP > MAX_BACKLOG, "{steps}");
    // The next frame is a key frame, and the stream continues.
    let overload = events.iter().position(Result::is_err).unwrap();
    events.drain(..overload);
    while events.len() < 2 * GOP {
        tokio::time::sleep(STEP).await;
        events.append(&mut queued(&mut session).await);
    }
    let dropped = events[0].unwrap_err();
    assert!(dropped > 200, "{dropped}");
    assert_eq!(events[1], Ok(true), "{events:?}");
    assert_eq!(session.tally().await.overload_drops, dropped);
    session.close().await.unwrap();
}

/// A machine that stood still loses nothing if it catches up.
#[tokio::test(start_paused = true)]
async fn pause_of_the_machine_is_no_overload() {
    let mut server = start_camera(camera_config(&clip(20)));
    let mut session = connect(client_config(server.local_addr())).await.unwrap();
    let stranger = Stranger::new(&mut server).await;
    let before = session.stats().await.unwrap().malformed;
    stranger.send(300);
    tokio::time::advance(2 * MAX_BACKLOG).await;
    while session.stats().await.unwrap().malformed < before + 300 {
        assert!(queued(&mut session).await.iter().all(Result::is_ok));
    }
    assert_eq!(session.tally().await.overload_drops, 0);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn slow_consumer_loses_frames_up_to_a_key_frame() {
    let clip = clip(100);
    let server = start_camera(camera_config(&clip));
    let mut session = connect(client_config(server.local_addr())).await.unwrap();
    while session.overrun() < 2 * GOP as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    // Read the queued frames, and those after the gap.
    let mut last = 0;
    let mut skipped = 0;
    let mut frames = 0;
    while frames < EVENT_QUEUE + GOP {
        match session.next_event().await.expect("the session is alive") {
            SupervisorEvent::Frame(next) => {
                let frame = next.frame;
                assert_sent(&frame, &clip);
                let gap = frame.number - last - 1;
                assert!(gap == 0 || frame.is_key(), "{} after {last}", frame.number);
                skipped += u64::from(gap);
                last = frame.number;
                frames += 1;
            }
            SupervisorEvent::Ended(result) => panic!("{result:?}"),
            _ => {}
        }
    }
    assert!(skipped >= 2 * GOP as u64);
    assert_eq!(session.overrun(), skipped);
    session.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn large_frames_of_a_slow_consumer_are_bounded() {
    const LEN: usize = 1 << 20;
    let frame = |fill| ClipFrame {
        data: vec![fill; LEN].into(),
        key: true,
    };
    let clip = Clip::new((0..4).map(frame), Codec::H264, 2).unwrap();
    let server = start_camera(camera_config(&clip));
    let mut session = connect(client_config(server.local_addr())).await.unwrap();
    while session.overrun() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut queued = 0;
    while let Some(Some(event)) = poll_once(session.next_event()).await {
        queued += usize::from(matches!(event, SupervisorEvent::Frame(_)));
    }
    assert_eq!(queued, EVENT_QUEUE_BYTES / LEN);
    // The bytes of the frames that were read are free again.
    let overrun = session.overrun();
    for _ in 0..4 {
        while !matches!(session.next_event().await, Some(SupervisorEvent::Frame(_))) {}
    }
    assert_eq!(session.overrun(), overrun);
    session.close().await.unwrap();
}

/// The session runs on the same thread, so it does not run while the test sends.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn reports_datagrams_that_the_kernel_dropped() {
    use tutk_runtime::{RECEIVE_BUFFER, simulate};

    let limit = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
    let granted = RECEIVE_BUFFER.min(limit.trim().parse().unwrap()) as u64;
    for listen in [loopback(), "[::1]:0".parse().unwrap()] {
        let mut server = simulate(camera_config(&clip(50)), listen).unwrap();
        let session = connect(client_config(server.local_addr())).await.unwrap();
        let address = loop {
            if let Some(SimulatorEvent::Joined { client, .. }) = server.next_event().await {
                break client.address;
            }
        };
        assert_eq!(session.tally().await.kernel_drops, Some(0));

        let stranger = UdpSocket::bind(listen).await.unwrap();
        stranger.writable().await.unwrap();
        let before = session.stats().await.unwrap().malformed;
        // The kernel counts more than these bytes, and its buffer is twice as large.
        let count = 4 * granted / 1024;
        for _ in 0..count {
            stranger.try_send_to(&[0; 1024], address).unwrap();
        }
        // Each datagram arrives or is counted.
        let (mut arrived, mut drops) = (0, 0);
        while arrived + drops < count {
            tokio::task::yield_now().await;
            drops = session.tally().await.kernel_drops.unwrap();
            arrived = session.stats().await.unwrap().malformed - before;
        }
        // The kernel counts each datagram with its own data, less than twice as much.
        assert!(arrived > granted / 2048, "{arrived} + {drops}");
        assert!(drops > 0, "{arrived} + {drops}");
        // The sum outlives the socket.
        session.request_close();
        while session.stats().await.is_some() {}
        assert!(session.tally().await.kernel_drops >= Some(drops));
    }
}
