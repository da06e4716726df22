//! The camera's side: frames cut into slices.

use bytes::Bytes;
use tutk_frame::av::{GROUPED, VERSION_MEDIA};
use tutk_frame::{
    AvHeader, AvStamp, Buffer, FragmentHeader, FrameInfo, FrameNumbers, GroupHeader, LinkClock,
    MediaKind, MediaLayout, SliceHeader, SlicePlace,
};

use crate::StreamKind;
use crate::group_encoder::GroupEncoder;
use crate::resend_window::{Repair, ResendConfig, ResendWindow, Sent, SlicerStats};

/// The configuration of a [`Slicer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlicerConfig {
    /// The media layout.
    pub layout: MediaLayout,
    /// The maximum payload bytes of a slice, including the frame info. Must be more than the 40
    /// bytes of a frame info.
    pub slice_bytes: u16,
    /// The version field of the AV header.
    pub version: u16,
    /// Bytes 6..8 of the AV header, which differ by session. Unused in the fragment layout.
    pub tail: u16,
    /// Resend mode (docs/protocol.md, section 17), or `None` if the client's login did not request
    /// it. Ignored in the fragment layout.
    pub resend: Option<ResendConfig>,
    /// The numbers of video and audio frames. Ignored in the fragment layout.
    pub numbering: FrameNumbering,
}

/// The numbers of video and audio frames. Real cameras may use any of these (docs/protocol.md,
/// section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameNumbering {
    /// Video and audio count separately, each from 1.
    PerStream,
    /// Video and audio share one counter. The previous frame's number is one less.
    Shared,
    /// Video and audio share one counter. The previous frame is that of the same stream.
    SharedLinked,
}

/// Cuts frames into slices and writes their packets.
///
/// A slicer belongs to a session. It owns the slice counter, which counts the slices of all kinds
/// in the order in which they are written. It owns the frame numbers too, which count from 1 in the
/// order in which frames are cut. The fragment layout sends the low 16 bits of the frame number.
#[derive(Debug, Clone)]
pub struct Slicer {
    config: SlicerConfig,
    counter: u16,
    /// The numbers of the last frames.
    video: u32,
    audio: u32,
    /// Set in resend mode.
    groups: Option<GroupEncoder>,
    window: ResendWindow,
    stats: SlicerStats,
}

/// The slices of a frame, to be written by [`Slicer::write_next`].
///
/// Owns the frame, so a session can pause between slices, or alternate between two frames.
#[derive(Debug, Clone)]
pub struct Slices {
    config: SlicerConfig,
    kind: MediaKind,
    info: FrameInfo,
    frame_bytes: u32,
    previous: u32,
    number: u32,
    data: Bytes,
    /// Bytes of `data` written.
    written: usize,
    index: u16,
    count: u16,
}

/// An error of a [`Slicer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The last slice must have room for the frame info and at least one byte of the frame.
    #[error("slice size of {got} bytes is too small: expected more than {min}")]
    SliceTooSmall {
        /// The size of a frame info.
        min: usize,
        /// The configured size.
        got: u16,
    },
    /// A frame must have at least one byte.
    #[error("cannot slice an empty frame")]
    EmptyFrame,
    /// The number of slices must fit into 16 bits.
    #[error("frame of {bytes} bytes needs {slices} slices: at most {max} are allowed")]
    TooManySlices {
        /// The maximum number of slices.
        max: u16,
        /// The size of the frame in bytes.
        bytes: usize,
        /// The number of slices that the frame needs.
        slices: usize,
    },
}

impl SlicerConfig {
    /// Creates a configuration with slices of 1024 bytes, for datagrams under 1200 bytes with all
    /// headers. Resend mode is off.
    #[must_use]
    pub fn new(layout: MediaLayout) -> Self {
        Self {
            layout,
            slice_bytes: 1024,
            version: VERSION_MEDIA,
            tail: 0x507e,
            resend: None,
            numbering: FrameNumbering::PerStream,
        }
    }
}

impl Slicer {
    /// Creates a slicer.
    ///
    /// # Errors
    /// [`Error::SliceTooSmall`].
    pub fn new(config: SlicerConfig) -> Result<Self, Error> {
        if usize::from(config.slice_bytes) <= FrameInfo::LEN {
            return Err(Error::SliceTooSmall {
                min: FrameInfo::LEN,
                got: config.slice_bytes,
            });
        }
        Ok(Self {
            config,
            counter: 0,
            video: 0,
            audio: 0,
            groups: config.resend.map(|resend| GroupEncoder::new(&resend)),
            window: ResendWindow::default(),
            stats: SlicerStats::default(),
        })
    }

