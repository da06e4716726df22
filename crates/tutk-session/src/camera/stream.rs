//! The camera's video for one client: the clip, frame by frame, slice by slice, in time.

use std::time::{Duration, Instant};

use hl_ioctl::DeviceState;
use tutk_frame::{FrameDevice, FrameInfo, FrameNumbers, LinkClock, MediaKind};
use video_reassembly::{Slicer, SlicerConfig, Slices};

use super::clip::Clip;
use crate::credentials::Mac;
use crate::dialect::Dialect;
use crate::phase::{Epoch, later};

/// How many slices go out at once. A key frame is hundreds: all at once they would overrun receive buffers
/// that a real camera's Wi-Fi never could.
const BURST: u32 = 8;

/// The flag in the frame info that marks a key frame. Bit 0, as the vendor's public headers have it; not
/// verified on hardware.
const KEY_FLAG: u8 = 0x01;

/// One client's stream.
#[derive(Debug)]
pub(crate) struct Stream {
    clip: Clip,
    slicer: Slicer,
    mac: [u8; 12],
    /// When the clip last began from its first frame; none while the stream is paused.
    started: Option<Instant>,
    /// The next frame since then, from 0.
    next_frame: u64,
    /// Frames begun in all, and how many there are to be.
    sent: u64,
    end: Option<u64>,
    sending: Option<Sending>,
}

/// A frame that is under way.
#[derive(Debug)]
struct Sending {
    slices: Slices,
    of: u16,
    next_at: Instant,
    gap: Duration,
}

/// What a slice was that has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) frame: u32,
    pub(crate) index: u16,
    pub(crate) slices: u16,
}

impl Stream {
    pub(crate) fn new(
        clip: Clip,
        dialect: &Dialect,
        mac: Option<Mac>,
        end: Option<u64>,
        now: Instant,
    ) -> Result<Self, video_reassembly::Error> {
        let mut config = SlicerConfig::new(dialect.media);
        config.version = dialect.media_version;
        Ok(Self {
            clip,
            slicer: Slicer::new(config)?,
            mac: mac.map_or([0; 12], |mac| *mac.as_bytes()),
            started: Some(now),
            next_frame: 0,
            sent: 0,
            end,
            sending: None,
        })
    }

    /// Stops at once, in the middle of a frame if need be.
    pub(crate) fn pause(&mut self) {
        self.started = None;
        self.sending = None;
    }

    /// Begins the clip anew, with a key frame. The counts of frames and slices go on: they are never reset
    /// (wire.md section 10).
    pub(crate) fn resume(&mut self, now: Instant) {
        if self.started.is_none() {
            self.started = Some(now);
            self.next_frame = 0;
        }
    }

    /// Whether the last frame is out.
    pub(crate) fn is_finished(&self) -> bool {
        self.sending.is_none() && self.end.is_some_and(|end| self.sent >= end)
    }

    /// When the next slices are due; none when paused or finished.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.sending {
            Some(sending) => Some(sending.next_at),
            None if self.is_finished() => None,
            None => Some(later(self.started?, self.clip.due(self.next_frame))),
        }
    }

    /// The slices that may go out now: pass it to [`Self::write`] that often, then ask again.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        epoch: &Epoch,
        device: &DeviceState,
        viewers: u8,
    ) -> u32 {
        if self.sending.is_none() && self.deadline().is_some_and(|due| due <= now) {
            self.begin_frame(now, epoch, device, viewers);
        }
        match &mut self.sending {
            Some(sending) if sending.next_at <= now => {
                sending.next_at += sending.gap;
                BURST
            }
            _ => 0,
        }
    }

    /// Writes the next slice of the frame under way; `None` when it has no more.
    pub(crate) fn write(&mut self, clock: LinkClock, out: &mut Vec<u8>) -> Option<Written> {
        let sending = self.sending.as_mut()?;
        let left = u16::try_from(sending.slices.remaining()).unwrap_or(u16::MAX);
        let written = Written {
            frame: sending.slices.number(),
            index: sending.of.saturating_sub(left),
            slices: sending.of,
        };
        let more = self.slicer.write_next(&mut sending.slices, clock, out);
        if left <= 1 {
            self.sending = None;
        }
        more.then_some(written)
    }

    fn begin_frame(&mut self, now: Instant, epoch: &Epoch, device: &DeviceState, viewers: u8) {
        let number = self.next_frame;
        self.next_frame += 1;
        self.sent += 1;
        let (Some(started), Some(frame)) = (self.started, self.clip.frame(number)) else {
            return;
        };
        // The clip's own time, not the clock's: frames are as far apart as the clip has them, however
        // late this is called.
        let taken = epoch.unix_at(later(started, self.clip.due(number)));
        let info = FrameInfo {
            codec: self.clip.codec(),
            flags: if frame.key { KEY_FLAG } else { 0 },
            camera: 0,
            viewers,
            fps: self.clip.fps(),
            resolution: device.resolution().code(),
            bitrate: u8::try_from(device.bitrate().get()).unwrap_or(u8::MAX),
            micros: taken.subsec_micros(),
            seconds: u32::try_from(taken.as_secs()).unwrap_or(u32::MAX),
            numbers: Some(FrameNumbers {
                bytes: 0,
                frame: 0,
                device: Some(FrameDevice {
                    mac: self.mac,
                    word: 0,
                }),
            }),
        };
        let kind = match frame.key {
            true => MediaKind::Key,
            false => MediaKind::Delta,
        };
        match self.slicer.slice(kind, info, frame.data.clone()) {
            Ok(slices) => {
                let of = u16::try_from(slices.remaining()).unwrap_or(u16::MAX);
                let bursts = u32::from(of).div_ceil(BURST).max(1);
                // A frame is out before half the time to the next one is over.
                let gap = self.clip.due(1) / 2 / bursts;
                self.sending = Some(Sending {
                    slices,
                    of,
                    next_at: now,
                    gap,
                });
            }
            // Clip::new has refused what cannot be sliced.
            Err(error) => tracing::error!(%error, "frame {number} of the clip cannot be sent"),
        }
    }
}
