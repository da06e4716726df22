//! What is allocated: nothing for an RTP packet, and no more than one list for an access unit.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tutk_media::{Codec, RTP_PACKET_BYTES, RtpConfig, RtpPacketizer, access_units};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const H264: &[u8] = include_bytes!("../../tutk-cli/assets/clip.h264");

/// The allocator counts for the whole process: so there is one test, and nothing beside it.
#[test]
fn packets_allocate_nothing() {
    let config = RtpConfig {
        payload_type: 96,
        ssrc: 1,
        sequence: 1,
        packet_bytes: RTP_PACKET_BYTES,
    };
    let mut rtp = RtpPacketizer::video(Codec::H264, config).unwrap();
    let units: Vec<_> = access_units(Codec::H264, H264).collect();
    let mut packet = Vec::with_capacity(RTP_PACKET_BYTES);
    let mut count = 0;
    for unit in units {
        let region = Region::new(ALLOCATOR);
        let mut packets = rtp.packets(unit.data, 0).unwrap();
        let lists = region.change().allocations;
        // A key frame's parameter sets are taken over.
        assert!(lists == 1 || unit.key, "{lists}");
        let region = Region::new(ALLOCATOR);
        while packets.write_next(&mut packet) {
            count += 1;
            packet.clear();
        }
        let change = region.change();
        assert_eq!((change.allocations, change.reallocations), (0, 0));
    }
    assert!(count > 200, "{count}");
}
