//! MPEG transport streams as players and analysers read them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::fs;
use std::time::Duration;

use common::encoded::{mp3, opus};
use common::sound::{Frames, Item, aac_clip, frames, interleaved};
use common::{FRAME, File, H264, H265, are_there, clip, decoded, ffmpeg_is_there};
use tutk_media::{AudioConfig, Clip, TsWriter, nal_units};

/// Writes a clip with this audio as a transport stream.
fn record(name: &str, clip: &Clip, sound: &Frames) -> File {
    let mut writer = TsWriter::new(clip.codec());
    if let Some((format, first, _)) = sound.first() {
        let config = AudioConfig::of_frame(*format, first).unwrap();
        writer = writer.with_audio(config).unwrap();
    }
    let mut stream = Vec::new();
    for (time, item) in interleaved(clip, FRAME, sound.clone()) {
        stream.extend(match item {
            Item::Picture(unit) => writer.write(unit, time).unwrap(),
            Item::Sound(format, data) => writer.write_audio(format, &data, time).unwrap(),
        });
    }
    assert_eq!((writer.skipped(), writer.audio_skipped()), (0, 0));
    File::new(name, &stream)
}

fn nals(stream: &[u8]) -> Vec<&[u8]> {
    nal_units(stream).map(|nal| nal.payload).collect()
}

/// Checks that ffmpeg demultiplexes a file without warnings.
fn no_warnings(file: &File) {
    let args = [
        "-v",
        "warning",
        "-i",
        file.name(),
        "-c",
        "copy",
        "-f",
        "null",
        "-",
    ];
    assert_eq!(common::run("ffmpeg", &args), "");
}

#[test]
fn ffmpeg_plays_video() {
    if !ffmpeg_is_there() {
        return;
    }
    for (bytes, codec, bare) in [(H264, "h264", "h264"), (H265, "hevc", "h265")] {
        let clip = clip(bytes);
        let file = record(&format!("{codec}.ts"), &clip, &Vec::new());
        no_warnings(&file);
        let bare = File::new(&format!("bare.{bare}"), bytes);
        assert_eq!(decoded(&file.0), decoded(&bare.0));
        // ffprobe prints the stream twice, for the program and for the file.
        let entries = "stream=codec_name,width,height,start_time,duration";
        let args = [
            "-v",
            "warning",
            "-show_entries",
            entries,
            "-of",
            "csv=p=0",
            file.name(),
        ];
        let shown = common::run("ffprobe", &args);
        let parameters = clip.parameters();
        let (width, height) = (parameters.width, parameters.height);
        // ffmpeg assumes the duration of the last picture.
        let seconds = clip.len() / 20;
        let expected = format!("{codec},{width},{height},1.000000,{seconds}.000000");
        assert_eq!(shown.lines().next(), Some(&expected[..]));
        let pts = common::packets(&file.0, "pts");
        let pts: Vec<u64> = pts.iter().filter_map(|pts| pts.parse().ok()).collect();
        let times: Vec<_> = (0..clip.len() as u64)
            .map(|at| 90_000 + at * 4_500)
            .collect();
        assert_eq!(pts, times);
    }
}

#[test]
fn ffmpeg_plays_audio() {
    if !ffmpeg_is_there() {
        return;
    }
    let clip = clip(H264);
    let aac: Frames = frames(&aac_clip(), Duration::ZERO).collect();
    let raw: Frames = frames(&aac_clip().without_adts(), Duration::ZERO).collect();
    for (name, sound, expected) in [
        ("adts", aac, "aac,16000,1"),
        ("aac", raw, "aac,16000,1"),
        ("mp3", mp3(32_000, 288, 1_152, "64k"), "mp3,32000,1"),
        ("mp3-2", mp3(16_000, 144, 576, "32k"), "mp3,16000,1"),
        ("opus", opus("20"), "opus,48000,1"),
    ] {
        let file = record(&format!("{name}.ts"), &clip, &sound);
        no_warnings(&file);
        let show = |entries: &str| {
            let select = [
                "-v",
                "error",
                "-select_streams",
                "a",
                "-show_entries",
                entries,
            ];
            common::run(
                "ffprobe",
                &[&select[..], &["-of", "csv=p=0", file.name()]].concat(),
            )
        };
        let shown = show("stream=codec_name,sample_rate,channels");
        assert_eq!(shown.lines().next(), Some(expected), "{name}");
        let args = [
            "-v",
            "error",
            "-i",
            file.name(),
            "-map",
            "0:a",
            "-c",
            "copy",
            "-f",
            "data",
            "-",
        ];
        let heard = common::run_bytes("ffmpeg", &args);
        let sent: Vec<u8> = sound
            .iter()
            .flat_map(|(_, frame, _)| frame.clone())
            .collect();
        // Raw AAC gets headers.
        let headers = if name == "aac" { 7 * sound.len() } else { 0 };
        assert_eq!(heard.len(), sent.len() + headers, "{name}");
        assert!(headers > 0 || heard == sent, "{name}");
        let (_, _, last) = sound.last().unwrap();
        let times = show("packet=pts_time");
        let times: Vec<f64> = times
            .lines()
            .filter_map(|line| line.trim_end_matches(',').parse().ok())
            .collect();
        assert_eq!(times.len(), sound.len(), "{name}");
        assert!((times[0] - 1.0).abs() < 1e-4, "{name}: {}", times[0]);
        let end = times.last().unwrap() - 1.0 - last.as_secs_f64();
        assert!(end.abs() < 1e-3, "{name}: {end}");
    }
}

