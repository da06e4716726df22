//! MP4 and WAV files as ffmpeg reads them.

use std::fs;
use std::time::Duration;

use crate::common::audio::{
    Frames, Item, aac_clip, clicks, frames, interleaved, probe, samples, tone_clip, tracks, write,
};
use crate::common::encoded::{mp3, opus};
use crate::common::{FRAME, File, H264, clip, has_ffmpeg, linear, output, run, run_bytes, tool};
use bytes::Bytes;
use tutk_media::{
    AudioClip, AudioCodec, AudioConfig, AudioFormat, Mp4Audio, Mp4Writer, Wav, WavFile, g711, tone,
};

/// Writes the clip with this audio.
fn record(name: &str, sound: impl IntoIterator<Item = (AudioFormat, Bytes, Duration)>) -> File {
    let clip = clip(H264);
    let mut writer = Mp4Writer::with_audio(clip.codec(), Mp4Audio::Awaited).unwrap();
    let mut file = write(&mut writer, interleaved(&clip, FRAME, sound));
    file.extend(writer.finish().unwrap());
    File::new(name, &file)
}

/// Checks that both tracks start together and end at their times: video at 5 s, audio with its last
/// frame.
fn check(name: &str, sound: Frames, expected: &str, frame: f64) {
    let count = sound.len();
    let (_, _, last) = sound.last().unwrap();
    let end = last.as_secs_f64() + frame;
    let file = record(&format!("{name}.mp4"), sound);
    let probed = probe(&file.0);
    assert_eq!(probed.format, expected, "{name}");
    assert_eq!(probed.starts, [0.0, 0.0], "{name}");
    let ends = probed.ends;
    let probed_end = if expected.starts_with("opus") {
        end - frame
    } else {
        end
    };
    assert!(
        (ends[0] - 5.0).abs() < 1e-4 && (ends[1] - probed_end).abs() < 1e-4,
        "{name}: {ends:?}, {end}"
    );
    assert!((end - 5.0).abs() < frame.max(0.04) * 2.0, "{name}: {end}");
    let [_, stored] = tracks(&fs::read(&file.0).unwrap());
    let rate: f64 = expected.split(',').nth(1).unwrap().parse().unwrap();
    let stored_end = u32::try_from(stored.last().unwrap().end()).unwrap();
    assert!(
        (f64::from(stored_end) - end * rate).abs() < 1.0,
        "{name}: {stored_end}"
    );
    assert_eq!(stored.len(), count);
}

#[test]
fn every_codec_plays_in_sync() {
    if !has_ffmpeg() {
        return;
    }
    let all = |clip: &AudioClip| frames(clip, Duration::ZERO).collect::<Frames>();
    let aac = aac_clip();
    check("adts", all(&aac), "aac,16000,1", 0.064);
    check("aac", all(&aac.without_adts()), "aac,16000,1", 0.064);
    for (codec, rate, channels, expected) in [
        (AudioCodec::Pcm, 8_000, 1, "pcm_s16le,8000,1"),
        (AudioCodec::Pcm, 44_100, 2, "pcm_s16le,44100,2"),
        (AudioCodec::Pcmu, 8_000, 1, "pcm_mulaw,8000,1"),
        (AudioCodec::Pcma, 16_000, 1, "pcm_alaw,16000,1"),
        (AudioCodec::Pcma, 8_000, 2, "pcm_alaw,8000,2"),
    ] {
        let clip = tone_clip(codec, rate, channels, 5_000);
        check(expected, all(&clip), expected, 0.02);
    }
    check(
        "mp3-1",
        mp3(32_000, 288, 1_152, "64k"),
        "mp3,32000,1",
        0.036,
    );
    check("mp3-2", mp3(16_000, 144, 576, "32k"), "mp3,16000,1", 0.036);
    for frame_ms in ["2.5", "10", "20", "60"] {
        let frame = frame_ms.parse::<f64>().unwrap() / 1_000.0;
        check(
            &format!("opus-{frame_ms}"),
            opus(frame_ms),
            "opus,48000,1",
            frame,
        );
    }
}

