//! Whether what was received is in step.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking, and each test file uses a part of this"
)]

use tutk_serve::{LiveFrame, Viewer};

/// What a viewer of the hub saw: the times of pictures and of sound on the camera's line, in
/// seconds.
#[derive(Debug, Default)]
pub struct Seen {
    pub pictures: Vec<f64>,
    pub sounds: Vec<f64>,
}

impl Seen {
    pub fn frame(&mut self, frame: &LiveFrame) {
        let times = match frame.kind.is_video() {
            true => &mut self.pictures,
            false => &mut self.sounds,
        };
        times.push(frame.timestamp.as_secs_f64());
    }

    /// Sees all until the camera is served no more.
    pub async fn all(mut viewer: Viewer) -> Self {
        let mut seen = Self::default();
        viewer.set_max_lag(None);
        while let Some(frame) = super::patient(viewer.next_frame()).await {
            seen.frame(&frame);
        }
        seen
    }

    /// Compares with the times at which a player shows what it received from the first key frame
    /// on: the same, but for where they count from. `None` where the player does not say a time.
    pub fn assert_in_step(&self, pictures: &[Option<f64>], sounds: &[Option<f64>], what: &str) {
        let close = |a: f64, b: f64| (a - b).abs() < 0.002;
        let count = (pictures.len(), sounds.len());
        assert!(count.0 > 30 && count.1 > 30, "{what}: {count:?}");
        let known = |times: &[Option<f64>]| times.iter().position(Option::is_some).unwrap();
        let at = known(pictures);
        let zero = self.pictures[at] - pictures[at].unwrap();
        let same = |seen: &[f64], shown: &[Option<f64>], kind: &str| {
            for (seen, shown) in seen.iter().zip(shown) {
                let shown = shown.unwrap_or(seen - zero);
                assert!(
                    close(seen - zero, shown),
                    "{what}: {kind} {seen} - {zero} at {shown}"
                );
            }
        };
        same(&self.pictures, pictures, "picture");
        let at = known(sounds);
        let shown = sounds[at].unwrap();
        let first = self
            .sounds
            .iter()
            .position(|seen| close(seen - zero, shown));
        let Some(first) = first.and_then(|first| first.checked_sub(at)) else {
            panic!(
                "{what}: the sound begins at {shown}, the camera's at {:?}",
                self.sounds[0] - zero
            );
        };
        // Sound from before the first picture need not be there.
        assert!(first <= 2, "{what}: {first} frames of sound are missing");
        same(&self.sounds[first..], sounds, "sound");
    }
}

/// A time that a tool printed, in seconds.
pub fn seconds(text: &str) -> Option<f64> {
    text.trim().trim_end_matches(',').parse().ok()
}
