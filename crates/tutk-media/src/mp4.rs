//! Fragmented MP4 (ISO/IEC 14496-12) with a video track (ISO/IEC 14496-15) and one of sound.

mod audio;
mod audio_boxes;
mod boxes;
mod live;
mod segment_times;

use std::collections::VecDeque;
use std::time::Duration;

use self::audio::AudioTrack;
pub use self::audio::MAX_EARLY_AUDIO_FRAMES;
use self::boxes::{IndexEntry, Run, Sample};
use self::live::Live;
pub use self::live::{InitSegment, LiveMp4, Segment};
use crate::audio_frame::{AudioConfig, AudioFrame};
use crate::clock::{PICTURE_TICKS, PictureClock, to_ticks};
use crate::length_prefixed::push_length_prefixed;
use crate::{AccessUnit, AudioFormat, Codec, Error, ParameterSets, SequenceParameters};

/// Ticks a second of the picture's times in the file. Sound has as many as samples a second.
pub const TIMESCALE: u32 = PICTURE_TICKS;

/// A fragment ends once it is this long, and before every key frame: a file that is cut off has
/// all but, at most, this last stretch.
pub const FRAGMENT_DURATION: Duration = Duration::from_secs(1);

/// A fragment ends before the access unit that would take it past this many bytes. (Counted by the
/// unit as it came: a length instead of a short start code makes every NAL unit a byte longer.)
pub const MAX_FRAGMENT_BYTES: usize = 16 << 20;

/// Key frames that the index at the end of the file lists; later ones are found by reading on.
pub const MAX_INDEX_ENTRIES: usize = 65_536;

/// How long a file that [awaits sound](Mp4Writer::await_audio) does so, counted in pictures.
pub const AUDIO_WAIT: Duration = Duration::from_secs(2);

/// Writes access units and frames of sound into a fragmented MP4 file, without touching a file: each
/// call returns the bytes to append, often none.
///
/// | box | when | what |
/// |---|---|---|
/// | `ftyp` `moov` | at the first key frame whose parameter sets are known | `avc1` or `hvc1`, [`TIMESCALE`] ticks a second; the sound, if there is to be any |
/// | `moof` `mdat` | before each key frame, and every [`FRAGMENT_DURATION`] | the samples so far, of both tracks |
/// | `moof` `mdat` `mfra` | [`finish`](Self::finish) | the last samples; an index of the key frames |
///
/// Access units before that first key frame cannot be decoded: they are left out and counted in
/// [`skipped`](Self::skipped). What stands in the header is taken out of the samples; parameter
/// sets that come later and differ stay where they are (a camera that changes its resolution
/// does that): decoders follow them, though `avc1` and `hvc1` tracks do not foresee it.
///
/// A sample lasts until the next one's time, and the last one as long as the one before it. The
/// times are those of decoding *and* of showing: streams with reordered (B) frames, which cameras
/// do not send, would play with their frames out of order.
///
/// # Sound
///
/// The header names the tracks, so sound has to be announced before it: by
/// [`with_audio`](Self::with_audio) where it is known, or by [`await_audio`](Self::await_audio), and the
/// first frame says. Both tracks go by the clock of the times that the caller gives. Sound of before the first
/// picture is left out; what comes first then begins where the clock says (`tfdt`), however late.
///
/// Frames of sound follow each other without a gap as long as the clock agrees within
/// [`AUDIO_TOLERANCE`](crate::AUDIO_TOLERANCE): a camera stamps them less exactly than it samples. Where the clock is
/// further ahead (a frame was lost) there is a gap, and what follows stands where it should. Where
/// it is behind by more than that, and by more than a frame, the frame is left out.
///
/// | codec | in the file |
/// |---|---|
/// | AAC | `mp4a`. ADTS headers are taken off, and say what the track is; other AAC is taken to be LC |
/// | MP3 | `mp4a` with object type 0x69 or 0x6b; one MPEG frame in each frame, 16 kHz or more |
/// | Opus | `Opus`, with nothing to skip at the beginning |
/// | PCM | `sowt`, QuickTime's. (`ipcm` of ISO/IEC 23003-5 is read by few: ffmpeg 6.1 was its first) |
/// | PCMU, PCMA | `ulaw`, `alaw`, QuickTime's. VLC, mpv and ffmpeg play them; browsers play neither these nor PCM |
/// | PCM, PCMU, PCMA [as FLAC](Self::with_flac) | `fLaC`, which browsers play |
/// | AAC in LATM, ADPCM, Speex, G.726 | refused: [`Error::AudioNotInMp4`] says why |
///
/// A frame as the camera sends it is one sample of the file, PCM and G.711 included, as ffmpeg
/// writes them too: one for each of their samples, as the letter of the standard has it, would make
/// the file several times as large.
#[derive(Debug)]
pub struct Mp4Writer {
    codec: Codec,
    sets: ParameterSets,
    /// Others than those of the header have come since.
    sets_differ: bool,
    header: Header,
    sound: Sound,
    /// Each frame is a fragment, and the header goes another way than the fragments.
    live: Option<Live>,
    /// Samples of the fragment being collected, and their bytes one behind the other.
    samples: Vec<Sample>,
    data: Vec<u8>,
    clock: PictureClock,
    /// Ticks from the beginning to the fragment being collected.
    fragment_start: u64,
    sequence: u32,
    index: Vec<IndexEntry>,
    /// Bytes returned so far.
    offset: u64,
    units: u64,
    frames: u64,
    skipped: u64,
    audio_frames: u64,
    audio_skipped: u64,
}

