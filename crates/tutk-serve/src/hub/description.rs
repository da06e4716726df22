//! What a camera shows: known from its frames, told to whoever begins to watch.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tutk_media::{AudioCodec, AudioConfig, AudioFormat, Clip, Codec as VideoCodec, ParameterSets};
use tutk_session::{AudioFlags, Codec, Frame, MediaRequest};

/// How much longer than the first frame of all a camera may take to be heard, by its own clock: sound begins a
/// moment after the picture, and a camera without a microphone never says that it has none.
pub const SETTLING: Duration = Duration::from_secs(1);

/// Likewise, to be seen: where the network loses a key frame, the picture begins with the next, seconds later.
pub const PICTURE_SETTLING: Duration = Duration::from_secs(10);

/// What a camera shows. Frames name the one that they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// The picture: its codec and the newest parameter sets. `None` without a picture, or with one in a codec
    /// that is neither H.264 nor H.265.
    pub video: Option<ParameterSets>,
    /// The sound, if there is any.
    pub sound: Option<SoundDescription>,
    /// Whether this is all: there is picture and sound, or the time for the other to come is over
    /// ([`SETTLING`], [`PICTURE_SETTLING`]). Later frames may still change it.
    pub settled: bool,
}

/// What a camera's sound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoundDescription {
    /// Codec, rate and channels as the camera says them: what its frames are to be read by.
    pub format: AudioFormat,
    /// What a decoder has to be told: by the frames' own headers where they have any.
    pub config: AudioConfig,
}

/// The codec of a frame of sound, as files and RTP call it; `None` for one that is not of sound.
#[must_use]
pub fn audio_codec(codec: Codec) -> Option<AudioCodec> {
    Some(match codec {
        Codec::AacRaw | Codec::AacWyze => AudioCodec::Aac,
        Codec::AacAdts => AudioCodec::AacAdts,
        Codec::AacLatm => AudioCodec::AacLatm,
        Codec::Pcmu => AudioCodec::Pcmu,
        Codec::Pcma => AudioCodec::Pcma,
        Codec::Adpcm => AudioCodec::Adpcm,
        Codec::Pcm => AudioCodec::Pcm,
        Codec::Speex => AudioCodec::Speex,
        Codec::Mp3 => AudioCodec::Mp3,
        Codec::G726 => AudioCodec::G726,
        Codec::Opus => AudioCodec::Opus,
        _ => return None,
    })
}

/// Codec, rate and channels of a frame of sound; `None` where the camera does not say all three.
#[must_use]
pub fn audio_format(codec: Option<Codec>, flags: Option<AudioFlags>) -> Option<AudioFormat> {
    let flags = flags?;
    Some(AudioFormat {
        codec: audio_codec(codec?)?,
        rate: flags.rate_hz()?,
        channels: flags.channels(),
    })
}

/// Reads descriptions off frames.
#[derive(Debug)]
pub(super) struct Describer {
    /// The newest one, shared with the frames since.
    now: Arc<StreamDescription>,
    /// What the camera was asked for.
    wanted: MediaRequest,
    /// When the first frame was.
    first: Option<Duration>,
}

impl Describer {
    pub(super) fn new(wanted: MediaRequest) -> Self {
        Self {
            now: Arc::new(StreamDescription {
                video: None,
                sound: None,
                settled: false,
            }),
            wanted,
            first: None,
        }
    }

    /// The description that a frame belongs to: the same [`Arc`] as long as nothing changes.
    pub(super) fn frame(&mut self, frame: &Frame) -> &Arc<StreamDescription> {
        let video = frame.kind.is_video();
        if video && frame.is_key() {
            self.picture(frame.codec, &frame.data);
        } else if !video {
            self.sound(frame);
        }
        if !self.now.settled {
            let first = *self.first.get_or_insert(frame.timestamp);
            let passed = frame.timestamp.saturating_sub(first);
            let video = self.now.video.as_ref();
            let picture = video.is_some_and(|sets| sets.parameters().is_some());
            let seen = picture || !self.wanted.video || passed >= PICTURE_SETTLING;
            let heard = self.now.sound.is_some() || !self.wanted.audio || passed >= SETTLING;
            if seen && heard {
                Arc::make_mut(&mut self.now).settled = true;
            }
        }
        &self.now
    }

