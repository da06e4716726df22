//! Files with audio: writing, reading back, and probing with ffprobe.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use mp4_atom::{Any, DecodeMaybe};
use tutk_media::{
    AccessUnit, AudioClip, AudioCodec, AudioFormat, Clip, LiveMp4, Mp4Writer, Segment, TsWriter,
    adts_frames, tone,
};

use super::{linear, run, run_bytes, tool};

pub(crate) const TONE: &[u8] = include_bytes!("../../../../tutk-cli/assets/tone.aac");

/// Audio frames with their times.
pub(crate) type Frames = Vec<(AudioFormat, Bytes, Duration)>;

/// A sample of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// In ticks of its track.
    pub(crate) time: u64,
    pub(crate) duration: u64,
    pub(crate) data: Vec<u8>,
}

impl Stored {
    pub(crate) fn end(&self) -> u64 {
        self.time + self.duration
    }
}

/// The samples of video and audio, from all whole fragments.
pub(crate) fn tracks(file: &[u8]) -> [Vec<Stored>; 2] {
    let mut tracks = [Vec::new(), Vec::new()];
    let mut rest = file;
    let mut moof = None;
    while let Ok(Some(atom)) = Any::decode_maybe(&mut rest) {
        match atom {
            Any::Moof(atom) => moof = Some(atom),
            Any::Mdat(mdat) => {
                let moof = moof.take().unwrap();
                let mut from = 0;
                for traf in &moof.traf {
                    let track = &mut tracks[usize::try_from(traf.tfhd.track_id).unwrap() - 1];
                    let mut time = traf.tfdt.as_ref().unwrap().base_media_decode_time;
                    for entry in traf.trun.iter().flat_map(|trun| &trun.samples) {
                        let size = usize::try_from(entry.size.unwrap()).unwrap();
                        let duration = entry.duration.unwrap().into();
                        track.push(Stored {
                            time,
                            duration,
                            data: mdat.data[from..from + size].to_vec(),
                        });
                        time += duration;
                        from += size;
                    }
                }
                assert_eq!(from, mdat.data.len());
            }
            _ => {}
        }
    }
    tracks
}

/// The test tone in frames of 20 ms.
pub(crate) fn tone_clip(codec: AudioCodec, rate: u32, channels: u8, ms: u32) -> AudioClip {
    let count = usize::try_from(rate * ms / 1_000).unwrap();
    let format = AudioFormat {
        codec,
        rate,
        channels,
    };
    let samples = tone(rate, channels, 0, count);
    AudioClip::from_pcm(&samples, format, Duration::from_millis(20)).unwrap()
}

/// The first 5 s of [`TONE`], as long as the clip.
pub(crate) fn aac_clip() -> AudioClip {
    let frames = adts_frames(TONE).take(78);
    let bytes = frames.map(|frame| frame.unwrap().data.len()).sum();
    AudioClip::from_adts(Bytes::from_static(&TONE[..bytes])).unwrap()
}

/// An access unit or an audio frame.
pub(crate) enum Item<'a> {
    Picture(&'a AccessUnit),
    Audio(AudioFormat, Bytes),
}

/// Video and audio in the order in which a camera sends them.
pub(crate) fn interleaved<'a>(
    clip: &'a Clip,
    frame: Duration,
    audio: impl IntoIterator<Item = (AudioFormat, Bytes, Duration)>,
) -> Vec<(Duration, Item<'a>)> {
    let mut items: Vec<_> = (0..)
        .map(|at| frame * at)
        .zip(clip.units())
        .map(|(time, unit)| (time, Item::Picture(unit)))
        .collect();
    let audio = audio.into_iter();
    items.extend(audio.map(|(format, data, time)| (time, Item::Audio(format, data))));
    items.sort_by_key(|(time, _)| *time);
    items
}

