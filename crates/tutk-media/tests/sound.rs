//! Sound in MP4 files: where its frames stand, what is left out, what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where it fails"
)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::sound::{Item, Stored, aac_clip, frames, interleaved, tone_clip, tracks, write};
use common::{FRAME, H264, clip};
use mp4_atom::{Any, DecodeMaybe};
use tutk_media::{
    AUDIO_TOLERANCE, AUDIO_WAIT, AudioClip, AudioCodec, AudioConfig, AudioFormat, Codec, Error,
    MAX_AUDIO_FRAME_BYTES, MAX_EARLY_AUDIO_FRAMES, Mp4Writer, TIMESCALE,
};

const PCMU: AudioFormat = AudioFormat {
    codec: AudioCodec::Pcmu,
    rate: 8_000,
    channels: 1,
};

/// 20 ms of PCMU.
const TWENTY: [u8; 160] = [0xff; 160];

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A writer for clip.h264 that has its first picture, at 10 s, and what it returned.
fn begun() -> (Mp4Writer, Vec<u8>) {
    let clip = clip(H264);
    let mut writer = Mp4Writer::new(Codec::H264)
        .with_audio(AudioConfig::new(PCMU).unwrap())
        .unwrap();
    let unit = clip.unit(0).unwrap();
    let file = writer.write(unit, ms(10_000)).unwrap();
    (writer, file)
}

/// When frames of PCMU that come at these milliseconds begin in the file, in milliseconds.
fn places(times: &[u64]) -> Vec<u64> {
    let (mut writer, mut file) = begun();
    for time in times {
        let bytes = writer
            .write_audio(PCMU, &TWENTY, ms(10_000 + time))
            .unwrap();
        file.extend(bytes);
    }
    file.extend(writer.finish().unwrap());
    let [_, sound] = tracks(&file);
    in_step(&sound);
    sound.iter().map(|sample| sample.time / 8).collect()
}

/// No sample begins before the one before it ends.
fn in_step(track: &[Stored]) {
    for pair in track.windows(2) {
        assert!(
            pair[0].end() <= pair[1].time && pair[0].duration > 0,
            "{pair:?}"
        );
    }
}

#[test]
fn small_differences_of_the_clock_are_not_heard() {
    assert_eq!(places(&[0, 20, 40, 60]), [0, 20, 40, 60]);
    assert_eq!(places(&[0, 35, 12, 99, 60, 100]), [0, 20, 40, 60, 80, 100]);
    // Several frames with one timestamp, as far as that is within the tolerance.
    assert_eq!(places(&[5, 5, 45, 45]), [5, 25, 45, 65]);
}

#[test]
fn a_gap_is_a_gap() {
    assert_eq!(AUDIO_TOLERANCE, ms(40));
    assert_eq!(places(&[0, 20, 80, 100]), [0, 20, 40, 60]);
    assert_eq!(places(&[0, 20, 81, 101]), [0, 20, 81, 101]);
    // The frame before lasts until the next one, also where a fragment ends between them.
    let (mut writer, mut file) = begun();
    for time in [0, 20, 500, 3_000] {
        file.extend(
            writer
                .write_audio(PCMU, &TWENTY, ms(10_000 + time))
                .unwrap(),
        );
    }
    file.extend(writer.finish().unwrap());
    let durations: Vec<_> = tracks(&file)[1]
        .iter()
        .map(|sample| sample.duration / 8)
        .collect();
    assert_eq!(durations, [20, 480, 2_500, 20]);
}

#[test]
fn sound_that_is_too_much_is_left_out() {
    let (mut writer, _) = begun();
    for _ in 0..5 {
        writer.write_audio(PCMU, &TWENTY, ms(10_000)).unwrap();
    }
    assert_eq!((writer.audio_frames(), writer.audio_skipped()), (3, 2));
    assert_eq!(places(&[0, 0, 0, 0, 0, 101, 121]), [0, 20, 40, 101, 121]);
}

#[test]
fn clocks_that_are_set() {
    // Sound and pictures of a camera whose clock goes back by an hour, and later forward by one.
    let clip = clip(H264);
    let pcmu = tone_clip(AudioCodec::Pcmu, 8_000, 1, 5_000);
    let mut writer = Mp4Writer::new(clip.codec())
        .with_audio(AudioConfig::new(PCMU).unwrap())
        .unwrap();
    let hour = Duration::from_secs(3_600);
    let items = interleaved(&clip, FRAME, frames(&pcmu, Duration::ZERO))
        .into_iter()
        .map(|(time, item)| (if time >= ms(2_025) { time } else { time + hour }, item));
    let mut file = write(&mut writer, items.collect());
    file.extend(writer.finish().unwrap());
    let [pictures, sound] = tracks(&file);
    in_step(&sound);
    assert_eq!(pictures.last().unwrap().end(), u64::from(TIMESCALE) * 5);
    // A frame between the clock and the next picture may be lost: less than the tolerance.
    assert!(sound.len() >= 248, "{}", sound.len());
    assert!(sound.last().unwrap().end().abs_diff(40_000) <= 40 * 8);

    // A frame from before the clock was set comes after a picture from then: it is not an hour on.
    assert_eq!(places(&[0, 20, 3_600_000, 60]), [0, 20, 40, 60]);
}

