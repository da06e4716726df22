//! Any bytes as a video stream, as audio, and as RTP. No byte is lost, each frame is written or
//! counted as skipped, and RTP is received as sent.
#![no_main]

use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutk_media::{
    AccessUnit, AudioClip, AudioCodec, AudioConfig, AudioFormat, Clip, Codec, LiveMp4,
    MAX_FRAGMENT_BYTES, MIN_RTP_PACKET_BYTES, MediaDescription, Mp4Audio, Mp4Writer, NalKind,
    ParameterSets, RtpDepacketizer, RtpPayloads, RtpStream, SequenceParameters, TS_PACKET_BYTES,
    TsWriter, Wav, WavFile, access_units, adts_frames, from_length_prefixed, nal_units,
    to_length_prefixed,
};

/// An H.264 key frame with its parameter sets.
const KEY: &[u8] = b"\0\0\x01\x67\x64\0\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x5a\x80\x80\x80\xa0\
    \0\0\x01\x68\xce\x3c\x80\0\0\x01\x65\x88\x84";

fuzz_target!(|data: &[u8]| {
    sound(data);
    packets(data);
    lengths(data);
    for codec in [Codec::H264, Codec::H265] {
        let mut length = 0;
        for unit in access_units(codec, data.to_vec()) {
            assert_eq!(data[length..length + unit.data().len()], unit.data()[..]);
            assert_eq!(AccessUnit::new(codec, unit.data().clone()), unit);
            length += unit.data().len();
        }
        assert_eq!(length, data.len());
        for nal in nal_units(data) {
            assert!(!nal.payload.is_empty());
            let _ = SequenceParameters::parse(codec, nal.payload);
        }
        let _ = SequenceParameters::parse(codec, data);
        rtp(codec, data);
    }
    let Ok(clip) = Clip::parse(Bytes::copy_from_slice(data)) else {
        return;
    };
    file(&clip);
    live(&clip);
    transport_stream(&clip);
});

/// Times that stay equal, jump, and go back.
fn time(frame: &[u8], index: usize) -> Duration {
    Duration::from_millis(u64::from(frame[index % frame.len()]) * 20)
}

fn file(clip: &Clip) {
    let mut writer = Mp4Writer::new(clip.codec());
    let mut written = 0;
    for (index, unit) in clip.units().enumerate() {
        let bytes = writer
            .write(unit, time(unit.data(), index))
            .expect("a small unit is written");
        written += bytes.len();
        assert!(bytes.len() < MAX_FRAGMENT_BYTES);
    }
    assert_eq!(
        writer.stats().frames + writer.stats().skipped,
        clip.len() as u64
    );
    let frames = writer.stats().frames;
    let end = writer.finish();
    assert_eq!(end.is_ok(), frames > 0);
    assert!(frames == 0 || written > 0);
}

/// Each picture is a segment, and there is an initialization segment before it.
fn live(clip: &Clip) {
    let mut writer = LiveMp4::new(clip.codec());
    let mut segments = 0;
    for (index, unit) in clip.units().enumerate() {
        let segment = writer
            .write(unit, time(unit.data(), index))
            .expect("a small unit is written");
        assert!(segment.is_none() || writer.init().is_some());
        segments += u64::from(segment.is_some());
    }
    assert_eq!(segments, writer.stats().frames);
}

/// Whole packets with continuous counters.
fn transport_stream(clip: &Clip) {
    let mut writer = TsWriter::new(clip.codec());
    let mut counts = [None; 1 << 13];
    for (index, unit) in clip.units().enumerate() {
        let bytes = writer
            .write(unit, time(unit.data(), index))
            .expect("a small unit is written");
        assert!(bytes.len().is_multiple_of(TS_PACKET_BYTES));
        for packet in bytes.chunks(TS_PACKET_BYTES) {
            assert_eq!(packet[0], 0x47);
            let pid = usize::from(u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff);
            let count = packet[3] & 0xf;
            let before = counts[pid].replace(count);
            assert!(before.is_none_or(|before: u8| (before + 1) % 16 == count));
        }
    }
    assert_eq!(
        writer.stats().frames + writer.stats().skipped,
        clip.len() as u64
    );
}

