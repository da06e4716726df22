//! Muxed output that all viewers of a camera and format share.
//!
//! The first viewer of a format that reaches a frame muxes it. The result is stored with the frame,
//! so that it is kept for later viewers exactly as long as the frame. A muxer exists while it has
//! viewers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tutk_media::{AudioCodec, Codec, Error, InitSegment, LiveMp4, Mp4Audio, Segment, TsWriter};

use super::derived::MuxedFrame;
use super::description::{SoundDescription, StreamDescription};
use super::live_frame::LiveFrame;

/// A format of muxed output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MuxFormat {
    /// MP4 segments.
    Mp4(AudioTrack),
    /// MPEG-TS.
    Ts,
}

/// The audio track of MP4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AudioTrack {
    None,
    /// The camera's codec.
    Camera,
    /// FLAC for PCM and G.711, otherwise the camera's codec.
    Flac,
}

/// Muxes the frames of a camera in one format.
pub(crate) struct Muxer {
    id: u64,
    stream: MuxStream,
    /// Why the format cannot carry the audio, if so.
    pub(crate) omitted_audio: Option<String>,
    state: Mutex<State>,
}

/// The stream for which a muxer was created. Another stream needs another muxer.
#[derive(Debug, Clone, PartialEq)]
struct MuxStream {
    format: MuxFormat,
    codec: Codec,
    audio: Option<SoundDescription>,
}

struct State {
    writer: Writer,
    /// The number of the next frame to mux.
    next: u64,
    init: Option<Arc<InitSegment>>,
    /// An error of an audio frame was already logged.
    logged: bool,
}

enum Written {
    Segment(Segment),
    Packets(Bytes),
}

enum Writer {
    Mp4(Box<LiveMp4>),
    Ts(Box<TsWriter>),
}

/// The muxers of a camera.
#[derive(Debug, Default)]
pub(super) struct Muxers(Mutex<Vec<Weak<Muxer>>>);

impl MuxFormat {
    fn has_audio(self) -> bool {
        !matches!(self, Self::Mp4(AudioTrack::None))
    }
}

impl Muxers {
    /// Returns the muxer of a format, shared with other viewers. Returns `None` if the stream has
    /// no video.
    pub(super) fn get(
        &self,
        format: MuxFormat,
        description: &StreamDescription,
    ) -> Option<Arc<Muxer>> {
        let video = description.video.as_ref()?;
        let stream = MuxStream {
            format,
            codec: video.codec(),
            audio: description.sound.filter(|_| format.has_audio()),
        };
        let mut muxers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        muxers.retain(|muxer| muxer.strong_count() > 0);
        let mut running = muxers.iter().filter_map(Weak::upgrade);
        if let Some(muxer) = running.find(|muxer| muxer.stream == stream) {
            return Some(muxer);
        }
        let muxer = Arc::new(Muxer::new(stream));
        muxers.push(Arc::downgrade(&muxer));
        Some(muxer)
    }
}

impl Muxer {
    fn new(stream: MuxStream) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let (writer, omitted_audio) = Writer::new(&stream);
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            stream,
            state: Mutex::new(State {
                writer,
                next: 0,
                init: None,
                logged: omitted_audio.is_some(),
            }),
            omitted_audio,
        }
    }

    /// Returns the video codec.
    pub(crate) fn codec(&self) -> Codec {
        self.stream.codec
    }

    /// Returns the audio that is in the output.
    pub(crate) fn audio(&self) -> Option<SoundDescription> {
        self.stream.audio.filter(|_| self.omitted_audio.is_none())
    }

    /// Returns `true` if the muxer can continue with a stream that has this description.
    pub(crate) fn accepts(&self, description: &StreamDescription) -> bool {
        let video = description.video.as_ref();
        let audio = description.sound.map(|audio| audio.config);
        let known = self.stream.audio.map(|audio| audio.config);
        // Streams without video or audio are incomplete: it was lost or has not started yet.
        video.is_none_or(|video| video.codec() == self.stream.codec)
            && (!self.stream.format.has_audio() || audio.is_none() || audio == known)
    }

    /// Returns the muxed form of a frame. Returns `None` if the output does not contain the frame,
    /// or if viewers that are ahead have skipped it.
    pub(crate) fn mux(&self, frame: &LiveFrame) -> Option<MuxedFrame> {
        if let Some(muxed) = frame.derived().muxed.get(self.id) {
            return muxed;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Another viewer may have muxed it in the meantime.
        if let Some(muxed) = frame.derived().muxed.get(self.id) {
            return muxed;
        }
        if frame.number < state.next {
            return None;
        }
        state.next = frame.number + 1;
        let muxed = state.mux(frame);
        frame.derived().muxed.insert(self.id, muxed.clone());
        muxed
    }
}

