//! Reassembles the frames of a session.

use std::collections::VecDeque;
use std::time::Duration;

use tutk_frame::{AvContent, AvMedia, MediaLayout};
use video_reassembly::{
    Event, Frame, Limits, ParityDecoder, ParityLimits, Reassembler, Slice, StreamKind,
};

use crate::session::MediaCounts;

/// The limit of the memory for frames in assembly, in bytes, over all sessions. Over it, the
/// incomplete frames of the session that has most are given up.
pub const MAX_MEDIA_BYTES: usize = 64 << 20;

/// The number of newer complete frames for which an incomplete one waits. A retransmission can take
/// longer than in a session, because here waiting has no cost.
const REORDER_WINDOW: usize = 12;

/// A frame that is complete in the capture.
#[derive(Debug, Clone, PartialEq)]
pub struct CapturedFrame {
    /// The number of its session.
    pub session: usize,
    /// The time at which its last slice was captured.
    pub time: Duration,
    /// The frame.
    pub frame: Frame,
}

/// The frames of one session.
#[derive(Debug)]
pub(crate) struct Media {
    reassembler: Reassembler,
    groups: ParityDecoder,
}

impl Default for Media {
    fn default() -> Self {
        let limits = Limits {
            reorder_window: REORDER_WINDOW,
            ..Limits::default()
        };
        Self {
            reassembler: Reassembler::new(limits),
            groups: ParityDecoder::new(ParityLimits::default()),
        }
    }
}

impl Media {
    /// Handles an AV packet from the camera. Packets that are not media are ignored.
    pub(crate) fn handle(&mut self, packet: &[u8], layout: MediaLayout) {
        let Ok(AvContent::Media(media)) = AvContent::parse(packet, layout) else {
            return;
        };
        match media {
            AvMedia::Slice(slice) => self.reassembler.handle_slice(&Slice::from(slice)),
            AvMedia::Fragment(fragment) => self.reassembler.handle_slice(&Slice::from(fragment)),
            AvMedia::Grouped { group, body } => {
                if let Ok(Some(slice)) = self.groups.push(group, body) {
                    self.reassembler.handle_slice(&slice);
                }
                while let Some(recovered) = self.groups.recovered() {
                    self.reassembler.handle_slice(&recovered);
                }
            }
            _ => {}
        }
    }

    /// Delivers all complete frames and gives up the others.
    pub(crate) fn flush(&mut self) {
        self.reassembler.flush();
    }

    /// Moves the frames that are complete to `out`.
    pub(crate) fn poll(
        &mut self,
        session: usize,
        time: Duration,
        counts: &mut MediaCounts,
        out: &mut VecDeque<CapturedFrame>,
    ) {
        while let Some(event) = self.reassembler.poll_output() {
            match event {
                Event::Frame(frame) => {
                    match frame.stream() {
                        StreamKind::Video => counts.video += 1,
                        StreamKind::Audio => counts.audio += 1,
                    }
                    counts.key += u64::from(frame.is_key());
                    counts.bytes += u64::try_from(frame.data.len()).unwrap_or(0);
                    out.push_back(CapturedFrame {
                        session,
                        time,
                        frame,
                    });
                }
                Event::Lost(lost) => {
                    let run = lost.last.wrapping_sub(lost.first);
                    counts.lost = counts.lost.saturating_add(u64::from(run) + 1);
                }
            }
        }
    }

    pub(crate) fn memory_usage(&self) -> usize {
        self.reassembler.memory_usage() + self.groups.memory_usage()
    }
}