#[test]
fn before_the_first_picture() {
    let clip = clip(H264);
    let mut writer = Mp4Writer::new(Codec::H264).await_audio();
    // A key frame takes longer on its way than sound: sound of its own time is there before it.
    for time in [900, 920, 980, 1_000, 1_020] {
        assert_eq!(writer.write_audio(PCMU, &TWENTY, ms(time)), Ok(Vec::new()));
    }
    assert_eq!(writer.audio_format(), Some(PCMU));
    let unit = clip.unit(0).unwrap();
    let mut file = writer.write(unit, ms(985)).unwrap();
    assert_eq!((writer.audio_frames(), writer.audio_skipped()), (2, 3));
    file.extend(writer.finish().unwrap());
    let times: Vec<_> = tracks(&file)[1].iter().map(|sample| sample.time).collect();
    assert_eq!(times, [15 * 8, 35 * 8]);

    let mut writer = Mp4Writer::new(Codec::H264).await_audio();
    for _ in 0..MAX_EARLY_AUDIO_FRAMES + 10 {
        writer.write_audio(PCMU, &TWENTY, ms(0)).unwrap();
    }
    assert_eq!(writer.audio_skipped(), 10);
}

#[test]
fn a_cut_costs_at_most_a_second_of_either() {
    let (clip, aac) = (clip(H264), aac_clip());
    let mut writer = Mp4Writer::new(clip.codec())
        .with_audio(AudioConfig::new(aac.format()).unwrap())
        .unwrap();
    let mut file = Vec::new();
    for (time, item) in interleaved(&clip, FRAME, frames(&aac, Duration::ZERO)) {
        file.extend(write(&mut writer, vec![(time, item)]));
        let [pictures, sound] = tracks(&file);
        assert!(writer.frames() - pictures.len() as u64 <= 21);
        assert!(writer.audio_frames() - sound.len() as u64 <= 16);
    }
}

#[test]
fn sound_goes_on_where_the_picture_stands() {
    let (mut writer, mut file) = begun();
    for at in 0..500 {
        file.extend(
            writer
                .write_audio(PCMU, &TWENTY, ms(10_000 + 20 * at))
                .unwrap(),
        );
        let [pictures, sound] = tracks(&file);
        assert!(pictures.is_empty() && at + 1 - sound.len() as u64 <= 50);
    }
    // The picture that stood is written with its whole length.
    let clip = clip(H264);
    let unit = clip.unit(1).unwrap();
    file.extend(writer.write(unit, ms(20_000)).unwrap());
    file.extend(writer.finish().unwrap());
    let [pictures, sound] = tracks(&file);
    assert_eq!(pictures[0].duration, 10 * u64::from(TIMESCALE));
    assert_eq!(sound.len(), 500);
    in_step(&sound);
}

#[test]
fn pictures_that_wait_keep_their_places() {
    // Sound runs ahead of the pictures, so that it ends fragments while a picture is open.
    let (clip, pcmu) = (clip(H264), tone_clip(AudioCodec::Pcmu, 8_000, 1, 5_000));
    let mut writer = Mp4Writer::new(clip.codec())
        .with_audio(AudioConfig::new(PCMU).unwrap())
        .unwrap();
    let mut items = interleaved(&clip, FRAME, frames(&pcmu, Duration::ZERO));
    items.sort_by_key(|(time, item)| match item {
        Item::Picture(..) => *time + ms(330),
        Item::Sound(..) => *time,
    });
    let mut file = write(&mut writer, items);
    file.extend(writer.finish().unwrap());
    let [pictures, sound] = tracks(&file);
    let plain = tracks(&common::mp4(&clip))[0].clone();
    assert_eq!(pictures, plain);
    // And the sound of before the first picture came is in its place.
    let times: Vec<_> = sound.iter().map(|sample| sample.time / 160).collect();
    assert_eq!(times, (0..250).collect::<Vec<_>>());
}

