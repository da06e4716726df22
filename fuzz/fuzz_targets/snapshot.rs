//! Snapshots of arbitrary H.264 key frames.
//!
//! Input: a byte of settings, then a key frame as an Annex B byte stream. The settings are the JPEG
//! quality, and if the parameter sets are part of the frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tutk_media::{AccessUnit, Codec, Error, MAX_SNAPSHOT_PIXELS, NalKind, ParameterSets, snapshot};

/// Larger pictures are not decoded, because that takes long.
const MAX_PIXELS: u32 = 256 * 256;

fuzz_target!(|data: &[u8]| {
    let Some((&settings, frame)) = data.split_first() else {
        return;
    };
    let whole = AccessUnit::new(Codec::H264, frame.to_vec());
    let (sets, unit) = match settings & 1 {
        0 => (ParameterSets::new(Codec::H264), whole),
        _ => (ParameterSets::of(&whole), without_sets(&whole)),
    };
    let unit = unit.with_key_flag(true);
    let mut all = sets.clone();
    all.complete(&unit);
    let size = all.parameters();
    let pixels = size.map_or(0, |size| u32::from(size.width) * u32::from(size.height));
    if (MAX_PIXELS..MAX_SNAPSHOT_PIXELS).contains(&pixels) {
        return;
    }
    match snapshot(&sets, &unit, settings >> 1) {
        Ok(jpeg) => {
            assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
            assert!(size.is_some());
        }
        Err(Error::SnapshotTooLarge { max, found }) => assert!(found > max),
        Err(error) => assert!(pixels <= MAX_SNAPSHOT_PIXELS, "{error}"),
    }
});

fn without_sets(whole: &AccessUnit) -> AccessUnit {
    let others = whole
        .nals()
        .filter(|(kind, _)| !matches!(kind, NalKind::Sps | NalKind::Pps));
    let others = others.flat_map(|(_, nal)| [&[0, 0, 1], nal].concat());
    AccessUnit::new(Codec::H264, others.collect::<Vec<u8>>())
}
