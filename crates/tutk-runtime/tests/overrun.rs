//! Overload: events that are not read, and datagrams that do not fit into the receive buffer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and this one brings a clock of its own"
)]

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{GOP, camera, check, client, clip, loopback, served};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::net::UdpSocket;
use tutk_runtime::tutk_session::{Epoch, Event, Output, SupervisorEvent};
use tutk_runtime::tutk_simulator::{Clip, Simulator, SimulatorEvent};
use tutk_runtime::{EVENT_QUEUE, connect};

/// How much faster the camera's clock runs: 100 frames per second become 2000.
const HASTE: u32 = 20;

/// A camera whose clock runs fast.
async fn serve_fast(clip: Clip) -> SocketAddr {
    let socket = UdpSocket::bind(loopback()).await.unwrap();
    let address = socket.local_addr().unwrap();
    let begin = Instant::now();
    let epoch = Epoch {
        instant: begin,
        unix: Duration::from_secs(1_760_000_000),
    };
    let rng = Box::new(StdRng::seed_from_u64(1));
    let mut config = camera(&clip);
    // By its own clock the client is silent for long.
    config.idle *= HASTE;
    let mut camera = Simulator::new(config, address, rng, epoch).unwrap();
    tokio::spawn(async move {
        let clock = || begin + begin.elapsed() * HASTE;
        let mut buffer = vec![0; 65_536];
        loop {
            let deadline = loop {
                match camera.poll_output() {
                    Output::Transmit(datagram) => {
                        // Lost, as on any network.
                        let _ = socket.send_to(datagram.payload, datagram.to).await;
                    }
                    Output::Event(_) => {}
                    Output::Timeout(deadline) => break deadline,
                }
            };
            let deadline = begin + deadline.saturating_duration_since(begin) / HASTE;
            tokio::select! {
                received = socket.recv_from(&mut buffer) => {
                    let (len, from) = received.unwrap();
                    camera.handle_datagram(clock(), from, &mut buffer[..len]);
                }
                () = tokio::time::sleep_until(deadline.into()) => camera.handle_timeout(clock()),
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_consumer_loses_frames_up_to_a_key_frame() {
    let clip = clip(100);
    let address = serve_fast(clip.clone()).await;
    let mut session = connect(client(address)).await.unwrap();
    while session.overrun() < 2 * GOP as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    // Read the queued frames, and those after the gap.
    let mut last = 0;
    let mut skipped_to_key = false;
    let mut frames = 0;
    let mut lost_by_network = 0;
    while !(skipped_to_key && frames > EVENT_QUEUE + GOP) {
        match session.next_event().await.expect("the session is alive") {
            SupervisorEvent::Frame(next) => {
                let frame = next.frame;
                check(&frame, &clip);
                let gap = frame.number - last - 1;
                // Frames lost by the network have an event. The others were dropped by the queue.
                if gap > lost_by_network {
                    assert!(frame.is_key(), "{} after {last}", frame.number);
                    skipped_to_key = true;
                }
                lost_by_network = 0;
                last = frame.number;
                frames += 1;
            }
            SupervisorEvent::Session(Event::Lost(lost)) => {
                lost_by_network += lost.last - lost.first + 1
            }
            SupervisorEvent::Ended(result) => panic!("{result:?}"),
            _ => {}
        }
    }
    assert!(session.stats().await.is_some());
    session.close().await.unwrap();
}

/// The session runs on the same thread, so it does not run while the test sends.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn reports_datagrams_that_the_kernel_dropped() {
    let mut server = served(camera(&clip(50)));
    let mut session = connect(client(server.local_addr())).await.unwrap();
    let address = loop {
        if let Some(SimulatorEvent::Joined { client, .. }) = server.next_event().await {
            break client.address;
        }
    };
    let stats = session.socket_stats().await.unwrap();
    assert_eq!(stats.kernel_drops, Some(0));
    assert!(stats.receive_buffer.given > 0);
    assert!(stats.receive_buffer.given <= stats.receive_buffer.asked);

    let stranger = UdpSocket::bind(loopback()).await.unwrap();
    stranger.writable().await.unwrap();
    // The kernel counts more than these bytes, and its buffer is twice what it reports.
    let count = 4 * stats.receive_buffer.given / 1024;
    for _ in 0..count {
        stranger.try_send_to(&[0; 1024], address).unwrap();
    }
    // The count comes with one of the next frames.
    let drops = loop {
        match session.socket_stats().await.unwrap().kernel_drops {
            Some(0) => assert!(session.next_event().await.is_some()),
            drops => break drops,
        }
    };
    let tally = session.tally().await;
    assert!(tally.kernel_drops >= drops);
    let malformed = session.stats().await.unwrap().malformed;
    assert!(malformed > 0 && malformed < count as u64);
    session.close().await.unwrap();
}