#[test]
fn any_cut_leaves_what_was_whole() {
    let pcmu = tone_clip(AudioCodec::Pcmu, 8_000, 1, 5_000);
    let clip = clip(H264);
    let mut writer = Mp4Writer::new(clip.codec())
        .with_audio(AudioConfig::new(PCMU).unwrap())
        .unwrap();
    let mut file = write(&mut writer, interleaved(&clip, FRAME, frames(&pcmu, ms(0))));
    file.extend(writer.finish().unwrap());
    let [all_pictures, all_sound] = tracks(&file);
    assert_eq!((all_pictures.len(), all_sound.len()), (100, 250));
    let mut before = (0, 0);
    for end in (0..file.len()).step_by(997).chain([file.len()]) {
        let [pictures, sound] = tracks(&file[..end]);
        assert!(all_pictures.starts_with(&pictures) && all_sound.starts_with(&sound));
        assert!(before.0 <= pictures.len() && before.1 <= sound.len());
        before = (pictures.len(), sound.len());
    }
    assert_eq!(before, (100, 250));
}

#[test]
fn a_track_cannot_be_added_behind_the_header() {
    let clip = clip(H264);
    let unit = clip.unit(0).unwrap();
    let mut writer = Mp4Writer::new(Codec::H264);
    writer.write(unit, ms(0)).unwrap();
    let mut writer = writer.await_audio();
    let error = Err(Error::NoAudioTrack);
    assert_eq!(writer.write_audio(PCMU, &TWENTY, ms(0)), error);
    assert!(matches!(
        writer.with_audio(AudioConfig::new(PCMU).unwrap()),
        Err(Error::NoAudioTrack)
    ));
}

/// Kinds of the boxes of a file, and how many tracks its header has.
fn header(file: &[u8]) -> (usize, Vec<String>) {
    let (mut rest, mut kinds, mut tracks) = (file, Vec::new(), 0);
    while let Some(atom) = Any::decode_maybe(&mut rest).unwrap() {
        if let Any::Moov(moov) = &atom {
            tracks = moov.trak.len();
            assert_eq!(moov.mvex.as_ref().unwrap().trex.len(), tracks);
        }
        kinds.push(atom.kind().to_string());
    }
    (tracks, kinds)
}

#[test]
fn a_header_that_waits_for_sound() {
    let clip = clip(H264);
    let at = |index: usize| FRAME * u32::try_from(index).unwrap();
    // It never comes: after two seconds the file goes on without, as if it had not been asked for.
    let mut writer = Mp4Writer::new(clip.codec()).await_audio();
    let mut file = Vec::new();
    for (index, unit) in clip.units().enumerate() {
        file.extend(writer.write(unit, at(index)).unwrap());
        assert_eq!(file.is_empty(), at(index) < AUDIO_WAIT);
    }
    assert_eq!(
        writer.write_audio(PCMU, &TWENTY, at(100)),
        Err(Error::NoAudioTrack)
    );
    assert_eq!((writer.audio_format(), writer.audio_skipped()), (None, 1));
    file.extend(writer.finish().unwrap());
    assert_eq!(header(&file).0, 1);
    assert_eq!(tracks(&file)[0], tracks(&common::mp4(&clip))[0]);

    // It comes: the header is there at once, and says what the first frame is.
    let mut writer = Mp4Writer::new(clip.codec()).await_audio();
    let unit = clip.unit(0).unwrap();
    assert_eq!(writer.write(unit, at(0)), Ok(Vec::new()));
    let aac = aac_clip();
    // The camera says 8000 Hz, and the ADTS header 16000.
    let said = AudioFormat {
        rate: 8_000,
        ..aac.format()
    };
    let file = writer
        .write_audio(said, aac.frame(0).unwrap().0, at(1))
        .unwrap();
    assert_eq!(header(&file), (2, vec!["ftyp".into(), "moov".into()]));
    assert_eq!(
        writer.audio_format().unwrap().to_string(),
        "AAC, 16000 Hz, mono"
    );

    // It ends before any came.
    let mut writer = Mp4Writer::new(clip.codec()).await_audio();
    writer.write(unit, at(0)).unwrap();
    assert_eq!(
        header(&writer.finish().unwrap()),
        (
            1,
            ["ftyp", "moov", "moof", "mdat", "mfra"]
                .map(Into::into)
                .to_vec()
        )
    );
}