/// How far the header is.
#[derive(Debug)]
enum Header {
    /// There was no key frame with parameter sets yet.
    Unknown,
    /// It can be written once it is clear what the sound is.
    Known(SequenceParameters),
    Written,
}

/// What there is of sound.
#[derive(Debug)]
enum Sound {
    None,
    /// The first frame will say what it is.
    Awaited,
    Track {
        track: AudioTrack,
        /// Frames that came before the first picture: where they belong is not known yet.
        early: VecDeque<Early>,
    },
}

/// A frame of sound that waits for the first picture.
#[derive(Debug)]
struct Early {
    data: Vec<u8>,
    ticks: u32,
    time: Duration,
}

impl Mp4Writer {
    /// Begins a file with one track, of pictures of this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            sets: ParameterSets::new(codec),
            sets_differ: false,
            header: Header::Unknown,
            sound: Sound::None,
            live: None,
            samples: Vec::new(),
            data: Vec::new(),
            clock: PictureClock::default(),
            fragment_start: 0,
            sequence: 0,
            index: Vec::new(),
            offset: 0,
            units: 0,
            frames: 0,
            skipped: 0,
            audio_frames: 0,
            audio_skipped: 0,
        }
    }

    /// Adds a track of this sound, to be called before anything is written. Where it is not known yet,
    /// [`await_audio`](Self::await_audio) goes by the first frame.
    ///
    /// # Errors
    ///
    /// [`Error::AudioNotInMp4`] names what MP4 has no place for; [`Error::NoAudioTrack`] when the header
    /// is written already.
    pub fn with_audio(mut self, config: AudioConfig) -> Result<Self, Error> {
        audio::check(config.format())?;
        if matches!(self.header, Header::Written) {
            return Err(Error::NoAudioTrack);
        }
        self.sound = Sound::new(config, self.live.is_some());
        Ok(self)
    }

    /// Adds a track of sound of whatever format the first frame has, to be called before anything is
    /// written. Until there is one, the beginning of the file waits: up to [`AUDIO_WAIT`] after the
    /// first key frame, or to [`MAX_FRAGMENT_BYTES`]. Then the file has no sound. Once the header is
    /// written, this changes nothing.
    #[must_use]
    pub fn await_audio(mut self) -> Self {
        if !matches!(self.header, Header::Written) {
            self.sound = Sound::Awaited;
        }
        self
    }

    /// Writes the next access unit and returns the bytes to append.
    ///
    /// `time` counts from any origin. If it does not increase (a camera set its clock back), the
    /// previous frame is as long as the one before it, and the file continues from there.
    ///
    /// # Errors
    ///
    /// [`Error::UnitTooLarge`], [`Error::VideoChanged`]: the unit is skipped, and writing can continue.
    /// [`Error::Mp4`]: a box could not be written.
    pub fn write(&mut self, unit: &AccessUnit, time: Duration) -> Result<Vec<u8>, Error> {
        self.units += 1;
        if let Err(error) = unit.check(self.codec) {
            self.skipped += 1;
            return Err(error);
        }
        let key = unit.is_key();
        let mut out = Vec::new();
        if matches!(self.header, Header::Unknown) {
            self.sets.update(unit);
            match self.sets.parameters() {
                Some(parameters) if key => self.header = Header::Known(parameters),
                _ => {
                    self.skipped += 1;
                    return Ok(out);
                }
            }
        } else if key && self.live.as_ref().is_some_and(Live::renews) {
            self.renew_header(unit);
        }
        if !matches!(self.sound, Sound::Awaited) {
            self.write_header(&mut out)?;
        }
        if unit.has_picture() {
            self.append(&mut out, unit, time)?;
            self.append_early();
            self.end_live_fragment(&mut out)?;
        } else {
            self.skipped += 1;
        }
        self.offset += out.len() as u64;
        Ok(out)
    }

    /// Takes the next frame of sound, as the camera sent it, and returns the bytes to append.
    ///
    /// `time` is on the clock of the pictures' times. `format` may be told anew with every frame, as
    /// cameras do; one track has one format.
    ///
    /// # Errors
    ///
    /// The frame was left out, and more may be written: [`Error::AudioNotInMp4`],
    /// [`Error::AudioFormat`], [`Error::AudioFrame`], [`Error::Adts`], [`Error::AudioChanged`], and
    /// [`Error::NoAudioTrack`] where the file has none.
    /// [`Error::Mp4`]: a box could not be written.
    pub fn write_audio(
        &mut self,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        match self.append_audio(&mut out, format, frame, time) {
            Ok(()) => {
                self.offset += out.len() as u64;
                Ok(out)
            }
            Err(error) => {
                self.audio_skipped += 1;
                Err(error)
            }
        }
    }

    /// Ends the file: returns the last fragment and the index.
    ///
    /// # Errors
    ///
    /// [`Error::NoKeyFrame`] when there was nothing to write a file of; [`Error::Mp4`].
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        if self.frames == 0 {
            return Err(Error::NoKeyFrame {
                codec: self.codec,
                units: self.units,
            });
        }
        let mut out = Vec::new();
        self.write_header(&mut out)?;
        self.end_sample(self.clock.interval());
        self.end_fragment(&mut out, 0)?;
        boxes::write_index(&mut out, &self.index)?;
        Ok(out)
    }

    /// Frames of the picture written so far, those of the fragment being collected included.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Access units left out so far: before the first key frame, without a picture, or too large.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The format of the track of sound, once it is known: by its frames' own headers where they
    /// have any, and those taken off.
    #[must_use]
    pub const fn audio_format(&self) -> Option<AudioFormat> {
        match &self.sound {
            Sound::Track { track, .. } => Some(track.config.format()),
            Sound::None | Sound::Awaited => None,
        }
    }

    /// The timescale of the audio track, if there is one.
    fn audio_timescale(&self) -> u32 {
        match &self.sound {
            Sound::Track { track, .. } => track.config.timescale(),
            Sound::None | Sound::Awaited => TIMESCALE,
        }
    }

    /// Frames of sound written so far, those of the fragment being collected included.
    #[must_use]
    pub const fn audio_frames(&self) -> u64 {
        self.audio_frames
    }

    /// Frames of sound left out so far: before the first picture, behind the sound that there is
    /// already, or refused with an error.
    #[must_use]
    pub const fn audio_skipped(&self) -> u64 {
        self.audio_skipped
    }

    /// Writes the header if it can be written and is not yet. What sound there is by now is all
    /// that there will be.
    fn write_header(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Header::Known(parameters) = &self.header else {
            return Ok(());
        };
        let track = match &self.sound {
            Sound::Track { track, .. } => Some(track),
            Sound::None | Sound::Awaited => None,
        };
        if let Some(live) = &mut self.live {
            let mut init = Vec::new();
            boxes::write_header(&mut init, parameters, &self.sets, track)?;
            live.set_init(init, parameters, track);
        } else {
            boxes::write_header(out, parameters, &self.sets, track)?;
        }
        if track.is_none() {
            self.sound = Sound::None;
        }
        self.header = Header::Written;
        Ok(())
    }

    /// Parameter sets of a key frame that differ from those of the header make another one. If there are
    /// pictures that still wait for sound, it is too early for that: the sets stay in the stream.
    fn renew_header(&mut self, unit: &AccessUnit) {
        let mut sets = self.sets.clone();
        sets.update(unit);
        if sets != self.sets
            && self.samples.is_empty()
            && let Some(parameters) = sets.parameters()
        {
            self.sets = sets;
            self.sets_differ = false;
            self.header = Header::Known(parameters);
        }
    }

    fn append(
        &mut self,
        out: &mut Vec<u8>,
        unit: &AccessUnit,
        time: Duration,
    ) -> Result<(), Error> {
        let key = unit.is_key();
        let ticks = self.clock.advance(time);
        let duration = match (&mut self.live, ticks) {
            (Some(live), _) => live.duration(&self.clock, ticks),
            (None, Some(ticks)) => {
                self.end_sample(ticks);
                0
            }
            (None, None) => 0,
        };
        let sound = match &self.sound {
            Sound::Track { track, .. } => track.data.len(),
            Sound::None | Sound::Awaited => 0,
        };
        let large = self.data.len() + sound + unit.data().len() > MAX_FRAGMENT_BYTES;
        let due = key || self.is_longer_than(FRAGMENT_DURATION);
        if large || due && !self.is_waiting() {
            self.write_header(out)?;
            self.end_fragment(out, 0)?;
        }

        let before = self.data.len();
        for (kind, nal) in unit.nals() {
            let in_header = self.sets.contains(kind, nal);
            // Once others have come, those of the header are others again when they come back.
            self.sets_differ |= kind.is_set() && !in_header;
            if self.sets_differ || !in_header {
                push_length_prefixed(nal, &mut self.data);
            }
        }
        let size = u32::try_from(self.data.len() - before).unwrap_or(u32::MAX);
        self.samples.push(Sample {
            size,
            duration,
            key,
        });
        self.frames += 1;
        Ok(())
    }

    fn append_audio(
        &mut self,
        out: &mut Vec<u8>,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<(), Error> {
        let (config, frame) = AudioConfig::read(audio::check(format)?, frame)?;
        if matches!(self.sound, Sound::Awaited) {
            self.sound = Sound::new(config, self.live.is_some());
        }
        let Sound::Track { track, early } = &mut self.sound else {
            return Err(Error::NoAudioTrack);
        };
        track.check(config, frame)?;
        if self.frames == 0 {
            if early.len() == MAX_EARLY_AUDIO_FRAMES {
                early.pop_front();
                self.audio_skipped += 1;
            }
            early.push_back(Early {
                data: frame.data.to_vec(),
                ticks: frame.ticks,
                time,
            });
            return Ok(());
        }
        // Where the picture stands still, sound must not wait for it.
        let due = track.held() >= FRAGMENT_DURATION;
        self.write_header(out)?;
        if due {
            self.end_fragment(out, 1)?;
        }
        self.place_audio(frame, time);
        self.end_live_fragment(out)
    }

    /// Puts a frame of sound where it belongs.
    fn place_audio(&mut self, frame: AudioFrame<'_>, time: Duration) {
        let (Sound::Track { track, .. }, Some(place)) = (&mut self.sound, self.clock.place(time))
        else {
            return;
        };
        if track.append(frame, place) {
            self.audio_frames += 1;
        } else {
            self.audio_skipped += 1;
        }
    }

    /// Frames of sound that came before the first picture have their place now: those of before its
    /// time have none.
    fn append_early(&mut self) {
        let Sound::Track { early, .. } = &mut self.sound else {
            return;
        };
        for Early { data, ticks, time } in std::mem::take(early) {
            self.place_audio(AudioFrame { data: &data, ticks }, time);
        }
    }

    /// Whether the fragment being collected is as long as this, up to the newest picture.
    fn is_longer_than(&self, duration: Duration) -> bool {
        let length = self.clock.start().saturating_sub(self.fragment_start);
        length >= to_ticks(duration).into()
    }

    /// Whether the file's beginning is held back until it is clear what the sound is.
    fn is_waiting(&self) -> bool {
        matches!(self.sound, Sound::Awaited) && !self.is_longer_than(AUDIO_WAIT)
    }

    /// Those who watch live are given what there is at once.
    fn end_live_fragment(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.live.is_some() && !self.is_waiting() {
            self.write_header(out)?;
            self.end_fragment(out, 0)?;
        }
        Ok(())
    }

    /// The newest sample's duration is known now.
    fn end_sample(&mut self, duration: u32) {
        if let Some(sample) = self.samples.last_mut() {
            sample.duration = duration;
        }
    }

    /// Writes a fragment of what there is, but for the newest `open` pictures, whose duration is not
    /// known yet.
    fn end_fragment(&mut self, out: &mut Vec<u8>, open: usize) -> Result<(), Error> {
        let complete = self.samples.len().saturating_sub(open);
        let samples = self.samples.get(..complete).unwrap_or_default();
        let sizes = samples.iter().map(|sample| u64::from(sample.size));
        let bytes = usize::try_from(sizes.sum::<u64>()).unwrap_or(usize::MAX);
        // The picture comes first: the index counts on it.
        let mut runs = vec![Run {
            track: boxes::VIDEO,
            start: self.fragment_start,
            samples,
            data: self.data.get(..bytes).unwrap_or_default(),
        }];
        if let Sound::Track { track, .. } = &self.sound {
            runs.push(Run {
                track: boxes::AUDIO,
                start: track.start,
                samples: &track.samples,
                data: &track.data,
            });
        }
        if runs.iter().all(|run| run.samples.is_empty()) {
            return Ok(());
        }
        let key = samples.first().is_some_and(|first| first.key);
        if let Some(live) = &mut self.live {
            // Two at once are what waited for sound, from the first key frame on, and a later picture.
            live.key |= key;
        } else if key && self.index.len() < MAX_INDEX_ENTRIES {
            self.index.push(IndexEntry {
                time: self.fragment_start,
                moof_offset: self.offset + out.len() as u64,
            });
        }
        self.sequence = self.sequence.wrapping_add(1);
        boxes::write_fragment(out, self.sequence, &runs)?;
        let durations = samples.iter().map(|sample| u64::from(sample.duration));
        self.fragment_start += durations.sum::<u64>();
        self.samples.drain(..complete);
        self.data.drain(..bytes);
        if let Sound::Track { track, .. } = &mut self.sound {
            track.clear();
        }
        Ok(())
    }
}

impl Sound {
    const fn new(config: AudioConfig, live: bool) -> Self {
        Self::Track {
            track: AudioTrack::new(config, live),
            early: VecDeque::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_write_is_an_error() {
        let mut writer = Mp4Writer::new(Codec::H265);
        let unit = AccessUnit::new(Codec::H265, vec![0, 0, 1, 0x26, 0x01, 0xaf]);
        assert_eq!(writer.write(&unit, Duration::ZERO), Ok(Vec::new()));
        assert_eq!((writer.frames(), writer.skipped()), (0, 1));
        assert_eq!(
            writer.finish(),
            Err(Error::NoKeyFrame {
                codec: Codec::H265,
                units: 1
            })
        );
    }
}