    /// Cuts a frame into slices.
    ///
    /// `info` contains codec and time in either layout. The slicer sets its frame number and size
    /// if it has them. The fragment layout sends milliseconds.
    ///
    /// All slices but the last are full, and the last one ends with the frame info. If the rest of
    /// the frame and the info do not fit into one slice, the second last slice is shorter.
    ///
    /// # Errors
    /// [`Error::EmptyFrame`] and [`Error::TooManySlices`]. The frame number is not used up.
    pub fn slice(
        &mut self,
        kind: MediaKind,
        info: FrameInfo,
        data: Bytes,
    ) -> Result<Slices, Error> {
        let bytes = data.len();
        if bytes == 0 {
            return Err(Error::EmptyFrame);
        }
        let full = usize::from(self.config.slice_bytes);
        let with_info = bytes + self.config.info_bytes(&info);
        let slices = with_info.div_ceil(full);
        let too_many = Error::TooManySlices {
            max: u16::MAX,
            bytes,
            slices,
        };
        let count = u16::try_from(slices).map_err(|_| too_many)?;
        let frame_bytes = u32::try_from(bytes).map_err(|_| too_many)?;

        let newest = self.video.max(self.audio);
        let last = match StreamKind::of(kind) {
            StreamKind::Video => &mut self.video,
            StreamKind::Audio => &mut self.audio,
        };
        let (previous, number) = match self.config.numbering {
            _ if self.config.layout == MediaLayout::Fragment => (*last, last.wrapping_add(1)),
            FrameNumbering::PerStream => (*last, last.wrapping_add(1)),
            FrameNumbering::Shared => (newest, newest.wrapping_add(1)),
            FrameNumbering::SharedLinked => (*last, newest.wrapping_add(1)),
        };
        *last = number;
        Ok(Slices {
            config: self.config,
            kind,
            info: FrameInfo {
                numbers: info.numbers.map(|numbers| FrameNumbers {
                    bytes: frame_bytes,
                    frame: number,
                    ..numbers
                }),
                ..info
            },
            frame_bytes,
            previous,
            number,
            data,
            written: 0,
            index: 0,
            count,
        })
    }

    /// Writes the AV packet of the next slice. Returns `false` and writes nothing if none is left.
    ///
    /// `slices` must be of this slicer. `clock` is written to packets with a link clock: in the
    /// slice layout, the first of several slices. Allocates only in resend mode, for parity and the
    /// window.
    /// To write to a slice, use [`tutk_frame::write_to_slice`] and [`Slices::packet_len`].
    pub fn write_next(
        &mut self,
        slices: &mut Slices,
        clock: LinkClock,
        out: &mut impl Buffer,
    ) -> bool {
        if slices.index >= slices.count {
            return false;
        }
        let payload = slices.payload();
        let len = payload.len();
        match (self.config.layout, self.config.resend) {
            (MediaLayout::Fragment, _) => slices.write_fragment(payload, out),
            (_, None) => {
                let header = slices.header(self.counter, len);
                let info = slices.info_of_next();
                self.write_slice(&header, payload, info, None, clock, out);
            }
            (_, Some(config)) => {
                let sent = Sent {
                    header: slices.header(self.counter, len),
                    payload: slices.data.slice(slices.written..slices.written + len),
                    info: slices.info_of_next(),
                };
                let group = self.groups.as_ref().map(GroupEncoder::header);
                self.write_sent(&sent, group, clock, out);
                if let Some(groups) = &mut self.groups {
                    groups.add(&sent);
                }
                self.window.push(sent, &config);
            }
        }
        slices.written += len;
        slices.index += 1;
        self.counter = self.counter.wrapping_add(1);
        self.stats.slices += 1;
        true
    }

    /// Writes the next repair packet of resend mode: a parity packet of a group that was just
    /// completed, or a requested retransmission. Returns `None` and writes nothing if there is
    /// none.
    ///
    /// Call this after each [`write_next`](Self::write_next) until it returns `None`. If the next
    /// group is completed before, the parity of this one is not sent.
    ///
    /// A parity packet is as long as the longest slice packet of its group.
    pub fn write_repair(&mut self, clock: LinkClock, out: &mut impl Buffer) -> Option<Repair> {
        let stamp = self.stamp(self.counter.wrapping_sub(1));
        if let Some((group, parity)) = self.groups.as_mut().and_then(GroupEncoder::take_parity) {
            AvHeader::new([GROUPED, 0], stamp).write(out);
            group.write(out);
            parity.write(out);
            self.stats.parity += 1;
            return Some(Repair::Parity);
        }
        let mut sent = self.window.next()?;
        sent.header.resent = true;
        self.write_sent(&sent, None, clock, out);
        self.stats.resent += 1;
        Some(Repair::Slice(sent.header))
    }