impl State {
    fn mux(&mut self, frame: &LiveFrame) -> Option<MuxedFrame> {
        match self.writer.write(frame) {
            Ok(Some(Written::Segment(mut segment))) => {
                if let Some(init) = segment.init.take() {
                    self.init = Some(Arc::new(init));
                }
                Some(MuxedFrame::Mp4 {
                    segment: Arc::new(segment),
                    init: self.init.clone()?,
                })
            }
            Ok(Some(Written::Packets(data))) => Some(MuxedFrame::Ts {
                key: frame.is_key(),
                data,
            }),
            Ok(None) => None,
            Err(error) => {
                if !self.logged {
                    self.logged = true;
                    tracing::info!(%error, "frame omitted from a stream; further ones are not logged");
                }
                None
            }
        }
    }
}

impl Writer {
    fn new(stream: &MuxStream) -> (Self, Option<String>) {
        let codec = stream.codec;
        let audio = stream.audio.map(|audio| audio.config);
        match stream.format {
            MuxFormat::Mp4(track) => {
                let audio = audio.map(|config| {
                    let is_linear = matches!(
                        config.format().codec,
                        AudioCodec::Pcm | AudioCodec::Pcmu | AudioCodec::Pcma
                    );
                    match track == AudioTrack::Flac && is_linear {
                        true => LiveMp4::with_audio(codec, Mp4Audio::Flac(config)),
                        false => LiveMp4::with_audio(codec, Mp4Audio::Track(config)),
                    }
                });
                let (mp4, omitted) = or_without_audio(audio, || LiveMp4::new(codec));
                (Self::Mp4(Box::new(mp4)), omitted)
            }
            MuxFormat::Ts => {
                let audio = audio.map(|config| TsWriter::with_audio(codec, config));
                let (ts, omitted) = or_without_audio(audio, || TsWriter::new(codec));
                (Self::Ts(Box::new(ts)), omitted)
            }
        }
    }

    fn write(&mut self, frame: &LiveFrame) -> Result<Option<Written>, Error> {
        let time = frame.timestamp;
        let audio = frame.description.sound.map(|audio| audio.format);
        match self {
            Self::Mp4(mp4) => {
                let has_track = mp4.audio_format().is_some();
                let segment = match (&frame.unit, audio.filter(|_| has_track)) {
                    (Some(unit), _) => mp4.write(unit, time)?,
                    (None, Some(format)) => mp4.write_audio(format, &frame.data, time)?,
                    (None, None) => None,
                };
                Ok(segment.map(Written::Segment))
            }
            Self::Ts(ts) => {
                let data = match (&frame.unit, audio) {
                    (Some(unit), _) => ts.write(unit, time)?,
                    (None, Some(format)) => ts.write_audio(format, &frame.data, time)?,
                    (None, None) => Bytes::new(),
                };
                Ok((!data.is_empty()).then(|| Written::Packets(data)))
            }
        }
    }
}

/// Returns the writer with audio if there is audio and the format can carry it. Otherwise returns
/// the writer without audio, and the reason if there is audio.
fn or_without_audio<W>(
    with_audio: Option<Result<W, Error>>,
    without_audio: impl FnOnce() -> W,
) -> (W, Option<String>) {
    match with_audio {
        Some(Ok(writer)) => (writer, None),
        Some(Err(error)) => (without_audio(), Some(error.to_string())),
        None => (without_audio(), None),
    }
}

impl fmt::Debug for Muxer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Muxer")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