#[test]
fn what_mp4_does_not_hold_is_refused_and_the_picture_goes_on() {
    for codec in AudioCodec::ALL {
        let format = AudioFormat { codec, ..PCMU };
        let held = match codec {
            AudioCodec::AacLatm | AudioCodec::Adpcm | AudioCodec::Speex | AudioCodec::G726 => false,
            // MPEG audio has no such low rate.
            AudioCodec::Mp3 => false,
            _ => true,
        };
        let result = AudioConfig::new(format)
            .and_then(|config| Mp4Writer::new(Codec::H264).with_audio(config));
        assert_eq!(result.is_ok(), held, "{codec}");
        let mut writer = Mp4Writer::new(Codec::H264).await_audio();
        if !held {
            let error = writer.write_audio(format, &TWENTY, ms(0)).unwrap_err();
            assert!(matches!(error, Error::AudioNotInMp4 { .. }));
            assert!(error.to_string().starts_with(&codec.to_string()));
        }
    }
    let wide = AudioFormat {
        channels: 3,
        ..PCMU
    };
    assert!(AudioConfig::new(wide).is_err());
}

#[test]
fn frames_that_are_not_of_the_track_are_refused() {
    let (mut writer, _) = begun();
    let mut refused = 0;
    let mut error = |format, frame: &[u8]| {
        refused += 1;
        writer
            .write_audio(format, frame, ms(10_000))
            .unwrap_err()
            .to_string()
    };
    let pcma = AudioFormat {
        codec: AudioCodec::Pcma,
        ..PCMU
    };
    assert_eq!(
        error(pcma, &TWENTY),
        "expected sound as PCMU, 8000 Hz, mono, found PCMA, 8000 Hz, mono"
    );
    assert_eq!(
        error(PCMU, &[]),
        "expected a frame of PCMU with whole samples of every channel, found 0 bytes"
    );
    let pcm = AudioFormat {
        codec: AudioCodec::Pcm,
        channels: 2,
        ..PCMU
    };
    assert!(error(pcm, &[0; 6]).ends_with("found 6 bytes"));
    assert!(error(PCMU, &vec![0; MAX_AUDIO_FRAME_BYTES + 1]).ends_with("found 65537"));
    let adts = AudioFormat {
        codec: AudioCodec::AacAdts,
        ..PCMU
    };
    assert!(error(adts, &[0x21; 50]).contains("syncword"));
    let frame = aac_clip().frame(3).unwrap().0.clone();
    assert!(error(adts, &frame[..frame.len() - 1]).contains("the bytes it says"));
    let opus = AudioFormat {
        codec: AudioCodec::Opus,
        ..PCMU
    };
    assert!(error(opus, &[]).ends_with("no byte"));
    assert!(error(opus, &[0x03]).ends_with("no number of frames"));
    assert!(error(opus, &[0x1b, 3]).ends_with("3 frames of 2880 samples"));
    let mp3 = AudioFormat {
        codec: AudioCodec::Mp3,
        rate: 16_000,
        channels: 1,
    };
    assert!(error(mp3, b"ID3\x04").contains("layer III header, found 49 44"));
    assert_eq!(writer.audio_skipped(), refused);
    assert!(writer.write_audio(PCMU, &TWENTY, ms(10_000)).is_ok());

    assert_eq!(
        Mp4Writer::new(Codec::H264).write_audio(PCMU, &TWENTY, ms(0)),
        Err(Error::NoAudioTrack)
    );
}

#[test]
fn headers_are_taken_off_whatever_the_codec_is_called() {
    let clip = clip(H264);
    let adts = aac_clip();
    let raw = adts.clone().without_adts();
    let payloads: Vec<_> = raw.frames().map(|(frame, _)| frame.to_vec()).collect();
    let as_raw = |(format, frame, time): (AudioFormat, Bytes, Duration)| {
        let codec = AudioCodec::Aac;
        (AudioFormat { codec, ..format }, frame, time)
    };
    for sound in [&adts, &raw].map(|clip: &AudioClip| frames(clip, ms(0)).map(as_raw)) {
        let mut writer = Mp4Writer::new(clip.codec()).await_audio();
        let mut file = write(&mut writer, interleaved(&clip, FRAME, sound));
        file.extend(writer.finish().unwrap());
        let [_, stored] = tracks(&file);
        assert!(stored.iter().map(|sample| &sample.data).eq(&payloads));
        assert!(stored.iter().all(|sample| sample.duration == 1_024));
        let Some(Any::Moov(moov)) = ({
            let mut rest = &file[..];
            Any::decode_maybe(&mut rest).unwrap();
            Any::decode_maybe(&mut rest).unwrap()
        }) else {
            panic!("no moov")
        };
        let entry = &moov.trak[1].mdia.minf.stbl.stsd.codecs[0];
        let mp4_atom::Codec::Mp4a(mp4a) = entry else {
            panic!("{entry:?}")
        };
        let specific = mp4a.esds.es_desc.dec_config.dec_specific.clone().unwrap();
        assert_eq!(specific.raw, [0x14, 0x08]);
    }
}