    /// Handles a client's [`MediaAck`](tutk_frame::MediaAck).
    ///
    /// Drops the slices before `base` from the window, and queues the missing slices for
    /// [`write_repair`](Self::write_repair). A slice that is already queued is not queued again.
    pub fn handle_request(&mut self, base: u16, missing: impl IntoIterator<Item = u16>) {
        self.stats.unavailable += self.window.request(base, missing);
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> SlicerStats {
        self.stats
    }

    fn stamp(&self, counter: u16) -> AvStamp {
        AvStamp {
            version: self.config.version,
            counter,
            tail: self.config.tail,
        }
    }

    fn write_sent(
        &self,
        sent: &Sent,
        group: Option<GroupHeader>,
        clock: LinkClock,
        out: &mut impl Buffer,
    ) {
        self.write_slice(&sent.header, &sent.payload, sent.info, group, clock, out);
    }

    /// Writes an AV packet in the slice layout.
    fn write_slice(
        &self,
        header: &SliceHeader,
        payload: &[u8],
        info: Option<FrameInfo>,
        group: Option<GroupHeader>,
        clock: LinkClock,
        out: &mut impl Buffer,
    ) {
        let packet_type = match group {
            Some(_) => GROUPED,
            None => header.kind.code(header.resent),
        };
        let magic = [packet_type, header.av_flags()];
        let av = AvHeader::new(magic, self.stamp(header.counter));
        av.write(out);
        if av.has_clock(MediaLayout::Slice) {
            clock.write(out);
        }
        if let Some(group) = group {
            group.write(out);
        }
        header.write(out);
        out.put_slice(payload);
        if let Some(info) = info {
            info.write(out);
        }
    }
}

impl Slices {
    /// Returns the length of the packet that [`Slicer::write_next`] writes next, `None` if no slice
    /// is left.
    #[must_use]
    pub fn packet_len(&self) -> Option<usize> {
        if self.index >= self.count {
            return None;
        }
        let payload = self.payload().len();
        Some(match self.config.layout {
            MediaLayout::Fragment => FragmentHeader::LEN + payload,
            _ => {
                let header = self.header(0, payload);
                let clock = match header.av_flags() & tutk_frame::av::FLAG_CLOCK {
                    0 => 0,
                    _ => LinkClock::LEN,
                };
                let group = self.config.resend.map_or(0, |_| GroupHeader::LEN);
                AvHeader::LEN + clock + group + SliceHeader::LEN + usize::from(header.size)
            }
        })
    }

    /// Returns the number of slices left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        usize::from(self.count - self.index)
    }

    /// Returns the kind of the frame.
    #[must_use]
    pub fn kind(&self) -> MediaKind {
        self.kind
    }

    /// Returns the frame number on the wire.
    #[must_use]
    pub fn number(&self) -> u32 {
        match self.config.layout {
            MediaLayout::Fragment => self.number & 0xffff,
            _ => self.number,
        }
    }

    fn is_last(&self) -> bool {
        self.index + 1 == self.count
    }

    /// Returns the frame info if the next slice is the last one.
    fn info_of_next(&self) -> Option<FrameInfo> {
        self.is_last().then_some(self.info)
    }

    /// Returns the payload of the next slice, without the frame info.
    fn payload(&self) -> &[u8] {
        let left = self.data.get(self.written..).unwrap_or_default();
        if self.is_last() {
            return left;
        }
        // Leaves at least one byte for each later slice, so that none contains only the frame info.
        let after = usize::from(self.count - self.index - 1);
        let len = usize::from(self.config.slice_bytes).min(left.len().saturating_sub(after));
        left.get(..len).unwrap_or_default()
    }

    fn header(&self, counter: u16, payload: usize) -> SliceHeader {
        let info = if self.is_last() { self.info.len() } else { 0 };
        // At most `slice_bytes`, as the number of slices accounts for the frame info.
        let payload = u16::try_from(payload).unwrap_or(u16::MAX);
        SliceHeader {
            kind: self.kind,
            resent: false,
            counter,
            slices: self.count,
            place: if self.is_last() {
                SlicePlace::Last { info_len: info }
            } else {
                SlicePlace::Index(self.index)
            },
            size: payload.saturating_add(info),
            previous_frame: self.previous,
            frame: self.number,
        }
    }

    fn write_fragment(&self, payload: &[u8], out: &mut impl Buffer) {
        let millis = self.info.micros / 1000;
        let [a, b, ..] = self.number.to_le_bytes();
        let audio = (self.kind == MediaKind::Audio).then(|| self.info.audio());
        FragmentHeader {
            kind: self.kind,
            version: self.config.version,
            sequence: u16::from_le_bytes([a, b]),
            timestamp: self.info.seconds.wrapping_mul(1000).wrapping_add(millis),
            frame_size: self.frame_bytes,
            fragments: self.count.into(),
            index: self.index.into(),
            codec_info: FragmentHeader::codec_info(self.info.codec, audio),
        }
        .write(out);
        out.put_slice(payload);
    }
}

impl SlicerConfig {
    /// Returns the bytes of the last slice that the frame info occupies.
    fn info_bytes(&self, info: &FrameInfo) -> usize {
        match self.layout {
            MediaLayout::Fragment => 0,
            _ => info.len().into(),
        }
    }
}
