//! Floods of the UDP sockets. The memory of the process stays below a limit.
//!
//! A client's own socket is in `leaks.rs` and `overrun.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking"
)]

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use testkit::runtime::{camera_config, clip, loopback, start_camera};
use testkit::session::credentials;
use testkit::session::datagram::{iotc_layout, scramble};
use tokio::net::UdpSocket;
use tutk_runtime::Discovery;
use tutk_runtime::tutk_session::tutk_frame::{
    DiscoveryAnswer, DiscoveryRequest, SessionId, SessionRequest, Stage,
};
use tutk_runtime::tutk_session::{Dialect, DiscoveryPlan, DiscoveryScope, Target, Uid};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FLOOD: u32 = 20_000;

/// Makes other tests of this program wait, because the allocator counts for all of them.
struct Alone(#[expect(dead_code, reason = "held until it is dropped")] MutexGuard<'static, ()>);

impl Alone {
    fn wait() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        Self(ALONE.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn allocated() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.cast_signed() - stats.bytes_deallocated.cast_signed()
}

/// Sends requests and datagrams without meaning. The receiver runs on the same thread.
async fn flood(from: &UdpSocket, limit: isize, datagram: impl Fn(u32) -> Vec<u8>) {
    let before = allocated();
    let mut peak = before;
    for number in 0..FLOOD {
        // The buffer of the kernel may be full.
        let _ = from.try_send(&datagram(number));
        if number % 16 == 0 {
            tokio::task::yield_now().await;
        }
        peak = peak.max(allocated());
    }
    println!("{} of {limit} bytes", peak - before);
    assert!(
        peak - before <= limit,
        "{} bytes, limit {limit}",
        peak - before
    );
}

/// The events of the camera are not received.
#[tokio::test(start_paused = true)]
async fn datagrams_of_strangers_to_a_simulated_camera_are_bounded() {
    /// Events of 256 bytes.
    const EVENTS: isize = 1_024 * 256;
    const CLIENTS: isize = 128 * (32 << 10);
    let _alone = Alone::wait();
    let camera = start_camera(camera_config(&clip(10)));
    let stranger = UdpSocket::bind(loopback()).await.unwrap();
    stranger.connect(camera.local_addr()).await.unwrap();
    let dialect = &Dialect::TRANSCODE;
    let layout = iotc_layout(dialect).unwrap();
    flood(&stranger, EVENTS + CLIENTS, |number| {
        let session = SessionId(u64::from(number).to_le_bytes());
        let mut datagram = Vec::new();
        match number % 3 {
            0 => DiscoveryRequest {
                uid: credentials().uid,
                version: DiscoveryRequest::SDK_VERSION,
                session,
                stage: Stage::Broadcast,
                auth_key: None,
            }
            .write(layout.discovery, &mut datagram),
            1 => SessionRequest {
                uid: credentials().uid,
                session,
                stamp: layout.session.stamp(number),
            }
            .write(&mut datagram),
            _ => datagram.resize(number as usize % 1_400, 0x5a),
        }
        scramble(dialect, &mut datagram);
        datagram
    })
    .await;
    camera.close().await;
}

/// The flood contains an answer, which is reported.
#[tokio::test(start_paused = true)]
async fn datagrams_of_strangers_to_a_discovery_are_bounded() {
    let _alone = Alone::wait();
    let camera = UdpSocket::bind(loopback()).await.unwrap();
    let target = Target {
        address: camera.local_addr().unwrap(),
        uid: Uid::default(),
        auth_key: None,
    };
    let plan = DiscoveryPlan::new([DiscoveryScope::At(target)], &[]);
    let mut discovery = Discovery::start(plan, Duration::from_secs(60)).unwrap();
    let found = tokio::spawn(async move { discovery.next().await });
    let mut request = [0; 1_500];
    let (_, client) = camera.recv_from(&mut request).await.unwrap();
    camera.connect(client).await.unwrap();
    let dialect = &Dialect::TRANSCODE;
    // The thread's receive buffer, which all of its sockets share, has 64 KiB.
    flood(&camera, 128 << 10, |number| {
        let mut datagram = vec![number as u8; number as usize % 1_400];
        scramble(dialect, &mut datagram);
        datagram
    })
    .await;
    assert!(!found.is_finished());
    let mut answer = Vec::new();
    DiscoveryAnswer {
        uid: credentials().uid,
        session: Some(SessionId([1; 8])),
        address: None,
    }
    .write(iotc_layout(dialect).unwrap().discovery, &mut answer);
    scramble(dialect, &mut answer);
    camera.send(&answer).await.unwrap();
    let found = found.await.unwrap().unwrap();
    assert_eq!(found.address, camera.local_addr().unwrap());
}