#[test]
fn pcm_and_g711_round_trip() {
    if !has_ffmpeg() {
        return;
    }
    // Noise, with every code of G.711.
    let input: Vec<i16> = (0..40_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 16).to_le_bytes())
        .map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]]))
        .collect();
    for codec in [AudioCodec::Pcm, AudioCodec::Pcmu, AudioCodec::Pcma] {
        let format = AudioFormat {
            codec,
            rate: 8_000,
            channels: 1,
        };
        let clip = AudioClip::from_pcm(&input, format, Duration::from_millis(40)).unwrap();
        let file = record(&format!("exact-{codec}.mp4"), frames(&clip, Duration::ZERO));
        let expected: Vec<i16> = input
            .iter()
            .map(|sample| match codec {
                AudioCodec::Pcmu => g711::decode_pcmu(g711::encode_pcmu(*sample)),
                AudioCodec::Pcma => g711::decode_pcma(g711::encode_pcma(*sample)),
                _ => *sample,
            })
            .collect();
        assert!(samples(&file.0) == expected, "{codec}");
    }
}

#[test]
fn clicks_are_on_the_second() {
    if !has_ffmpeg() {
        return;
    }
    let pcmu = tone_clip(AudioCodec::Pcmu, 8_000, 1, 5_000);
    let file = record("clicks.mp4", frames(&pcmu, Duration::ZERO));
    let found = clicks(&samples(&file.0));
    assert_eq!(found, [1, 8_001, 16_001, 24_001, 32_001]);

    let file = record("clicks-aac.mp4", frames(&aac_clip(), Duration::ZERO));
    let samples = samples(&file.0);
    assert_eq!(samples.len(), 78 * 1_024);
    // The decoder misses the first click.
    let found = clicks(&samples);
    let found: Vec<_> = found.iter().rev().take(4).rev().collect();
    for (second, at) in (1..).zip(&found) {
        assert!(at.abs_diff(second * 16_000) < 16, "{found:?}");
    }
    assert_eq!(found.len(), 4);
}

#[test]
fn audio_starts_at_its_time_or_at_the_first_picture() {
    if !has_ffmpeg() {
        return;
    }
    let pcma = tone_clip(AudioCodec::Pcma, 8_000, 1, 3_000);
    let file = record("late.mp4", frames(&pcma, Duration::from_millis(1_710)));
    let probed = probe(&file.0);
    assert_eq!(probed.starts, [0.0, 1.71]);
    assert!((probed.ends[1] - 4.71).abs() < 1e-4);

    // Pictures start at 2 s with the second key frame. Earlier audio is skipped.
    let clip = clip(H264);
    let aac = aac_clip();
    let mut items = interleaved(&clip, FRAME, frames(&aac, Duration::ZERO));
    items.retain(|(time, item)| {
        matches!(item, Item::Audio(..)) || *time >= Duration::from_millis(1_000)
    });
    let mut writer = Mp4Writer::with_audio(clip.codec(), Mp4Audio::Awaited).unwrap();
    let mut bytes = write(&mut writer, items);
    // 32 audio frames of 64 ms start before 2 s.
    assert_eq!(
        (writer.stats().skipped, writer.stats().audio_skipped),
        (20, 32)
    );
    assert_eq!(
        (writer.stats().frames, writer.stats().audio_frames),
        (60, 46)
    );
    bytes.extend(writer.finish().unwrap());
    let file = File::new("before.mp4", &bytes);
    let probed = probe(&file.0);
    assert_eq!(probed.starts, [0.0, 0.048]);
    assert!((probed.ends[0] - 3.0).abs() < 1e-4 && (probed.ends[1] - 2.992).abs() < 1e-4);
}

