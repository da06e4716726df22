//! MP4 segments for live viewing.

use std::time::Duration;

use crate::common::audio::{Item, aac_clip, frames, interleaved, segments, tone_clip, tracks};
use crate::common::{FRAME, File, H264, H265, clip, decoded, decoded_track, has_ffmpeg};
use mp4_atom::{Any, DecodeMaybe};
use proptest::prelude::*;
use tutk_media::{
    AUDIO_WAIT, AccessUnit, AudioCodec, AudioConfig, Clip, LiveMp4, Mp4Audio, Segment, nal_units,
};

fn join(live: &LiveMp4, segments: &[Segment]) -> Vec<u8> {
    let data = segments.iter().flat_map(|segment| segment.data.clone());
    live.init()
        .unwrap()
        .data
        .iter()
        .copied()
        .chain(data)
        .collect()
}

/// The types of the boxes of a segment.
fn boxes(segment: &[u8]) -> Vec<&'static str> {
    let mut rest = segment;
    let mut names = Vec::new();
    while let Some(atom) = Any::decode_maybe(&mut rest).unwrap() {
        names.push(match atom {
            Any::Ftyp(_) => "ftyp",
            Any::Moov(_) => "moov",
            Any::Moof(_) => "moof",
            Any::Mdat(_) => "mdat",
            _ => "other",
        });
    }
    names
}

#[test]
fn each_frame_is_a_segment() {
    for bytes in [H264, H265] {
        let clip = clip(bytes);
        let mut live = LiveMp4::new(clip.codec());
        assert_eq!(live.init(), None);
        for (at, unit) in (0..).zip(clip.units()) {
            let segment = live.write(unit, FRAME * at).unwrap().unwrap();
            assert_eq!(boxes(&segment.data), ["moof", "mdat"]);
            assert_eq!(segment.key, unit.is_key());
            // The initialization segment comes once, and is kept for later viewers.
            let init = live.init().unwrap();
            assert_eq!(boxes(&init.data), ["ftyp", "moov"]);
            assert_eq!(segment.init.as_ref(), (at == 0).then_some(init));
            let [pictures, _] = tracks(&segment.data);
            let [picture] = &pictures[..] else {
                unreachable!("one picture");
            };
            assert_eq!(
                (picture.time, picture.duration),
                (u64::from(at) * 4_500, 4_500)
            );
            let nals = nal_units(unit.data()).filter(|nal| !is_set(&clip, nal.payload));
            let sizes: usize = nals.map(|nal| nal.payload.len() + 4).sum();
            assert_eq!(picture.data.len(), sizes);
        }
        assert_eq!(live.stats().frames, clip.len() as u64);
    }
    let mut live = LiveMp4::new(clip(H264).codec());
    live.write(clip(H264).unit(0).unwrap(), FRAME).unwrap();
    let mime_type = live.init().unwrap().mime_type();
    assert_eq!(mime_type, "video/mp4; codecs=\"avc1.4D401F\"");
}

fn is_set(clip: &Clip, nal: &[u8]) -> bool {
    use tutk_media::NalKind::{Pps, Sps, Vps};
    matches!(clip.codec().kind(nal), Vps | Sps | Pps)
}

#[test]
fn viewers_can_join_at_any_key_frame() {
    if !has_ffmpeg() {
        return;
    }
    for (bytes, suffix) in [(H264, "h264"), (H265, "h265")] {
        let clip = clip(bytes);
        let sound = aac_clip();
        let mut live = LiveMp4::with_audio(
            clip.codec(),
            Mp4Audio::Track(AudioConfig::new(sound.format()).unwrap()),
        )
        .unwrap();
        let items = interleaved(&clip, FRAME, frames(&sound, Duration::ZERO));
        let all = segments(&mut live, items);
        assert_eq!(all.len(), clip.len() + sound.len());
        assert_eq!(live.stats().audio_skipped, 0);
        let bare = File::new(&format!("live.{suffix}"), bytes);
        let expected = decoded(&bare.0);
        let keys: Vec<_> = (0..all.len()).filter(|at| all[*at].key).collect();
        assert!(keys.len() > 1);
        let mut counts = (0, 0);
        for from in keys.into_iter().rev() {
            let file = File::new("live.mp4", &join(&live, &all[from..]));
            let (pictures, audio) = (decoded(&file.0), decoded_track(&file.0, 1));
            assert!(expected.ends_with(&pictures), "{suffix} {from}");
            // An earlier start has more of both.
            assert!(pictures.len() > counts.0 && audio.len() > counts.1);
            counts = (pictures.len(), audio.len());
        }
        assert_eq!(counts.0, clip.len());
    }
}

