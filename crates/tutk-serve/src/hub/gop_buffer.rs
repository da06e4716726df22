//! The frames that all viewers of a camera share.

use std::collections::VecDeque;
use std::time::Duration;

use super::live_frame::LiveFrame;

/// The default limit of [`KeptLimits::bytes`]. A group of pictures at 2K has one to three million
/// bytes.
pub const KEPT_BYTES: usize = 16 << 20;

/// The default limit of [`KeptLimits::frames`]: about a minute of video with audio.
pub const KEPT_FRAMES: usize = 4096;

/// How far a viewer may fall behind by default before it continues with the newest key frame.
pub const MAX_LAG: Duration = Duration::from_secs(5);

/// The limits of a camera's frame buffer. It holds the newest group of pictures, with which new
/// viewers start, and the frames that slow viewers still need. Over the limit the oldest frames are
/// dropped.
///
/// ```
/// use tutk_serve::{CameraSettings, KeptLimits};
///
/// fn with_small_buffer(mut settings: CameraSettings) -> CameraSettings {
///     settings.kept = KeptLimits { bytes: 4 << 20, ..KeptLimits::default() };
///     settings
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLimits {
    /// The maximum number of bytes, by default [`KEPT_BYTES`]. At least one frame is kept.
    pub bytes: usize,
    /// The maximum number of frames, by default [`KEPT_FRAMES`]. At least one frame is kept.
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

/// The position of a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The number of the next frame.
    next: u64,
    /// Delta frames are skipped until a key frame.
    awaiting_key_frame: bool,
    /// How far the viewer may fall behind the newest frame.
    pub(super) lag: Option<Duration>,
}

/// The result of [`GopBuffer::take`].
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) frame: Option<LiveFrame>,
    /// The number of frames that the viewer missed before this one.
    pub(super) missed: u64,
}

/// The newest frames. They are numbered from 0, starting when the camera is added.
#[derive(Debug)]
pub(super) struct GopBuffer {
    frames: VecDeque<LiveFrame>,
    /// The number of the oldest frame.
    first: u64,
    bytes: usize,
    /// The newest group of pictures, if its key frame is still kept.
    group: Option<Group>,
    /// New viewers may start with the group.
    open: bool,
    limits: KeptLimits,
    cut: u64,
}

/// The frame numbers of a group of pictures.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// The first audio frame that belongs to the key frame. It can arrive earlier, because a key
    /// frame takes longer to transfer.
    start: u64,
    key: u64,
}

/// How long audio after the newest video frame is kept for a key frame that may follow.
const AUDIO_BEFORE_KEY: Duration = Duration::from_secs(1);

impl GopBuffer {
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

