//! Fragmented MP4 for viewers who watch while it is made.

use std::time::Duration;

use arrayvec::ArrayVec;
use bytes::Bytes;

use super::Mp4Writer;
use super::TIMESCALE;
use super::audio::AudioTrack;
use super::segment_times::{self, TrackStart};
use crate::clock::{PICTURE_TICKS, PictureClock, UNKNOWN_TICKS};
use crate::{AccessUnit, AudioConfig, AudioFormat, Codec, Error, SequenceParameters};

/// The shortest that a picture is shown, in ticks: players do not take those of no time well.
const MIN_TICKS: u64 = 90;

/// No picture is guessed to be shown for longer than this, in ticks: where the guess was wrong, the next
/// ones are shown for as little as may be until it is made good.
const MAX_GUESS: u32 = PICTURE_TICKS / 2;

/// What a viewer has to be given before any segment: `ftyp` and `moov`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitSegment {
    /// Its bytes.
    pub data: Bytes,
    /// The codecs of the tracks, as `avc1.640028,mp4a.40.2`.
    pub codecs: String,
}

impl InitSegment {
    /// What a browser's `MediaSource` is asked for, as `video/mp4; codecs="avc1.640028,mp4a.40.2"`.
    #[must_use]
    pub fn mime_type(&self) -> String {
        format!("video/mp4; codecs=\"{}\"", self.codecs)
    }
}

/// A part of a live stream: `moof` and `mdat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its bytes.
    pub data: Bytes,
    /// It begins with a key frame: a new viewer can be given it, behind the
    /// [initialization segment](LiveMp4::init).
    pub key: bool,
    /// What viewers who are there already have to be given before it: at the beginning, and when the
    /// camera changed its parameter sets.
    pub init: Option<InitSegment>,
    /// The start of the segment on the stream's time line.
    pub start: Duration,
    /// The end of a segment with video. That of audio is not known.
    pub end: Duration,
    tracks: ArrayVec<TrackStart, 2>,
}

impl Segment {
    /// Returns the bytes of the segment for a stream that starts at `zero` on this time line.
    ///
    /// Viewers can share segments and still see a stream that starts at time 0. Only the `moof` is copied.
    #[must_use]
    pub fn rebased(&self, zero: Duration) -> [Bytes; 2] {
        segment_times::rebase(&self.data, &self.tracks, zero)
    }
}

/// Makes access units and frames of sound into segments for live viewing, as a browser's Media Source
/// Extensions take them: each frame is a segment of its own, returned as soon as it comes.
///
/// What is said of [`Mp4Writer`] is true of this too, but for three things.
///
/// - Nobody waits for the next picture to know how long one is shown: it is taken to be as long as the
///   newest two were apart, and where that was wrong the next is shown for as much longer or shorter. So
///   there is never a gap, over which browsers do not play; at a steady rate every picture is on its clock.
/// - Sound behind a gap is heard at once, and the silence is behind it.
/// - A key frame with other parameter sets makes a new initialization segment.
///
/// ```
/// use std::time::Duration;
/// use tutk_media::{Clip, LiveMp4};
///
/// # let name = concat!(env!("CARGO_MANIFEST_DIR"), "/../tutk-cli/assets/clip.h265");
/// # let file = std::fs::read(name).unwrap();
/// let clip = Clip::parse(file.into())?;
/// let mut live = LiveMp4::new(clip.codec());
/// for (at, unit) in (0..).zip(clip.units()) {
///     let segment = live.write(unit, Duration::from_millis(50) * at)?.unwrap();
///     assert_eq!((segment.key, segment.init.is_some()), (unit.is_key(), at == 0));
/// }
/// let mime_type = live.init().unwrap().mime_type();
/// assert_eq!(mime_type, "video/mp4; codecs=\"hvc1.1.6.L60.90\"");
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug)]
pub struct LiveMp4 {
    writer: Mp4Writer,
}

/// What a writer has besides when it writes for live viewing.
#[derive(Debug, Default)]
pub(super) struct Live {
    init: Option<InitSegment>,
    /// The viewers do not have it yet.
    init_is_new: bool,
    /// There is to be no other one.
    one_init: bool,
    /// What was written last begins with a key frame.
    pub(super) key: bool,
    /// Ticks between the newest two pictures.
    interval: Option<u32>,
    /// Where the newest picture ends as it was written, in ticks.
    end: u64,
}

