//! More comes than is taken: events that nobody wants, datagrams for which there is no room.
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
use tutk_runtime::tutk_session::{Epoch, Event, Output};
use tutk_runtime::tutk_simulator::{Clip, Simulator, SimulatorEvent};
use tutk_runtime::{EVENT_QUEUE, connect};

/// How much faster than ours this camera's clock runs: 100 frames per second are 2000.
const HASTE: u32 = 20;

/// A camera in a hurry.
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
    // By its own clock it soon believes that nobody is there.
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
async fn a_slow_consumer_loses_frames_up_to_a_key_frame() {
    let clip = clip(100);
    let address = serve_fast(clip.clone()).await;
    let mut session = connect(client(address)).await.unwrap();
    while session.overrun() < 2 * GOP as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    // Now it takes them again: what had waited, and beyond the gap what comes.
    let mut last = 0;
    let mut skipped_to_key = false;
    let mut frames = 0;
    let mut lost_by_network = 0;
    while !(skipped_to_key && frames > EVENT_QUEUE + GOP) {
        match session.next_event().await.expect("the session is alive") {
            Event::Frame(frame) => {
                check(&frame, &clip);
                let gap = frame.number - last - 1;
                // What the network loses is told as lost; what is missing beyond that was dropped here.
                if gap > lost_by_network {
                    assert!(frame.is_key(), "{} after {last}", frame.number);
                    skipped_to_key = true;
                }
                lost_by_network = 0;
                last = frame.number;
                frames += 1;
            }
            Event::Lost(lost) => lost_by_network += lost.last - lost.first + 1,
            Event::Ended(result) => panic!("{result:?}"),
            _ => {}
        }
    }
    assert!(session.stats().await.is_some());
    session.close().await.unwrap();
}

/// The session runs on this very thread: it gets no turn while others send to it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_the_kernel_drops_is_told() {
    let mut server = served(camera(&clip(50)));
    let mut session = connect(client(server.local_addr())).await.unwrap();
    let address = loop {
        if let Some(SimulatorEvent::Joined { client, .. }) = server.next_event().await {
            break client.address;
        }
    };
    let stats = session.socket_stats();
    assert_eq!(stats.kernel_drops, Some(0));
    assert!(stats.receive_buffer.given > 0);
    assert!(stats.receive_buffer.given <= stats.receive_buffer.asked);

    let stranger = UdpSocket::bind(loopback()).await.unwrap();
    stranger.writable().await.unwrap();
    // The kernel reckons more than these bytes, and gives twice what it says.
    let count = 4 * stats.receive_buffer.given / 1024;
    for _ in 0..count {
        stranger.try_send_to(&[0; 1024], address).unwrap();
    }
    // Frames go on to come, and one of them brings the count.
    while session.socket_stats().kernel_drops == Some(0) {
        assert!(session.next_event().await.is_some());
    }
    let drops = session.socket_stats().kernel_drops.unwrap();
    let tally = session.tally().await;
    assert!(tally.kernel_drops >= Some(drops));
    let malformed = session.stats().await.unwrap().malformed;
    assert!(malformed > 0 && malformed < count as u64);
    session.close().await.unwrap();
}
