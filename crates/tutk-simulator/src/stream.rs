//! The media for one client: video and audio frames, slice by slice, at their times.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use hl_ioctl::commands::{Media, Switch};
use tutk_frame::{FrameDevice, FrameInfo, FrameNumbers, LinkClock, MediaKind, MissingSlices};
use tutk_session::Dialect;
use tutk_time::Instant;
use video_reassembly::{Repair, ResendConfig, Slicer, SlicerConfig, Slices};

use crate::audio::ClipAudio;
use crate::clip::Clip;
use crate::connect_result::tier;
use crate::context::{Context, Shared};
use crate::event::SliceOrigin;
use crate::personality::TimestampRule;
use crate::send_time::with_send_time;

/// The number of slices that are sent at once. A key frame has hundreds. All of them at once would
/// overrun receive buffers, which a real camera's Wi-Fi cannot do.
const BURST: u32 = 8;

/// The flag of a key frame in the frame info: bit 0, as in the vendor's public headers. Not
/// verified on hardware.
const KEY_FLAG: u8 = 0x01;

/// The MAC address in the frame info if the simulated camera's is not known.
const UNKNOWN_MAC: [u8; 12] = *b"000000000000";

/// The media for one client.
#[derive(Debug)]
pub(crate) struct Stream {
    slicer: Slicer,
    video: Video,
    audio: Audio,
    /// The Unix time at the start, for [`TimestampRule::ConstantSeconds`].
    first_second: u32,
    /// The newest first transmission of a slice.
    last: Option<WrittenSlice>,
}

#[derive(Debug)]
struct Video {
    clip: Clip,
    /// When the clip last started from its first frame; `None` while it is paused.
    started: Option<Instant>,
    /// The next frame since then, from 0.
    next: u64,
    /// The number of frames of which sending has started.
    sent: u64,
    /// The number of frames to send.
    end: Option<u64>,
    sending: Option<PacedFrame>,
    /// The resolution code of the previous frame.
    resolution: Option<u8>,
}

#[derive(Debug)]
struct Audio {
    /// `None` for a camera without a microphone.
    clip: Option<ClipAudio>,
    /// When the audio last started from its first frame; `None` while it is paused.
    started: Option<Instant>,
    /// The next frame since then, from 0.
    next: u64,
}

/// A video frame that is sent in bursts.
#[derive(Debug)]
struct PacedFrame {
    frame: SlicedFrame,
    /// The number of slices that may be sent before `next_at`.
    allowed: u32,
    next_at: Instant,
    gap: Duration,
}

#[derive(Debug)]
struct SlicedFrame {
    /// The slices that are not sent yet.
    slices: Slices,
    total: u16,
    kind: MediaKind,
    bytes: u32,
}

/// The properties of a slice that was written into a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrittenSlice {
    pub(crate) kind: MediaKind,
    pub(crate) frame: u32,
    pub(crate) frame_bytes: u32,
    pub(crate) index: u16,
    pub(crate) slices: u16,
    pub(crate) origin: SliceOrigin,
}

impl Stream {
    /// Video and audio are off until they are [switched](Self::switch) on.
    pub(crate) fn new(
        shared: &Shared,
        dialect: &Dialect,
        resend: Option<ResendConfig>,
        now: Instant,
    ) -> Result<Self, video_reassembly::Error> {
        let mut config = SlicerConfig::new(dialect.media);
        config.version = dialect.media_version;
        config.resend = resend;
        config.numbering = shared.config.personality.frame_numbers;
        Ok(Self {
            slicer: Slicer::new(config)?,
            video: Video {
                clip: shared.config.clip.clone(),
                started: None,
                next: 0,
                sent: 0,
                end: shared.config.frames,
                sending: None,
                resolution: None,
            },
            audio: Audio {
                clip: shared.config.audio.clone(),
                started: None,
                next: 0,
            },
            first_second: shared.epoch.unix_seconds_at(now),
            last: None,
        })
    }

