//! RTP as GStreamer receives it. The players of tutk-serve's tests receive it from an RTSP server.

use std::fs;
use std::time::Duration;

use crate::common::audio::{Frames, aac_clip, frames, tone_clip};
use crate::common::encoded::{mp3, opus};
use crate::common::rtp::Sender;
use crate::common::{
    FRAME, File, H264, H265, clip, has_ffmpeg, has_gstreamer, nals, path, run, tool,
};
use tutk_media::{
    AudioCodec, AudioConfig, Clip, Codec, MediaDescription, ParameterSets, RTP_PACKET_BYTES,
    rtp_timestamp,
};

fn append(rtp: &mut Sender, frame: &[u8], time: Duration, out: &mut Vec<Vec<u8>>) {
    // Timestamps wrap within the stream.
    let timestamp = rtp_timestamp(time, rtp.clock_rate()).wrapping_sub(20_000);
    out.extend(rtp.packets(frame, timestamp));
}

/// A stream and its packets.
struct Stream {
    media: MediaDescription,
    packets: Vec<Vec<u8>>,
}

/// The stream of a clip. The parameter sets of its first key frame are in the description.
fn video(clip: &Clip, packet_bytes: usize) -> Stream {
    let sets = ParameterSets::of(clip.unit(0).unwrap());
    let mut rtp = Sender::video(clip.codec(), packet_bytes);
    let mut packets = Vec::new();
    for (at, unit) in (0..).zip(clip.units()) {
        append(&mut rtp, unit.data(), FRAME * at, &mut packets);
    }
    Stream {
        media: MediaDescription::video(&sets, 96),
        packets,
    }
}

fn audio_stream(frames: &Frames, packet_bytes: usize) -> Stream {
    let (format, first, _) = &frames[0];
    let audio = AudioConfig::of_frame(*format, first).unwrap();
    let mut rtp = Sender::audio(audio, packet_bytes);
    let mut packets = Vec::new();
    for (_, frame, time) in frames {
        append(&mut rtp, frame, *time, &mut packets);
    }
    let media = MediaDescription::audio(audio, 97).unwrap();
    Stream { media, packets }
}

/// An audio stream and its depayloader in GStreamer.
struct AudioStream {
    name: &'static str,
    frames: Frames,
    packet_bytes: usize,
    /// The format of the bare stream, if frames joined are one.
    raw: Option<&'static str>,
    depayloader: &'static str,
}

fn audio_streams() -> Vec<AudioStream> {
    let all = |clip: &tutk_media::AudioClip| frames(clip, Duration::ZERO).collect::<Frames>();
    let mut streams = Vec::new();
    let mut add = |name, frames, packet_bytes, raw, depayloader| {
        streams.push(AudioStream {
            name,
            frames,
            packet_bytes,
            raw,
            depayloader,
        });
    };
    add(
        "aac",
        all(&aac_clip()),
        RTP_PACKET_BYTES,
        None,
        "rtpmp4gdepay",
    );
    add("aac-parts", all(&aac_clip()), 100, None, "rtpmp4gdepay");
    for (name, codec, rate, channels, raw, depayloader) in [
        ("pcmu", AudioCodec::Pcmu, 8_000, 1, "mulaw", "rtppcmudepay"),
        ("pcma", AudioCodec::Pcma, 8_000, 1, "alaw", "rtppcmadepay"),
        (
            "pcma-16",
            AudioCodec::Pcma,
            16_000,
            1,
            "alaw",
            "rtppcmadepay",
        ),
        ("l16", AudioCodec::Pcm, 16_000, 1, "s16le", "rtpL16depay"),
        (
            "l16-stereo",
            AudioCodec::Pcm,
            44_100,
            2,
            "s16le",
            "rtpL16depay",
        ),
    ] {
        let clip = tone_clip(codec, rate, channels, 5_000);
        add(name, all(&clip), RTP_PACKET_BYTES, Some(raw), depayloader);
    }
    add("opus", opus("20"), RTP_PACKET_BYTES, None, "rtpopusdepay");
    let mp3 = mp3(32_000, 288, 1_152, "64k");
    add(
        "mp3",
        mp3.clone(),
        RTP_PACKET_BYTES,
        Some("mp3"),
        "rtpmpadepay",
    );
    add("mp3-parts", mp3, 100, Some("mp3"), "rtpmpadepay");
    streams
}

