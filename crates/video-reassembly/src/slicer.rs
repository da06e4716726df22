//! The camera's side: frames to slices.

use bytes::{BufMut, Bytes};
use tutk_frame::av::{GROUPED, VERSION_MEDIA};
use tutk_frame::{
    AvHeader, AvStamp, FragmentHeader, FrameInfo, FrameNumbers, GroupHeader, LinkClock, MediaKind,
    MediaLayout, SliceHeader, SlicePlace,
};

use crate::StreamKind;
use crate::resend_window::{OpenGroup, Repair, ResendConfig, ResendWindow, Sent, SlicerStats};

/// How a [`Slicer`] cuts and marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlicerConfig {
    /// Layout of the packets.
    pub layout: MediaLayout,
    /// The most payload bytes of one slice, with the frame info: more than the 40 of a frame info.
    pub slice_bytes: u16,
    /// The version field of the AV header.
    pub version: u16,
    /// Bytes 6..8 of the AV header, which differ by session; not in the summary's layout.
    pub tail: u16,
    /// Resend mode (wire.md section 12): `None` for a client that has not asked for it in its login.
    /// Makes no difference in the summary's layout, which has nothing to ask by.
    pub resend: Option<ResendConfig>,
}

/// Cuts frames into slices and writes their packets.
///
/// One for each session: it owns the session's slice counter, over all kinds and never reset, which
/// a slice takes when it is written, so that on the wire it counts up whatever frames are written in
/// turn; and its frame numbers, which a frame takes when it is cut, and which count video and audio
/// apart, each from 1 (that they are counted apart is this project's choice; in the summary's layout
/// they are the sequence, cut to 16 bits).
#[derive(Debug, Clone)]
pub struct Slicer {
    config: SlicerConfig,
    counter: u16,
    video: u32,
    audio: u32,
    /// The number of the next group.
    group: u16,
    /// A group whose slices are out, and whose parity is not.
    parity_due: Option<OpenGroup>,
    window: ResendWindow,
    stats: SlicerStats,
}

/// The slices of one frame, still to be written by [`Slicer::write_next`]. It holds the frame, so that
/// a session may send some now and the others later; slices of two frames may be written in turn.
#[derive(Debug, Clone)]
pub struct Slices {
    config: SlicerConfig,
    kind: MediaKind,
    info: FrameInfo,
    frame_bytes: u32,
    previous: u32,
    number: u32,
    data: Bytes,
    /// How much of `data` is written.
    written: usize,
    index: u16,
    count: u16,
    /// The group that the next slice belongs to, where the last one has not ended it.
    group: Option<OpenGroup>,
}

/// Why a frame cannot be cut into slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The frame info must fit into the last slice with at least one byte of the frame.
    #[error("a slice must have more than {min} bytes, got {got}")]
    SliceTooSmall {
        /// Bytes of a frame info.
        min: usize,
        /// The configured size.
        got: u16,
    },
    /// A frame has at least one byte.
    #[error("a frame has at least one byte, got none")]
    EmptyFrame,
    /// Slices are counted with 16 bits.
    #[error("a frame may have {max} slices, {bytes} bytes make {slices}")]
    TooManySlices {
        /// The most there can be.
        max: u16,
        /// Bytes of the frame.
        bytes: usize,
        /// The slices it would have.
        slices: usize,
    },
}

impl SlicerConfig {
    /// Slices of 1024 bytes, which leave a datagram under 1200 with all its headers, in that layout;
    /// version 0x000b, as media has in every dialect; bytes 6..8 as a real camera was seen to send.
    #[must_use]
    pub fn new(layout: MediaLayout) -> Self {
        Self {
            layout,
            slice_bytes: 1024,
            version: VERSION_MEDIA,
            tail: 0x507e,
            resend: None,
        }
    }
}

