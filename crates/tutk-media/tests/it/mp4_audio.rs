//! Audio in MP4 files: positions, skipped frames and errors.

use std::time::Duration;

use crate::common::audio::{Item, Stored, aac_clip, frames, interleaved, tone_clip, tracks, write};
use crate::common::{FRAME, H264, clip, mp4};
use bytes::Bytes;
use mp4_atom::{Any, DecodeMaybe};
use tutk_media::{
    AUDIO_TOLERANCE, AUDIO_WAIT, AudioClip, AudioCodec, AudioConfig, AudioFormat, Codec, Error,
    MAX_AUDIO_FRAME_BYTES, MAX_EARLY_AUDIO_FRAMES, Mp4Audio, Mp4Writer, TIMESCALE,
};

const PCMU: AudioFormat = AudioFormat {
    codec: AudioCodec::Pcmu,
    rate: 8_000,
    channels: 1,
};

/// 20 ms of PCMU.
const FRAME_20_MS: [u8; 160] = [0xff; 160];

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A writer with the first picture of the clip at 10 s, and its output.
fn with_first_picture() -> (Mp4Writer, Vec<u8>) {
    let clip = clip(H264);
    let mut writer = Mp4Writer::with_audio(
        Codec::H264,
        Mp4Audio::Track(AudioConfig::new(PCMU).unwrap()),
    )
    .unwrap();
    let unit = clip.unit(0).unwrap();
    let file = writer.write(unit, ms(10_000)).unwrap();
    (writer, file)
}

/// The positions in the file of PCMU frames with these times, in milliseconds.
fn positions(times: &[u64]) -> Vec<u64> {
    let (mut writer, mut file) = with_first_picture();
    for time in times {
        let bytes = writer
            .write_audio(PCMU, &FRAME_20_MS, ms(10_000 + time))
            .unwrap();
        file.extend(bytes);
    }
    file.extend(writer.finish().unwrap());
    let [_, sound] = tracks(&file);
    check_no_overlap(&sound);
    sound.iter().map(|sample| sample.time / 8).collect()
}

/// Checks that samples do not overlap.
fn check_no_overlap(track: &[Stored]) {
    for pair in track.windows(2) {
        assert!(
            pair[0].end() <= pair[1].time && pair[0].duration > 0,
            "{pair:?}"
        );
    }
}

#[test]
fn small_clock_differences_are_ignored() {
    assert_eq!(positions(&[0, 20, 40, 60]), [0, 20, 40, 60]);
    assert_eq!(
        positions(&[0, 35, 12, 99, 60, 100]),
        [0, 20, 40, 60, 80, 100]
    );
    // Several frames with one time, within the tolerance.
    assert_eq!(positions(&[5, 5, 45, 45]), [5, 25, 45, 65]);
}

