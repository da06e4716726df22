//! The muxer shared by [`Mp4Writer`](super::Mp4Writer) and [`LiveMp4`](super::LiveMp4).

use std::collections::VecDeque;
use std::time::Duration;

use super::audio_track::{AudioTrack, EarlyFrame, MAX_EARLY_AUDIO_FRAMES, check};
use super::fragment::{Fragment, Run, Sample, ticks_to_time};
use super::header::{self, InitSegment, TIMESCALE};
use crate::audio_frame::{AudioConfig, AudioFrame};
use crate::clock::{PictureClock, UNKNOWN_TICKS, to_ticks};
use crate::length_prefixed::{LENGTH_BYTES, push_length_prefixed};
use crate::{
    AccessUnit, AudioFormat, Codec, Error, FlacEncoder, MuxerStats, ParameterSets,
    SequenceParameters,
};

/// A fragment of a file ends when it is this long, and before every key frame. A truncated file
/// therefore lacks at most this much.
pub const FRAGMENT_DURATION: Duration = Duration::from_secs(1);

/// A fragment ends before the access unit that would make it larger than this many bytes. (Units
/// are counted as they come: the length before a NAL unit can be a byte longer than its start
/// code.)
pub const MAX_FRAGMENT_BYTES: usize = 16 << 20;

/// The maximum time that a file [waits for audio](Mp4Audio::Awaited), by the
/// timestamps of the video.
pub const AUDIO_WAIT: Duration = Duration::from_secs(2);

/// The shortest duration of a picture in a live stream, in ticks. Players handle zero poorly.
const MIN_TICKS: u64 = 90;

/// The longest duration that is assumed for a picture in a live stream, in ticks. If it is too
/// long, the next pictures are as short as possible until they are on the clock again.
const MAX_ASSUMED_TICKS: u32 = TIMESCALE / 2;

/// The audio track of an [`Mp4Writer`](super::Mp4Writer) or a [`LiveMp4`](super::LiveMp4).
///
/// - AAC: `mp4a`. ADTS headers describe the track and are removed. Other AAC is assumed to be LC
/// - MP3: `mp4a` with object type 0x69 or 0x6b; one MPEG frame in each frame, 16 kHz or more
/// - Opus: `Opus`, with nothing to skip at the start
/// - PCM: `sowt` of QuickTime. (`ipcm` of ISO/IEC 23003-5 has little support: first in ffmpeg 6.1)
/// - PCMU, PCMA: `ulaw`, `alaw` of QuickTime. VLC, mpv and ffmpeg play them; browsers play neither
///   these nor PCM
/// - PCM, PCMU, PCMA [as FLAC](Self::Flac): `fLaC`, which browsers play
/// - AAC in LATM, ADPCM, Speex, G.726: refused with [`Error::AudioNotInMp4`]
///
/// An audio frame as the camera sends it is one sample of the file, also of PCM and G.711, as
/// ffmpeg writes them too. One sample for each audio sample, as the standard has it, would make the
/// file several times as large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mp4Audio {
    /// Frames of this format.
    Track(AudioConfig),
    /// FLAC, encoded from frames of PCM, PCMU or PCMA of this format: see [`FlacEncoder`]. Frames
    /// with fewer than [`MIN_FLAC_BLOCK`](crate::MIN_FLAC_BLOCK) samples are refused.
    Flac(AudioConfig),
    /// Frames of the format of the first one. The start waits for that frame, at most until
    /// [`AUDIO_WAIT`] after the first key frame or until [`MAX_FRAGMENT_BYTES`] are held. After
    /// that there is no audio.
    Awaited,
}

#[derive(Debug)]
pub(super) struct Muxer {
    codec: Codec,
    /// The parameter sets of the header.
    sets: ParameterSets,
    /// Other parameter sets than those of the first header were used.
    sets_changed: bool,
    header: Header,
    audio: Audio,
    /// In a live stream each frame is a fragment.
    live: Option<LiveTiming>,
    /// The pictures of the fragment being collected.
    samples: Vec<VideoSample>,
    /// Bytes of `samples`.
    bytes: usize,
    clock: PictureClock,
    /// Ticks from the start to the fragment being collected.
    fragment_start: u64,
    sequence: u32,
    stats: MuxerStats,
}

