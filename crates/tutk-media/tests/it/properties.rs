//! Properties for any input.

use std::time::Duration;

use crate::common::audio::{aac_clip, tone_clip, tracks};
use crate::common::{H264, H265, access_unit};
use bytes::Bytes;
use proptest::prelude::*;
use tutk_media::{
    AccessUnit, AdtsHeader, AudioClip, AudioCodec, AudioConfig, AudioFormat, Clip, Codec, Mp4Audio,
    Mp4Writer, NalKind, SequenceParameters, Wav, WavFile, access_units, adts_frames,
    from_length_prefixed, nal_units, to_length_prefixed,
};

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

/// A truncated clip with some changed bytes.
fn corrupted() -> impl Strategy<Value = Vec<u8>> {
    let clip = prop_oneof![Just(&H264[..20_000]), Just(&H265[..20_000])];
    let changes = prop::collection::vec((0..20_000_usize, any::<u8>()), 0..40);
    (clip, changes, 0..=20_000_usize).prop_map(|(clip, changes, length)| {
        let mut bytes = clip.to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(length);
        bytes
    })
}

fn parse_everything(codec: Codec, stream: &[u8]) {
    let mut joined = Vec::new();
    for unit in access_units(codec, stream.to_vec()) {
        // Splitting a stream locates the same NAL units as parsing its access units.
        assert_eq!(AccessUnit::new(codec, unit.data().clone()), unit);
        joined.extend_from_slice(unit.data());
    }
    assert_eq!(joined, stream);
    let (mut sample, mut again) = (Vec::new(), Vec::new());
    to_length_prefixed(&access_unit(codec, stream), &mut sample);
    from_length_prefixed(&sample, 4, &mut again).unwrap();
    let nals = |stream| nal_units(stream).map(|nal| nal.payload);
    assert!(nals(stream).eq(nals(&again)));
    for nal in nal_units(stream) {
        assert!(!nal.payload.is_empty() && nal.payload.last() != Some(&0));
        if let Ok(parameters) = SequenceParameters::parse(codec, nal.payload) {
            assert_eq!(codec.kind(nal.payload), NalKind::Sps);
            assert!(parameters.width > 0 && parameters.height > 0);
        }
    }
    if let Ok(clip) = Clip::parse(Bytes::copy_from_slice(stream)) {
        assert!(clip.units().map(|unit| unit.data().len()).sum::<usize>() == stream.len());
        let mut writer = Mp4Writer::new(clip.codec());
        for unit in clip.units() {
            writer.write(unit, Duration::ZERO).unwrap();
        }
        assert_eq!(
            writer.stats().frames + writer.stats().skipped,
            clip.len() as u64
        );
        let _ = writer.finish();
    }
}

