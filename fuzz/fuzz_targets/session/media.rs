//! The video and audio of the simulated camera, and checks of received frames.

use bytes::Bytes;
use tutk_session::{AudioFlags, Codec};
use tutk_simulator::{Clip, ClipAudio, ClipAudioFormat, ClipFrame};

pub const FPS: u8 = 5;

/// A clip with frames of one, two and three slices.
pub fn clip() -> Clip {
    let frames = [2500_usize, 10, 1500, 1024, 1, 1023, 990];
    let frames = frames.iter().enumerate().map(|(index, &len)| ClipFrame {
        data: Bytes::from((0..len).map(|at| (at ^ index) as u8).collect::<Vec<_>>()),
        key: index == 0,
    });
    Clip::new(frames, Codec::H264, FPS).expect("a clip")
}

/// 8 kHz, 16 bits, mono.
pub const AUDIO_FLAGS: AudioFlags = AudioFlags(2);

/// Three frames of 100 ms.
pub fn audio() -> ClipAudio {
    let format = ClipAudioFormat {
        codec: Codec::Pcmu,
        flags: AUDIO_FLAGS,
    };
    let frames = (1..4).map(|byte| Bytes::from(vec![byte; 800]));
    ClipAudio::new(frames, format, 800).expect("audio")
}

pub fn assert_frame(clip: &Clip, number: u32, data: &[u8]) {
    // Frames are numbered from 1 on the wire.
    let index = (number as usize).checked_sub(1).expect("no frame 0");
    let sent = &clip.frames()[index % clip.frames().len()];
    assert!(
        sent.data == data,
        "frame {number} differs from the sent one"
    );
}

pub fn assert_audio(number: u32, data: &[u8]) {
    let byte = 1 + (number - 1) % 3;
    let is_sent = data.len() == 800 && data.iter().all(|&at| u32::from(at) == byte);
    assert!(is_sent, "audio frame {number} differs from the sent one");
}
