//! What a frame of an RTSP viewer allocates: nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    reason = "tests fail by panicking"
)]

mod common;

use std::alloc::System;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use common::rtsp_client::{Client, config, description, frame};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tutk_media::{AccessUnit, AudioCodec};
use tutk_runtime::tutk_session::MediaKind;
use tutk_serve::LiveFrame;
use tutk_serve::rtsp::{Connection, Output};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const VIEWERS: usize = 3;

/// Sends everything that the connection has, as the server does. Returns the number of bytes.
fn send(connection: &mut Connection, now: std::time::Instant) -> usize {
    let mut sent = 0;
    loop {
        match connection.poll_output() {
            Output::Write(unwritten) => {
                let mut slices = [IoSlice::new(&[]); 64];
                let used = unwritten.chunks_vectored(&mut slices);
                let bytes = slices[..used].iter().map(|slice| slice.len()).sum();
                unwritten.advance(bytes);
                sent += bytes;
                if !unwritten.has_remaining() {
                    connection.handle_written(now);
                }
            }
            Output::Datagrams { payloads, .. } => sent += payloads.len(),
            Output::Event(_) => {}
            Output::Timeout(_) => return sent,
        }
    }
}

/// The allocator counts for the whole process, so that this must be the only test.
#[test]
fn frames_of_rtsp_viewers_allocate_nothing() {
    let description = description(AudioCodec::Pcmu);
    let frame = |number: u64| {
        let kind = match number {
            0 => MediaKind::Key,
            _ => MediaKind::Delta,
        };
        let small = frame(kind, number * 50, Arc::clone(&description));
        // Several packets.
        let mut content = (*small).clone();
        let mut data = content.data.to_vec();
        data.resize(10_000, 0x55);
        content.data = Bytes::from(data);
        let codec = content.unit.as_ref().unwrap().codec();
        content.unit = Some(AccessUnit::new(codec, content.data.clone()));
        LiveFrame::from(content)
    };
    for transport in [
        "RTP/AVP/TCP;unicast",
        "RTP/AVP;unicast;client_port=7000-7001",
    ] {
        let mut viewers = Vec::new();
        for _ in 0..VIEWERS {
            let mut client = Client::new(config());
            let session = client.set_up(&[0, 1], transport);
            client.play(&session);
            client.wait(Duration::from_millis(1));
            viewers.push(client);
        }
        let mut allocations = Vec::new();
        for number in 0..40 {
            let frame = frame(number);
            for viewer in &mut viewers {
                let region = Region::new(ALLOCATOR);
                viewer.connection.handle_frame(viewer.now, &frame).unwrap();
                assert!(send(&mut viewer.connection, viewer.now) > 10_000);
                let change = region.change();
                allocations.push(change.allocations + change.reallocations);
            }
        }
        // The buffers of a viewer grow with its first frames. The first viewer plans the payloads
        // of all.
        let steady = allocations
            .chunks(VIEWERS)
            .skip(10)
            .flat_map(|frame| &frame[1..]);
        assert_eq!(steady.sum::<usize>(), 0, "{transport}: {allocations:?}");
    }
}