#[test]
fn late_viewers_can_start_at_zero() {
    let clip = clip(H264);
    let sound = aac_clip();
    let mut live = LiveMp4::with_audio(
        clip.codec(),
        Mp4Audio::Track(AudioConfig::new(sound.format()).unwrap()),
    )
    .unwrap();
    let items = interleaved(&clip, FRAME, frames(&sound, Duration::ZERO));
    let all = segments(&mut live, items);
    let join = all.iter().rposition(|segment| segment.key).unwrap();
    let origin = all[join].start;
    assert_eq!(origin, FRAME * 80);
    let rebased = all[join..].iter().map(|segment| segment.rebased(origin));
    let rebased: Vec<u8> = rebased.flatten().flatten().collect();
    let original = all[join..]
        .iter()
        .flat_map(|segment| segment.data.clone())
        .collect::<Vec<_>>();
    assert_eq!(rebased.len(), original.len());
    for (track, shift) in [(0, 80 * 4_500), (1, 4 * 16_000)] {
        let [moved, kept] = [&rebased, &original].map(|file| tracks(file)[track].clone());
        assert!(!kept.is_empty() && moved.len() == kept.len());
        for (moved, kept) in moved.iter().zip(&kept) {
            assert_eq!(moved.time + shift, kept.time);
            assert_eq!((moved.duration, &moved.data), (kept.duration, &kept.data));
        }
    }
    assert!(all[join..].iter().all(|segment| segment.start >= origin));
    assert_eq!(all.last().unwrap().end, FRAME * 100);
    let sets: Vec<_> = all
        .iter()
        .filter_map(|segment| segment.init.as_ref())
        .collect();
    assert_eq!(sets, [live.init().unwrap()]);
}

/// Returns an access unit whose sequence parameter set states another level.
fn change(unit: &AccessUnit) -> AccessUnit {
    let mut out = Vec::new();
    for nal in nal_units(unit.data()) {
        let mut nal = nal.payload.to_vec();
        if nal[0] & 0x1f == 7 {
            nal[3] = 30;
        }
        out.extend([0, 0, 0, 1]);
        out.extend(nal);
    }
    AccessUnit::new(unit.codec(), out)
}

/// The number of sequence parameter sets in each picture.
fn sets(file: &[u8]) -> Vec<usize> {
    let [pictures, _] = tracks(file);
    let of = |mut data: &[u8]| {
        let mut sets = 0;
        while let Some((length, rest)) = data.split_first_chunk() {
            let (nal, behind) = rest.split_at(u32::from_be_bytes(*length).try_into().unwrap());
            sets += usize::from(nal[0] & 0x1f == 7);
            data = behind;
        }
        sets
    };
    pictures.iter().map(|picture| of(&picture.data)).collect()
}

/// A client of one endless file ignores new initialization segments: the sets must stay in the
/// stream.
#[test]
fn changed_parameter_sets_stay_in_the_stream() {
    let clip = clip(H264);
    let keys: Vec<_> = clip.units().map(AccessUnit::is_key).collect();
    let second = 1 + keys.iter().skip(1).position(|key| *key).unwrap();
    let mut live = LiveMp4::new(clip.codec());
    let mut file = tutk_media::Mp4Writer::new(clip.codec());
    let (mut inits, mut segments, mut stored) = (0, Vec::new(), Vec::new());
    // The clip three times: original, changed, original.
    for at in 0..3 * clip.len() {
        let unit = clip.unit(at % clip.len()).unwrap();
        let unit = match at / clip.len() {
            1 => change(unit),
            _ => unit.clone(),
        };
        let time = FRAME * u32::try_from(at).unwrap();
        let segment = live.write(&unit, time).unwrap().unwrap();
        inits += usize::from(segment.init.is_some());
        segments.extend_from_slice(&segment.data);
        stored.extend(file.write(&unit, time).unwrap());
    }
    stored.extend(file.finish().unwrap());
    assert_eq!(inits, 3);
    for sets in [sets(&segments), sets(&stored)] {
        assert_eq!((sets[0], sets[second]), (0, 0));
        let later = sets[clip.len()..].iter().zip(keys.iter().cycle());
        for (at, (sets, key)) in later.enumerate() {
            assert_eq!(*sets, usize::from(*key), "{at}");
        }
    }
}

