//! Received datagrams do not allocate, and two hundred disconnects leave no memory, task or socket
//! behind. Allocations of C code (aws-lc-rs) are not counted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::alloc::System;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use testkit::runtime::{camera_config, client_config, clip, loopback, start_camera};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tutk_runtime::tutk_session::{MAX_OUTAGES, ReconnectPolicy, SupervisorConfig, SupervisorEvent};
use tutk_runtime::tutk_simulator::SimulatorEvent;
use tutk_runtime::{Session, connect};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const DISCONNECTS: usize = 200;

/// The largest number of bytes that may remain: a dozen for each disconnect.
const LIMIT: isize = 12 * DISCONNECTS as isize;

/// The number of tasks and open files.
#[derive(Debug, PartialEq, Eq)]
struct Open {
    tasks: usize,
    files: Option<usize>,
}

fn open() -> Open {
    Open {
        tasks: Handle::current().metrics().num_alive_tasks(),
        files: std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count),
    }
}

/// Waits for this many disconnects.
async fn disconnects(session: &mut Session, times: usize) {
    let mut frames = 0;
    let mut disconnects = 0;
    while disconnects < times {
        match session.next_event().await.unwrap() {
            SupervisorEvent::Frame(_) => frames += 1,
            SupervisorEvent::Disconnected(disconnect) => {
                assert!(disconnect.lasted.is_some() && disconnect.next.is_some());
                disconnects += 1;
            }
            SupervisorEvent::Ended(result) => panic!("{result:?}"),
            _ => {}
        }
    }
    assert_eq!(frames, times);
}

/// The allocator counts for the whole process, so there is only this test. The clock is paused: the
/// camera waits after its last frame.
#[tokio::test(start_paused = true)]
async fn allocations() {
    datagrams_allocate_nothing().await;
    disconnects_leave_nothing_behind().await;
}

/// The datagrams are malformed, so that only their reception is measured.
async fn datagrams_allocate_nothing() {
    /// This number fits into any receive buffer.
    const BURST: usize = 50;
    const BURSTS: usize = 100;
    let mut server = start_camera(camera_config(&clip(1)));
    let session = connect(client_config(server.local_addr())).await.unwrap();
    let address = loop {
        if let Some(SimulatorEvent::Joined { client, .. }) = server.next_event().await {
            break client.address;
        }
    };
    let stranger = UdpSocket::bind(loopback()).await.unwrap();
    stranger.writable().await.unwrap();
    let before = session.stats().await.unwrap().malformed;
    let region = Region::new(ALLOCATOR);
    for burst in 1..=BURSTS {
        for _ in 0..BURST {
            stranger.try_send_to(&[0; 1100], address).unwrap();
        }
        let all = before + (burst * BURST) as u64;
        while session.stats().await.unwrap().malformed < all {
            tokio::task::yield_now().await;
        }
    }
    let change = region.change();
    println!("{} datagrams: {change:?}", BURSTS * BURST);
    // Reading the statistics takes one or two, and heartbeats are sent.
    assert!(change.allocations < BURSTS * BURST / 5, "{change:?}");
    session.close().await.unwrap();
}

async fn disconnects_leave_nothing_behind() {
    let mut config = camera_config(&clip(100));
    // The camera closes each session after the first frame.
    config.frames = Some(1);
    let mut server = start_camera(config);
    let mut policy = ReconnectPolicy::default();
    policy.initial_delay = Duration::from_millis(1);
    policy.max_delay = policy.initial_delay;
    let config = client_config(server.local_addr());
    tokio::spawn(async move { while server.next_event().await.is_some() {} });

    let mut session = connect(SupervisorConfig::new(config, policy))
        .await
        .unwrap();
    // Until all buffers have grown, and the outage log is full.
    disconnects(&mut session, MAX_OUTAGES + 1).await;
    let before = open();
    let region = Region::new(ALLOCATOR);
    disconnects(&mut session, DISCONNECTS).await;
    let change = region.change();
    assert_eq!(open(), before);
    let kept = isize::try_from(change.bytes_allocated).unwrap()
        - isize::try_from(change.bytes_deallocated).unwrap();
    println!("{kept} bytes more after {DISCONNECTS} disconnects: {change:?}");
    assert!(kept < LIMIT, "{kept} bytes were kept");
    assert_eq!(
        session.tally().await.reconnects,
        (MAX_OUTAGES + DISCONNECTS) as u64
    );
    session.close().await.unwrap();
}
