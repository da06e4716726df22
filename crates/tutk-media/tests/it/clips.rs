//! Splitting of streams into access units, compared with ffmpeg's parser.

use std::fs;

use crate::common::{H264, H265, clip, has_ffmpeg, mp4, packets, path, probe, run, tool};
use bytes::Bytes;
use tutk_media::{AccessUnit, Clip, Codec, Error};

#[test]
fn splits_the_clips_of_the_repository() {
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
    let file = mp4(&clip(H264));
    let error = Clip::parse(Bytes::from(file)).unwrap_err();
    assert_eq!(
        error,
        Error::Container {
            found: "an MP4 or MOV file"
        }
    );
}

/// Encodes a test picture with ffmpeg and compares the result of this crate with that of ffprobe.
fn compare(name: &str, size: (u16, u16), args: &str) {
    let file = path(name);
    let source = format!("testsrc=size={}x{}:rate=20:duration=1", size.0, size.1);
    let line = format!("ffmpeg -v error -y -f lavfi -i {source} {args}");
    run(tool(&line).arg(&file));

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
        probe(&file),
        format!("{codec},{},{},{}", size.0, size.1, clip.len()),
        "{name}"
    );
    // ffmpeg's parser of H.265 adds the zero byte of a long start code to the unit before.
    // According to annex B.2.2 it belongs to the start code.
    let (mut ours, mut theirs) = (0, 0);
    let sizes = packets(&file, "size");
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
    let expected: Vec<bool> = packets(&file, "flags")
        .iter()
        .map(|flags| flags.starts_with('K'))
        .collect();
    assert_eq!(keys, expected, "{name}: key frames");
    fs::remove_file(file).unwrap();
}

#[test]
fn splits_streams_like_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    for (name, size, profile, pixels, options) in [
        ("crop.h264", (642, 362), "high", "yuv420p", "keyint=10"),
        ("odd.h264", (641, 361), "high444", "yuv444p", "keyint=10"),
        (
            "slices.h264",
            (640, 360),
            "main",
            "yuv420p",
            "slices=4:aud=1:keyint=7",
        ),
        (
            "bframes.h264",
            (320, 240),
            "high",
            "yuv420p",
            "bframes=3:open-gop=0",
        ),
        (
            "422.h264",
            (322, 242),
            "high422",
            "yuv422p10le",
            "keyint=10",
        ),
        (
            "matrix.h264",
            (320, 180),
            "high",
            "yuv420p",
            "cqm=jvt:keyint=10",
        ),
        (
            "repeat.h264",
            (320, 180),
            "baseline",
            "yuv420p",
            "repeat-headers=1:keyint=5",
        ),
    ] {
        let codec = format!("-c:v libx264 -profile:v {profile} -pix_fmt {pixels}");
        compare(name, size, &format!("{codec} -x264-params {options}"));
    }
    for (name, size, pixels, options) in [
        ("crop.h265", (322, 182), "yuv420p", "keyint=10:aud=1"),
        ("odd.h265", (321, 181), "yuv444p", "keyint=10"),
        (
            "slices.h265",
            (640, 360),
            "yuv420p10le",
            "slices=3:hrd=0:keyint=10",
        ),
        (
            "layers.h265",
            (320, 180),
            "yuv420p",
            "temporal-layers=2:bframes=3:repeat-headers=1:keyint=10",
        ),
    ] {
        let codec = format!("-c:v libx265 -pix_fmt {pixels}");
        compare(
            name,
            size,
            &format!("{codec} -x265-params log-level=none:{options}"),
        );
    }
}
