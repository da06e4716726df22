//! Splitting of streams into access units, compared with ffmpeg's parser.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::fs;

use bytes::Bytes;
use common::{H264, H265, clip};
use tutk_media::{AccessUnit, Clip, Codec, Error};

#[test]
fn clips_of_the_program() {
    for (bytes, codec, size, frames, gop) in [
        (H264, Codec::H264, (640, 360), 100, 40),
        (H265, Codec::H265, (320, 180), 40, 20),
    ] {
        let clip = clip(bytes);
        assert_eq!(clip.codec(), codec);
        assert_eq!((clip.parameters().width, clip.parameters().height), size);
        assert_eq!(clip.len(), frames);
        for (index, unit) in clip.units().enumerate() {
            assert_eq!(unit.is_key(), index % gop == 0, "{codec} unit {index}");
        }
        let joined: Vec<u8> = clip.units().flat_map(|unit| unit.data().to_vec()).collect();
        assert!(
            joined == bytes,
            "{codec}: the units joined are not the stream"
        );
    }
    assert!(H264.len() < 500_000 && H265.len() < 100_000);
}

#[test]
fn container_is_recognised() {
    let file = common::mp4(&clip(H264));
    let error = Clip::parse(Bytes::from(file)).unwrap_err();
    assert_eq!(
        error,
        Error::Container {
            found: "an MP4 or MOV file"
        }
    );
}

/// Encodes a test picture with ffmpeg and compares the result of this crate with that of ffprobe.
fn compare(name: &str, size: (u16, u16), args: &[&str]) {
    let file = common::path(name);
    let source = format!("testsrc=size={}x{}:rate=20:duration=1", size.0, size.1);
    let mut all = vec!["-v", "error", "-y", "-f", "lavfi", "-i", &source];
    all.extend_from_slice(args);
    all.push(file.to_str().unwrap());
    common::run("ffmpeg", &all);

    let bytes = fs::read(&file).unwrap();
    let clip = clip(&bytes);
    let joined: Vec<u8> = clip.units().flat_map(|unit| unit.data().to_vec()).collect();
    assert!(joined == bytes, "{name}");
    assert_eq!(
        (clip.parameters().width, clip.parameters().height),
        size,
        "{name}"
    );
    let codec = if clip.codec() == Codec::H264 {
        "h264"
    } else {
        "hevc"
    };
    assert_eq!(
        common::probe(&file),
        format!("{codec},{},{},{}", size.0, size.1, clip.len()),
        "{name}"
    );
    // ffmpeg's parser of H.265 adds the zero byte of a long start code to the unit before.
    // According to annex B.2.2 it belongs to the start code.
    let (mut ours, mut theirs) = (0, 0);
    let sizes = common::packets(&file, "size");
    assert_eq!(sizes.len(), clip.len(), "{name}");
    for (unit, size) in clip.units().zip(sizes) {
        ours += unit.data().len();
        theirs += size.parse::<usize>().unwrap();
        let zero_byte = codec == "hevc" && theirs == ours + 1 && bytes[ours] == 0;
        assert!(
            ours == theirs || zero_byte,
            "{name}: split at {ours}, by ffmpeg at {theirs}"
        );
    }
    // Key frames have the flag K.
    let keys: Vec<bool> = clip.units().map(AccessUnit::is_key).collect();
    let expected: Vec<bool> = common::packets(&file, "flags")
        .iter()
        .map(|flags| flags.starts_with('K'))
        .collect();
    assert_eq!(keys, expected, "{name}: key frames");
    fs::remove_file(file).unwrap();
}

#[test]
fn streams_are_split_as_by_ffmpeg() {
    if !common::ffmpeg_is_there() {
        return;
    }
    let x264 = |profile, pixels, options| {
        vec![
            "-c:v",
            "libx264",
            "-profile:v",
            profile,
            "-pix_fmt",
            pixels,
            "-x264-params",
            options,
        ]
    };
    compare(
        "crop.h264",
        (642, 362),
        &x264("high", "yuv420p", "keyint=10"),
    );
    compare(
        "odd.h264",
        (641, 361),
        &x264("high444", "yuv444p", "keyint=10"),
    );
    compare(
        "slices.h264",
        (640, 360),
        &x264("main", "yuv420p", "slices=4:aud=1:keyint=7"),
    );
    compare(
        "bframes.h264",
        (320, 240),
        &x264("high", "yuv420p", "bframes=3:open-gop=0"),
    );
    compare(
        "422.h264",
        (322, 242),
        &x264("high422", "yuv422p10le", "keyint=10"),
    );
    compare(
        "matrix.h264",
        (320, 180),
        &x264("high", "yuv420p", "cqm=jvt:keyint=10"),
    );
    compare(
        "repeat.h264",
        (320, 180),
        &x264("baseline", "yuv420p", "repeat-headers=1:keyint=5"),
    );

    let x265 = |pixels, options| {
        vec![
            "-c:v",
            "libx265",
            "-pix_fmt",
            pixels,
            "-x265-params",
            options,
        ]
    };
    compare(
        "crop.h265",
        (322, 182),
        &x265("yuv420p", "log-level=none:keyint=10:aud=1"),
    );
    compare(
        "odd.h265",
        (321, 181),
        &x265("yuv444p", "log-level=none:keyint=10"),
    );
    compare(
        "slices.h265",
        (640, 360),
        &x265("yuv420p10le", "log-level=none:slices=3:hrd=0:keyint=10"),
    );
    compare(
        "layers.h265",
        (320, 180),
        &x265(
            "yuv420p",
            "log-level=none:temporal-layers=2:bframes=3:repeat-headers=1:keyint=10",
        ),
    );
}
