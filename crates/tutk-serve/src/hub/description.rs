//! Descriptions of streams, derived from their frames.

use std::sync::Arc;
use std::time::Duration;

use tutk_media::{AccessUnit, AudioConfig, AudioFormat, Codec as VideoCodec, ParameterSets};
use tutk_session::{Frame, MediaRequest};

/// How long the description waits for audio after the first frame, by the camera's clock. Audio
/// starts a moment after video, and a camera without a microphone does not announce that.
pub const SETTLING: Duration = Duration::from_secs(1);

/// How long the description waits for video after the first frame. If the network loses a key
/// frame, video starts with the next one, seconds later.
pub const PICTURE_SETTLING: Duration = Duration::from_secs(10);

/// The description of a stream. Each frame refers to its description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// The video codec and its newest parameter sets. `None` without video, or if the codec is
    /// neither H.264 nor H.265.
    pub video: Option<ParameterSets>,
    /// The audio, if there is any.
    pub sound: Option<SoundDescription>,
    /// The description is complete: there is video and audio, or the time to wait for them is over
    /// ([`SETTLING`], [`PICTURE_SETTLING`]). Later frames may still change it.
    pub settled: bool,
}

/// The description of a stream's audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundDescription {
    /// Codec, sample rate and channels as the camera announces them. Frames are parsed with it.
    pub format: AudioFormat,
    /// The decoder configuration. Headers in the frames take precedence over `format`.
    pub config: AudioConfig,
}

/// Derives descriptions from frames.
#[derive(Debug)]
pub(super) struct Describer {
    /// The newest description.
    current: Arc<StreamDescription>,
    /// The requested media.
    requested: MediaRequest,
    /// The timestamp of the first frame.
    first: Option<Duration>,
    /// The access unit of the last frame.
    unit: Option<AccessUnit>,
}

impl Describer {
    pub(super) fn new(requested: MediaRequest) -> Self {
        Self {
            current: Arc::new(StreamDescription {
                video: None,
                sound: None,
                settled: false,
            }),
            requested,
            first: None,
            unit: None,
        }
    }

    /// Returns the description of a frame. It is the same [`Arc`] while nothing changes.
    pub(super) fn frame(&mut self, frame: &Frame) -> &Arc<StreamDescription> {
        self.unit = None;
        match frame.kind.is_video() {
            true => self.video(frame),
            false => self.audio(frame),
        }
        if !self.current.settled {
            let first = *self.first.get_or_insert(frame.timestamp);
            let passed = frame.timestamp.saturating_sub(first);
            let video = self.current.video.as_ref();
            let parameters = video.is_some_and(|sets| sets.parameters().is_some());
            let has_video = parameters || !self.requested.video || passed >= PICTURE_SETTLING;
            let has_audio =
                self.current.sound.is_some() || !self.requested.audio || passed >= SETTLING;
            if has_video && has_audio {
                Arc::make_mut(&mut self.current).settled = true;
            }
        }
        &self.current
    }

    /// Returns the access unit of the last frame, if it has one.
    pub(super) fn take_unit(&mut self) -> Option<AccessUnit> {
        self.unit.take()
    }

    /// Locates the NAL units of a frame, and updates the parameter sets.
    fn video(&mut self, frame: &Frame) {
        let known = self.current.video.as_ref();
        let key = frame.is_key();
        let codec = match frame.codec {
            Some(codec) => match VideoCodec::from_tutk(codec) {
                None if key => return self.change_video(None),
                codec => codec,
            },
            // Some layouts do not contain the codec. It is detected once, from a key frame.
            None => known.map(ParameterSets::codec).or_else(|| {
                let detected = key.then(|| VideoCodec::detect(&frame.data));
                detected.flatten()
            }),
        };
        let Some(codec) = codec else {
            return;
        };
        let unit = AccessUnit::new(codec, frame.data.clone()).with_key_flag(key);
        if key {
            let mut sets = match known {
                Some(known) if known.codec() == codec => known.clone(),
                _ => ParameterSets::new(codec),
            };
            sets.update(&unit);
            self.change_video(Some(sets));
        }
        self.unit = Some(unit);
    }

    fn change_video(&mut self, video: Option<ParameterSets>) {
        if self.current.video != video {
            Arc::make_mut(&mut self.current).video = video;
        }
    }