/// The output of a call of a muxer, in this order.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) header: Option<InitSegment>,
    pub(super) fragments: Vec<MuxedFragment>,
}

#[derive(Debug)]
pub(super) struct MuxedFragment {
    pub(super) fragment: Fragment,
    /// The first picture is a key frame.
    pub(super) key: bool,
    /// The decode time of the first picture, in ticks.
    pub(super) start: u64,
}

#[derive(Debug)]
enum Header {
    /// No key frame with parameter sets has come.
    Unknown,
    /// The video is known.
    Known(SequenceParameters),
    Written,
}

#[derive(Debug)]
enum Audio {
    None,
    /// The first frame decides the format.
    Awaited,
    Track {
        track: Box<AudioTrack>,
        /// Frames before the first picture. Their positions are not known yet.
        early: VecDeque<EarlyFrame>,
    },
}

#[derive(Debug)]
struct VideoSample {
    unit: AccessUnit,
    /// Parameter sets are in the sample too.
    with_sets: bool,
    sample: Sample,
}

/// The durations of pictures in a live stream, where the next picture is not known yet.
#[derive(Debug, Default)]
struct LiveTiming {
    /// Ticks between the newest two pictures.
    interval: Option<u32>,
    /// The end of the newest picture as written, in ticks.
    end: u64,
}

impl LiveTiming {
    /// The duration of the newest picture, which came `ticks` after the one before.
    fn duration(&mut self, clock: &PictureClock, ticks: Option<u32>) -> u32 {
        // After a pause, the interval before it is the better guess.
        let interval = ticks.unwrap_or(UNKNOWN_TICKS);
        let guess = interval.min(self.interval.unwrap_or(interval));
        let guess = guess.min(MAX_ASSUMED_TICKS);
        self.interval = Some(interval);
        let end = (clock.start() + u64::from(guess)).max(self.end + MIN_TICKS);
        let duration = u32::try_from(end - self.end).unwrap_or(u32::MAX);
        self.end += u64::from(duration);
        duration
    }
}

impl Muxer {
    pub(super) fn new(codec: Codec, live: bool) -> Self {
        Self {
            codec,
            sets: ParameterSets::new(codec),
            sets_changed: false,
            header: Header::Unknown,
            audio: Audio::None,
            live: live.then(LiveTiming::default),
            samples: Vec::new(),
            bytes: 0,
            clock: PictureClock::default(),
            fragment_start: 0,
            sequence: 0,
            stats: MuxerStats::default(),
        }
    }

    /// Adds an audio track. Must be called before anything is written.
    pub(super) fn set_audio(&mut self, audio: Mp4Audio) -> Result<(), Error> {
        let (config, flac) = match audio {
            Mp4Audio::Track(config) => (config, None),
            Mp4Audio::Flac(config) => (config, Some(FlacEncoder::new(config.format())?)),
            Mp4Audio::Awaited => {
                self.audio = Audio::Awaited;
                return Ok(());
            }
        };
        if flac.is_none() {
            check(config.format())?;
        }
        self.audio = Audio::new(config, self.live.is_some(), flac);
        Ok(())
    }

    pub(super) const fn codec(&self) -> Codec {
        self.codec
    }

    pub(super) const fn stats(&self) -> MuxerStats {
        self.stats
    }

    /// The end of the newest picture of a live stream.
    pub(super) fn video_end(&self) -> Duration {
        let end = self.live.as_ref().map_or(0, |live| live.end);
        ticks_to_time(end, TIMESCALE)
    }

    pub(super) fn audio_format(&self) -> Option<AudioFormat> {
        self.audio.track().map(|track| track.config.format())
    }

    pub(super) fn write(&mut self, unit: &AccessUnit, time: Duration) -> Result<Output, Error> {
        if let Err(error) = unit.check(self.codec) {
            self.stats.skipped += 1;
            return Err(error);
        }
        let mut out = Output::default();
        if matches!(self.header, Header::Unknown) {
            self.sets.update(unit);
            match self.sets.parameters() {
                Some(parameters) if unit.is_key() => self.header = Header::Known(parameters),
                _ => {
                    self.stats.skipped += 1;
                    return Ok(out);
                }
            }
        } else if unit.is_key() && self.live.is_some() {
            self.renew_header(unit);
        }
        if !matches!(self.audio, Audio::Awaited) {
            self.write_header(&mut out)?;
        }
        if unit.has_picture() {
            self.append(&mut out, unit, time)?;
            self.append_early();
            self.end_live_fragment(&mut out)?;
        } else {
            self.stats.skipped += 1;
        }
        Ok(out)
    }

