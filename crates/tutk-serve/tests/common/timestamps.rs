//! Comparison of timestamps between the hub and a player.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking, and each test file uses a part of this"
)]

use tutk_serve::{LiveFrame, Viewer};

/// The timestamps that a viewer of the hub received, in seconds.
#[derive(Debug, Default)]
pub struct Timestamps {
    pub video: Vec<f64>,
    pub audio: Vec<f64>,
}

impl Timestamps {
    pub fn push(&mut self, frame: &LiveFrame) {
        let times = match frame.kind.is_video() {
            true => &mut self.video,
            false => &mut self.audio,
        };
        times.push(frame.timestamp.as_secs_f64());
    }

    /// Records all frames until the camera is removed.
    pub async fn record(mut viewer: Viewer) -> Self {
        let mut timestamps = Self::default();
        viewer.set_max_lag(None);
        while let Some(frame) = super::with_timeout(viewer.next_frame()).await {
            timestamps.push(&frame);
        }
        timestamps
    }

    /// Compares with the presentation times of a player, which start at another offset. A time is
    /// `None` if the player does not report it.
    pub fn assert_synchronized(&self, video: &[Option<f64>], audio: &[Option<f64>], what: &str) {
        let close = |a: f64, b: f64| (a - b).abs() < 0.002;
        let count = (video.len(), audio.len());
        assert!(count.0 > 30 && count.1 > 30, "{what}: {count:?}");
        let known = |times: &[Option<f64>]| times.iter().position(Option::is_some).unwrap();
        let index = known(video);
        let offset = self.video[index] - video[index].unwrap();
        let compare = |sent: &[f64], shown: &[Option<f64>], kind: &str| {
            for (sent, shown) in sent.iter().zip(shown) {
                let shown = shown.unwrap_or(sent - offset);
                assert!(
                    close(sent - offset, shown),
                    "{what}: {kind} {sent} - {offset} at {shown}"
                );
            }
        };
        compare(&self.video, video, "video");
        let index = known(audio);
        let shown = audio[index].unwrap();
        let first = self
            .audio
            .iter()
            .position(|sent| close(sent - offset, shown));
        let Some(first) = first.and_then(|first| first.checked_sub(index)) else {
            panic!(
                "{what}: the audio starts at {shown}, on the camera at {:?}",
                self.audio[0] - offset
            );
        };
        // Audio before the first video frame may be missing.
        assert!(first <= 2, "{what}: {first} audio frames are missing");
        compare(&self.audio[first..], audio, "audio");
    }
}

/// Parses a time that a player printed, in seconds.
pub fn parse_seconds(text: &str) -> Option<f64> {
    text.trim().trim_end_matches(',').parse().ok()
}