proptest! {
    #[test]
    fn splits_any_bytes_without_loss(codec in codec(), stream in stream()) {
        parse_everything(codec, &stream);
    }

    #[test]
    fn splits_corrupted_clips_without_loss(codec in codec(), stream in corrupted()) {
        parse_everything(codec, &stream);
    }

    #[test]
    fn parameter_sets_of_any_bytes_do_not_panic(codec in codec(), mut bytes in prop::collection::vec(any::<u8>(), 2..80)) {
        bytes[0] = if codec == Codec::H264 { 0x67 } else { 0x42 };
        bytes[1] = if codec == Codec::H264 { bytes[1] } else { 0x01 };
        let _ = SequenceParameters::parse(codec, &bytes);
    }

    #[test]
    fn splitting_does_not_depend_on_start_code_lengths(longer in prop::collection::vec(any::<bool>(), 120)) {
        let mut stream = Vec::new();
        for (nal, longer) in nal_units(H264).zip(longer) {
            stream.extend_from_slice(if longer { &[0, 0, 0, 1] } else { &[0, 0, 1] });
            stream.extend_from_slice(nal.payload);
        }
        let nals = |stream: &[u8]| -> Vec<usize> {
            access_units(Codec::H264, stream.to_vec()).map(|unit| unit.nals().len()).collect()
        };
        prop_assert_eq!(nals(&stream), nals(H264));
    }

    #[test]
    fn any_bytes_as_audio_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), adts in any::<bool>()) {
        if adts && bytes.len() > 2 {
            bytes[..2].copy_from_slice(&[0xff, 0xf1]);
        }
        let mut length = 0;
        for frame in adts_frames(&bytes).filter_map(Result::ok) {
            prop_assert_eq!(&bytes[length..length + frame.data.len()], frame.data);
            prop_assert_eq!(frame.payload().len() + frame.header.header_bytes, frame.data.len());
            length += frame.data.len();
        }
        let _ = AudioClip::from_adts(Bytes::copy_from_slice(&bytes));
        let _ = Wav::parse(&bytes);
        for codec in AudioCodec::ALL {
            let format = AudioFormat { codec, rate: 16_000, channels: 1 };
            let mut writer = Mp4Writer::with_audio(Codec::H264, Mp4Audio::Awaited).unwrap();
            let _ = writer.write_audio(format, &bytes, Duration::ZERO);
        }
    }

    /// A truncated WAV file with some changed bytes at the start.
    #[test]
    fn corrupted_wav_files_do_not_panic(
        samples in prop::collection::vec(any::<i16>(), 0..100),
        changes in prop::collection::vec((0..60_usize, any::<u8>()), 0..3),
        length in 0..300_usize,
    ) {
        let wav = Wav { rate: 8_000, channels: 1, samples };
        let mut file = wav.to_bytes().unwrap();
        prop_assert_eq!(Wav::parse(&file), Ok(wav));
        for (at, byte) in changes {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        file.truncate(length);
        if let Ok(wav) = WavFile::parse(&file) {
            prop_assert!(wav.data.len() + 28 <= file.len() && wav.format.rate > 0);
            let read = Wav::parse(&file).unwrap();
            prop_assert!(read.samples.len() <= wav.data.len());
            let again = wav.to_bytes().unwrap();
            prop_assert_eq!(WavFile::parse(&again), Ok(wav));
        }
    }

    #[test]
    fn adts_streams_parse_back(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 1..20),
    ) {
        let format = AudioFormat { codec: AudioCodec::Aac, rate: 44_100, channels: 2 };
        let stream: Vec<u8> = payloads
            .iter()
            .flat_map(|payload| [&AdtsHeader::write(format, payload.len()).unwrap(), &payload[..]].concat())
            .collect();
        let clip = AudioClip::from_adts(stream.into()).unwrap().without_adts();
        prop_assert_eq!(clip.format(), format);
        prop_assert!(clip.frames().map(|(frame, _)| frame).eq(&payloads));
    }

    /// With any clock, all skipped frames are counted and samples do not overlap.
    #[test]
    fn audio_and_video_at_any_time(
        times in prop::collection::vec((any::<bool>(), 0..4_000_u64, 0..200_u8), 1..150),
        aac in any::<bool>(),
        awaited in any::<bool>(),
    ) {
        let clip = Clip::parse(Bytes::from_static(H265)).unwrap();
        let sound = if aac { aac_clip() } else { tone_clip(AudioCodec::Pcm, 8_000, 2, 1_000) };
        let track = Mp4Audio::Track(AudioConfig::new(sound.format()).unwrap());
        let audio = if awaited { Mp4Audio::Awaited } else { track };
        let mut writer = Mp4Writer::with_audio(clip.codec(), audio).unwrap();
        let (mut file, mut units, mut sent, mut refused) = (Vec::new(), 0, 0, 0);
        for (at, (picture, time, jump)) in times.into_iter().enumerate() {
            // Mostly 20 ms later, sometimes anywhere.
            let time = Duration::from_millis(if jump == 0 { time * 10_000 } else { time % 50 + 20 * at as u64 });
            if picture {
                let unit = clip.unit(units % clip.len()).unwrap();
                file.extend(writer.write(unit, time).unwrap());
                units += 1;
            } else {
                let (frame, _) = sound.frame(sent % sound.len()).unwrap();
                match writer.write_audio(sound.format(), frame, time) {
                    Ok(bytes) => file.extend(bytes),
                    Err(_) => refused += 1,
                }
                sent += 1;
            }
        }
        prop_assert_eq!(writer.stats().frames + writer.stats().skipped, units as u64);
        let (frames, audio_frames) = (writer.stats().frames, writer.stats().audio_frames);
        prop_assert!(refused == 0 || awaited);
        if frames == 0 {
            prop_assert!(writer.finish().is_err());
            return Ok(());
        }
        prop_assert_eq!(audio_frames + writer.stats().audio_skipped, sent as u64);
        file.extend(writer.finish().unwrap());
        let [pictures, stored] = tracks(&file);
        prop_assert_eq!((pictures.len() as u64, stored.len() as u64), (frames, audio_frames));
        for pair in pictures.windows(2).chain(stored.windows(2)) {
            prop_assert!(pair[0].end() <= pair[1].time);
        }
    }
}
