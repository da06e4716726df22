//! Whatever comes in: no panic, no byte lost.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{H264, H265};
use proptest::prelude::*;
use tutk_media::{Clip, Codec, Mp4Writer, NalKind, SequenceParameters, access_units, nal_units};

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::H264), Just(Codec::H265)]
}

/// Bytes in which start codes and NAL unit headers are likely.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => Just(0_u8),
        3 => Just(1_u8),
        2 => prop::sample::select(vec![0x67, 0x68, 0x65, 0x41, 0x09, 0x26, 0x40, 0x42, 0x44, 0x80]),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..400)
}

/// A clip with some of its bytes changed, cut somewhere.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let clip = prop_oneof![Just(&H264[..20_000]), Just(&H265[..20_000])];
    let damage = prop::collection::vec((0..20_000_usize, any::<u8>()), 0..40);
    (clip, damage, 0..=20_000_usize).prop_map(|(clip, damage, length)| {
        let mut bytes = clip.to_vec();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        bytes.truncate(length);
        bytes
    })
}

fn read_everything(codec: Codec, stream: &[u8]) {
    let joined: Vec<u8> = access_units(codec, stream)
        .flat_map(|unit| unit.data)
        .copied()
        .collect();
    assert_eq!(joined, stream);
    for nal in nal_units(stream) {
        assert!(!nal.payload.is_empty() && nal.payload.last() != Some(&0));
        if let Ok(parameters) = SequenceParameters::parse(codec, nal.payload) {
            assert_eq!(codec.kind(nal.payload), NalKind::Sps);
            assert!(parameters.width > 0 && parameters.height > 0);
        }
    }
    if let Ok(clip) = Clip::parse(Bytes::copy_from_slice(stream)) {
        assert!(clip.units().map(|(unit, _)| unit.len()).sum::<usize>() == stream.len());
        let mut writer = Mp4Writer::new(clip.codec());
        for (unit, key) in clip.units() {
            writer.write(unit, key, Duration::ZERO).unwrap();
        }
        assert_eq!(writer.frames() + writer.skipped(), clip.len() as u64);
        let _ = writer.finish();
    }
}

proptest! {
    #[test]
    fn any_bytes(codec in codec(), stream in stream()) {
        read_everything(codec, &stream);
    }

    #[test]
    fn damaged_clips(codec in codec(), stream in damaged()) {
        read_everything(codec, &stream);
    }

    #[test]
    fn parameter_sets_of_any_bytes(codec in codec(), mut bytes in prop::collection::vec(any::<u8>(), 2..80)) {
        bytes[0] = if codec == Codec::H264 { 0x67 } else { 0x42 };
        bytes[1] = if codec == Codec::H264 { bytes[1] } else { 0x01 };
        let _ = SequenceParameters::parse(codec, &bytes);
    }

    /// Cutting does not depend on the length of the start codes.
    #[test]
    fn start_codes_of_any_length(longer in prop::collection::vec(any::<bool>(), 120)) {
        let mut stream = Vec::new();
        for (nal, longer) in nal_units(H264).zip(longer) {
            stream.extend_from_slice(if longer { &[0, 0, 0, 1] } else { &[0, 0, 1] });
            stream.extend_from_slice(nal.payload);
        }
        let nals = |stream: &[u8]| -> Vec<usize> {
            access_units(Codec::H264, stream).map(|unit| nal_units(unit.data).count()).collect()
        };
        prop_assert_eq!(nals(&stream), nals(H264));
    }
}
