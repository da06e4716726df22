//! The camera's media for one client: clip and sound, frame by frame, slice by slice, in time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hl_ioctl::commands::{Media, Switch};
use tutk_frame::{FrameDevice, FrameInfo, FrameNumbers, LinkClock, MediaKind, ResendRequest};
use video_reassembly::{Repair, Slicer, SlicerConfig, Slices};

use crate::av::Context;
use crate::clip::Clip;
use crate::config::Stamps;
use crate::event::SliceOrigin;
use crate::shared::Shared;
use crate::sound::Sound;
use tutk_session::Dialect;
use tutk_session::internal::later;

/// How many slices go out at once. A key frame is hundreds: all at once they would overrun receive
/// buffers that a real camera's Wi-Fi never could.
const BURST: u32 = 8;

/// The flag in the frame info that marks a key frame. Bit 0, as the vendor's public headers have
/// it; not verified on hardware.
const KEY_FLAG: u8 = 0x01;

/// One client's media.
#[derive(Debug)]
pub(crate) struct Stream {
    slicer: Slicer,
    video: Video,
    audio: Audio,
    /// The Unix second in which it all began: the only one where [`Stamps::ConstantSeconds`] rules.
    first_second: u32,
    /// The newest slice that was sent for the first time.
    last: Option<Written>,
}

#[derive(Debug)]
struct Video {
    clip: Clip,
    /// When the clip last began from its first frame; none while it is paused.
    started: Option<Instant>,
    /// The next frame since then, from 0.
    next: u64,
    /// Frames begun in all, and how many there are to be.
    sent: u64,
    end: Option<u64>,
    sending: Option<Sending>,
    /// The resolution code of the frame before.
    resolution: Option<u8>,
}

#[derive(Debug)]
struct Audio {
    /// None: this camera has no microphone.
    sound: Option<Sound>,
    /// When the sound last began from its first frame; none while it is paused.
    started: Option<Instant>,
    /// The next frame since then, from 0.
    next: u64,
}

/// A picture that is under way.
#[derive(Debug)]
struct Sending {
    frame: Cut,
    /// Slices that may go out before `next_at`.
    allowed: u32,
    next_at: Instant,
    gap: Duration,
}

/// A frame, cut into slices.
#[derive(Debug)]
struct Cut {
    slices: Slices,
    of: u16,
    kind: MediaKind,
    bytes: u32,
}

/// What a slice was that has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) kind: MediaKind,
    pub(crate) frame: u32,
    pub(crate) frame_bytes: u32,
    pub(crate) index: u16,
    pub(crate) slices: u16,
    pub(crate) origin: SliceOrigin,
}

impl Stream {
    /// Nothing is sent until it is [switched](Self::switch) on.
    pub(crate) fn new(
        shared: &Shared,
        dialect: &Dialect,
        resend: bool,
        now: Instant,
    ) -> Result<Self, video_reassembly::Error> {
        let mut config = SlicerConfig::new(dialect.media);
        config.version = dialect.media_version;
        config.resend = shared.resend.filter(|_| resend);
        Ok(Self {
            slicer: Slicer::new(config)?,
            video: Video {
                clip: shared.clip.clone(),
                started: None,
                next: 0,
                sent: 0,
                end: shared.frames,
                sending: None,
                resolution: None,
            },
            audio: Audio {
                sound: shared.sound.clone(),
                started: None,
                next: 0,
            },
            first_second: shared.epoch.unix_seconds_at(now),
            last: None,
        })
    }

