//! MP4 files with video only.

use std::time::Duration;

use crate::common::{
    FRAME, File, H264, H265, access_unit, clip, decoded, has_ffmpeg, mp4, packets, probe,
};
use mp4_atom::{Any, DecodeMaybe, Encode};
use tutk_media::{
    AccessUnit, Clip, Codec, Error, MAX_FRAGMENT_BYTES, MAX_UNIT_BYTES, Mp4Writer, NalKind,
    TIMESCALE, nal_units,
};

/// The boxes of a file and their offsets. Every byte must belong to one.
fn boxes(file: &[u8]) -> Vec<(usize, Any)> {
    let mut rest = file;
    let mut boxes = Vec::new();
    while !rest.is_empty() {
        let at = file.len() - rest.len();
        boxes.push((at, Any::decode_maybe(&mut rest).unwrap().unwrap()));
    }
    boxes
}

/// Time, duration, key frame flag and bytes of each sample.
fn samples(file: &[u8]) -> Vec<(u64, u32, bool, Vec<u8>)> {
    let mut samples = Vec::new();
    for (at, atom) in boxes(file) {
        let Any::Moof(moof) = atom else { continue };
        let traf = &moof.traf[0];
        let mut time = traf.tfdt.as_ref().unwrap().base_media_decode_time;
        let mut from = at + usize::try_from(traf.trun[0].data_offset.unwrap()).unwrap();
        for entry in &traf.trun[0].samples {
            let size = usize::try_from(entry.size.unwrap()).unwrap();
            let key = entry.flags.unwrap() & 0x0001_0000 == 0;
            let data = file[from..from + size].to_vec();
            samples.push((time, entry.duration.unwrap(), key, data));
            time += u64::from(entry.duration.unwrap());
            from += size;
        }
    }
    samples
}

/// A unit as an MP4 sample: lengths instead of start codes, no parameter sets.
fn as_sample(clip: &Clip, unit: &[u8]) -> Vec<u8> {
    nal_units(unit)
        .filter(|nal| {
            !matches!(
                clip.codec().kind(nal.payload),
                NalKind::Vps | NalKind::Sps | NalKind::Pps
            )
        })
        .flat_map(|nal| {
            [
                &u32::try_from(nal.payload.len()).unwrap().to_be_bytes(),
                nal.payload,
            ]
            .concat()
        })
        .collect()
}

#[test]
fn samples_are_the_access_units() {
    for bytes in [H264, H265] {
        let clip = clip(bytes);
        let samples = samples(&mp4(&clip));
        assert_eq!(samples.len(), clip.len());
        for (index, ((time, duration, key, data), unit)) in
            samples.into_iter().zip(clip.units()).enumerate()
        {
            assert_eq!((time, duration), (4_500 * index as u64, 4_500));
            assert_eq!(key, unit.is_key());
            assert_eq!(data, as_sample(&clip, unit.data()));
        }
    }
}

#[test]
fn index_lists_the_key_frames() {
    let file = mp4(&clip(H264));
    let boxes = boxes(&file);
    let Some((at, Any::Mfra(index))) = boxes.last() else {
        panic!("no index at the end");
    };
    assert_eq!(
        usize::try_from(index.mfro.parent_size).unwrap(),
        file.len() - at
    );
    let entries = &index.tfra[0].entries;
    assert_eq!(
        entries.iter().map(|entry| entry.time).collect::<Vec<_>>(),
        [0, 180_000, 360_000]
    );
    for entry in entries {
        let (_, atom) = boxes
            .iter()
            .find(|(at, _)| *at as u64 == entry.moof_offset)
            .unwrap();
        assert!(matches!(atom, Any::Moof(_)));
    }
}

#[test]
fn durations_follow_from_times_that_may_go_back() {
    let clip = clip(H264);
    let mut writer = Mp4Writer::new(clip.codec());
    let mut file = Vec::new();
    let times = [100, 140, 240, 20, 60, 60, 90];
    for (unit, time) in clip.units().zip(times) {
        file.extend(writer.write(unit, Duration::from_millis(time)).unwrap());
    }
    file.extend(writer.finish().unwrap());
    let milliseconds: Vec<_> = samples(&file)
        .iter()
        .map(|sample| sample.1 / (TIMESCALE / 1000))
        .collect();
    assert_eq!(milliseconds, [40, 100, 100, 40, 40, 30, 30]);
}

#[test]
fn units_before_the_first_key_frame_are_skipped() {
    let clip = clip(H265);
    let mut writer = Mp4Writer::new(clip.codec());
    let mut file = Vec::new();
    for (index, unit) in clip.units().enumerate().skip(7) {
        file.extend(
            writer
                .write(unit, FRAME * u32::try_from(index).unwrap())
                .unwrap(),
        );
    }
    assert_eq!((writer.stats().skipped, writer.stats().frames), (13, 20));
    file.extend(writer.finish().unwrap());
    let samples = samples(&file);
    assert_eq!(samples.len(), 20);
    assert_eq!((samples[0].0, samples[0].2), (0, true));
}

