//! FLAC, decoded by claxon and ffmpeg.

use crate::common::audio::{
    aac_clip, frames, interleaved, probe, samples as decoded_samples, segments, tone_clip, tracks,
};
use crate::common::{FRAME, File, H264, clip, has_ffmpeg, linear, run_bytes, tool};
use claxon::FlacReader;
use proptest::prelude::*;
use std::time::Duration;
use tutk_media::{
    AudioCodec, AudioConfig, AudioFormat, Error, FlacEncoder, LiveMp4, MAX_FLAC_BLOCK, Mp4Audio,
    g711, tone,
};

/// Encodes audio frames as a file.
fn file(format: AudioFormat, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = FlacEncoder::new(format).unwrap();
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    file.extend(encoder.stream_info());
    for frame in frames {
        for block in encoder.encode(frame).unwrap() {
            assert!((16..=MAX_FLAC_BLOCK).contains(&(block.samples as usize)));
            file.extend(block.data);
        }
    }
    file
}

/// Decodes audio frames.
fn samples(codec: AudioCodec, frames: &[Vec<u8>]) -> Vec<i16> {
    let bytes = frames.concat();
    match codec {
        AudioCodec::Pcmu => bytes.iter().map(|byte| g711::decode_pcmu(*byte)).collect(),
        AudioCodec::Pcma => bytes.iter().map(|byte| g711::decode_pcma(*byte)).collect(),
        _ => linear(&bytes),
    }
}

fn decoded(file: &[u8], channels: u8) -> Vec<i16> {
    let mut reader = FlacReader::new(file).unwrap();
    let info = reader.streaminfo();
    assert_eq!((info.bits_per_sample, info.channels), (16, channels.into()));
    let samples = reader.samples().map(|sample| sample.unwrap() as i16);
    samples.collect()
}

fn formats() -> impl Strategy<Value = AudioFormat> {
    const CODECS: &[AudioCodec] = &[AudioCodec::Pcm, AudioCodec::Pcmu, AudioCodec::Pcma];
    const RATES: &[u32] = &[8_000, 16_000, 11_025, 48_000, 65_535];
    (
        proptest::sample::select(CODECS),
        proptest::sample::select(RATES),
        1_u8..=2,
    )
        .prop_map(|(codec, rate, channels)| AudioFormat {
            codec,
            rate,
            channels,
        })
}

/// Noise of all levels, steps, silence and sines.
fn sounds() -> impl Strategy<Value = Vec<i16>> {
    let length = prop_oneof![16_usize..400, 4_000_usize..10_000];
    let noise = (0_u32..16, length.clone()).prop_flat_map(|(quiet, length)| {
        let loudest = i16::MAX >> quiet.min(14);
        proptest::collection::vec(-loudest - 1..=loudest, length)
    });
    let steps = (length.clone(), any::<i16>(), any::<i16>(), 1_usize..50).prop_map(
        |(length, high, low, period)| {
            let step = |at| if at / period % 2 == 0 { high } else { low };
            (0..length).map(step).collect()
        },
    );
    let sine =
        (length, 1_usize..4_000).prop_map(|(length, from)| tone(8_000, 1, from as u64, length));
    prop_oneof![noise, steps, sine]
}

fn encoded(format: AudioFormat, samples: &[i16]) -> Vec<u8> {
    let whole = samples.len() - samples.len() % usize::from(format.channels);
    let samples = samples[..whole].iter();
    match format.codec {
        AudioCodec::Pcmu => samples.map(|sample| g711::encode_pcmu(*sample)).collect(),
        AudioCodec::Pcma => samples.map(|sample| g711::encode_pcma(*sample)).collect(),
        _ => samples.flat_map(|sample| sample.to_le_bytes()).collect(),
    }
}

proptest! {
    #[test]
    fn samples_round_trip(
        format in formats(),
        sounds in proptest::collection::vec(sounds(), 1..5),
    ) {
        let frames: Vec<_> = sounds.iter().map(|sound| encoded(format, sound)).collect();
        let least = 16 * encoded(format, &[0; 2]).len() / 2 * usize::from(format.channels);
        let frames: Vec<_> = frames.into_iter().filter(|frame| frame.len() >= least).collect();
        prop_assume!(!frames.is_empty());
        let file = file(format, &frames);
        prop_assert_eq!(decoded(&file, format.channels), samples(format.codec, &frames));
        // At most the size of linear samples and headers.
        let linear: usize = frames.iter().map(|frame| frame.len() * if format.codec == AudioCodec::Pcm { 1 } else { 2 }).sum();
        prop_assert!(file.len() <= linear + 42 + 40 * frames.len());
    }
}

#[test]
fn ffmpeg_decodes_flac_to_the_source() {
    if !has_ffmpeg() {
        return;
    }
    for (codec, rate, channels) in [
        (AudioCodec::Pcmu, 8_000, 1),
        (AudioCodec::Pcma, 16_000, 1),
        (AudioCodec::Pcm, 44_100, 2),
        (AudioCodec::Pcm, 12_000, 1),
    ] {
        let format = AudioFormat {
            codec,
            rate,
            channels,
        };
        let sound = encoded(format, &tone(rate, channels, 0, rate as usize));
        let frame = encoded(format, &[0; 320]).len();
        let frames: Vec<_> = sound.chunks(frame).map(<[u8]>::to_vec).collect();
        let file = File::new(&format!("{codec}-{rate}.flac"), &file(format, &frames));
        let mut ffmpeg = tool("ffmpeg -v error -i");
        let pcm = run_bytes(ffmpeg.arg(&file.0).args(["-f", "s16le", "-"]));
        assert!(linear(&pcm) == samples(codec, &frames), "{format}");
    }
}