    fn audio(&mut self, frame: &Frame) {
        let Some(format) = AudioFormat::from_tutk(frame.codec, frame.audio) else {
            return;
        };
        let config = match AudioConfig::of_frame(format, &frame.data) {
            Ok(config) => config,
            // Invalid frames are ignored. Frames of some codecs cannot be parsed at all: then the
            // announced format is used.
            Err(_)
                if self
                    .current
                    .sound
                    .is_some_and(|sound| sound.format == format) =>
            {
                return;
            }
            Err(_) => match AudioConfig::new(format) {
                Ok(config) => config,
                Err(_) => return,
            },
        };
        let sound = Some(SoundDescription { format, config });
        if self.current.sound != sound {
            Arc::make_mut(&mut self.current).sound = sound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tutk_media::{AdtsHeader, AudioCodec};
    use tutk_session::{AudioFlags, Codec, MediaKind};

    const KEY: &[u8] = &[
        0, 0, 0, 1, 0x67, 0x64, 0, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x5a,
        0x80, 0x80, 0x80, 0xa0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 1, 0x65, 0x88,
    ];

    fn frame(kind: MediaKind, codec: Option<Codec>, millis: u64, data: &[u8]) -> Frame {
        Frame {
            kind,
            codec,
            audio: AudioFlags::new(16_000, 16, 1).filter(|_| !kind.is_video()),
            number: 1,
            timestamp: Duration::from_millis(millis),
            info: None,
            resolution_changed: false,
            data: Bytes::copy_from_slice(data),
        }
    }

    const BOTH: MediaRequest = MediaRequest {
        video: true,
        audio: true,
    };
    const PICTURE: MediaRequest = MediaRequest {
        video: true,
        audio: false,
    };

    #[test]
    fn settles_with_video_and_audio() {
        let mut describer = Describer::new(BOTH);
        let key = frame(MediaKind::Key, Some(Codec::H264), 0, KEY);
        let first = Arc::clone(describer.frame(&key));
        assert!(!first.settled && first.sound.is_none());
        let sets = first.video.as_ref().unwrap();
        assert_eq!((sets.codec(), sets.sps().len()), (VideoCodec::H264, 1));

        let sound = frame(MediaKind::Audio, Some(Codec::Pcm), 10, &[0; 64]);
        let both = Arc::clone(describer.frame(&sound));
        assert!(both.settled);
        assert_eq!(both.sound.unwrap().format.rate, 16_000);
        // Without a change the description is the same allocation.
        for same in [&key, &sound] {
            assert!(Arc::ptr_eq(describer.frame(same), &both));
        }
        let other = frame(MediaKind::Key, Some(Codec::H265), 50, &[0, 0, 1, 0x40, 1]);
        let changed = describer.frame(&other).video.clone();
        assert_eq!(changed.unwrap().codec(), VideoCodec::H265);
        assert!(both.video.as_ref().unwrap().codec() == VideoCodec::H264);
    }

    #[test]
    fn settles_after_a_time_without_video_or_audio() {
        let mut describer = Describer::new(BOTH);
        assert!(
            !describer
                .frame(&frame(MediaKind::Key, Some(Codec::H264), 70, KEY))
                .settled
        );
        assert!(
            !describer
                .frame(&frame(MediaKind::Delta, None, 1_069, &[1]))
                .settled
        );
        let settled = describer.frame(&frame(MediaKind::Delta, None, 1_070, &[1]));
        assert!(settled.settled && settled.sound.is_none());

        let mut describer = Describer::new(PICTURE);
        assert!(
            describer
                .frame(&frame(MediaKind::Key, Some(Codec::H264), 0, KEY))
                .settled
        );

        // The first key frame was lost, and video starts with the next one.
        let sound = |at| frame(MediaKind::Audio, Some(Codec::Pcm), at, &[0; 64]);
        let mut describer = Describer::new(BOTH);
        for at in [70, 2_000, 4_000] {
            assert!(!describer.frame(&sound(at)).settled, "{at}");
        }
        let key = frame(MediaKind::Key, Some(Codec::H264), 4_050, KEY);
        assert!(describer.frame(&key).settled);
        let mut describer = Describer::new(BOTH);
        assert!(!describer.frame(&sound(70)).settled);
        assert!(!describer.frame(&sound(10_069)).settled);
        let settled = describer.frame(&sound(10_070));
        assert!(settled.settled && settled.video.is_none());
    }

    #[test]
    fn codec_is_detected_if_the_layout_does_not_contain_it() {
        let mut describer = Describer::new(PICTURE);
        let described = describer.frame(&frame(MediaKind::Key, None, 0, KEY));
        assert_eq!(described.video.as_ref().unwrap().codec(), VideoCodec::H264);
        // Other codecs count as no video.
        let mjpeg = frame(MediaKind::Key, Some(Codec::Mjpeg), 1, &[0xff, 0xd8]);
        assert_eq!(describer.frame(&mjpeg).video, None);
    }

    #[test]
    fn audio_headers_take_precedence_over_the_announced_format() {
        let stated = AudioFormat {
            codec: AudioCodec::AacAdts,
            rate: 48_000,
            channels: 2,
        };
        let data = [&AdtsHeader::write(stated, 2).unwrap()[..], &[0x21, 0]].concat();
        let mut describer = Describer::new(BOTH);
        let described = describer.frame(&frame(MediaKind::Audio, Some(Codec::AacAdts), 0, &data));
        let sound = described.sound.unwrap();
        assert_eq!(
            (sound.format.rate, sound.config.format().rate),
            (16_000, 48_000)
        );
        // An invalid frame changes nothing.
        let broken = frame(MediaKind::Audio, Some(Codec::AacAdts), 1, &[0xff]);
        assert_eq!(describer.frame(&broken).sound, Some(sound));
        // ADPCM frames cannot be parsed, so the announced format is used.
        let adpcm = frame(MediaKind::Audio, Some(Codec::Adpcm), 2, &[1; 80]);
        let format = describer.frame(&adpcm).sound.unwrap().format;
        assert_eq!(format.codec, AudioCodec::Adpcm);
        let nothing = frame(MediaKind::Audio, Some(Codec::Unknown(7)), 3, &[1; 80]);
        assert_eq!(describer.frame(&nothing).sound.unwrap().format, format);
    }
}
