//! Allocation limits: records allocate nothing, hellos without a cookie leave nothing allocated,
//! and a connection stays below a limit. The memory of a connection is printed.
//!
//! Only Rust's allocator is measured, not that of the provider's C code (aws-lc-rs).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

mod common;

use std::alloc::System;
use std::sync::Arc;

use common::variants::all_variants;
use common::{Peer, client_config, server_config};
use dtls_psk::{Accept, Acceptor, Connection, Output};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tutk_time::Instant;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The limit for a connection's memory, in bytes: a few datagrams.
const LIMIT: isize = 16 * 1024;

/// The allocator counts the whole process, so there is only one test.
#[test]
fn records_and_hellos_keep_no_memory() {
    records_allocate_nothing();
    flood_of_hellos_keeps_no_memory();
    connections_stay_below_the_memory_limit();
}

fn records_allocate_nothing() {
    for variant in all_variants() {
        let pair = variant.connected();
        let now = pair.now;
        let data = [7; 1100];
        let mut sealed = Vec::new();
        let mut delivered = 0;
        let [mut client, mut server] = [pair.client, pair.server].map(|peer| peer.connection);
        let mut round = |count: usize| {
            for (from, to) in [(0, 1), (1, 0)] {
                let ends = [&mut client, &mut server];
                for len in (0..count).map(|n| n * 37 % data.len()) {
                    sealed.clear();
                    ends[from].seal(&data[..len], &mut sealed).unwrap();
                    let deliver = |data: &mut [u8]| delivered += data.len();
                    ends[to].handle_datagram(now, &mut sealed, deliver).unwrap();
                    // Also through the send queue.
                    ends[from].send(&data[..len]).unwrap();
                    sealed.clear();
                    while let Output::Transmit(datagram) = ends[from].poll_output() {
                        sealed.extend_from_slice(datagram);
                    }
                    let deliver = |data: &mut [u8]| delivered += data.len();
                    ends[to].handle_datagram(now, &mut sealed, deliver).unwrap();
                    // A replay, and a record that is not authentic.
                    ends[to].handle_datagram(now, &mut sealed, |_| {}).unwrap();
                    if let Some(byte) = sealed.get_mut(10) {
                        *byte ^= 0x40;
                    }
                    ends[to].handle_datagram(now, &mut sealed, |_| {}).unwrap();
                }
            }
        };
        // Until all buffers have grown.
        round(200);
        let region = Region::new(ALLOCATOR);
        round(200);
        let change = region.change();
        assert!(delivered > 0);
        assert_eq!(change.allocations, 0, "{variant:?}: {change:?}");
        assert_eq!(change.reallocations, 0, "{variant:?}: {change:?}");
    }
}

/// Returns the bytes that were allocated in `region` and not freed.
fn kept(region: &Region<'_, System>) -> isize {
    let change = region.change();
    isize::try_from(change.bytes_allocated).unwrap()
        - isize::try_from(change.bytes_deallocated).unwrap()
}

fn flood_of_hellos_keeps_no_memory() {
    let now = Instant::ZERO;
    let hello = Peer::client(client_config(), 1, now).outgoing.remove(0);
    let mut acceptor = Acceptor::new(Arc::new(server_config()), [1; 32]).unwrap();
    let mut flood = |from: u32, to: u32| {
        let region = Region::new(ALLOCATOR);
        for address in from..to {
            let mut hello = hello.clone();
            let peer = address.to_be_bytes();
            let accept = acceptor.handle_datagram(now, &peer, &mut hello);
            assert!(matches!(accept, Ok(Accept::Reply(_))));
        }
        kept(&region)
    };
    flood(0, 10);
    assert_eq!(flood(10, 110), 0);
    assert_eq!(flood(110, 100_000), 0, "from 100,000 addresses");
}

/// Measures what is freed when a connection is dropped, including its configuration, in addition to
/// its own size. `cargo xtask bench` prints this table.
fn connections_stay_below_the_memory_limit() {
    let inline = isize::try_from(size_of::<Connection>()).unwrap();
    let weight = |connection: Connection| {
        let region = Region::new(ALLOCATOR);
        drop(connection);
        inline - kept(&region)
    };
    println!(
        "| a connection's bytes | new client | connected client | new server | connected server |"
    );
    println!("|---|--:|--:|--:|--:|");
    for variant in all_variants()
        .into_iter()
        .filter(|variant| variant.all_options)
    {
        let (new, old) = (variant.pair(), variant.connected());
        let all = [new.client, old.client, new.server, old.server];
        let [a, b, c, d] = all.map(|peer| weight(peer.connection));
        println!("| {} | {a} | {b} | {c} | {d} |", variant.suite);
        for bytes in [a, b, c, d] {
            assert!(bytes > inline && bytes < LIMIT, "{bytes}");
        }
    }
}