    /// Appends a frame. Drops the frames that neither new viewers nor the slowest of `cursors`
    /// need, then the oldest frames over the limits.
    pub(super) fn push<'a>(
        &mut self,
        mut frame: LiveFrame,
        cursors: impl Iterator<Item = &'a Cursor>,
    ) {
        if frame.is_key() {
            let key = self.end();
            let start = key - self.audio_since(frame.timestamp);
            (self.group, self.open) = (Some(Group { start, key }), true);
        }
        self.bytes += frame.data.len();
        frame.number = self.end();
        self.frames.push_back(frame);
        self.drop_unneeded(cursors);
        while self.frames.len() > 1
            && (self.bytes > self.limits.bytes || self.frames.len() > self.limits.frames)
        {
            let cut = self.group.is_some_and(|group| group.key == self.first);
            self.cut += u64::from(cut && self.open);
            self.pop();
        }
    }

    /// Marks the end of a session: new viewers start with the frames of the next one. Drops the
    /// frames that no viewer needs.
    pub(super) fn close<'a>(&mut self, cursors: impl Iterator<Item = &'a Cursor>) {
        self.open = false;
        self.drop_unneeded(cursors);
    }

    fn drop_unneeded<'a>(&mut self, cursors: impl Iterator<Item = &'a Cursor>) {
        let slowest = cursors.map(|cursor| self.position(cursor)).min();
        let newest = self.frames.back().map(|frame| frame.timestamp);
        let since = newest.unwrap_or_default().saturating_sub(AUDIO_BEFORE_KEY);
        let audio = self.end() - self.audio_since(since);
        let needed = [slowest, self.open_group(), Some(audio)];
        let needed = needed.into_iter().flatten().min();
        while needed.is_some_and(|needed| self.first < needed) && self.pop() {}
    }

    /// Returns the number of audio frames after the newest video frame that are not older than
    /// `since`.
    fn audio_since(&self, since: Duration) -> u64 {
        let newest = self.frames.iter().rev();
        newest
            .take_while(|frame| !frame.kind.is_video() && frame.timestamp >= since)
            .count() as u64
    }

    /// Returns the number of the frame with which new viewers start.
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

    /// Returns the position of a new viewer: the newest key frame, or the end if there is none.
    pub(super) fn start(&self, lag: Option<Duration>) -> Cursor {
        Cursor {
            next: self.open_group().unwrap_or(self.end()),
            awaiting_key_frame: true,
            lag,
        }
    }

    /// Returns where a viewer continues: at its position, or at the newest key frame if its next
    /// frame is no longer kept or too old.
    fn position(&self, cursor: &Cursor) -> u64 {
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

    /// Returns the next frame of a viewer. If that frame is no longer kept or too old, the viewer
    /// misses all frames up to the newest key frame, or up to the next one if there is none.
    pub(super) fn take(&self, cursor: &mut Cursor) -> Taken {
        let mut taken = Taken::default();
        let position = self.position(cursor);
        taken.missed = position - cursor.next;
        if taken.missed > 0 {
            (cursor.next, cursor.awaiting_key_frame) = (position, true);
        }
        while let Some(frame) = self.at(cursor.next) {
            cursor.next += 1;
            if frame.kind.is_video() {
                if cursor.awaiting_key_frame && !frame.is_key() {
                    taken.missed += 1;
                    continue;
                }
                cursor.awaiting_key_frame = false;
            }
            taken.frame = Some(frame.clone());
            break;
        }
        taken
    }

    /// Returns the timestamp of a viewer's next frame, if it has arrived.
    pub(super) fn timestamp(&self, cursor: &Cursor) -> Option<Duration> {
        self.at(cursor.next).map(|frame| frame.timestamp)
    }

    /// Returns the number of kept frames, and their bytes.
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.frames.len(), self.bytes)
    }

    /// Returns how often the newest group of pictures lost its key frame to the limits, so that new
    /// viewers could not start with it.
    pub(super) fn cut(&self) -> u64 {
        self.cut
    }

    /// Returns the number of frames that a viewer can take now.
    pub(super) fn waiting(&self, cursor: &Cursor) -> u64 {
        self.end() - self.position(cursor)
    }

    fn at(&self, number: u64) -> Option<&LiveFrame> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.frames.get(index)
    }

    /// Returns the number of the next frame to arrive.
    fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use proptest::prelude::*;
    use tutk_session::MediaKind;

    use super::*;
    use crate::{FrameContent, StreamDescription};

    fn frame(kind: MediaKind, number: u64, len: usize) -> LiveFrame {
        LiveFrame::from(FrameContent {
            kind,
            data: vec![0; len].into(),
            unit: None,
            codec: None,
            timestamp: Duration::from_millis(number * 50),
            wall: SystemTime::UNIX_EPOCH,
            discontinuity: false,
            description: Arc::new(StreamDescription {
                video: None,
                sound: None,
                settled: true,
            }),
        })
    }

    /// Frames by letters: `K`ey, `d`elta, `a`udio; 100 bytes each.
    fn push(buffer: &mut GopBuffer, kinds: &str, cursors: &[Cursor]) {
        for kind in kinds.chars() {
            let kind = match kind {
                'K' => MediaKind::Key,
                'd' => MediaKind::Delta,
                _ => MediaKind::Audio,
            };
            buffer.push(frame(kind, buffer.end(), 100), cursors.iter());
        }
    }

    /// Returns the numbers of all frames that a viewer can take, and how many it missed.
    fn all(buffer: &GopBuffer, cursor: &mut Cursor, lag: Option<Duration>) -> (Vec<u128>, u64) {
        cursor.lag = lag;
        let (mut numbers, mut missed) = (Vec::new(), 0);
        loop {
            let taken = buffer.take(cursor);
            missed += taken.missed;
            let Some(frame) = taken.frame else { break };
            numbers.push(frame.timestamp.as_millis() / 50);
        }
        (numbers, missed)
    }

    fn buffer(frames: usize) -> GopBuffer {
        GopBuffer::new(KeptLimits {
            bytes: 1 << 20,
            frames,
        })
    }

    #[test]
    fn keeps_only_the_newest_group_with_its_audio() {
        let mut buffer = buffer(100);
        push(&mut buffer, "dadad", &[]);
        assert_eq!(buffer.kept(), (0, 0), "a group starts with a key frame");
        push(&mut buffer, "KddadKadad", &[]);
        assert_eq!(buffer.kept(), (5, 500));
        let mut late = buffer.start(None);
        assert_eq!(
            all(&buffer, &mut late, None),
            ([10, 11, 12, 13, 14].to_vec(), 0)
        );
        push(&mut buffer, "d", &[late]);
        assert_eq!(all(&buffer, &mut late, None), ([15].to_vec(), 0));
        assert_eq!(
            buffer.timestamp(&buffer.start(None)),
            Some(Duration::from_millis(500))
        );
    }

    #[test]
    fn audio_of_a_key_frame_may_arrive_before_it() {
        let mut buffer = buffer(100);
        // The key frame has the timestamp of the second audio frame.
        push(&mut buffer, "daaa", &[]);
        buffer.push(frame(MediaKind::Key, 2, 100), [].iter());
        assert_eq!(
            all(&buffer, &mut buffer.start(None), None),
            ([2, 3, 2].to_vec(), 0)
        );
        // Audio before another video frame belongs to that frame.
        push(&mut buffer, "ad", &[]);
        buffer.push(frame(MediaKind::Key, 5, 100), [].iter());
        assert_eq!(
            all(&buffer, &mut buffer.start(None), None),
            ([5].to_vec(), 0)
        );
        // Audio without video is dropped after a second.
        let mut buffer = self::buffer(100);
        push(&mut buffer, &"a".repeat(90), &[]);
        assert_eq!(buffer.kept().0, 21);
    }

    #[test]
    fn viewer_gets_audio_while_it_waits_for_a_key_frame() {
        let mut buffer = buffer(100);
        let mut early = buffer.start(None);
        push(&mut buffer, "dad", &[early]);
        assert_eq!(all(&buffer, &mut early, None), ([1].to_vec(), 2));
        push(&mut buffer, "Kd", &[early]);
        assert_eq!(all(&buffer, &mut early, None), ([3, 4].to_vec(), 0));
    }

    #[test]
    fn keeps_frames_for_slow_viewers_up_to_the_limit() {
        let mut buffer = buffer(8);
        push(&mut buffer, "K", &[]);
        let mut slow = buffer.start(None);
        push(&mut buffer, "dddKddd", &[slow]);
        assert_eq!(buffer.kept().0, 8);
        assert_eq!(buffer.waiting(&slow), 8);
        push(&mut buffer, "d", &[slow]);
        assert_eq!(buffer.kept().0, 8, "the oldest frame is dropped");
        // The viewer continues with the newest key frame.
        assert_eq!(all(&buffer, &mut slow, None), ([4, 5, 6, 7, 8].to_vec(), 4));
        push(&mut buffer, "d", &[slow]);
        assert_eq!(buffer.kept().0, 6, "no viewer needs older frames");
    }

    #[test]
    fn new_viewers_cannot_start_with_a_group_over_the_limit() {
        let mut buffer = buffer(4);
        push(&mut buffer, "Kddadda", &[]);
        let mut late = buffer.start(None);
        assert_eq!(all(&buffer, &mut late, None), ([].to_vec(), 0));
        push(&mut buffer, "dadKd", &[late]);
        // Audio continues, and video continues with the next key frame.
        assert_eq!(all(&buffer, &mut late, None).0, [10, 11]);

        let mut buffer = GopBuffer::new(KeptLimits {
            bytes: 250,
            frames: 100,
        });
        push(&mut buffer, "Kd", &[]);
        assert_eq!(buffer.kept(), (2, 200));
        push(&mut buffer, "d", &[]);
        assert_eq!((buffer.kept(), buffer.cut()), ((2, 200), 1));
        push(&mut buffer, "d", &[]);
        assert_eq!(
            (buffer.kept(), buffer.cut()),
            ((0, 0), 1),
            "no viewer needs them"
        );
        buffer.push(frame(MediaKind::Key, 9, 1_000), [].iter());
        assert_eq!(
            buffer.kept(),
            (1, 1_000),
            "one frame is kept, however large"
        );
    }

    #[test]
    fn lagging_viewer_continues_with_the_newest_key_frame() {
        let mut buffer = buffer(100);
        push(&mut buffer, "K", &[]);
        let slow = buffer.start(None);
        push(&mut buffer, "ddKddKdd", &[slow]);
        let lag = Some(Duration::from_millis(300));
        // The viewer is 8 frames of 50 ms behind; 6 would be allowed.
        assert_eq!(
            all(&buffer, &mut slow.clone(), lag),
            ([6, 7, 8].to_vec(), 6)
        );
        let lag = Some(Duration::from_millis(400));
        assert_eq!(all(&buffer, &mut slow.clone(), lag).1, 0);
        assert_eq!(all(&buffer, &mut slow.clone(), None).1, 0);
        // Without a newer key frame the viewer stays where it is.
        let start = buffer.start(None);
        push(&mut buffer, "dddddddd", &[start]);
        assert_eq!(all(&buffer, &mut start.clone(), Some(Duration::ZERO)).1, 0);
    }

    #[test]
    fn new_viewers_do_not_get_frames_of_an_ended_session() {
        let mut buffer = buffer(100);
        push(&mut buffer, "Kd", &[]);
        let mut viewer = buffer.start(None);
        buffer.close([viewer].iter());
        let mut late = buffer.start(None);
        assert_eq!(all(&buffer, &mut late, None), ([].to_vec(), 0));
        push(&mut buffer, "aKd", &[viewer, late]);
        assert_eq!(all(&buffer, &mut late, None).0, [2, 3, 4]);
        assert_eq!(
            all(&buffer, &mut viewer, None),
            ([0, 1, 2, 3, 4].to_vec(), 0)
        );
        buffer.close([].iter());
        assert_eq!(buffer.kept(), (0, 0));
    }

    proptest! {
        /// The limits hold, each viewer gets or misses each frame once and in order, and no video
        /// frame is returned without all frames since its key frame.
        #[test]
        fn all_returned_frames_can_be_decoded(
            steps in prop::collection::vec((0..5_u8, 0..300_usize, 0..4_usize), 1..200),
            frames in 1..20_usize,
            bytes in 0..2_000_usize,
            lag in prop::option::of(0..1_000_u64),
        ) {
            let limits = KeptLimits { bytes, frames };
            let lag = lag.map(Duration::from_millis);
            let mut buffer = GopBuffer::new(limits);
            let mut viewers = [buffer.start(lag); 3];
            let mut got = [0_u64; 3];
            let mut last: [Option<u64>; 3] = [None; 3];
            let mut sent = Vec::new();
            for (kind, len, taker) in steps {
                let kind = match kind {
                    0 => MediaKind::Key,
                    1 => MediaKind::Audio,
                    _ => MediaKind::Delta,
                };
                let number = buffer.end();
                buffer.push(frame(kind, number, len), viewers.iter());
                sent.push(kind);
                let (kept, size) = buffer.kept();
                prop_assert!(kept <= frames && (size <= bytes || kept == 1));
                if taker == 3 {
                    continue;
                }
                let taken = buffer.take(&mut viewers[taker]);
                got[taker] += taken.missed + u64::from(taken.frame.is_some());
                let kept = got[taker] + buffer.waiting(&viewers[taker]);
                prop_assert!(kept <= buffer.end() && (lag.is_some() || kept == buffer.end()));
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
