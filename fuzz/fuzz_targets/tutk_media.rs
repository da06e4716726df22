//! Any bytes as a video stream: no byte is lost, no picture is written twice or not at all.
#![no_main]

use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutk_media::{
    Clip, Codec, MAX_FRAGMENT_BYTES, Mp4Writer, SequenceParameters, access_units, nal_units,
};

fuzz_target!(|data: &[u8]| {
    for codec in [Codec::H264, Codec::H265] {
        let mut length = 0;
        for unit in access_units(codec, data) {
            assert_eq!(&data[length..length + unit.data.len()], unit.data);
            length += unit.data.len();
        }
        assert_eq!(length, data.len());
        for nal in nal_units(data) {
            assert!(!nal.payload.is_empty());
            let _ = SequenceParameters::parse(codec, nal.payload);
        }
        let _ = SequenceParameters::parse(codec, data);
    }
    let Ok(clip) = Clip::parse(Bytes::copy_from_slice(data)) else {
        return;
    };
    let mut writer = Mp4Writer::new(clip.codec());
    let mut written = 0;
    for (index, (unit, key)) in clip.units().enumerate() {
        // Times that stand still, jump, and go back.
        let time = Duration::from_millis(u64::from(unit[index % unit.len()]) * 20);
        let bytes = writer
            .write(unit, key, time)
            .expect("a small unit is written");
        written += bytes.len();
        assert!(bytes.len() < MAX_FRAGMENT_BYTES);
    }
    assert_eq!(writer.frames() + writer.skipped(), clip.len() as u64);
    let frames = writer.frames();
    let end = writer.finish();
    assert_eq!(end.is_ok(), frames > 0);
    assert!(frames == 0 || written > 0);
});
