//! Allocations per frame.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::alloc::System;

use bytes::Bytes;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tutk_media::{
    AccessUnit, Codec, ParameterSets, RTP_PACKET_BYTES, RtpPayloads, RtpStream, access_units,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const H264: &[u8] = include_bytes!("../../tutk-cli/assets/clip.h264");

/// Runs `work` and returns its result and the number of allocations.
fn count<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(ALLOCATOR);
    let result = work();
    let change = region.change();
    (result, change.allocations + change.reallocations)
}

/// The allocator counts for the whole process, so this is the only test of the file.
#[test]
fn allocations_per_frame_are_bounded() {
    let mut sets = ParameterSets::new(Codec::H264);
    let mut stream = RtpStream::new(96, 1, 1).unwrap();
    let mut packet = Vec::with_capacity(RTP_PACKET_BYTES);
    let mut packets = 0;
    for unit in access_units(Codec::H264, Bytes::from_static(H264)) {
        let data = unit.data().clone();
        let (unit, parsed) = count(|| AccessUnit::new(Codec::H264, data));
        let (_copy, cloned) = count(|| unit.clone());
        assert!(
            parsed + cloned == 0 || unit.nals().len() > 4,
            "{parsed} {cloned}"
        );

        // A key frame's parameter sets are copied and aggregated.
        let (payloads, made) = count(|| {
            let unit = sets.complete(&unit);
            RtpPayloads::video(&unit, RTP_PACKET_BYTES).unwrap()
        });
        assert!(made <= 1 || unit.is_key(), "{made}");

        let ((), written) = count(|| {
            for payload in &payloads {
                stream.write_packet(payload, 0, &mut packet);
                packets += 1;
                packet.clear();
            }
        });
        assert_eq!(written, 0);
    }
    assert!(packets > 200, "{packets}");
}
