//! What is allocated: nothing for a datagram, nothing that stays for two hundred falls; nor do these leave a task or
//! a socket behind.
//!
//! What is counted is what Rust allocates. What the C code of the cryptography (aws-lc-rs) allocates is not seen.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::alloc::System;
use std::time::Duration;

use common::{camera, client, clip, loopback, served};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tutk_runtime::tutk_simulator::SimulatorEvent;
use tutk_runtime::{OUTAGES, ReconnectEvent, ReconnectPolicy, Reconnecting, connect};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FALLS: usize = 200;

/// More than this may not stay, in bytes: a dozen for each fall, which only what is counted could take.
const LIMIT: isize = 12 * FALLS as isize;

/// What there is of something now.
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

/// Until it has fallen so often more.
async fn fall(session: &mut Reconnecting, times: usize) {
    let mut frames = 0;
    let mut fallen = 0;
    while fallen < times {
        match session.next_event().await.unwrap() {
            ReconnectEvent::Frame(_) => frames += 1,
            ReconnectEvent::Fell(fall) => {
                assert!(fall.lasted.is_some() && fall.next.is_some(), "{fall:?}");
                fallen += 1;
            }
            ReconnectEvent::Ended(result) => panic!("{result:?}"),
            _ => {}
        }
    }
    assert_eq!(frames, times);
}

/// The allocator counts for the whole process: so there is one test, and nothing beside it.
/// The clock is stopped, and jumps whenever nobody has anything to do: the camera lingers after its last frame.
#[tokio::test(start_paused = true)]
async fn allocations() {
    datagrams_allocate_nothing().await;
    two_hundred_falls_leave_nothing_behind().await;
}

/// Datagrams that make no sense, so that nothing but their way from the socket is seen.
async fn datagrams_allocate_nothing() {
    /// So many fit into any buffer.
    const BURST: usize = 50;
    const BURSTS: usize = 100;
    let mut server = served(camera(&clip(1)));
    let session = connect(client(server.local_addr())).await.unwrap();
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
    // To ask for the statistics takes one or two, and the heartbeats go on.
    assert!(change.allocations < BURSTS * BURST / 5, "{change:?}");
    session.close().await.unwrap();
}

async fn two_hundred_falls_leave_nothing_behind() {
    let mut config = camera(&clip(100));
    // It closes after the first frame, and is there again at once.
    config.frames = Some(1);
    let mut server = served(config);
    let mut policy = ReconnectPolicy::default();
    policy.first = Duration::from_millis(1);
    policy.largest = policy.first;
    let config = client(server.local_addr());
    // So that its events do not pile up.
    tokio::spawn(async move { while server.next_event().await.is_some() {} });

    let mut session = Reconnecting::connect(config, policy).await.unwrap();
    // Until all buffers have grown, and the history is full.
    fall(&mut session, OUTAGES + 1).await;
    let before = open();
    let region = Region::new(ALLOCATOR);
    fall(&mut session, FALLS).await;
    let change = region.change();
    assert_eq!(open(), before);
    let kept = isize::try_from(change.bytes_allocated).unwrap()
        - isize::try_from(change.bytes_deallocated).unwrap();
    println!("{kept} bytes more after {FALLS} falls: {change:?}");
    assert!(kept < LIMIT, "{kept} bytes were kept");
    assert_eq!(session.tally().await.reconnects, (OUTAGES + FALLS) as u64);
    session.close().await.unwrap();
}