/// NAL units are received as sent, in packets of any size.
fn rtp(codec: Codec, data: &[u8]) {
    let first = data.first().copied().unwrap_or(0);
    let packet_bytes = MIN_RTP_PACKET_BYTES + usize::from(first);
    let mut rtp = RtpStream::new(96, 1, 65_530).expect("a payload type in range");
    let mut receiver = RtpDepacketizer::video(codec);
    let mut sets = ParameterSets::new(codec);
    let mut packet = Vec::new();
    for (at, unit) in (0..).zip(access_units(codec, data.to_vec())) {
        let payloads = RtpPayloads::video(&sets.complete(&unit), packet_bytes);
        let payloads = payloads.expect("a small unit is sent");
        for payload in &payloads {
            rtp.write_packet(payload, at, &mut packet);
            assert!(packet.len() <= packet_bytes);
            receiver.handle_packet(&packet).expect("a packet as sent");
            packet.clear();
        }
        let skipped = payloads.skipped();
        let sent: Vec<_> = unit.nals().map(|(_, nal)| nal).collect();
        let received = receiver.poll().map(|frame| frame.data).unwrap_or_default();
        let received: Vec<_> = nal_units(&received).map(|nal| nal.payload).collect();
        // Key frames may get known parameter sets, each of them once.
        let missing = sent.iter().filter(|nal| !received.contains(nal)).count();
        assert_eq!(missing, skipped);
        let is_set = |nal: &&[u8]| {
            let kind = codec.kind(nal);
            matches!(kind, NalKind::Vps | NalKind::Sps | NalKind::Pps)
        };
        assert!(unit.is_key() || received.len() + skipped == sent.len());
        let others = |nals: &[&[u8]]| nals.iter().filter(|nal| !is_set(nal)).count();
        assert!(others(&received) + skipped >= others(&sent));
    }
    assert_eq!((receiver.lost(), receiver.dropped()), (0, 0));
    assert!(
        MediaDescription::video(&sets, 96)
            .to_string()
            .ends_with("\r\n")
    );
}