impl Live {
    /// How long the newest picture is shown, which the clock was just advanced to, by so many ticks.
    pub(super) fn duration(&mut self, clock: &PictureClock, ticks: Option<u32>) -> u32 {
        // After a pause, what was before it is a better guess.
        let interval = ticks.unwrap_or(UNKNOWN_TICKS);
        let guess = interval.min(self.interval.unwrap_or(interval));
        let guess = guess.min(MAX_GUESS);
        self.interval = Some(interval);
        let end = (clock.start() + u64::from(guess)).max(self.end + MIN_TICKS);
        let duration = u32::try_from(end - self.end).unwrap_or(u32::MAX);
        self.end += u64::from(duration);
        duration
    }

    /// Whether parameter sets that change make another initialization segment.
    pub(super) const fn renews(&self) -> bool {
        !self.one_init
    }

    pub(super) fn set_init(
        &mut self,
        data: Vec<u8>,
        parameters: &SequenceParameters,
        sound: Option<&AudioTrack>,
    ) {
        let mut codecs = parameters.codec_string();
        if let Some(sound) = sound.and_then(AudioTrack::codec_string) {
            codecs.push(',');
            codecs.push_str(&sound);
        }
        self.init = Some(InitSegment {
            data: data.into(),
            codecs,
        });
        self.init_is_new = true;
    }
}

impl LiveMp4 {
    /// Begins a stream with one track, of pictures of this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        let mut writer = Mp4Writer::new(codec);
        writer.live = Some(Live::default());
        Self { writer }
    }

    /// Adds a track of this sound: see [`Mp4Writer::with_audio`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_audio(self, config: AudioConfig) -> Result<Self, Error> {
        let writer = self.writer.with_audio(config)?;
        Ok(Self { writer })
    }

    /// Adds a track of FLAC, made of this sound: see [`Mp4Writer::with_flac`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn with_flac(self, config: AudioConfig) -> Result<Self, Error> {
        let writer = self.writer.with_flac(config)?;
        Ok(Self { writer })
    }

    /// Never makes another initialization segment: parameter sets that change stay where they are. So it is
    /// for who reads one file without an end, and for nobody who is given segments.
    #[must_use]
    pub fn with_one_init(mut self) -> Self {
        if let Some(live) = &mut self.writer.live {
            live.one_init = true;
        }
        self
    }

    /// Adds a track of sound of whatever format the first frame has: see [`Mp4Writer::await_audio`].
    /// Until there is one, the pictures are held back, for [`AUDIO_WAIT`](crate::AUDIO_WAIT) at most.
    #[must_use]
    pub fn await_audio(self) -> Self {
        Self {
            writer: self.writer.await_audio(),
        }
    }

    /// Takes the next access unit: see [`Mp4Writer::write`]. Nothing is returned before the first key
    /// frame, and while sound is awaited.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write(&mut self, unit: &AccessUnit, time: Duration) -> Result<Option<Segment>, Error> {
        let data = self.writer.write(unit, time)?;
        Ok(self.segment(data))
    }

    /// Takes the next frame of sound: see [`Mp4Writer::write_audio`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn write_audio(
        &mut self,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<Option<Segment>, Error> {
        let data = self.writer.write_audio(format, frame, time)?;
        Ok(self.segment(data))
    }

    /// What a new viewer has to be given before the first segment, once there was one. His first is one
    /// that begins with a [key](Segment::key) frame.
    #[must_use]
    pub fn init(&self) -> Option<&InitSegment> {
        self.writer.live.as_ref()?.init.as_ref()
    }

    /// The writer, for what it has counted.
    #[must_use]
    pub const fn writer(&self) -> &Mp4Writer {
        &self.writer
    }

    fn segment(&mut self, data: Vec<u8>) -> Option<Segment> {
        let audio_timescale = self.writer.audio_timescale();
        let live = self.writer.live.as_mut().filter(|_| !data.is_empty())?;
        let init = live.init.as_ref().filter(|_| live.init_is_new).cloned();
        live.init_is_new = false;
        let tracks = segment_times::starts(&data, audio_timescale);
        let start = tracks.first().map_or(Duration::ZERO, TrackStart::time);
        Some(Segment {
            data: data.into(),
            key: std::mem::take(&mut live.key),
            init,
            start,
            end: segment_times::time(live.end, TIMESCALE),
            tracks,
        })
    }
}
