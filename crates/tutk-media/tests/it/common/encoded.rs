//! Audio of codecs that this crate does not encode, from ffmpeg.

use std::time::Duration;

use bytes::Bytes;
use tutk_media::{AudioCodec, AudioFormat, Wav, tone};

use super::audio::Frames;
use super::{File, run_bytes, tool};

/// Five seconds of test audio, encoded by ffmpeg with these arguments.
fn encoded(name: &str, rate: u32, args: &str) -> Vec<u8> {
    let samples = tone(rate, 1, 0, usize::try_from(rate * 5).unwrap());
    let wav = Wav {
        rate,
        channels: 1,
        samples,
    };
    let source = File::new(&format!("{name}.wav"), &wav.to_bytes().unwrap());
    let mut ffmpeg = tool("ffmpeg -v error -i");
    run_bytes(ffmpeg.arg(&source.0).args(args.split(' ')).arg("-"))
}

/// MPEG audio frames, all of the same size.
pub(crate) fn mp3(rate: u32, bytes: usize, samples: u32, bitrate: &str) -> Frames {
    let args = format!("-c:a libmp3lame -b:a {bitrate} -write_xing 0 -id3v2_version 0 -f mp3");
    let stream = encoded(&format!("mp3-{rate}"), rate, &args);
    assert_eq!(stream.len() % bytes, 0);
    let format = AudioFormat {
        codec: AudioCodec::Mp3,
        rate,
        channels: 1,
    };
    let frame = Duration::from_secs(1) * samples / rate;
    (0..)
        .map(|at| frame * at)
        .zip(stream.chunks(bytes))
        .map(|(time, frame)| (format, Bytes::copy_from_slice(frame), time))
        .collect()
}

/// The packets of an Ogg file (RFC 3533), without the two that are headers.
pub(crate) fn opus(frame_ms: &str) -> Frames {
    let args = format!("-c:a libopus -frame_duration {frame_ms} -f ogg");
    let file = encoded(&format!("opus-{frame_ms}"), 48_000, &args);
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    let mut rest = &file[..];
    while !rest.is_empty() {
        assert!(rest.starts_with(b"OggS"));
        let (sizes, mut body) = rest[27..].split_at(rest[26].into());
        for size in sizes {
            packet.extend_from_slice(&body[..usize::from(*size)]);
            body = &body[usize::from(*size)..];
            if *size < 255 {
                packets.push(Bytes::from(std::mem::take(&mut packet)));
            }
        }
        rest = body;
    }
    let format = AudioFormat {
        codec: AudioCodec::Opus,
        rate: 16_000,
        channels: 1,
    };
    let frame = Duration::from_secs_f64(frame_ms.parse::<f64>().unwrap() / 1_000.0);
    (0..)
        .map(|at| frame * at)
        .zip(packets.into_iter().skip(2))
        .map(|(time, packet)| (format, packet, time))
        .collect()
}
