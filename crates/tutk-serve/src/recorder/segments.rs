//! Segments: their length, and the deletion of old ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::disk::{self, Pending};
use super::pattern::Pattern;

/// The length and retention of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segments {
    pub(super) pattern: Pattern,
    /// A segment ends at the first key frame after this time.
    pub(super) length: Duration,
    pub(super) retention: Retention,
}

/// The retention of segments. Without limits, all are kept. Only files whose names match the
/// pattern are deleted.
///
/// ```
/// use std::time::Duration;
/// use tutk_serve::recorder::{Retention, Target};
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// let retention = Retention { keep: Some(7 * DAY), max_bytes: Some(50_000_000_000) };
/// let pattern = "recordings/%Y-%m-%d/%H-%M-%S.mp4".as_ref();
/// let target = Target::segments(pattern, None, Duration::from_secs(600), retention)?.with_audio();
/// assert!(target.has_audio());
/// # Ok::<(), tutk_serve::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Segments that started longer ago are deleted.
    pub keep: Option<Duration>,
    /// The oldest segments are deleted until the total size is at most this. It is checked when a
    /// segment starts, with the size of the previous segment for the new one. Segments with a name
    /// in the future, from before the clock was set back, are deleted first.
    pub max_bytes: Option<u64>,
}

impl Segments {
    /// Deletes old segments, while the current one is written. Keeps `current`, and reserves the
    /// size of the previous segment for it.
    pub(super) fn sweep(&self, current: &Path) -> Option<Pending> {
        if self.retention == Retention::default() {
            return None;
        }
        let (this, current) = (self.clone(), current.to_owned());
        disk::run(move || {
            let removed = this.remove_old(&current, Timestamp::now(), &TimeZone::system());
            for path in removed {
                tracing::info!(path = %path.display(), "old segment removed");
            }
        })
    }

    /// Deletes old segments and returns them.
    fn remove_old(&self, current: &Path, now: Timestamp, zone: &TimeZone) -> Vec<PathBuf> {
        let mut recorded = self.pattern.recorded(zone);
        // Otherwise, every new segment would be the oldest after the clock was set back.
        recorded.sort_by_key(|file| file.begun <= now);
        let mut total: u64 = recorded.iter().map(|file| file.bytes).sum();
        let newest = recorded.iter().rfind(|file| file.path != current);
        // The current segment is still empty.
        let room = newest.map_or(0, |file| file.bytes);
        let mut removed = Vec::new();
        for file in recorded.iter().filter(|file| file.path != current) {
            let age = now.duration_since(file.begun);
            let is_old = |keep| age > SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
            let old = self.retention.keep.is_some_and(is_old);
            let over = |max| total.saturating_add(room) > max;
            if !old && !self.retention.max_bytes.is_some_and(over) {
                continue;
            }
            match fs::remove_file(&file.path) {
                Ok(()) => {
                    total -= file.bytes;
                    self.pattern.remove_empty_folders(&file.path);
                    removed.push(file.path.clone());
                }
                Err(error) => {
                    tracing::warn!(path = %file.path.display(), %error, "old segment not removed");
                }
            }
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::FileAccess;

    /// A segment of 1000 bytes an hour, from 0 to 9 o'clock; the newest is the current one.
    fn hours(folder: &Path) -> Pattern {
        let pattern = Pattern::new(&folder.join("%Y-%m-%d/%H.ts")).unwrap();
        for hour in 0..10 {
            let (path, _) = pattern
                .create(
                    &at(hour).to_zoned_datetime(TimeZone::UTC),
                    FileAccess::Owner,
                )
                .unwrap();
            fs::write(path, [0; 1000]).unwrap();
        }
        for name in ["2026-11-25/notes.ts", "2026-11-25/00.mp4"] {
            fs::write(folder.join(name), [0; 1000]).unwrap();
        }
        pattern
    }

    fn at(hour: i8) -> Timestamp {
        let civil = jiff::civil::date(2026, 11, 25).at(hour, 0, 0, 0);
        civil.to_zoned_datetime(TimeZone::UTC).unwrap().timestamp()
    }

    fn removed(keep: Option<Duration>, max_bytes: Option<u64>) -> (usize, usize) {
        let folder = tempfile::tempdir().unwrap();
        let segments = Segments {
            pattern: hours(folder.path()),
            length: Duration::from_secs(3_600),
            retention: Retention { keep, max_bytes },
        };
        let current = folder.path().join("2026-11-25/09.ts");
        let removed = segments.remove_old(&current, at(9), &TimeZone::UTC);
        for (hour, path) in removed.iter().enumerate() {
            assert!(path.ends_with(format!("2026-11-25/{hour:02}.ts")) && !path.exists());
        }
        let left = fs::read_dir(folder.path().join("2026-11-25")).unwrap();
        (removed.len(), left.count())
    }

    #[test]
    fn only_old_segments_are_deleted() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(removed(None, None), (0, 12));
        assert_eq!(removed(Some(hour * 5), None), (4, 8));
        // The current segment is never deleted.
        assert_eq!(removed(Some(Duration::ZERO), Some(0)), (9, 3));
    }

    #[test]
    fn segments_from_before_the_clock_was_set_back_are_deleted_first() {
        let folder = tempfile::tempdir().unwrap();
        let segments = Segments {
            pattern: hours(folder.path()),
            length: Duration::from_secs(3_600),
            retention: Retention {
                keep: None,
                max_bytes: Some(6_000),
            },
        };
        let day = folder.path().join("2026-11-25");
        let removed = segments.remove_old(&day.join("04.ts"), at(4), &TimeZone::UTC);
        let expected = [5, 6, 7, 8, 9].map(|hour| day.join(format!("{hour:02}.ts")));
        assert_eq!(removed, expected);
    }

    #[test]
    fn the_size_limit_includes_the_current_segment() {
        // 10 segments, and as much as the newest for the current one.
        assert_eq!(removed(None, Some(11_000)), (0, 12));
        assert_eq!(removed(None, Some(10_999)), (1, 11));
        assert_eq!(removed(None, Some(4_000)), (7, 5));
        assert_eq!(removed(None, Some(u64::MAX)), (0, 12));
    }
}
