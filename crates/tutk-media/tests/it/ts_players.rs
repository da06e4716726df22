//! MPEG transport streams as players and analysers read them.

use std::fs;
use std::time::Duration;

use crate::common::audio::{Frames, aac_clip, frames, interleaved, write_ts};
use crate::common::encoded::{mp3, opus};
use crate::common::{
    FRAME, File, H264, H265, are_installed, clip, decoded, has_ffmpeg, has_gstreamer, nals,
    packets, path, run, run_bytes, tool,
};
use tutk_media::{AudioConfig, Clip, TsWriter};

/// Writes a clip with this audio as a transport stream.
fn record(name: &str, clip: &Clip, sound: &Frames) -> File {
    let mut writer = match sound.first() {
        Some((format, first, _)) => {
            let config = AudioConfig::of_frame(*format, first).unwrap();
            TsWriter::with_audio(clip.codec(), config).unwrap()
        }
        None => TsWriter::new(clip.codec()),
    };
    let stream = write_ts(&mut writer, interleaved(clip, FRAME, sound.clone()));
    assert_eq!(
        (writer.stats().skipped, writer.stats().audio_skipped),
        (0, 0)
    );
    File::new(name, &stream)
}

/// Checks that ffmpeg demultiplexes a file without warnings.
fn no_warnings(file: &File) {
    let mut ffmpeg = tool("ffmpeg -v warning -i");
    run(ffmpeg.arg(&file.0).args(["-c", "copy", "-f", "null", "-"]));
}

#[test]
fn ffmpeg_plays_video() {
    if !has_ffmpeg() {
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
        let line = format!("ffprobe -v warning -of csv=p=0 -show_entries {entries}");
        let shown = run(tool(&line).arg(&file.0));
        let parameters = clip.parameters();
        let (width, height) = (parameters.width, parameters.height);
        // ffmpeg assumes the duration of the last picture.
        let seconds = clip.len() / 20;
        let expected = format!("{codec},{width},{height},1.000000,{seconds}.000000");
        assert_eq!(shown.lines().next(), Some(&expected[..]));
        let pts = packets(&file.0, "pts");
        let pts: Vec<u64> = pts.iter().filter_map(|pts| pts.parse().ok()).collect();
        let times: Vec<_> = (0..clip.len() as u64)
            .map(|at| 90_000 + at * 4_500)
            .collect();
        assert_eq!(pts, times);
    }
}

#[test]
fn ffmpeg_plays_audio() {
    if !has_ffmpeg() {
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
            let line = "ffprobe -v error -of csv=p=0 -select_streams a -show_entries";
            run(tool(line).arg(entries).arg(&file.0))
        };
        let shown = show("stream=codec_name,sample_rate,channels");
        assert_eq!(shown.lines().next(), Some(expected), "{name}");
        let mut ffmpeg = tool("ffmpeg -v error -i");
        ffmpeg.arg(&file.0).args(["-map", "0:a", "-c", "copy"]);
        let received = run_bytes(ffmpeg.args(["-f", "data", "-"]));
        let sent: Vec<u8> = sound
            .iter()
            .flat_map(|(_, frame, _)| frame.clone())
            .collect();
        // Raw AAC gets headers.
        let headers = if name == "aac" { 7 * sound.len() } else { 0 };
        assert_eq!(received.len(), sent.len() + headers, "{name}");
        assert!(headers > 0 || received == sent, "{name}");
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
    if !has_gstreamer() {
        return;
    }
    let sound: Frames = frames(&aac_clip(), Duration::ZERO).collect();
    for (bytes, parser) in [(H264, "h264parse"), (H265, "h265parse")] {
        let clip = clip(bytes);
        let file = record(&format!("{parser}.ts"), &clip, &sound);
        let (video, audio) = (path(parser), path(&format!("{parser}.aac")));
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
        run(tool("gst-launch-1.0 -q").args(pipeline.split_whitespace()));
        let (pictures, frames) = (fs::read(&video).unwrap(), fs::read(&audio).unwrap());
        fs::remove_file(&video).unwrap();
        fs::remove_file(&audio).unwrap();
        // Everything except the delimiters.
        let delimiter: &[u8] = if parser == "h264parse" {
            &[0x09]
        } else {
            &[0x46]
        };
        let mut received = nals(&pictures);
        received.retain(|nal| !nal.starts_with(delimiter));
        assert!(received == nals(bytes), "{parser}");
        let sent: Vec<u8> = sound
            .iter()
            .flat_map(|(_, frame, _)| frame.clone())
            .collect();
        assert!(frames == sent, "{parser}");
    }
}

#[test]
fn wireshark_finds_no_errors() {
    if !are_installed(&["tshark"], "--version", "tshark") {
        return;
    }
    let sound: Frames = frames(&aac_clip(), Duration::ZERO).collect();
    let file = record("shark.ts", &clip(H265), &sound);
    let packets = fs::metadata(&file.0).unwrap().len() / 188;
    let fields = |filter: &str| {
        let mut tshark = tool("tshark -o mpeg_sect.verify_crc:TRUE -T fields -e frame.number -r");
        // tshark warns if it runs as root.
        let out = tshark.arg(&file.0).args(["-Y", filter]).output().unwrap();
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
