//! Fragmented MP4 for live viewing.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::fragment::DecodeTime;
use super::header::InitSegment;
use super::muxer::{Mp4Audio, Muxer, Output};
use crate::{AccessUnit, AudioFormat, Codec, Error, MuxerStats};

/// A part of a live stream: `moof` and `mdat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The bytes.
    pub data: Bytes,
    /// `true` if the segment starts with a key frame. A new viewer starts with such a segment,
    /// after the current [initialization segment](LiveMp4::init).
    pub key: bool,
    /// A new initialization segment: the first one, or that of changed parameter sets. A Media
    /// Source Extensions client needs it before this segment. A client that reads one endless file
    /// does not, because changed parameter sets are in the stream too.
    pub init: Option<InitSegment>,
    /// The decode time of the first sample, counted from the first picture of the stream.
    pub start: Duration,
    /// The end of the newest picture.
    pub end: Duration,
    times: SmallVec<[DecodeTime; 2]>,
    /// The size of the first `moof` and the header of its `mdat`.
    header_bytes: usize,
}

impl Segment {
    /// Returns the segment on a time line that starts at `zero`: a changed header of a few hundred
    /// bytes, and the samples, which are shared.
    ///
    /// With the [start](Self::start) of a viewer's first segment as `zero`, the viewer's stream
    /// starts at 0, as players of endless files expect. Segments that start before `zero` must be
    /// left out.
    #[must_use]
    pub fn rebased(&self, zero: Duration) -> [Bytes; 2] {
        let last = self.times.iter().map(|time| time.offset + size_of::<u64>());
        let bytes = last.max().unwrap_or(0).max(self.header_bytes);
        let mut rest = self.data.clone();
        let mut header = BytesMut::from(&*rest.split_to(bytes.min(rest.len())));
        for time in &self.times {
            let nanos = zero.as_nanos() * u128::from(time.timescale) + 500_000_000;
            let shift = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
            let ticks = time.ticks.saturating_sub(shift).to_be_bytes();
            if let Some(value) = header.get_mut(time.offset..time.offset + ticks.len()) {
                value.copy_from_slice(&ticks);
            }
        }
        [header.freeze(), rest]
    }
}

/// Writes access units and audio frames as segments for live viewing, as browsers' Media Source
/// Extensions accept them.
///
/// One writer serves all viewers of a camera: each frame is one segment, returned at once, and a
/// viewer can join at any [key](Segment::key) segment. All segments are on one time line, which
/// starts at the first picture.
///
/// The documentation of [`Mp4Writer`](super::Mp4Writer) applies, with these differences:
///
/// - The duration of a picture is not known until the next one comes. The interval between the
///   newest two pictures is assumed, and the duration of the next picture corrects the error. There
///   is never a gap, which browsers do not play over. At a steady rate every picture is on its
///   clock.
/// - Audio after a gap is played immediately, and the silence follows it.
/// - A key frame with other parameter sets makes a new initialization segment. From then on
///   parameter sets are in the stream too, for viewers with the old one.
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
///     assert_eq!(segment.start, Duration::from_millis(50) * at);
/// }
/// let mime_type = live.init().unwrap().mime_type();
/// assert_eq!(mime_type, "video/mp4; codecs=\"hvc1.1.6.L60.90\"");
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug)]
pub struct LiveMp4 {
    muxer: Muxer,
    init: Option<InitSegment>,
}

impl LiveMp4 {
    /// Starts a stream with a video track.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            muxer: Muxer::new(codec, true),
            init: None,
        }
    }

    /// Starts a stream with a video and an audio track. While audio is
    /// [awaited](Mp4Audio::Awaited), pictures are held back.
    ///
    /// # Errors
    ///
    /// See [`Mp4Writer::with_audio`](super::Mp4Writer::with_audio).
    pub fn with_audio(codec: Codec, audio: Mp4Audio) -> Result<Self, Error> {
        let mut live = Self::new(codec);
        live.muxer.set_audio(audio)?;
        Ok(live)
    }

    /// Writes the next access unit. Returns `None` before the first key frame with parameter sets,
    /// while the stream waits for audio, and for a unit without a picture.
    ///
    /// # Errors
    ///
    /// See [`Mp4Writer::write`](super::Mp4Writer::write).
    pub fn write(&mut self, unit: &AccessUnit, time: Duration) -> Result<Option<Segment>, Error> {
        let output = self.muxer.write(unit, time)?;
        Ok(self.segment(output))
    }

    /// Writes the next audio frame.
    ///
    /// # Errors
    ///
    /// See [`Mp4Writer::write_audio`](super::Mp4Writer::write_audio).
    pub fn write_audio(
        &mut self,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<Option<Segment>, Error> {
        let output = self.muxer.write_audio(format, frame, time)?;
        Ok(self.segment(output))
    }

    /// The current initialization segment. `None` before the first segment.
    #[must_use]
    pub const fn init(&self) -> Option<&InitSegment> {
        self.init.as_ref()
    }

    /// The format of the audio track once it is known.
    #[must_use]
    pub fn audio_format(&self) -> Option<AudioFormat> {
        self.muxer.audio_format()
    }

    /// Returns the counters.
    #[must_use]
    pub const fn stats(&self) -> MuxerStats {
        self.muxer.stats()
    }

    fn segment(&mut self, output: Output) -> Option<Segment> {
        // A header comes with a fragment.
        let init = output.header;
        if init.is_some() {
            self.init.clone_from(&init);
        }
        let mut fragments = output.fragments.into_iter();
        let first = fragments.next()?;
        let mut data = first.fragment.data;
        let mut times: SmallVec<[DecodeTime; 2]> = first.fragment.times.into_iter().collect();
        // Pictures that waited for audio can be several fragments.
        for more in fragments {
            let at = data.len();
            let moved = more.fragment.times.into_iter().map(|time| DecodeTime {
                offset: time.offset + at,
                ..time
            });
            times.extend(moved);
            data.extend(more.fragment.data);
        }
        Some(Segment {
            data: data.into(),
            key: first.key,
            init,
            start: times.iter().map(DecodeTime::time).min().unwrap_or_default(),
            end: self.muxer.video_end(),
            times,
            header_bytes: first.fragment.header_bytes,
        })
    }
}