#[test]
fn gstreamer_demultiplexes() {
    let packages = "gstreamer1.0-tools, and gstreamer1.0-plugins-base, -good and -bad";
    if !are_there(&["gst-launch-1.0"], "--version", packages) {
        return;
    }
    let sound: Frames = frames(&aac_clip(), Duration::ZERO).collect();
    for (bytes, parser) in [(H264, "h264parse"), (H265, "h265parse")] {
        let clip = clip(bytes);
        let file = record(&format!("{parser}.ts"), &clip, &sound);
        let (video, audio) = (common::path(parser), common::path(&format!("{parser}.aac")));
        let pipeline = format!(
            "filesrc location={} ! tsdemux name=demux \
             demux. ! queue ! {parser} config-interval=0 ! \
             video/x-{},stream-format=byte-stream,alignment=au ! filesink location={} \
             demux. ! queue ! audio/mpeg ! filesink location={}",
            file.name(),
            &parser[..4],
            video.display(),
            audio.display(),
        );
        let args: Vec<_> = ["-q"]
            .into_iter()
            .chain(pipeline.split_whitespace())
            .collect();
        common::run("gst-launch-1.0", &args);
        let (seen, heard) = (fs::read(&video).unwrap(), fs::read(&audio).unwrap());
        fs::remove_file(&video).unwrap();
        fs::remove_file(&audio).unwrap();
        // Everything except the delimiters.
        let delimiter: &[u8] = if parser == "h264parse" {
            &[0x09]
        } else {
            &[0x46]
        };
        let mut seen = nals(&seen);
        seen.retain(|nal| !nal.starts_with(delimiter));
        assert!(seen == nals(bytes), "{parser}");
        let sent: Vec<u8> = sound
            .iter()
            .flat_map(|(_, frame, _)| frame.clone())
            .collect();
        assert!(heard == sent, "{parser}");
    }
}

#[test]
fn wireshark_finds_no_errors() {
    if !are_there(&["tshark"], "--version", "tshark") {
        return;
    }
    let sound: Frames = frames(&aac_clip(), Duration::ZERO).collect();
    let file = record("shark.ts", &clip(H265), &sound);
    let packets = fs::metadata(&file.0).unwrap().len() / 188;
    let fields = |filter: &str| {
        let args = [
            "-o",
            "mpeg_sect.verify_crc:TRUE",
            "-r",
            file.name(),
            "-Y",
            filter,
            "-T",
            "fields",
            "-e",
            "frame.number",
        ];
        // tshark warns if it runs as root.
        let out = std::process::Command::new("tshark")
            .args(args)
            .output()
            .unwrap();
        assert!(out.status.success());
        String::from_utf8(out.stdout).unwrap().lines().count() as u64
    };
    assert_eq!(fields("mp2t"), packets);
    // Tables before each key frame and twice per second; time stamps for each frame.
    assert_eq!((fields("mpeg_pat"), fields("mpeg_pmt")), (4, 4));
    assert_eq!(fields("mpeg-pes.pts"), 40 + sound.len() as u64);
    let wrong = "mp2t.cc.drop || mp2t.analysis.drops || _ws.malformed || mpeg_sect.crc.invalid";
    assert_eq!(fields(wrong), 0);
}