#[test]
fn flac_size_is_bounded() {
    let format = |codec, rate| AudioFormat {
        codec,
        rate,
        channels: 1,
    };
    // A sine with noise 30 dB below.
    let mut noise = 1_u32;
    let mut noisy = tone(16_000, 1, 0, 16_000);
    for sample in &mut noisy {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *sample = sample.saturating_add((noise >> 24) as i16 - 128);
    }
    let size = |codec| {
        let sound = encoded(format(codec, 16_000), &noisy);
        let frames: Vec<_> = sound.chunks(sound.len() / 50).map(<[u8]>::to_vec).collect();
        file(format(codec, 16_000), &frames).len() as f64 / sound.len() as f64
    };
    assert!(size(AudioCodec::Pcm) < 0.7, "{}", size(AudioCodec::Pcm));
    assert!(size(AudioCodec::Pcmu) < 1.4, "{}", size(AudioCodec::Pcmu));
}

/// Writes live MP4 with FLAC from audio frames of this many milliseconds.
fn live(codec: AudioCodec, frame: u64) -> (LiveMp4, Vec<u8>, Vec<Vec<u8>>) {
    let clip = clip(H264);
    let sound = tone_clip(codec, 16_000, 1, 5_000);
    let bytes: Vec<u8> = sound.frames().flat_map(|(data, _)| data.to_vec()).collect();
    let size = sound.frame(0).unwrap().0.len() * frame as usize / 20;
    let sounds: Vec<_> = bytes.chunks(size).map(<[u8]>::to_vec).collect();
    let config = AudioConfig::new(sound.format()).unwrap();
    let mut live = LiveMp4::with_audio(clip.codec(), Mp4Audio::Flac(config)).unwrap();
    let timed = (0..).zip(&sounds).map(|(at, data)| {
        let time = Duration::from_millis(frame) * at;
        (sound.format(), data.clone().into(), time)
    });
    let mut file = Vec::new();
    for segment in segments(&mut live, interleaved(&clip, FRAME, timed)) {
        file.extend(segment.init.into_iter().flat_map(|init| init.data));
        file.extend(segment.data);
    }
    (live, file, sounds)
}

#[test]
fn mp4_with_flac_decodes_to_the_source() {
    if !has_ffmpeg() {
        return;
    }
    for (codec, frame) in [
        (AudioCodec::Pcmu, 20),
        (AudioCodec::Pcma, 64),
        // Longer than a block: split in two.
        (AudioCodec::Pcm, 500),
    ] {
        let (live, file, sounds) = live(codec, frame);
        let mime = live.init().unwrap().mime_type();
        assert_eq!(mime, "video/mp4; codecs=\"avc1.4D401F,flac\"");
        let file = File::new(&format!("flac-{codec}.mp4"), &file);
        let probed = probe(&file.0);
        assert_eq!(probed.format, "flac,16000,1");
        assert_eq!(probed.starts, [0.0; 2], "{codec}");
        assert!(
            decoded_samples(&file.0) == samples(codec, &sounds),
            "{codec}"
        );
        let [_, stored] = tracks(&std::fs::read(&file.0).unwrap());
        let blocks = sounds.len() * if frame == 500 { 2 } else { 1 };
        assert_eq!(stored.len(), blocks);
        assert_eq!(stored.last().unwrap().end(), 5 * 16_000);
        assert_eq!(live.stats().audio_frames, sounds.len() as u64);
    }
}

#[test]
fn invalid_frames_are_refused() {
    let clip = clip(H264);
    let aac = aac_clip();
    let config = AudioConfig::new(aac.format()).unwrap();
    let error = LiveMp4::with_audio(clip.codec(), Mp4Audio::Flac(config)).unwrap_err();
    assert!(matches!(error, Error::FlacSource { .. }), "{error}");

    let sound = tone_clip(AudioCodec::Pcmu, 8_000, 1, 100);
    let config = AudioConfig::new(sound.format()).unwrap();
    let mut live = LiveMp4::with_audio(clip.codec(), Mp4Audio::Flac(config)).unwrap();
    live.write(clip.unit(0).unwrap(), FRAME).unwrap();
    let mut write = |format, data: &[u8]| live.write_audio(format, data, FRAME);
    let error = write(sound.format(), &[0xff; 15]).unwrap_err();
    assert!(matches!(error, Error::AudioFrame { .. }), "{error}");
    let (format, frame, _) = frames(&aac, FRAME).next().unwrap();
    let error = write(format, &frame).unwrap_err();
    assert!(matches!(error, Error::AudioChanged { .. }), "{error}");
    assert!(write(sound.format(), &[0xff; 16]).unwrap().is_some());
    assert_eq!(live.stats().audio_skipped, 2);
}