/// The frames of an audio clip, `offset` later.
pub(crate) fn frames(
    clip: &AudioClip,
    offset: Duration,
) -> impl Iterator<Item = (AudioFormat, Bytes, Duration)> {
    let format = clip.format();
    clip.frames()
        .map(move |(frame, time)| (format, frame.clone(), time + offset))
}

/// Writes an MP4 file. The times have an offset that a file must not contain.
pub(crate) fn write(writer: &mut Mp4Writer, items: Vec<(Duration, Item<'_>)>) -> Vec<u8> {
    let offset = Duration::from_secs(1_700_000_000);
    let mut file = Vec::new();
    for (time, item) in items {
        let time = time + offset;
        file.extend(match item {
            Item::Picture(unit) => writer.write(unit, time).unwrap(),
            Item::Audio(format, data) => writer.write_audio(format, &data, time).unwrap(),
        });
    }
    file
}

/// Writes live segments.
pub(crate) fn segments(live: &mut LiveMp4, items: Vec<(Duration, Item<'_>)>) -> Vec<Segment> {
    let mut segments = Vec::new();
    for (time, item) in items {
        segments.extend(match item {
            Item::Picture(unit) => live.write(unit, time).unwrap(),
            Item::Audio(format, data) => live.write_audio(format, &data, time).unwrap(),
        });
    }
    segments
}

/// Writes a transport stream.
pub(crate) fn write_ts(writer: &mut TsWriter, items: Vec<(Duration, Item<'_>)>) -> Vec<u8> {
    let mut stream = Vec::new();
    for (time, item) in items {
        stream.extend(match item {
            Item::Picture(unit) => writer.write(unit, time).unwrap(),
            Item::Audio(format, data) => writer.write_audio(format, &data, time).unwrap(),
        });
    }
    stream
}

/// The audio format according to ffprobe (`codec,rate,channels`), and the starts and ends of video
/// and audio in seconds.
pub(crate) struct Probed {
    pub(crate) format: String,
    pub(crate) starts: [f64; 2],
    pub(crate) ends: [f64; 2],
}

/// Checks that ffmpeg decodes a file without errors, and probes it.
pub(crate) fn probe(file: &Path) -> Probed {
    let show = |entries: &str, select: &str| {
        let line = "ffprobe -v error -of csv=p=0 -select_streams";
        run(tool(line)
            .args([select, "-show_entries", entries])
            .arg(file))
    };
    let mut ffmpeg = tool("ffmpeg -v error -i");
    run(ffmpeg.arg(file).args(["-f", "null", "-"]));
    let format = show("stream=codec_name,sample_rate,channels", "a");
    let mut probed = Probed {
        format: format.trim().to_owned(),
        starts: [f64::NAN; 2],
        ends: [f64::NAN; 2],
    };
    for (track, select) in ["v", "a"].into_iter().enumerate() {
        let start = show("stream=start_time", select);
        probed.starts[track] = start.trim().parse().unwrap();
        for line in show("packet=pts_time,duration_time", select).lines() {
            let (time, duration) = line.split_once(',').unwrap();
            // ffprobe 5.1 prints no durations of Opus in fragments.
            let duration = duration.trim_end_matches(',').parse().unwrap_or(0.0);
            probed.ends[track] = time.parse::<f64>().unwrap() + duration;
        }
    }
    probed
}

/// Decodes the audio of a file.
pub(crate) fn samples(file: &Path) -> Vec<i16> {
    let mut ffmpeg = tool("ffmpeg -v error -i");
    ffmpeg.arg(file).args(["-map", "0:a", "-f", "s16le", "-"]);
    linear(&run_bytes(&mut ffmpeg))
}

/// The positions of clicks, in samples.
pub(crate) fn clicks(samples: &[i16]) -> Vec<usize> {
    let mut clicks = Vec::new();
    let mut quiet_from = 0;
    for (at, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() > 15_000 {
            if at >= quiet_from {
                clicks.push(at);
            }
            // Peaks within 100 ms at 8 kHz are the same click.
            quiet_from = at + 800;
        }
    }
    clicks
}