    /// Stops a stream at once, also in the middle of a frame, or starts it again, video with a key
    /// frame. The counters of frames and slices are never reset (docs/protocol.md, section 15).
    ///
    /// Has no effect on other media.
    pub(crate) fn switch(&mut self, now: Instant, media: Media, switch: Switch) {
        let Self { video, audio, .. } = self;
        match (media, switch) {
            (Media::Video, Switch::On) if video.started.is_none() => video.start(now),
            (Media::Video, Switch::Off) => {
                video.started = None;
                video.sending = None;
            }
            (Media::Audio, Switch::On) if audio.started.is_none() => {
                audio.started = Some(now);
                audio.next = 0;
            }
            (Media::Audio, Switch::Off) => audio.started = None,
            _ => {}
        }
    }

    /// Returns `true` if the last frame is sent.
    pub(crate) fn is_finished(&self) -> bool {
        self.video.is_finished() && self.audio_due().is_none()
    }

    /// The client acknowledges the slices before `base`, and requests missing ones.
    pub(crate) fn handle_ack(&mut self, base: u16, missing: MissingSlices<'_>) {
        self.slicer.handle_request(base, missing);
    }

    /// Returns when the next slice is due; `None` if the stream is paused or finished.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.video.due(), self.audio_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Writes the next packet that is due; `None` if none is due.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        clock: LinkClock,
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Option<WrittenSlice> {
        // Parity follows its slices, and the client waits for retransmissions.
        if let Some(repair) = self.slicer.write_repair(clock, out) {
            return self.written_repair(repair);
        }
        let written = self.write_slice(now, clock, context, out)?;
        self.last = Some(written);
        Some(written)
    }

    /// Writes the first transmission of the next slice that is due; `None` if none is due.
    fn write_slice(
        &mut self,
        now: Instant,
        clock: LinkClock,
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Option<WrittenSlice> {
        // An audio frame is one packet. It does not wait for the hundreds of a video frame.
        if self.audio_due().is_some_and(|due| due <= now)
            && let Some(mut frame) = self.slice_audio(context)
        {
            return frame.write(&mut self.slicer, clock, out);
        }
        if self.video.sending.is_none() && self.video.due().is_some_and(|due| due <= now) {
            self.start_video_frame(now, context);
        }
        let sending = self.video.sending.as_mut()?;
        if sending.allowed == 0 && sending.next_at <= now {
            sending.allowed = BURST;
            sending.next_at += sending.gap;
        }
        sending.allowed = sending.allowed.checked_sub(1)?;
        let written = sending.frame.write(&mut self.slicer, clock, out);
        if sending.frame.slices.remaining() == 0 {
            self.video.sending = None;
        }
        written
    }

    /// Returns the properties of a retransmission or of parity, which follows a slice.
    fn written_repair(&self, repair: Repair) -> Option<WrittenSlice> {
        Some(match repair {
            Repair::Slice(header) => WrittenSlice {
                kind: header.kind,
                frame: header.frame,
                frame_bytes: 0,
                index: header.index(),
                slices: header.slices,
                origin: SliceOrigin::Resent,
            },
            Repair::Parity => WrittenSlice {
                origin: SliceOrigin::Parity,
                ..self.last?
            },
        })
    }

    /// Returns when the next audio frame is due. Audio ends with the video.
    fn audio_due(&self) -> Option<Instant> {
        let Audio {
            clip,
            started,
            next,
        } = &self.audio;
        let due = (*started)? + clip.as_ref()?.due(*next);
        let is_before_end = self.video.ends_at().is_none_or(|end| due < end);
        is_before_end.then_some(due)
    }

    fn slice_audio(&mut self, context: &Context<'_>) -> Option<SlicedFrame> {
        let number = self.audio.next;
        self.audio.next += 1;
        let clip = self.audio.clip.as_ref()?;
        let data = clip.frame(number)?.clone();
        let format = clip.format();
        let info = FrameInfo {
            codec: format.codec,
            flags: format.flags.0,
            ..self.info(self.audio.started? + clip.due(number), context)
        };
        self.slice(MediaKind::Audio, info, data)
    }

    fn start_video_frame(&mut self, now: Instant, context: &Context<'_>) {
        let resolution = tier(context.device.video().resolution);
        let changed = self
            .video
            .resolution
            .replace(resolution)
            .is_some_and(|before| before != resolution);
        if changed && let Some(due) = self.video.due() {
            // As an encoder does: the next frame is a key frame.
            self.video.start(due);
        }
        let number = self.video.next;
        self.video.next += 1;
        self.video.sent += 1;
        let clip = &self.video.clip;
        let (Some(started), Some(frame)) = (self.video.started, clip.frame(number)) else {
            return;
        };
        let (mut data, key) = (frame.data.clone(), frame.key);
        if context.shared.config.send_times {
            data = with_send_time(clip.codec(), &data, context.shared.epoch.unix_at(now));
        }
        // By the clip, not by the clock: timestamps do not depend on when this is called.
        let taken = started + clip.due(number);
        let info = FrameInfo {
            codec: clip.codec(),
            flags: if key { KEY_FLAG } else { 0 },
            fps: clip.fps(),
            resolution,
            bitrate: u8::try_from(context.device.video().bitrate.get()).unwrap_or(u8::MAX),
            ..self.info(taken, context)
        };
        let between = clip.due(1);
        let kind = match key {
            true => MediaKind::Key,
            false => MediaKind::Delta,
        };
        self.video.sending = self.slice(kind, info, data).map(|frame| {
            let bursts = u32::from(frame.total).div_ceil(BURST).max(1);
            PacedFrame {
                frame,
                allowed: 0,
                next_at: now,
                // A frame is sent within half the time to the next one.
                gap: between / 2 / bursts,
            }
        });
    }

    fn slice(&mut self, kind: MediaKind, info: FrameInfo, data: Bytes) -> Option<SlicedFrame> {
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
        match self.slicer.slice(kind, info, data) {
            Ok(slices) => Some(SlicedFrame {
                total: u16::try_from(slices.remaining()).unwrap_or(u16::MAX),
                slices,
                kind,
                bytes,
            }),
            // Clip::new and ClipAudio::new refuse such frames.
            Err(error) => {
                tracing::error!(%error, ?kind, "cannot slice a frame");
                None
            }
        }
    }

    /// The frame info of a frame taken at `taken`, without what differs between video and audio.
    fn info(&self, taken: Instant, context: &Context<'_>) -> FrameInfo {
        let Context {
            shared,
            device,
            viewers,
            ..
        } = context;
        let unix = shared.epoch.unix_at(taken);
        let seconds = device.clock(shared.epoch.unix_seconds_at(taken));
        FrameInfo {
            codec: self.video.clip.codec(),
            flags: 0,
            camera: 0,
            // This client is not counted yet when its first frame is due at once.
            viewers: (*viewers).max(1),
            fps: 0,
            resolution: 0,
            bitrate: 0,
            micros: unix.subsec_micros(),
            seconds: match shared.config.personality.timestamps {
                TimestampRule::Unix => seconds,
                TimestampRule::ConstantSeconds => self.first_second,
            },
            numbers: Some(FrameNumbers {
                bytes: 0,
                frame: 0,
                device: Some(FrameDevice {
                    mac: shared
                        .config
                        .credentials
                        .mac
                        .map_or(UNKNOWN_MAC, |mac| *mac.as_bytes()),
                    word: 0,
                }),
            }),
        }
    }
}

impl Video {
    /// Starts the clip from its first frame, which is due at `at`.
    fn start(&mut self, at: Instant) {
        self.started = Some(at);
        self.next = 0;
    }