#[test]
fn parameter_sets_may_come_before_the_key_frame() {
    // A camera may send the sets in a packet of their own, before the key frame.
    let clip = clip(H264);
    let first = clip.unit(0).unwrap().data();
    let slice = nal_units(first)
        .find(|nal| matches!(Codec::H264.kind(nal.payload), NalKind::Slice { .. }))
        .unwrap();
    let (sets, picture) = first.split_at(slice.start);
    let [sets, picture] = [sets, picture].map(|data| access_unit(Codec::H264, data));
    let mut writer = Mp4Writer::new(Codec::H264);
    assert_eq!(writer.write(&sets, Duration::ZERO), Ok(Vec::new()));
    let header = writer.write(&picture, Duration::ZERO).unwrap();
    assert_eq!(&header[4..8], b"ftyp");
    // Parameter sets within the stream do not become empty samples.
    assert_eq!(writer.write(&sets, FRAME), Ok(Vec::new()));
    assert_eq!((writer.stats().frames, writer.stats().skipped), (1, 2));
}

#[test]
fn invalid_units_are_skipped() {
    let clip = clip(H264);
    let mut writer = Mp4Writer::new(clip.codec());
    writer.write(clip.unit(0).unwrap(), Duration::ZERO).unwrap();
    let huge = AccessUnit::new(Codec::H264, vec![0x41; MAX_UNIT_BYTES + 1]);
    let max = MAX_UNIT_BYTES;
    assert_eq!(
        writer.write(&huge, FRAME),
        Err(Error::UnitTooLarge {
            max,
            found: max + 1
        })
    );
    let other = AccessUnit::new(Codec::H265, vec![0, 0, 1, 0x26, 0x01, 0xaf]);
    assert_eq!(
        writer.write(&other, FRAME),
        Err(Error::VideoChanged {
            expected: Codec::H264,
            found: Codec::H265
        })
    );
    writer.write(clip.unit(1).unwrap(), 2 * FRAME).unwrap();
    assert_eq!((writer.stats().frames, writer.stats().skipped), (2, 2));
}

#[test]
fn fragments_are_limited_in_size() {
    let clip = clip(H264);
    let mut writer = Mp4Writer::new(clip.codec());
    writer.write(clip.unit(0).unwrap(), Duration::ZERO).unwrap();
    let mut large = vec![0x80; 6 << 20];
    large[..4].copy_from_slice(&[0, 0, 1, 0x41]);
    let large = AccessUnit::new(Codec::H264, large);
    // All within a few milliseconds and without key frames, so that only the size counts.
    let written: Vec<usize> = (1..=6)
        .map(|at| {
            writer
                .write(&large, Duration::from_millis(at))
                .unwrap()
                .len()
        })
        .collect();
    for (index, bytes) in written.iter().enumerate() {
        assert_eq!(*bytes > 0, index % 2 == 0 && index > 0, "{written:?}");
        assert!(*bytes < MAX_FRAGMENT_BYTES + 1000);
    }
}

#[test]
fn header_states_size_and_codec() {
    for (bytes, kind, size) in [(H264, "avc1", (640, 360)), (H265, "hvc1", (320, 180))] {
        let file = mp4(&clip(bytes));
        let boxes = boxes(&file);
        let Any::Moov(moov) = &boxes[1].1 else {
            panic!("no moov")
        };
        let visual = match &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] {
            mp4_atom::Codec::Avc1(entry) => (&entry.visual, "avc1"),
            mp4_atom::Codec::Hvc1(entry) => (&entry.visual, "hvc1"),
            other => panic!("{other:?}"),
        };
        assert_eq!((visual.1, (visual.0.width, visual.0.height)), (kind, size));
        // mp4-atom knows all of its boxes.
        let mut again = Vec::new();
        moov.encode(&mut again).unwrap();
        assert!(file[boxes[1].0..].starts_with(&again));
    }
}

#[test]
fn ffmpeg_decodes_the_clip() {
    if !has_ffmpeg() {
        return;
    }
    for (bytes, name, expected) in [
        (H264, "clip.h264", "h264,640,360,100"),
        (H265, "clip.h265", "hevc,320,180,40"),
    ] {
        let bare = File::new(name, bytes);
        let file = File::new(&format!("{name}.mp4"), &mp4(&clip(bytes)));
        assert_eq!(probe(&file.0), expected);
        let frames = decoded(&file.0);
        assert_eq!(frames, decoded(&bare.0));
        assert_eq!(frames.len(), clip(bytes).len());
        let times = packets(&file.0, "pts_time");
        assert_eq!(
            (times[0].as_str(), times[1].as_str()),
            ("0.000000", "0.050000")
        );
    }
}