/// Any packets. A byte has the sequence number step and timestamp step, the next one the length of
/// the payload.
fn packets(data: &[u8]) {
    let format = |codec| AudioFormat {
        codec,
        rate: 16_000,
        channels: 2,
    };
    let sound = [
        AudioCodec::Aac,
        AudioCodec::Pcm,
        AudioCodec::Pcmu,
        AudioCodec::Opus,
    ];
    let mut receivers: Vec<_> = sound
        .map(|codec| AudioConfig::new(format(codec)).and_then(RtpDepacketizer::audio))
        .into_iter()
        .map(|receiver| receiver.expect("a codec that RTP carries"))
        .chain([Codec::H264, Codec::H265].map(RtpDepacketizer::video))
        .collect();
    let (mut number, mut timestamp, mut rest) = (0_u16, 0, data);
    while let [control, length, behind @ ..] = rest {
        let (payload, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        rest = behind;
        number = number.wrapping_add((control & 3).into());
        timestamp += control >> 2 & 1;
        let [high, low] = number.to_be_bytes();
        let marker = control & 0x80 | 96;
        let head = [0x80, marker, high, low, 0, 0, 0, timestamp, 0, 0, 0, 1];
        let packet = [&head, payload].concat();
        for receiver in &mut receivers {
            let _ = receiver.handle_packet(&packet);
            while let Some(frame) = receiver.poll() {
                assert!(!frame.data.is_empty());
            }
        }
        let _ = receivers[0].handle_packet(payload);
    }
}

fn lengths(data: &[u8]) {
    let (mut sample, mut unit) = (Vec::new(), Vec::new());
    to_length_prefixed(&AccessUnit::new(Codec::H264, data.to_vec()), &mut sample);
    from_length_prefixed(&sample, 4, &mut unit).expect("lengths as written");
    let nals = |stream| nal_units(stream).map(|nal| nal.payload);
    assert!(nals(data).eq(nals(&unit)));
    for length_bytes in [1, 2, 4] {
        unit.clear();
        let read = from_length_prefixed(data, length_bytes, &mut unit);
        assert!(read.is_ok() || unit.is_empty());
    }
}

fn sound(data: &[u8]) {
    let mut length = 0;
    for frame in adts_frames(data).filter_map(Result::ok) {
        assert_eq!(&data[length..length + frame.data.len()], frame.data);
        assert!(!frame.payload().is_empty());
        length += frame.data.len();
    }
    if let Ok(clip) = AudioClip::from_adts(Bytes::copy_from_slice(data)) {
        assert_eq!(length, data.len());
        assert_eq!(
            clip.without_adts().frames().len(),
            adts_frames(data).count()
        );
    }
    if let Ok(wav) = WavFile::parse(data) {
        let file = wav.to_bytes().expect("not larger than the parsed file");
        assert_eq!(WavFile::parse(&file), Ok(wav));
        assert!(Wav::parse(data).is_ok());
    }
    if let Ok(wav) = Wav::parse(data) {
        let file = wav.to_bytes().expect("not larger than the parsed file");
        assert_eq!(Wav::parse(&file), Ok(wav));
    }

    // The first three bytes choose a format and a size of frames.
    let [codec, channels, size, frames @ ..] = data else {
        return;
    };
    let format = AudioFormat {
        codec: AudioCodec::ALL[usize::from(*codec) % AudioCodec::ALL.len()],
        rate: 16_000,
        channels: channels % 4,
    };
    let key = AccessUnit::new(Codec::H264, KEY);
    let mut writer =
        Mp4Writer::with_audio(Codec::H264, Mp4Audio::Awaited).expect("any audio can be awaited");
    let mut given = 0;
    for (index, frame) in frames.chunks(usize::from(*size) + 1).enumerate() {
        let time = time(frame, 0);
        if index % 3 == 1 {
            writer.write(&key, time).expect("a small unit is written");
        }
        given += 1;
        let written = writer.write_audio(format, frame, time);
        assert!(
            written.is_ok_and(|bytes| bytes.len() < MAX_FRAGMENT_BYTES)
                || writer.stats().audio_skipped > 0
        );
    }
    if writer.stats().frames > 0 {
        assert_eq!(
            writer.stats().audio_frames + writer.stats().audio_skipped,
            given
        );
    }
    let _ = writer.finish();

    let mut stream = TsWriter::new(Codec::H264);
    let config = AudioConfig::new(format).and_then(|config| {
        let stream = RtpStream::new(97, 1, 1)?;
        Ok((config, stream, RtpDepacketizer::audio(config)?))
    });
    let mut config = config.ok();
    stream
        .write(&key, Duration::ZERO)
        .expect("a small unit is written");
    for frame in frames.chunks(usize::from(*size) + 1) {
        let written = stream.write_audio(format, frame, time(frame, 0));
        assert!(
            written.is_ok_and(|bytes| bytes.len().is_multiple_of(TS_PACKET_BYTES))
                || stream.stats().audio_skipped > 0
        );
        let Some((config, rtp, receiver)) = &mut config else {
            continue;
        };
        let data = Bytes::copy_from_slice(frame);
        let Ok(payloads) = RtpPayloads::audio(*config, &data, MIN_RTP_PACKET_BYTES) else {
            continue;
        };
        let (mut packet, mut received) = (Vec::new(), Vec::new());
        for payload in &payloads {
            rtp.write_packet(payload, 0, &mut packet);
            receiver.handle_packet(&packet).expect("a packet as sent");
            packet.clear();
            received.extend(std::iter::from_fn(|| receiver.poll()).flat_map(|frame| frame.data));
        }
        assert!(frame.ends_with(&received) && !received.is_empty());
    }
}