/// Returns the buffers that a depayloader of GStreamer produces.
fn depayload(name: &str, stream: &Stream, elements: &str) -> Vec<Vec<u8>> {
    // RFC 4571: each packet after its length.
    let framed: Vec<u8> = stream
        .packets
        .iter()
        .flat_map(|packet| {
            let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
            [&length, &packet[..]].concat()
        })
        .collect();
    let input = File::new(&format!("{name}.rtp"), &framed);
    let folder = path(&format!("{name}.frames"));
    fs::create_dir(&folder).unwrap();
    // The description as GStreamer formats it.
    let media = &stream.media;
    let mut parts = media.rtpmap.split('/');
    let (encoding, rate) = (parts.next().unwrap(), parts.next().unwrap());
    let mut caps = format!(
        "application/x-rtp-stream,media={},payload={},clock-rate={rate},encoding-name={}",
        media.media,
        media.payload_type,
        encoding.to_uppercase()
    );
    if let Some(channels) = parts.next() {
        caps += &format!(",encoding-params=(string){channels},channels={channels}");
    }
    for field in media.fmtp.iter().flat_map(|fmtp| fmtp.split(';')) {
        let (key, value) = field.split_once('=').unwrap();
        caps += &format!(",{key}=(string)\"{value}\"");
    }
    let mut gstreamer = tool("gst-launch-1.0 -q filesrc");
    gstreamer.args([&format!("location={}", input.name()), "!", &caps]);
    gstreamer.args(["!", "rtpstreamdepay", "!"]);
    gstreamer.args(elements.split(' '));
    gstreamer.args(["!", "multifilesink"]);
    run(gstreamer.arg(format!("location={}/%06d", folder.display())));
    let mut names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let buffers = names.iter().map(|name| fs::read(name).unwrap()).collect();
    fs::remove_dir_all(&folder).unwrap();
    buffers
}

#[test]
fn gstreamer_receives_video() {
    if !has_gstreamer() {
        return;
    }
    for bytes in [H264, H265] {
        let clip = clip(bytes);
        let elements = match clip.codec() {
            Codec::H264 => "rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=au",
            Codec::H265 => "rtph265depay ! video/x-h265,stream-format=byte-stream,alignment=au",
        };
        for packet_bytes in [200, RTP_PACKET_BYTES, 65_535] {
            let name = format!("{}-{packet_bytes}", clip.codec());
            let received = depayload(&name, &video(&clip, packet_bytes), elements);
            let mut sets = nals(clip.unit(0).unwrap().data());
            sets.truncate(if clip.codec() == Codec::H264 { 2 } else { 3 });
            assert_eq!(received.len(), clip.len(), "{name}");
            for (at, (received, unit)) in received.iter().zip(clip.units()).enumerate() {
                // The sets of the description come first.
                let sets = if at == 0 { sets.clone() } else { Vec::new() };
                assert!(
                    nals(received) == [sets, nals(unit.data())].concat(),
                    "{name} {at}"
                );
            }
        }
    }
}

#[test]
fn gstreamer_receives_audio() {
    if !has_gstreamer() || !has_ffmpeg() {
        return;
    }
    for audio in audio_streams() {
        let AudioStream {
            name,
            frames,
            packet_bytes,
            raw,
            depayloader,
        } = audio;
        let stream = audio_stream(&frames, packet_bytes);
        let received = depayload(name, &stream, depayloader);
        let mut sent: Vec<Vec<u8>> = frames.iter().map(|(_, frame, _)| frame.to_vec()).collect();
        if name.starts_with("aac") {
            sent.iter_mut().for_each(|frame| drop(frame.drain(..7)));
        }
        if raw == Some("s16le") {
            // L16 is big-endian.
            sent.iter_mut()
                .flat_map(|frame| frame.as_chunks_mut::<2>().0)
                .for_each(|two| two.reverse());
        }
        if raw.is_some() {
            assert!(received.concat() == sent.concat(), "{name}");
        } else {
            assert!(received == sent, "{name}");
        }
    }
}
