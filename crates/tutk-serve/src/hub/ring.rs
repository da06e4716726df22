//! The frames that a camera's viewers share: each is kept once, and every viewer has a place among them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tutk_session::MediaKind;

use super::description::StreamDescription;

/// The most bytes of frames that a camera's viewers share, by default. A group of pictures at 2K has one to
/// three million.
pub const KEPT_BYTES: usize = 16 << 20;

/// The most frames that a camera's viewers share, by default: a minute of pictures with sound.
pub const KEPT_FRAMES: usize = 4096;

/// How much of a camera's frames is kept at most, whoever watches: the group of pictures that a late viewer begins
/// with, and what viewers who are slow have not taken yet. Over it the oldest go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLimits {
    /// Bytes of frames; [`KEPT_BYTES`]. One frame is kept, however large.
    pub bytes: usize,
    /// Frames; [`KEPT_FRAMES`]. At least one is kept.
    pub frames: usize,
}

impl Default for KeptLimits {
    fn default() -> Self {
        Self {
            bytes: KEPT_BYTES,
            frames: KEPT_FRAMES,
        }
    }
}

/// A frame as viewers get it. To clone it copies none of its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct LiveFrame {
    /// Audio, key frame or delta frame.
    pub kind: MediaKind,
    /// The frame's bytes. Video is Annex B.
    pub data: Bytes,
    /// When it is to be shown, on one time line of the camera's picture and sound that goes on over all sessions
    /// and never goes back within a stream. Zero is when the first session's stream began.
    pub timestamp: Duration,
    /// The same as a time of day, by this machine's clock when the camera's first frame came: differences of
    /// these are those of `timestamp`.
    pub wall: SystemTime,
    /// Whether this is its stream's first frame after a time without a session.
    pub discontinuity: bool,
    /// What the camera shows, this frame included.
    pub description: Arc<StreamDescription>,
}

/// The place of a viewer: the number of the frame that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    next: u64,
    /// Pictures are of no use until there is a key frame.
    headless: bool,
    /// How far it may fall behind the newest frame.
    pub(super) lag: Option<Duration>,
}

/// What a viewer takes.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) frame: Option<LiveFrame>,
    /// Frames that the viewer missed before this one.
    pub(super) missed: u64,
}

/// The newest frames, numbered from 0 since the camera is served.
#[derive(Debug)]
pub(super) struct Ring {
    frames: VecDeque<LiveFrame>,
    /// The number of the oldest.
    first: u64,
    bytes: usize,
    /// The newest group of pictures, while its key frame is kept.
    group: Option<Group>,
    /// Whether newcomers may begin with it.
    open: bool,
    limits: KeptLimits,
    cut: u64,
}

/// A group of pictures, by the numbers of its frames.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// The sound that was to be heard with the key frame, and came before: a key frame is long under way.
    start: u64,
    key: u64,
}

/// How long sound that came after the last picture is kept for a key frame that may follow.
const BESIDE: Duration = Duration::from_secs(1);

impl LiveFrame {
    /// Whether a decoder can begin here.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.kind == MediaKind::Key
    }
}

/// Without its bytes.
impl fmt::Debug for LiveFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveFrame")
            .field("kind", &self.kind)
            .field("bytes", &self.data.len())
            .field("timestamp", &self.timestamp)
            .field("discontinuity", &self.discontinuity)
            .finish_non_exhaustive()
    }
}

impl Ring {
    pub(super) fn new(limits: KeptLimits) -> Self {
        Self {
            frames: VecDeque::new(),
            first: 0,
            bytes: 0,
            group: None,
            open: false,
            limits,
            cut: 0,
        }
    }