#[test]
fn large_gaps_are_kept() {
    assert_eq!(AUDIO_TOLERANCE, ms(40));
    assert_eq!(positions(&[0, 20, 80, 100]), [0, 20, 40, 60]);
    assert_eq!(positions(&[0, 20, 81, 101]), [0, 20, 81, 101]);
    // The frame before a gap lasts until the next one, across fragments too.
    let (mut writer, mut file) = with_first_picture();
    for time in [0, 20, 500, 3_000] {
        file.extend(
            writer
                .write_audio(PCMU, &FRAME_20_MS, ms(10_000 + time))
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
fn surplus_audio_is_skipped() {
    let (mut writer, _) = with_first_picture();
    for _ in 0..5 {
        writer.write_audio(PCMU, &FRAME_20_MS, ms(10_000)).unwrap();
    }
    assert_eq!(
        (writer.stats().audio_frames, writer.stats().audio_skipped),
        (3, 2)
    );
    assert_eq!(positions(&[0, 0, 0, 0, 0, 101, 121]), [0, 20, 40, 101, 121]);
}

#[test]
fn audio_follows_a_clock_that_is_set_back() {
    // The clock of the camera goes back by an hour.
    let clip = clip(H264);
    let pcmu = tone_clip(AudioCodec::Pcmu, 8_000, 1, 5_000);
    let mut writer = Mp4Writer::with_audio(
        clip.codec(),
        Mp4Audio::Track(AudioConfig::new(PCMU).unwrap()),
    )
    .unwrap();
    let hour = Duration::from_secs(3_600);
    let items = interleaved(&clip, FRAME, frames(&pcmu, Duration::ZERO))
        .into_iter()
        .map(|(time, item)| (if time >= ms(2_025) { time } else { time + hour }, item));
    let mut file = write(&mut writer, items.collect());
    file.extend(writer.finish().unwrap());
    let [pictures, sound] = tracks(&file);
    check_no_overlap(&sound);
    assert_eq!(pictures.last().unwrap().end(), u64::from(TIMESCALE) * 5);
    // Frames between the clock change and the next picture may be lost.
    assert!(sound.len() >= 248, "{}", sound.len());
    assert!(sound.last().unwrap().end().abs_diff(40_000) <= 40 * 8);

    // A frame from before the change that comes after a new picture does not jump by an hour.
    assert_eq!(positions(&[0, 20, 3_600_000, 60]), [0, 20, 40, 60]);
}

#[test]
fn audio_before_the_first_picture_is_skipped() {
    let clip = clip(H264);
    let mut writer = Mp4Writer::with_audio(Codec::H264, Mp4Audio::Awaited).unwrap();
    // A key frame arrives after the audio of its time.
    for time in [900, 920, 980, 1_000, 1_020] {
        assert_eq!(
            writer.write_audio(PCMU, &FRAME_20_MS, ms(time)),
            Ok(Vec::new())
        );
    }
    assert_eq!(writer.audio_format(), Some(PCMU));
    let unit = clip.unit(0).unwrap();
    let mut file = writer.write(unit, ms(985)).unwrap();
    assert_eq!(
        (writer.stats().audio_frames, writer.stats().audio_skipped),
        (2, 3)
    );
    file.extend(writer.finish().unwrap());
    let times: Vec<_> = tracks(&file)[1].iter().map(|sample| sample.time).collect();
    assert_eq!(times, [15 * 8, 35 * 8]);

    let mut writer = Mp4Writer::with_audio(Codec::H264, Mp4Audio::Awaited).unwrap();
    for _ in 0..MAX_EARLY_AUDIO_FRAMES + 10 {
        writer.write_audio(PCMU, &FRAME_20_MS, ms(0)).unwrap();
    }
    assert_eq!(writer.stats().audio_skipped, 10);
}

#[test]
fn truncated_files_lack_at_most_a_second() {
    let (clip, aac) = (clip(H264), aac_clip());
    let mut writer = Mp4Writer::with_audio(
        clip.codec(),
        Mp4Audio::Track(AudioConfig::new(aac.format()).unwrap()),
    )
    .unwrap();
    let mut file = Vec::new();
    for (time, item) in interleaved(&clip, FRAME, frames(&aac, Duration::ZERO)) {
        file.extend(write(&mut writer, vec![(time, item)]));
        let [pictures, sound] = tracks(&file);
        assert!(writer.stats().frames - pictures.len() as u64 <= 21);
        assert!(writer.stats().audio_frames - sound.len() as u64 <= 16);
    }
}

#[test]
fn audio_continues_without_new_pictures() {
    let (mut writer, mut file) = with_first_picture();
    for at in 0..500 {
        file.extend(
            writer
                .write_audio(PCMU, &FRAME_20_MS, ms(10_000 + 20 * at))
                .unwrap(),
        );
        let [pictures, sound] = tracks(&file);
        assert!(pictures.is_empty() && at + 1 - sound.len() as u64 <= 50);
    }
    // The picture gets its whole duration.
    let clip = clip(H264);
    let unit = clip.unit(1).unwrap();
    file.extend(writer.write(unit, ms(20_000)).unwrap());
    file.extend(writer.finish().unwrap());
    let [pictures, sound] = tracks(&file);
    assert_eq!(pictures[0].duration, 10 * u64::from(TIMESCALE));
    assert_eq!(sound.len(), 500);
    check_no_overlap(&sound);
}

#[test]
fn late_pictures_keep_their_positions() {
    // Audio is ahead of the pictures and ends fragments while a picture is open.
    let (clip, pcmu) = (clip(H264), tone_clip(AudioCodec::Pcmu, 8_000, 1, 5_000));
    let mut writer = Mp4Writer::with_audio(
        clip.codec(),
        Mp4Audio::Track(AudioConfig::new(PCMU).unwrap()),
    )
    .unwrap();
    let mut items = interleaved(&clip, FRAME, frames(&pcmu, Duration::ZERO));
    items.sort_by_key(|(time, item)| match item {
        Item::Picture(..) => *time + ms(330),
        Item::Audio(..) => *time,
    });
    let mut file = write(&mut writer, items);
    file.extend(writer.finish().unwrap());
    let [pictures, sound] = tracks(&file);
    let plain = tracks(&mp4(&clip))[0].clone();
    assert_eq!(pictures, plain);
    // Audio from before the first picture arrived is in its position.
    let times: Vec<_> = sound.iter().map(|sample| sample.time / 160).collect();
    assert_eq!(times, (0..250).collect::<Vec<_>>());
}

/// The number of tracks in the header of a file, and the types of its boxes.
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
fn header_waits_for_audio() {
    let clip = clip(H264);
    let at = |index: usize| FRAME * u32::try_from(index).unwrap();
    // Without audio, the file continues after two seconds, as if it had not been requested.
    let mut writer = Mp4Writer::with_audio(clip.codec(), Mp4Audio::Awaited).unwrap();
    let mut file = Vec::new();
    for (index, unit) in clip.units().enumerate() {
        file.extend(writer.write(unit, at(index)).unwrap());
        assert_eq!(file.is_empty(), at(index) < AUDIO_WAIT);
    }
    assert_eq!(
        writer.write_audio(PCMU, &FRAME_20_MS, at(100)),
        Err(Error::NoAudioTrack)
    );
    assert_eq!(
        (writer.audio_format(), writer.stats().audio_skipped),
        (None, 1)
    );
    file.extend(writer.finish().unwrap());
    assert_eq!(header(&file).0, 1);
    assert_eq!(tracks(&file)[0], tracks(&mp4(&clip))[0]);

    // With audio, the header is written at once with the format of the first frame.
    let mut writer = Mp4Writer::with_audio(clip.codec(), Mp4Audio::Awaited).unwrap();
    let unit = clip.unit(0).unwrap();
    assert_eq!(writer.write(unit, at(0)), Ok(Vec::new()));
    let aac = aac_clip();
    // The camera states 8000 Hz, and the ADTS header 16000.
    let stated = AudioFormat {
        rate: 8_000,
        ..aac.format()
    };
    let file = writer
        .write_audio(stated, aac.frame(0).unwrap().0, at(1))
        .unwrap();
    assert_eq!(header(&file), (2, vec!["ftyp".into(), "moov".into()]));
    assert_eq!(
        writer.audio_format().unwrap().to_string(),
        "AAC, 16000 Hz, mono"
    );

    // The file ends before any audio.
    let mut writer = Mp4Writer::with_audio(clip.codec(), Mp4Audio::Awaited).unwrap();
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
fn unsupported_audio_is_refused() {
    for codec in AudioCodec::ALL {
        let format = AudioFormat { codec, ..PCMU };
        let supported = match codec {
            AudioCodec::AacLatm | AudioCodec::Adpcm | AudioCodec::Speex | AudioCodec::G726 => false,
            // MPEG audio has no rate of 8000 Hz.
            AudioCodec::Mp3 => false,
            _ => true,
        };
        let result = AudioConfig::new(format)
            .and_then(|config| Mp4Writer::with_audio(Codec::H264, Mp4Audio::Track(config)));
        assert_eq!(result.is_ok(), supported, "{codec}");
        let mut writer = Mp4Writer::with_audio(Codec::H264, Mp4Audio::Awaited).unwrap();
        if !supported {
            let error = writer.write_audio(format, &FRAME_20_MS, ms(0)).unwrap_err();
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
fn invalid_frames_are_refused() {
    let (mut writer, _) = with_first_picture();
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
        error(pcma, &FRAME_20_MS),
        "expected audio as PCMU, 8000 Hz, mono, found PCMA, 8000 Hz, mono"
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
    assert!(error(adts, &frame[..frame.len() - 1]).contains("the size in its header"));
    let opus = AudioFormat {
        codec: AudioCodec::Opus,
        ..PCMU
    };
    assert!(error(opus, &[]).ends_with("an empty packet"));
    assert!(error(opus, &[0x03]).ends_with("no frame count"));
    assert!(error(opus, &[0x1b, 3]).ends_with("3 frames of 2880 samples"));
    let mp3 = AudioFormat {
        codec: AudioCodec::Mp3,
        rate: 16_000,
        channels: 1,
    };
    assert!(error(mp3, b"ID3\x04").contains("layer III header, found 49 44"));
    assert_eq!(writer.stats().audio_skipped, refused);
    assert!(writer.write_audio(PCMU, &FRAME_20_MS, ms(10_000)).is_ok());

    assert_eq!(
        Mp4Writer::new(Codec::H264).write_audio(PCMU, &FRAME_20_MS, ms(0)),
        Err(Error::NoAudioTrack)
    );
}

#[test]
fn adts_headers_are_removed_for_both_codecs() {
    let clip = clip(H264);
    let adts = aac_clip();
    let raw = adts.clone().without_adts();
    let payloads: Vec<_> = raw.frames().map(|(frame, _)| frame.to_vec()).collect();
    let as_raw = |(format, frame, time): (AudioFormat, Bytes, Duration)| {
        let codec = AudioCodec::Aac;
        (AudioFormat { codec, ..format }, frame, time)
    };
    for sound in [&adts, &raw].map(|clip: &AudioClip| frames(clip, ms(0)).map(as_raw)) {
        let mut writer = Mp4Writer::with_audio(clip.codec(), Mp4Audio::Awaited).unwrap();
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