    /// The parameter sets of a key frame.
    fn picture(&mut self, codec: Option<Codec>, unit: &Bytes) {
        let known = self.now.video.as_ref();
        let codec = match codec {
            Some(Codec::H264) => VideoCodec::H264,
            Some(Codec::H265) => VideoCodec::H265,
            Some(_) => return self.change_video(None),
            // Where the layout does not say it: by the key frame itself, until one is known.
            None => match known {
                Some(known) => known.codec(),
                None => match Clip::parse(unit.clone()) {
                    Ok(read) => read.codec(),
                    Err(_) => return,
                },
            },
        };
        let mut sets = match known {
            Some(known) if known.codec() == codec => known.clone(),
            _ => ParameterSets::new(codec),
        };
        sets.update(unit);
        self.change_video(Some(sets));
    }

    fn change_video(&mut self, video: Option<ParameterSets>) {
        if self.now.video != video {
            Arc::make_mut(&mut self.now).video = video;
        }
    }

    fn sound(&mut self, frame: &Frame) {
        let Some(format) = audio_format(frame.codec, frame.audio) else {
            return;
        };
        let config = match AudioConfig::of_frame(format, &frame.data) {
            Ok(config) => config,
            // A frame that cannot be read says nothing. Of some codecs none can be, and what the camera says
            // is all there is.
            Err(_) if self.now.sound.is_some_and(|sound| sound.format == format) => return,
            Err(_) => match AudioConfig::new(format) {
                Ok(config) => config,
                Err(_) => return,
            },
        };
        let sound = Some(SoundDescription { format, config });
        if self.now.sound != sound {
            Arc::make_mut(&mut self.now).sound = sound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tutk_media::AdtsHeader;
    use tutk_session::MediaKind;

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
    fn picture_and_sound_are_all_there_is() {
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
        // Nothing new: the same one, not one like it.
        for same in [&key, &sound] {
            assert!(Arc::ptr_eq(describer.frame(same), &both));
        }
        let other = frame(MediaKind::Key, Some(Codec::H265), 50, &[0, 0, 1, 0x40, 1]);
        let changed = describer.frame(&other).video.clone();
        assert_eq!(changed.unwrap().codec(), VideoCodec::H265);
        assert!(both.video.as_ref().unwrap().codec() == VideoCodec::H264);
    }

    #[test]
    fn what_does_not_come_is_not_waited_for_without_end() {
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

        // The first key frame was lost: there is sound for long, and the picture comes with the next.
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
    fn a_layout_that_does_not_name_the_codec() {
        let mut describer = Describer::new(PICTURE);
        let described = describer.frame(&frame(MediaKind::Key, None, 0, KEY));
        assert_eq!(described.video.as_ref().unwrap().codec(), VideoCodec::H264);
        // Codecs of pictures that nothing here can read are no picture.
        let mjpeg = frame(MediaKind::Key, Some(Codec::Mjpeg), 1, &[0xff, 0xd8]);
        assert_eq!(describer.frame(&mjpeg).video, None);
    }

    #[test]
    fn headers_of_sound_count_more_than_what_the_camera_says() {
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
        // One frame that is broken changes nothing.
        let broken = frame(MediaKind::Audio, Some(Codec::AacAdts), 1, &[0xff]);
        assert_eq!(describer.frame(&broken).sound, Some(sound));
        // Of ADPCM nothing can be read: what the camera says is taken.
        let adpcm = frame(MediaKind::Audio, Some(Codec::Adpcm), 2, &[1; 80]);
        let format = describer.frame(&adpcm).sound.unwrap().format;
        assert_eq!(format.codec, AudioCodec::Adpcm);
        let nothing = frame(MediaKind::Audio, Some(Codec::Unknown(7)), 3, &[1; 80]);
        assert_eq!(describer.frame(&nothing).sound.unwrap().format, format);
    }
}