impl Slicer {
    /// A slicer that has cut nothing.
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
            group: 0,
            parity_due: None,
            window: ResendWindow::default(),
            stats: SlicerStats::default(),
        })
    }

    /// Cuts a frame. `info` gives codec and time in either layout; where it has numbers, they are
    /// set to this frame's. Of its time the summary's layout keeps milliseconds.
    ///
    /// Slices are full but for the last one, which ends with the frame info. Where the rest of a
    /// frame and the info do not fit one slice, the slice before the last is the short one.
    ///
    /// # Errors
    /// [`Error::EmptyFrame`] and [`Error::TooManySlices`]; nothing is counted then.
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

        let last = match StreamKind::of(kind) {
            StreamKind::Video => &mut self.video,
            StreamKind::Audio => &mut self.audio,
        };
        let previous = *last;
        *last = previous.wrapping_add(1);
        let number = *last;
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
            group: None,
        })
    }

    /// Writes the AV packet of the next of `slices`, which this slicer has cut; `false`, and nothing
    /// written or counted, when there is none left.
    ///
    /// `clock` goes into the packets that have a link clock: in the field's layout the first of
    /// several slices. Nothing is allocated, but in resend mode what keeps slices and parity.
    ///
    /// # Panics
    /// If `out` is a fixed buffer with less room than [`Slices::packet_len`].
    pub fn write_next(
        &mut self,
        slices: &mut Slices,
        clock: LinkClock,
        out: &mut impl BufMut,
    ) -> bool {
        if slices.index >= slices.count {
            return false;
        }
        let payload = slices.payload();
        let len = payload.len();
        match (self.config.layout, self.config.resend) {
            (MediaLayout::Fragment, _) => slices.write_fragment(payload, out),
            (MediaLayout::Slice, None) => {
                let header = slices.header(self.counter, len);
                self.write_header(&header, None, clock, out);
                out.put_slice(payload);
                if let Some(info) = slices.info_of_next() {
                    info.write(out);
                }
            }
            (MediaLayout::Slice, Some(config)) => {
                let sent = Sent {
                    header: slices.header(self.counter, len),
                    payload: slices.data.slice(slices.written..slices.written + len),
                    info: slices.info_of_next(),
                };
                let left = slices.count - slices.index;
                let mut group = match slices.group.take() {
                    Some(group) => group,
                    None => OpenGroup::new(self.next_group(), left, &config),
                };
                self.write_sent(&sent, Some(group.header()), clock, out);
                if !group.add(&sent) {
                    slices.group = Some(group);
                } else if config.parity {
                    self.parity_due = Some(group);
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

    /// Writes the next AV packet of resend mode that is not a slice for the first time: the parity packet
    /// of a group whose last slice was just written, or a slice that was asked for again. `None`, and
    /// nothing written, when there is none.
    ///
    /// Call it after each [`write_next`](Self::write_next) until it returns `None`: the parity of a group
    /// is left out when the next group ends before it was written.
    ///
    /// # Panics
    /// As [`write_next`](Self::write_next); a parity packet is as long as the longest of its slices'.
    pub fn write_repair(&mut self, clock: LinkClock, out: &mut impl BufMut) -> Option<Repair> {
        if let Some(group) = self.parity_due.take() {
            let stamp = self.stamp(self.counter.wrapping_sub(1));
            AvHeader::new([GROUPED, 0], stamp).write(out);
            group.header().write(out);
            group.write_parity(out);
            self.stats.parity += 1;
            return Some(Repair::Parity);
        }
        let mut sent = self.window.next()?;
        sent.header.resent = true;
        self.write_sent(&sent, None, clock, out);
        self.stats.resent += 1;
        Some(Repair::Slice(sent.header))
    }

    /// Takes what a client asks for again ([`ResendRequest`](tutk_frame::ResendRequest)): the counters of
    /// the slices that it misses, and the base before which it wants none. They are written by
    /// [`write_repair`](Self::write_repair), each once however often it is asked for until then.
    pub fn handle_request(&mut self, base: u16, missing: impl IntoIterator<Item = u16>) {
        self.stats.unavailable += self.window.request(base, missing);
    }

    /// What was written, and asked for, so far.
    #[must_use]
    pub fn stats(&self) -> SlicerStats {
        self.stats
    }

    fn next_group(&mut self) -> u16 {
        let number = self.group;
        self.group = number.wrapping_add(1);
        number
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
        out: &mut impl BufMut,
    ) {
        self.write_header(&sent.header, group, clock, out);
        out.put_slice(&sent.payload);
        if let Some(info) = sent.info {
            info.write(out);
        }
    }

    /// Writes all that comes before a slice's payload in the field's layout.
    fn write_header(
        &self,
        header: &SliceHeader,
        group: Option<GroupHeader>,
        clock: LinkClock,
        out: &mut impl BufMut,
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
    }
}

impl Slices {
    /// The bytes that [`Slicer::write_next`] will write; `None` when none are left.
    #[must_use]
    pub fn packet_len(&self) -> Option<usize> {
        if self.index >= self.count {
            return None;
        }
        let payload = self.payload().len();
        Some(match self.config.layout {
            MediaLayout::Fragment => FragmentHeader::LEN + payload,
            MediaLayout::Slice => {
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

    /// Slices still to be written.
    #[must_use]
    pub fn remaining(&self) -> usize {
        usize::from(self.count - self.index)
    }

    /// What the frame is.
    #[must_use]
    pub fn kind(&self) -> MediaKind {
        self.kind
    }

    /// The frame's number, as on the wire.
    #[must_use]
    pub fn number(&self) -> u32 {
        match self.config.layout {
            MediaLayout::Fragment => self.number & 0xffff,
            MediaLayout::Slice => self.number,
        }
    }

    fn is_last(&self) -> bool {
        self.index + 1 == self.count
    }

    /// The frame info, if the next slice has it.
    fn info_of_next(&self) -> Option<FrameInfo> {
        self.is_last().then_some(self.info)
    }

    /// The next slice's part of the frame.
    fn payload(&self) -> &[u8] {
        let left = self.data.get(self.written..).unwrap_or_default();
        if self.is_last() {
            return left;
        }
        // Leave at least one byte for every slice after this one, so that no slice has but the
        // frame info.
        let after = usize::from(self.count - self.index - 1);
        let len = usize::from(self.config.slice_bytes).min(left.len().saturating_sub(after));
        left.get(..len).unwrap_or_default()
    }

    fn header(&self, counter: u16, payload: usize) -> SliceHeader {
        let info = if self.is_last() { self.info.len() } else { 0 };
        // No more than slice_bytes: the number of slices has room for the info in the last one.
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

    fn write_fragment(&self, payload: &[u8], out: &mut impl BufMut) {
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
    /// Bytes that the frame info takes of the last slice.
    fn info_bytes(&self, info: &FrameInfo) -> usize {
        match self.layout {
            MediaLayout::Fragment => 0,
            MediaLayout::Slice => info.len().into(),
        }
    }
}