    fn is_finished(&self) -> bool {
        self.sending.is_none() && self.end.is_some_and(|end| self.sent >= end)
    }

    fn due(&self) -> Option<Instant> {
        match &self.sending {
            Some(sending) => Some(sending.next_at),
            None if self.is_finished() => None,
            None => Some(self.started? + self.clip.due(self.next)),
        }
    }

    /// Returns when the last frame ends; `None` if there is no last frame or the clip is paused.
    fn ends_at(&self) -> Option<Instant> {
        let left = self.end?.saturating_sub(self.sent);
        let last = self.next.saturating_add(left);
        Some(self.started? + self.clip.due(last))
    }
}

impl SlicedFrame {
    /// Writes the next slice.
    fn write(
        &mut self,
        slicer: &mut Slicer,
        clock: LinkClock,
        out: &mut Vec<u8>,
    ) -> Option<WrittenSlice> {
        let left = u16::try_from(self.slices.remaining()).unwrap_or(u16::MAX);
        let written = WrittenSlice {
            kind: self.kind,
            frame: self.slices.number(),
            frame_bytes: self.bytes,
            index: self.total.saturating_sub(left),
            slices: self.total,
            origin: SliceOrigin::First,
        };
        slicer
            .write_next(&mut self.slices, clock, out)
            .then_some(written)
    }
}
