//! The client's media: slices in, frames out, and patience with an end.

use std::time::{Duration, Instant};

use tutk_frame::{MediaLayout, SummaryMediaPacket};
use video_reassembly::{Event, Limits, Reassembler, Slice, Stats, StreamKind};

use crate::phase::later;

/// Slices to frames, with a limit on how long a whole frame waits for an older one.
#[derive(Debug)]
pub(crate) struct Media {
    layout: MediaLayout,
    reassembler: Reassembler,
    patience: Duration,
    video: Wait,
    audio: Wait,
}

/// Since when a whole frame of a stream waits for an older one.
#[derive(Debug, Default)]
struct Wait {
    since: Option<(u32, Instant)>,
}

impl Media {
    pub(crate) fn new(layout: MediaLayout, limits: Limits, patience: Duration) -> Self {
        Self {
            layout,
            reassembler: Reassembler::new(limits),
            patience,
            video: Wait::default(),
            audio: Wait::default(),
        }
    }

    /// Takes a media packet, and returns its slice counter where the layout has one.
    ///
    /// `packet` is the whole AV packet, `body` what follows its AV header and link clock.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        packet: &[u8],
        body: &[u8],
    ) -> Result<Option<u16>, tutk_frame::Error> {
        let counter = match self.layout {
            MediaLayout::Slice => {
                let slice = tutk_frame::Slice::parse(body)?;
                let counter = slice.header.counter;
                self.reassembler.push(&Slice::from(slice));
                Some(counter)
            }
            MediaLayout::Summary => {
                let slice = SummaryMediaPacket::parse(packet)?;
                self.reassembler.push(&Slice::from(slice));
                None
            }
        };
        self.watch(now);
        Ok(counter)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for (stream, wait) in [
            (StreamKind::Video, &self.video),
            (StreamKind::Audio, &self.audio),
        ] {
            if let Some((number, since)) = wait.since
                && later(since, self.patience) <= now
            {
                self.reassembler.give_up_before(stream, number);
            }
        }
        self.watch(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [&self.video, &self.audio]
            .into_iter()
            .filter_map(|wait| Some(later(wait.since?.1, self.patience)))
            .min()
    }

    /// Nothing more will come: what is whole goes out.
    pub(crate) fn flush(&mut self) {
        self.reassembler.flush();
    }

    pub(crate) fn poll(&mut self) -> Option<Event> {
        self.reassembler.poll()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.reassembler.stats()
    }

    fn watch(&mut self, now: Instant) {
        self.video
            .watch(now, self.reassembler.blocked(StreamKind::Video));
        self.audio
            .watch(now, self.reassembler.blocked(StreamKind::Audio));
    }
}

impl Wait {
    fn watch(&mut self, now: Instant, blocked: Option<u32>) {
        self.since = match (blocked, self.since) {
            (Some(number), Some(since)) if since.0 == number => Some(since),
            (Some(number), _) => Some((number, now)),
            (None, _) => None,
        };
    }
}