    /// Takes a frame in. Of those before, what neither newcomers need nor the slowest of `cursors` goes, and then
    /// the oldest, as far as the limits say.
    pub(super) fn push<'a>(&mut self, frame: LiveFrame, cursors: impl Iterator<Item = &'a Cursor>) {
        if frame.is_key() {
            let key = self.end();
            let start = key - self.sound_since(frame.timestamp);
            (self.group, self.open) = (Some(Group { start, key }), true);
        }
        self.bytes += frame.data.len();
        self.frames.push_back(frame);
        self.forget(cursors);
        while self.frames.len() > 1
            && (self.bytes > self.limits.bytes || self.frames.len() > self.limits.frames)
        {
            let cut = self.group.is_some_and(|group| group.key == self.first);
            self.cut += u64::from(cut && self.open);
            self.pop();
        }
    }

    /// Newcomers begin with what comes, not with what is kept: it belongs to a session that fell. What none of
    /// `cursors` needs goes.
    pub(super) fn close<'a>(&mut self, cursors: impl Iterator<Item = &'a Cursor>) {
        self.open = false;
        self.forget(cursors);
    }

    fn forget<'a>(&mut self, cursors: impl Iterator<Item = &'a Cursor>) {
        let slowest = cursors.map(|cursor| self.place(cursor)).min();
        let newest = self.frames.back().map(|frame| frame.timestamp);
        let since = newest.unwrap_or_default().saturating_sub(BESIDE);
        let sound = self.end() - self.sound_since(since);
        let needed = [slowest, self.open_group(), Some(sound)];
        let needed = needed.into_iter().flatten().min();
        while needed.is_some_and(|needed| self.first < needed) && self.pop() {}
    }

    /// How many frames of sound came after the last picture and are not from before `since`.
    fn sound_since(&self, since: Duration) -> u64 {
        let newest = self.frames.iter().rev();
        newest
            .take_while(|frame| !frame.kind.is_video() && frame.timestamp >= since)
            .count() as u64
    }

    /// Where the group begins that newcomers begin with.
    fn open_group(&self) -> Option<u64> {
        let group = self.group.filter(|_| self.open);
        group.map(|group| group.start.max(self.first))
    }

    fn pop(&mut self) -> bool {
        let Some(oldest) = self.frames.pop_front() else {
            return false;
        };
        self.bytes -= oldest.data.len();
        self.group = self.group.filter(|group| group.key != self.first);
        self.first += 1;
        true
    }

    /// The place of a newcomer: the last key frame, or the end where there is none.
    pub(super) fn start(&self, lag: Option<Duration>) -> Cursor {
        Cursor {
            next: self.open_group().unwrap_or(self.end()),
            headless: true,
            lag,
        }
    }

    /// Where a viewer goes on: at the newest key frame, if what comes next at its place is not kept any more, or
    /// older than it may be; else at its place, as far as that is kept.
    fn place(&self, cursor: &Cursor) -> u64 {
        let late = || {
            let next = self.at(cursor.next)?;
            let behind = self.frames.back()?.timestamp.saturating_sub(next.timestamp);
            cursor.lag.map(|lag| behind > lag)
        };
        let behind = cursor.next < self.first || late().unwrap_or(false);
        let group = self
            .group
            .filter(|group| behind && group.start > cursor.next);
        group
            .map_or(cursor.next, |group| group.start)
            .max(self.first)
    }

    /// The next frame at a viewer's place. One that is not kept any more, or older than the viewer's lag allows, is
    /// missed, and so is what follows up to the newest key frame, or else up to the next.
    pub(super) fn take(&self, cursor: &mut Cursor) -> Taken {
        let mut taken = Taken::default();
        let place = self.place(cursor);
        taken.missed = place - cursor.next;
        if taken.missed > 0 {
            (cursor.next, cursor.headless) = (place, true);
        }
        while let Some(frame) = self.at(cursor.next) {
            cursor.next += 1;
            if frame.kind.is_video() {
                if cursor.headless && !frame.is_key() {
                    taken.missed += 1;
                    continue;
                }
                cursor.headless = false;
            }
            taken.frame = Some(frame.clone());
            break;
        }
        taken
    }

    /// When the frame at a viewer's place is to be shown, if it is here.
    pub(super) fn timestamp(&self, cursor: &Cursor) -> Option<Duration> {
        self.at(cursor.next).map(|frame| frame.timestamp)
    }

    /// Frames that are kept, and their bytes.
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.frames.len(), self.bytes)
    }

    /// How often the newest group of pictures lost its beginning over the limits, so that nobody could begin with it.
    pub(super) fn cut(&self) -> u64 {
        self.cut
    }

    /// How many frames wait at a viewer's place.
    pub(super) fn waiting(&self, cursor: &Cursor) -> u64 {
        self.end() - self.place(cursor)
    }

    fn at(&self, number: u64) -> Option<&LiveFrame> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.frames.get(index)
    }

    /// The number of the frame that comes next.
    fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: MediaKind, number: u64, len: usize) -> LiveFrame {
        LiveFrame {
            kind,
            data: vec![0; len].into(),
            timestamp: Duration::from_millis(number * 50),
            wall: SystemTime::UNIX_EPOCH,
            discontinuity: false,
            description: Arc::new(StreamDescription {
                video: None,
                sound: None,
                settled: true,
            }),
        }
    }

    /// Frames by letters: `K`ey, `d`elta, `a`udio; 100 bytes each.
    fn push(ring: &mut Ring, kinds: &str, cursors: &[Cursor]) {
        for kind in kinds.chars() {
            let kind = match kind {
                'K' => MediaKind::Key,
                'd' => MediaKind::Delta,
                _ => MediaKind::Audio,
            };
            ring.push(frame(kind, ring.end(), 100), cursors.iter());
        }
    }

    /// All that a viewer gets now: numbers, and how many he missed.
    fn all(ring: &Ring, cursor: &mut Cursor, lag: Option<Duration>) -> (Vec<u128>, u64) {
        cursor.lag = lag;
        let (mut numbers, mut missed) = (Vec::new(), 0);
        loop {
            let taken = ring.take(cursor);
            missed += taken.missed;
            let Some(frame) = taken.frame else { break };
            numbers.push(frame.timestamp.as_millis() / 50);
        }
        (numbers, missed)
    }

    fn ring(frames: usize) -> Ring {
        Ring::new(KeptLimits {
            bytes: 1 << 20,
            frames,
        })
    }

    #[test]
    fn only_the_last_group_is_kept_with_the_sound_beside_it() {
        let mut ring = ring(100);
        push(&mut ring, "dadad", &[]);
        assert_eq!(ring.kept(), (0, 0), "nothing begins with a delta frame");
        push(&mut ring, "KddadKadad", &[]);
        assert_eq!(ring.kept(), (5, 500));
        let mut late = ring.start(None);
        assert_eq!(
            all(&ring, &mut late, None),
            ([10, 11, 12, 13, 14].to_vec(), 0)
        );
        push(&mut ring, "d", &[late]);
        assert_eq!(all(&ring, &mut late, None), ([15].to_vec(), 0));
        assert_eq!(
            ring.timestamp(&ring.start(None)),
            Some(Duration::from_millis(500))
        );
    }

    #[test]
    fn the_sound_of_a_key_frame_may_come_before_it() {
        let mut ring = ring(100);
        // Numbers are times here, and the key frame's time is that of the second frame of sound.
        push(&mut ring, "daaa", &[]);
        let mut key = frame(MediaKind::Key, 2, 100);
        ring.push(key.clone(), [].iter());
        assert_eq!(
            all(&ring, &mut ring.start(None), None),
            ([2, 3, 2].to_vec(), 0)
        );
        // A picture between them was shown before it; its sound, too.
        push(&mut ring, "ad", &[]);
        key.timestamp = Duration::from_millis(50 * 5);
        ring.push(key, [].iter());
        assert_eq!(all(&ring, &mut ring.start(None), None), ([5].to_vec(), 0));
        // Sound alone is not kept for ever.
        let mut ring = self::ring(100);
        push(&mut ring, &"a".repeat(90), &[]);
        assert_eq!(ring.kept().0, 21);
    }

    #[test]
    fn a_viewer_without_a_key_frame_hears_and_waits() {
        let mut ring = ring(100);
        let mut early = ring.start(None);
        push(&mut ring, "dad", &[early]);
        assert_eq!(all(&ring, &mut early, None), ([1].to_vec(), 2));
        push(&mut ring, "Kd", &[early]);
        assert_eq!(all(&ring, &mut early, None), ([3, 4].to_vec(), 0));
    }

    #[test]
    fn what_the_slowest_needs_is_kept_up_to_the_limit() {
        let mut ring = ring(8);
        push(&mut ring, "K", &[]);
        let mut slow = ring.start(None);
        push(&mut ring, "dddKddd", &[slow]);
        assert_eq!(ring.kept().0, 8);
        assert_eq!(ring.waiting(&slow), 8);
        push(&mut ring, "d", &[slow]);
        assert_eq!(ring.kept().0, 8, "the oldest went");
        // It goes on with the newest key frame; what was kept before it is of no use.
        assert_eq!(all(&ring, &mut slow, None), ([4, 5, 6, 7, 8].to_vec(), 4));
        push(&mut ring, "d", &[slow]);
        assert_eq!(ring.kept().0, 6, "nobody needs the others");
    }

    #[test]
    fn a_group_over_the_limit_is_for_nobody_to_begin_with() {
        let mut ring = ring(4);
        push(&mut ring, "Kddadda", &[]);
        let mut late = ring.start(None);
        assert_eq!(all(&ring, &mut late, None), ([].to_vec(), 0));
        push(&mut ring, "dadKd", &[late]);
        // The sound goes on; of the pictures the next key frame is the first.
        assert_eq!(all(&ring, &mut late, None).0, [10, 11]);

        let mut ring = Ring::new(KeptLimits {
            bytes: 250,
            frames: 100,
        });
        push(&mut ring, "Kd", &[]);
        assert_eq!(ring.kept(), (2, 200));
        push(&mut ring, "d", &[]);
        assert_eq!((ring.kept(), ring.cut()), ((2, 200), 1));
        push(&mut ring, "d", &[]);
        assert_eq!((ring.kept(), ring.cut()), ((0, 0), 1), "nobody needs them");
        ring.push(frame(MediaKind::Key, 9, 1_000), [].iter());
        assert_eq!(ring.kept(), (1, 1_000), "one is kept, however large");
    }

    #[test]
    fn who_lags_goes_on_with_the_newest_key_frame() {
        let mut ring = ring(100);
        push(&mut ring, "K", &[]);
        let slow = ring.start(None);
        push(&mut ring, "ddKddKdd", &[slow]);
        let lag = Some(Duration::from_millis(300));
        // 8 frames of 50 ms behind; 6 are not too many.
        assert_eq!(all(&ring, &mut slow.clone(), lag), ([6, 7, 8].to_vec(), 6));
        let lag = Some(Duration::from_millis(400));
        assert_eq!(all(&ring, &mut slow.clone(), lag).1, 0);
        assert_eq!(all(&ring, &mut slow.clone(), None).1, 0);
        // With no newer key frame there is nothing to go on with.
        let start = ring.start(None);
        push(&mut ring, "dddddddd", &[start]);
        assert_eq!(all(&ring, &mut start.clone(), Some(Duration::ZERO)).1, 0);
    }

    #[test]
    fn what_is_left_of_a_session_is_not_for_newcomers() {
        let mut ring = ring(100);
        push(&mut ring, "Kd", &[]);
        let mut viewer = ring.start(None);
        ring.close([viewer].iter());
        let mut late = ring.start(None);
        assert_eq!(all(&ring, &mut late, None), ([].to_vec(), 0));
        push(&mut ring, "aKd", &[viewer, late]);
        assert_eq!(all(&ring, &mut late, None).0, [2, 3, 4]);
        assert_eq!(all(&ring, &mut viewer, None), ([0, 1, 2, 3, 4].to_vec(), 0));
        ring.close([].iter());
        assert_eq!(ring.kept(), (0, 0));
    }

    proptest! {
        /// Whatever comes and however slow viewers are: nothing is kept over the limits, each frame is taken once
        /// or counted as missed, in order, and no picture comes without all since its key frame.
        #[test]
        fn nothing_is_shown_that_cannot_be_decoded(
            steps in prop::collection::vec((0..5_u8, 0..300_usize, 0..4_usize), 1..200),
            frames in 1..20_usize,
            bytes in 0..2_000_usize,
            lag in prop::option::of(0..1_000_u64),
        ) {
            let limits = KeptLimits { bytes, frames };
            let lag = lag.map(Duration::from_millis);
            let mut ring = Ring::new(limits);
            let mut viewers = [ring.start(lag); 3];
            let mut got = [0_u64; 3];
            let mut last: [Option<u64>; 3] = [None; 3];
            let mut sent = Vec::new();
            for (kind, len, taker) in steps {
                let kind = match kind {
                    0 => MediaKind::Key,
                    1 => MediaKind::Audio,
                    _ => MediaKind::Delta,
                };
                let number = ring.end();
                ring.push(frame(kind, number, len), viewers.iter());
                sent.push(kind);
                let (kept, size) = ring.kept();
                prop_assert!(kept <= frames && (size <= bytes || kept == 1));
                if taker == 3 {
                    continue;
                }
                let taken = ring.take(&mut viewers[taker]);
                got[taker] += taken.missed + u64::from(taken.frame.is_some());
                let kept = got[taker] + ring.waiting(&viewers[taker]);
                prop_assert!(kept <= ring.end() && (lag.is_some() || kept == ring.end()));
                let Some(frame) = taken.frame else { continue };
                let number = u64::try_from(frame.timestamp.as_millis() / 50).unwrap();
                prop_assert_eq!(sent[usize::try_from(number).unwrap()], frame.kind);
                if !frame.kind.is_video() {
                    continue;
                }
                if frame.kind == MediaKind::Delta {
                    let before = usize::try_from(last[taker].unwrap() + 1).unwrap();
                    let between = &sent[before..usize::try_from(number).unwrap()];
                    prop_assert!(between.iter().all(|kind| !kind.is_video()));
                }
                prop_assert!(last[taker].is_none_or(|last| last < number));
                last[taker] = Some(number);
            }
        }
    }
}