#[test]
fn changed_parameter_sets_make_an_initialization_segment() {
    if !has_ffmpeg() {
        return;
    }
    let clip = clip(H264);
    let mut live = LiveMp4::new(clip.codec());
    let (mut inits, mut all) = (Vec::new(), Vec::new());
    for (at, unit) in (0..).zip(clip.units()) {
        let unit = if at < 40 { unit.clone() } else { change(unit) };
        let segment = live.write(&unit, FRAME * at).unwrap().unwrap();
        if let Some(init) = &segment.init {
            inits.push((at, init.codecs.clone()));
            all.extend_from_slice(&init.data);
        }
        all.extend_from_slice(&segment.data);
    }
    assert_eq!(
        inits,
        [(0, "avc1.4D401F".into()), (40, "avc1.4D401E".into())]
    );
    assert_eq!(live.init().unwrap().codecs, "avc1.4D401E");
    // Before the change, parameter sets are in the initialization segment only.
    let keys = sets(&all);
    assert!(keys[..40].iter().all(|sets| *sets == 0) && keys[40] == 1);
}

#[test]
fn stream_waits_for_audio() {
    let clip = clip(H265);
    let pcmu = tone_clip(AudioCodec::Pcmu, 8_000, 1, 1_000);
    // Audio comes after 300 ms.
    let mut live = LiveMp4::with_audio(clip.codec(), Mp4Audio::Awaited).unwrap();
    let items = interleaved(&clip, FRAME, frames(&pcmu, Duration::from_millis(310)));
    let all = segments(&mut live, items);
    let first = &all[0];
    assert!(first.key && first.init.as_ref().unwrap().codecs.ends_with(",ulaw"));
    let [pictures, sound] = tracks(&first.data);
    assert_eq!(
        (pictures.len(), sound.len(), sound[0].time),
        (7, 1, 8 * 310)
    );
    assert!(
        all[1..]
            .iter()
            .all(|segment| segment.init.is_none() && boxes(&segment.data).len() == 2)
    );

    // Without audio, the pictures are written after two seconds, from the key frame on.
    let mut live = LiveMp4::with_audio(clip.codec(), Mp4Audio::Awaited).unwrap();
    let units = clip.units().chain(clip.units());
    let mut all = (0..)
        .zip(units)
        .map(|(at, unit)| (FRAME * at, live.write(unit, FRAME * at).unwrap()));
    let (time, first) = all.find(|(_, segment)| segment.is_some()).unwrap();
    assert_eq!(time, AUDIO_WAIT);
    let first = first.unwrap();
    assert!(first.key && first.init.unwrap().codecs == "hvc1.1.6.L60.90");
    let [pictures, _] = tracks(&first.data);
    assert_eq!(pictures.len(), 41);
    let (_, next) = all.next().unwrap();
    assert!(!next.unwrap().key);
}

proptest! {
    /// With any clock there is no gap and no overlap, and at a steady rate every picture is at its
    /// time.
    #[test]
    fn segments_have_no_gaps(
        intervals in prop::collection::vec(
            prop_oneof![4 => 30..80_u64, 1 => 0..3_000_u64, 1 => Just(0)],
            1..40,
        ),
        steady in 20..500_u64,
        lost in prop::collection::btree_set(0..60_usize, 0..20),
    ) {
        let clip = clip(H264);
        let sound = tone_clip(AudioCodec::Pcm, 8_000, 1, 2_000);
        let mut live = LiveMp4::with_audio(clip.codec(), Mp4Audio::Track(AudioConfig::new(sound.format()).unwrap())).unwrap();
        let mut time = 0;
        let jumps = intervals.iter().map(|interval| {
            time += interval;
            time
        });
        let mut times: Vec<_> = std::iter::once(0).chain(jumps).collect();
        let unsteady = times.len();
        times.extend((1..60).map(|at| time + at * steady));
        let mut items = Vec::new();
        for (at, time) in times.iter().enumerate() {
            let unit = clip.unit(at).unwrap();
            items.push((Duration::from_millis(*time), Item::Picture(unit)));
        }
        for (at, (format, data, time)) in frames(&sound, Duration::ZERO).enumerate() {
            if !lost.contains(&at) {
                items.push((time, Item::Audio(format, data)));
            }
        }
        items.sort_by_key(|(time, _)| *time);
        let all = segments(&mut live, items);
        let [pictures, sounds] = tracks(&join(&live, &all));
        prop_assert_eq!(pictures.len(), times.len());
        prop_assert_eq!(sounds.len() as u64, live.stats().audio_frames);
        for track in [&pictures, &sounds] {
            for pair in track.windows(2) {
                prop_assert_eq!(pair[0].end(), pair[1].time);
                prop_assert!(pair[0].duration >= 90);
            }
        }
        // The clock continues while times do not increase, so compare with the last picture.
        let last = pictures.last().unwrap();
        let settled = pictures.len() - 20;
        prop_assert!(settled > unsteady);
        for (picture, time) in pictures.iter().zip(&times).skip(settled) {
            let behind = (times.last().unwrap() - time) * 90;
            prop_assert_eq!(last.time - picture.time, behind);
        }
    }
}