#[test]
fn gaps_do_not_shift_later_audio() {
    if !has_ffmpeg() {
        return;
    }
    // 300 ms within a fragment, and 1.2 s across several.
    for (lost, from) in [(15, 60), (60, 110)] {
        let pcm = tone_clip(AudioCodec::Pcm, 8_000, 1, 5_000);
        let kept = frames(&pcm, Duration::ZERO)
            .enumerate()
            .filter(|(at, _)| !(from..from + lost).contains(at))
            .map(|(_, frame)| frame);
        let file = record(&format!("gap-{lost}.mp4"), kept);
        let probed = probe(&file.0);
        assert!((probed.ends[1] - 5.0).abs() < 1e-4);
        // The samples have no gap; the packet times do.
        let samples = samples(&file.0);
        assert_eq!(samples.len(), 40_000 - lost * 160);
        let [_, stored] = tracks(&fs::read(&file.0).unwrap());
        assert_eq!(stored[from].time, (from + lost) as u64 * 160);
        // Played with the gap, the clicks are on the second.
        let mut ffmpeg = tool("ffmpeg -v error -i");
        ffmpeg.arg(&file.0).args(["-map", "0:a", "-f", "s16le"]);
        ffmpeg.args(["-af", "aresample=async=1:first_pts=0", "-"]);
        let found = clicks(&linear(&run_bytes(&mut ffmpeg)));
        assert!(
            found.contains(&1) && found.iter().any(|at| at.abs_diff(32_001) < 9),
            "{found:?}"
        );
    }
}

#[test]
fn audio_stays_in_sync_for_a_minute() {
    if !has_ffmpeg() {
        return;
    }
    // The audio clip starts again with each run of the video clip.
    let (clip, aac) = (clip(H264), aac_clip());
    let mut writer = Mp4Writer::with_audio(
        clip.codec(),
        Mp4Audio::Track(AudioConfig::new(aac.format()).unwrap()),
    )
    .unwrap();
    let mut file = Vec::new();
    let run = Duration::from_secs(5);
    for at in 0..12 {
        let items = interleaved(&clip, FRAME, frames(&aac, Duration::ZERO))
            .into_iter()
            .map(|(time, item)| (time + run * at, item));
        file.extend(write(&mut writer, items.collect()));
    }
    assert_eq!(writer.stats().audio_skipped, 0);
    file.extend(writer.finish().unwrap());
    let file = File::new("minute.mp4", &file);
    let probed = probe(&file.0);
    assert_eq!(probed.format, "aac,16000,1");
    assert!((probed.ends[0] - 60.0).abs() < 1e-3 && (probed.ends[1] - 60.0).abs() < 0.064);
}

#[test]
fn truncated_files_play_to_their_last_whole_fragment() {
    if !has_ffmpeg() {
        return;
    }
    let pcmu = tone_clip(AudioCodec::Pcmu, 8_000, 1, 5_000);
    let whole = record("whole.mp4", frames(&pcmu, Duration::ZERO));
    let whole = fs::read(&whole.0).unwrap();
    for part in 2..20 {
        let cut = &whole[..whole.len() * part / 20];
        let [pictures, sound] = tracks(cut);
        let file = File::new(&format!("cut-{part}.mp4"), cut);
        // From a pipe: in a seekable file, ffmpeg 5.1 looks for all fragments first and fails on a
        // truncated `moof`.
        let mut ffmpeg = tool("ffmpeg -v quiet -i - -map 0:a -f mulaw -c copy -");
        let audio = output(&mut ffmpeg, &file.0);
        let expected: Vec<u8> = sound
            .iter()
            .flat_map(|sample| sample.data.clone())
            .collect();
        assert!(
            audio.starts_with(&expected),
            "{part}: {} of {}",
            audio.len(),
            expected.len()
        );
        let mut ffmpeg = tool("ffmpeg -v quiet -i - -map 0:v -f framemd5 -");
        let md5 = String::from_utf8(output(&mut ffmpeg, &file.0)).unwrap();
        let count = md5.lines().filter(|line| !line.starts_with('#')).count();
        assert!(
            count >= pictures.len() && (count > 0 || part < 5),
            "{part}: {count}"
        );
    }
}