    /// Stops at once, in the middle of a frame if need be; or begins anew, video with a key frame.
    /// The counts of frames and slices go on: they are never reset (wire.md section 10).
    ///
    /// Other media have no source here: to switch them changes nothing that can be seen.
    pub(crate) fn switch(&mut self, now: Instant, media: Media, switch: Switch) {
        let Self { video, audio, .. } = self;
        match (media, switch) {
            (Media::Video, Switch::On) if video.started.is_none() => video.begin(now),
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

    /// Whether the last frame of all is out.
    pub(crate) fn is_finished(&self) -> bool {
        self.video.is_finished() && self.audio_due().is_none()
    }

    /// What a client asks for again.
    pub(crate) fn handle_request(&mut self, request: &ResendRequest<'_>) {
        self.slicer.handle_request(request.base, request.missing());
    }

    /// When the next slices are due; none when paused or finished.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.video.due(), self.audio_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Writes the next packet that is due; `None` when none is.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        clock: LinkClock,
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Written> {
        // Parity belongs behind its slices, and what is missing is waited for.
        if let Some(repair) = self.slicer.write_repair(clock, out) {
            return self.repaired(repair);
        }
        let written = self.write_slice(now, clock, context, out)?;
        self.last = Some(written);
        Some(written)
    }

    /// Writes the next slice that is due, for the first time; `None` when none is.
    fn write_slice(
        &mut self,
        now: Instant,
        clock: LinkClock,
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Written> {
        // A frame of audio is one packet: it does not wait for the hundreds that a picture has.
        if self.audio_due().is_some_and(|due| due <= now)
            && let Some(mut frame) = self.cut_audio(context)
        {
            return frame.write(&mut self.slicer, clock, out);
        }
        if self.video.sending.is_none() && self.video.due().is_some_and(|due| due <= now) {
            self.begin_picture(now, context);
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

    /// What was sent beside slices for the first time. Parity follows a slice.
    fn repaired(&self, repair: Repair) -> Option<Written> {
        Some(match repair {
            Repair::Slice(header) => Written {
                kind: header.kind,
                frame: header.frame,
                frame_bytes: 0,
                index: header.index(),
                slices: header.slices,
                origin: SliceOrigin::Resent,
            },
            Repair::Parity => Written {
                origin: SliceOrigin::Parity,
                ..self.last?
            },
        })
    }

    /// When the next frame of sound is due. Sound ends with the picture.
    fn audio_due(&self) -> Option<Instant> {
        let Audio {
            sound,
            started,
            next,
        } = &self.audio;
        let due = later((*started)?, sound.as_ref()?.due(*next));
        let is_before_end = self.video.ends_at().is_none_or(|end| due < end);
        is_before_end.then_some(due)
    }

    fn cut_audio(&mut self, context: &Context<'_>) -> Option<Cut> {
        let number = self.audio.next;
        self.audio.next += 1;
        let sound = self.audio.sound.as_ref()?;
        let data = sound.frame(number)?.clone();
        let format = sound.format();
        let info = FrameInfo {
            codec: format.codec,
            flags: format.flags.0,
            ..self.info(later(self.audio.started?, sound.due(number)), context)
        };
        self.cut(MediaKind::Audio, info, data)
    }

    fn begin_picture(&mut self, now: Instant, context: &Context<'_>) {
        let resolution = context.device.resolution().code();
        let changed = self
            .video
            .resolution
            .replace(resolution)
            .is_some_and(|before| before != resolution);
        if changed && let Some(due) = self.video.due() {
            // The encoder begins anew: what follows needs nothing that came before.
            self.video.begin(due);
        }
        let number = self.video.next;
        self.video.next += 1;
        self.video.sent += 1;
        let clip = &self.video.clip;
        let (Some(started), Some(frame)) = (self.video.started, clip.frame(number)) else {
            return;
        };
        let (data, key) = (frame.data.clone(), frame.key);
        // The clip's own time, not the clock's: frames are as far apart as the clip has them,
        // however late this is called.
        let taken = later(started, clip.due(number));
        let info = FrameInfo {
            codec: clip.codec(),
            flags: if key { KEY_FLAG } else { 0 },
            fps: clip.fps(),
            resolution,
            bitrate: u8::try_from(context.device.bitrate().get()).unwrap_or(u8::MAX),
            ..self.info(taken, context)
        };
        let between = clip.due(1);
        let kind = match key {
            true => MediaKind::Key,
            false => MediaKind::Delta,
        };
        self.video.sending = self.cut(kind, info, data).map(|frame| {
            let bursts = u32::from(frame.of).div_ceil(BURST).max(1);
            Sending {
                frame,
                allowed: 0,
                next_at: now,
                // A frame is out before half the time to the next one is over.
                gap: between / 2 / bursts,
            }
        });
    }

    fn cut(&mut self, kind: MediaKind, info: FrameInfo, data: Bytes) -> Option<Cut> {
        let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
        match self.slicer.slice(kind, info, data) {
            Ok(slices) => Some(Cut {
                of: u16::try_from(slices.remaining()).unwrap_or(u16::MAX),
                slices,
                kind,
                bytes,
            }),
            // Clip::new and Sound::new have refused what cannot be sliced.
            Err(error) => {
                tracing::error!(%error, ?kind, "a frame cannot be sent");
                None
            }
        }
    }

    /// What the frame info says whatever the media, of a frame taken at that time.
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
            viewers: *viewers,
            fps: 0,
            resolution: 0,
            bitrate: 0,
            micros: unix.subsec_micros(),
            seconds: match shared.stamps {
                Stamps::Unix => seconds,
                Stamps::ConstantSeconds => self.first_second,
            },
            numbers: Some(FrameNumbers {
                bytes: 0,
                frame: 0,
                device: Some(FrameDevice {
                    mac: shared.mac.map_or([0; 12], |mac| *mac.as_bytes()),
                    word: 0,
                }),
            }),
        }
    }
}

impl Video {
    /// From the clip's first frame, which is due at `at`.
    fn begin(&mut self, at: Instant) {
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
            None => Some(later(self.started?, self.clip.due(self.next))),
        }
    }

    /// When the last frame of all ends; none if there is none, or while the clip is paused.
    fn ends_at(&self) -> Option<Instant> {
        let left = self.end?.saturating_sub(self.sent);
        let last = self.next.saturating_add(left);
        Some(later(self.started?, self.clip.due(last)))
    }
}

impl Cut {
    /// Writes its next slice.
    fn write(
        &mut self,
        slicer: &mut Slicer,
        clock: LinkClock,
        out: &mut Vec<u8>,
    ) -> Option<Written> {
        let left = u16::try_from(self.slices.remaining()).unwrap_or(u16::MAX);
        let written = Written {
            kind: self.kind,
            frame: self.slices.number(),
            frame_bytes: self.bytes,
            index: self.of.saturating_sub(left),
            slices: self.of,
            origin: SliceOrigin::First,
        };
        slicer
            .write_next(&mut self.slices, clock, out)
            .then_some(written)
    }
}