    pub(super) fn write_audio(
        &mut self,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<Output, Error> {
        let mut out = Output::default();
        let result = self.append_audio(&mut out, format, frame, time);
        if let Err(error) = result {
            self.stats.audio_skipped += 1;
            return Err(error);
        }
        Ok(out)
    }

    /// Writes everything that is left.
    pub(super) fn finish(&mut self) -> Result<Output, Error> {
        let mut out = Output::default();
        self.write_header(&mut out)?;
        self.end_sample(self.clock.interval());
        self.end_fragment(&mut out, 0)?;
        Ok(out)
    }

    /// Writes the header if it is known and not yet written. Without an audio track by now, there
    /// will be none.
    fn write_header(&mut self, out: &mut Output) -> Result<(), Error> {
        let Header::Known(parameters) = &self.header else {
            return Ok(());
        };
        let entry = self.audio.track().map(AudioTrack::entry);
        out.header = Some(header::write(parameters, &self.sets, entry)?);
        if entry.is_none() {
            self.audio = Audio::None;
        }
        self.header = Header::Written;
        Ok(())
    }

    /// Makes a new header if a key frame has other parameter sets than the header. Pictures that
    /// still wait for audio belong to the old one: then it is too early, and the sets stay in the
    /// stream.
    fn renew_header(&mut self, unit: &AccessUnit) {
        let mut sets = self.sets.clone();
        sets.update(unit);
        if sets != self.sets
            && self.samples.is_empty()
            && let Some(parameters) = sets.parameters()
        {
            self.sets = sets;
            // Viewers with the old header need them in the stream.
            self.sets_changed = true;
            self.header = Header::Known(parameters);
        }
    }

    fn append(&mut self, out: &mut Output, unit: &AccessUnit, time: Duration) -> Result<(), Error> {
        let ticks = self.clock.advance(time);
        let duration = match (&mut self.live, ticks) {
            (Some(live), _) => live.duration(&self.clock, ticks),
            (None, Some(ticks)) => {
                self.end_sample(ticks);
                0
            }
            (None, None) => 0,
        };
        let audio = self.audio.track().map_or(0, |track| track.data.len());
        let large = self.bytes + audio + unit.data().len() > MAX_FRAGMENT_BYTES;
        let due = unit.is_key() || self.is_longer_than(FRAGMENT_DURATION);
        if large || self.live.is_none() && due && !self.is_waiting() {
            self.write_header(out)?;
            self.end_fragment(out, 0)?;
        }
        let mut sets = unit.nals().filter(|(kind, _)| kind.is_set());
        // Once others were used, those of the header must be in the stream when they come back.
        self.sets_changed |= sets.any(|(kind, nal)| !self.sets.contains(kind, nal));
        let mut sample = VideoSample {
            unit: unit.clone(),
            with_sets: self.sets_changed,
            sample: Sample {
                size: 0,
                duration,
                key: unit.is_key(),
            },
        };
        let bytes: usize = sample.nals().map(|nal| LENGTH_BYTES + nal.len()).sum();
        sample.sample.size = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes += bytes;
        self.samples.push(sample);
        self.stats.frames += 1;
        Ok(())
    }

    fn append_audio(
        &mut self,
        out: &mut Output,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<(), Error> {
        let (config, frame) = AudioConfig::read(check(format)?, frame)?;
        if matches!(self.audio, Audio::Awaited) {
            self.audio = Audio::new(config, self.live.is_some(), None);
        }
        let Audio::Track { track, early } = &mut self.audio else {
            return Err(Error::NoAudioTrack);
        };
        track.check(config, frame)?;
        if self.stats.frames == 0 {
            if early.len() == MAX_EARLY_AUDIO_FRAMES {
                early.pop_front();
                self.stats.audio_skipped += 1;
            }
            early.push_back(EarlyFrame::new(frame, time));
            return Ok(());
        }
        // Audio must not wait while there is no new picture.
        let due = track.duration() >= FRAGMENT_DURATION;
        self.write_header(out)?;
        if due {
            self.end_fragment(out, 1)?;
        }
        self.place_audio(frame, time);
        self.end_live_fragment(out)
    }

    fn place_audio(&mut self, frame: AudioFrame<'_>, time: Duration) {
        let (Audio::Track { track, .. }, Some(place)) = (&mut self.audio, self.clock.place(time))
        else {
            return;
        };
        if track.append(frame, place) {
            self.stats.audio_frames += 1;
        } else {
            self.stats.audio_skipped += 1;
        }
    }

    /// Adds the audio frames that came before the first picture. Those with an earlier time are
    /// skipped.
    fn append_early(&mut self) {
        let Audio::Track { early, .. } = &mut self.audio else {
            return;
        };
        for frame in std::mem::take(early) {
            self.place_audio(frame.frame(), frame.time);
        }
    }

    /// Returns `true` if the fragment being collected is this long, up to the newest picture.
    fn is_longer_than(&self, duration: Duration) -> bool {
        let length = self.clock.start().saturating_sub(self.fragment_start);
        length >= to_ticks(duration).into()
    }

    /// Returns `true` if the header waits for the format of the audio.
    fn is_waiting(&self) -> bool {
        matches!(self.audio, Audio::Awaited) && !self.is_longer_than(AUDIO_WAIT)
    }

    fn end_live_fragment(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.live.is_some() && !self.is_waiting() {
            self.write_header(out)?;
            self.end_fragment(out, 0)?;
        }
        Ok(())
    }

    /// Sets the duration of the newest picture.
    fn end_sample(&mut self, duration: u32) {
        if let Some(sample) = self.samples.last_mut() {
            sample.sample.duration = duration;
        }
    }

    /// Writes a fragment of the samples, except for the newest `open` pictures, whose durations are
    /// not known yet.
    fn end_fragment(&mut self, out: &mut Output, open: usize) -> Result<(), Error> {
        let complete = self.samples.len().saturating_sub(open);
        let start = self.fragment_start;
        let video: Vec<_> = self.samples.drain(..complete).collect();
        let samples = video.iter().map(|sample| sample.sample);
        let bytes: usize = samples.clone().map(|sample| sample.size as usize).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        let durations = samples.clone().map(|sample| u64::from(sample.duration));
        self.fragment_start += durations.sum::<u64>();
        let key = video.first().is_some_and(|first| first.sample.key);

        // Video comes first: the index of a file relies on it.
        let video_run = Run {
            track: header::VIDEO,
            timescale: TIMESCALE,
            start,
            samples: samples.collect(),
        };
        let track = match &mut self.audio {
            Audio::Track { track, .. } => Some(track),
            Audio::None | Audio::Awaited => None,
        };
        let audio = track.map(|track| track.take_run());
        let (audio_run, audio) = audio.unzip();
        let runs = [Some(video_run), audio_run].into_iter().flatten();
        let runs: Vec<_> = runs.filter(|run| !run.samples.is_empty()).collect();
        if runs.is_empty() {
            return Ok(());
        }
        self.sequence = self.sequence.wrapping_add(1);
        let mut fragment = Fragment::new(self.sequence, &runs)?;
        for nal in video.iter().flat_map(VideoSample::nals) {
            push_length_prefixed(nal, &mut fragment.data);
        }
        fragment.data.extend(audio.into_iter().flatten());
        out.fragments.push(MuxedFragment {
            fragment,
            key,
            start,
        });
        Ok(())
    }
}

impl Audio {
    fn new(config: AudioConfig, live: bool, flac: Option<FlacEncoder>) -> Self {
        Self::Track {
            track: Box::new(AudioTrack::new(config, live, flac)),
            early: VecDeque::new(),
        }
    }

    const fn track(&self) -> Option<&AudioTrack> {
        match self {
            Self::Track { track, .. } => Some(track),
            Self::None | Self::Awaited => None,
        }
    }
}

impl VideoSample {
    /// The NAL units that are in the sample.
    fn nals(&self) -> impl Iterator<Item = &[u8]> {
        let nals = self.unit.nals();
        let nals = nals.filter(|(kind, _)| self.with_sets || !kind.is_set());
        nals.map(|(_, nal)| nal)
    }
}