#[test]
fn g711_matches_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    let codes: Vec<u8> = (0..=u8::MAX).collect();
    let input = File::new("codes", &codes);
    for (format, decode) in [
        ("mulaw", g711::decode_pcmu as fn(u8) -> i16),
        ("alaw", g711::decode_pcma),
    ] {
        let mut ffmpeg = tool(&format!("ffmpeg -v error -f {format} -i"));
        let theirs = run_bytes(ffmpeg.arg(&input.0).args(["-f", "s16le", "-"]));
        let ours: Vec<u8> = codes
            .iter()
            .flat_map(|code| decode(*code).to_le_bytes())
            .collect();
        assert_eq!(ours, theirs, "{format}");
    }
}

#[test]
fn parses_wav_files_from_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    let samples = tone(16_000, 2, 0, 1_000);
    let wav = Wav {
        rate: 16_000,
        channels: 2,
        samples,
    };
    let input = File::new("in.wav", &wav.to_bytes().unwrap());
    let convert = |args: &str| {
        // To a pipe, so that ffmpeg cannot write the sizes.
        let mut ffmpeg = tool("ffmpeg -v error -i");
        run_bytes(ffmpeg.arg(&input.0).args(args.split(' ')).arg("-"))
    };
    assert_eq!(Wav::parse(&convert("-f wav")), Ok(wav));
    let error = Wav::parse(&convert("-c:a pcm_s24le -f wav")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected linear PCM of 16 bits, found 24 bits"
    );
}

#[test]
fn wav_files_round_trip_through_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    // Every code of G.711, and an odd number of bytes if possible.
    let codes: Vec<u8> = (0..=u8::MAX).cycle().take(8_001).collect();
    for (codec, name, channels) in [
        (AudioCodec::Pcm, "pcm_s16le", 1_u8),
        (AudioCodec::Pcma, "pcm_alaw", 1),
        (AudioCodec::Pcmu, "pcm_mulaw", 1),
        (AudioCodec::Pcmu, "pcm_mulaw", 2),
    ] {
        let bytes = if codec == AudioCodec::Pcm { 2 } else { 1 };
        let frame = bytes * usize::from(channels);
        let wav = WavFile {
            format: AudioFormat {
                codec,
                rate: 8_000,
                channels,
            },
            data: &codes[..8_001 / frame * frame],
        };
        let whole = wav.to_bytes().unwrap();
        let streamed = [&WavFile::header(wav.format, None).unwrap(), wav.data].concat();
        for (how, file) in [("whole", whole), ("streamed", streamed)] {
            let file = File::new(&format!("{name}-{channels}-{how}.wav"), &file);
            let entries = "stream=codec_name,sample_rate,channels,duration_ts";
            let line = format!("ffprobe -v error -of csv=p=0 -show_entries {entries}");
            let shown = run(tool(&line).arg(&file.0));
            // Without a size, ffprobe measures the file.
            let samples = wav.data.len() / frame;
            let expected = format!("{name},8000,{channels},{samples}");
            assert_eq!(shown.trim(), expected, "{how}");
            let raw = name.trim_start_matches("pcm_");
            let copy = |format| {
                let mut ffmpeg = tool("ffmpeg -v error -i");
                run_bytes(ffmpeg.arg(&file.0).args(["-c", "copy", "-f", format, "-"]))
            };
            assert!(copy(raw) == wav.data, "{name} {how}");
            // ffmpeg writes a WAV file to a pipe.
            assert!(WavFile::parse(&copy("wav")) == Ok(wav), "{name} {how}");
        }
    }
}
