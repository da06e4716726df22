//! Any bytes as a video stream, and as sound: no byte is lost, no picture and no frame of sound is
//! written twice, or left out without a word.
#![no_main]

use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutk_media::{
    AudioClip, AudioCodec, AudioFormat, Clip, Codec, MAX_FRAGMENT_BYTES, Mp4Writer,
    SequenceParameters, Wav, access_units, adts_frames, nal_units,
};

/// An H.264 key frame and its parameter sets: enough to begin a file with.
const KEY: &[u8] = b"\0\0\x01\x67\x64\0\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x5a\x80\x80\x80\xa0\
    \0\0\x01\x68\xce\x3c\x80\0\0\x01\x65\x88\x84";

fuzz_target!(|data: &[u8]| {
    sound(data);
    for codec in [Codec::H264, Codec::H265] {
        let mut length = 0;
        for unit in access_units(codec, data) {
            assert_eq!(&data[length..length + unit.data.len()], unit.data);
            length += unit.data.len();
        }
        assert_eq!(length, data.len());
        for nal in nal_units(data) {
            assert!(!nal.payload.is_empty());
            let _ = SequenceParameters::parse(codec, nal.payload);
        }
        let _ = SequenceParameters::parse(codec, data);
    }
    let Ok(clip) = Clip::parse(Bytes::copy_from_slice(data)) else {
        return;
    };
    let mut writer = Mp4Writer::new(clip.codec());
    let mut written = 0;
    for (index, (unit, key)) in clip.units().enumerate() {
        // Times that stand still, jump, and go back.
        let time = Duration::from_millis(u64::from(unit[index % unit.len()]) * 20);
        let bytes = writer
            .write(unit, key, time)
            .expect("a small unit is written");
        written += bytes.len();
        assert!(bytes.len() < MAX_FRAGMENT_BYTES);
    }
    assert_eq!(writer.frames() + writer.skipped(), clip.len() as u64);
    let frames = writer.frames();
    let end = writer.finish();
    assert_eq!(end.is_ok(), frames > 0);
    assert!(frames == 0 || written > 0);
});

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
    if let Ok(wav) = Wav::parse(data) {
        let file = wav.to_bytes().expect("no larger than what was read");
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
    let mut writer = Mp4Writer::new(Codec::H264).await_audio();
    let mut given = 0;
    for (index, frame) in frames.chunks(usize::from(*size) + 1).enumerate() {
        // Times that stand still, jump, and go back.
        let time = Duration::from_millis(u64::from(frame[0]) * 20);
        if index % 3 == 1 {
            writer
                .write(KEY, true, time)
                .expect("a small unit is written");
        }
        given += 1;
        let written = writer.write_audio(format, frame, time);
        assert!(
            written.is_ok_and(|bytes| bytes.len() < MAX_FRAGMENT_BYTES)
                || writer.audio_skipped() > 0
        );
    }
    if writer.frames() > 0 {
        assert_eq!(writer.audio_frames() + writer.audio_skipped(), given);
    }
    let _ = writer.finish();
}
