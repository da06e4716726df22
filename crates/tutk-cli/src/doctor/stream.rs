//! Statistics of the stream.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tutk_runtime::tutk_session::video_reassembly::StreamKind;
use tutk_runtime::tutk_session::{Codec, Frame, Lost, Mac, Stats};

use crate::report::{milliseconds, seconds};

/// What was measured over some seconds of media.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct StreamReport {
    pub(crate) seconds: f64,
    /// The codec of the newest video frame: its name in lower case, such as `h264`.
    pub(crate) codec: Option<String>,
    /// As [`codec`](Self::codec), of the newest audio frame.
    pub(crate) audio: Option<String>,
    pub(crate) video_frames: u64,
    pub(crate) key_frames: u64,
    pub(crate) audio_frames: u64,
    /// Video and audio frames of which a part did not arrive.
    pub(crate) frames_lost: u64,
    /// Media packets received.
    pub(crate) packets: u64,
    /// The least number of media packets that did not arrive.
    pub(crate) packets_lost: u64,
    pub(crate) loss_percent: f64,
    /// Packets of the session that arrived after a later one.
    pub(crate) packets_reordered: u64,
    pub(crate) reordered_percent: f64,
    /// Packets that this machine dropped because its receive buffer was full.
    pub(crate) kernel_drops: u64,
    pub(crate) kbit_per_second: f64,
    pub(crate) frames_per_second: f64,
    /// The variation of the video frames' delay, as in RFC 3550, section 6.4.1.
    pub(crate) jitter_ms: f64,
    /// The longest time between two video frames.
    pub(crate) longest_gap_ms: f64,
    pub(crate) first_key_frame_ms: Option<f64>,
    pub(crate) round_trip_ms: Option<f64>,
    /// The lengths in bytes of the frame infos.
    pub(crate) frame_info_bytes: Vec<u16>,
    /// The frame info contains another MAC than the configured one.
    pub(crate) other_mac: bool,
    /// Deviations of the camera that the client accepted, by their names
    /// (`tutk_session::Deviation`), and how often.
    pub(crate) tolerated: BTreeMap<&'static str, u64>,
    /// All other counters of the session that are not zero.
    pub(crate) counters: BTreeMap<&'static str, u64>,
}

/// Measures a stream. Times count from the camera's authentication.
#[derive(Debug, Default)]
pub(crate) struct StreamMeter {
    report: StreamReport,
    mac: Option<Mac>,
    video: Option<Codec>,
    audio: Option<Codec>,
    bytes: u64,
    /// The arrival and timestamp of the newest video frame.
    newest: Option<(Duration, Duration)>,
    jitter: f64,
}

impl StreamReport {
    pub(crate) fn frames(&self) -> u64 {
        self.video_frames + self.audio_frames
    }
}

impl StreamMeter {
    /// `mac` is the configured one.
    pub(crate) fn new(mac: Option<Mac>) -> Self {
        Self {
            mac,
            ..Self::default()
        }
    }

    /// A frame arrived at `at`.
    pub(crate) fn frame(&mut self, at: Duration, frame: &Frame) {
        let report = &mut self.report;
        self.bytes = self.bytes.saturating_add(frame.data.len() as u64);
        if let Some(info) = &frame.info {
            if !report.frame_info_bytes.contains(&info.len()) {
                report.frame_info_bytes.push(info.len());
            }
            if let (Some(own), Some(mac)) = (self.mac, info.mac()) {
                // Some firmware leaves the field empty.
                report.other_mac |= mac != [0; 12] && !mac.eq_ignore_ascii_case(own.as_bytes());
            }
        }
        match frame.stream() {
            StreamKind::Audio => {
                report.audio_frames += 1;
                self.audio = frame.codec.or(self.audio);
            }
            StreamKind::Video => {
                report.video_frames += 1;
                self.video = frame.codec.or(self.video);
                if frame.is_key() {
                    report.key_frames += 1;
                    report.first_key_frame_ms.get_or_insert(milliseconds(at));
                }
                self.video_frame(at, frame.timestamp);
            }
        }
    }

    pub(crate) fn has_key_frame(&self) -> bool {
        self.report.key_frames > 0
    }

    fn video_frame(&mut self, at: Duration, timestamp: Duration) {
        if let Some((before, sent_before)) = self.newest {
            let gap = at.saturating_sub(before);
            let sent_gap = timestamp.saturating_sub(sent_before);
            let longest = &mut self.report.longest_gap_ms;
            *longest = longest.max(milliseconds(gap));
            let difference = (gap.as_secs_f64() - sent_gap.as_secs_f64()).abs() * 1e3;
            self.jitter += (difference - self.jitter) / 16.0;
        }
        self.newest = Some((at, timestamp));
    }

    /// Frames are lost.
    pub(crate) fn lost(&mut self, lost: &Lost) {
        let frames = u64::from(lost.last.wrapping_sub(lost.first)).saturating_add(1);
        // Of a frame without any packet, at least one is lost.
        let packets = match lost.total {
            0 => frames,
            total => total.saturating_sub(lost.received).into(),
        };
        let report = &mut self.report;
        report.frames_lost = report.frames_lost.saturating_add(frames);
        report.packets_lost = report.packets_lost.saturating_add(packets);
    }

    /// Returns the report after `length` of media.
    pub(crate) fn finish(self, length: Duration, stats: &Stats) -> StreamReport {
        let mut report = self.report;
        report.seconds = seconds(length);
        report.codec = self.video.map(codec_name);
        report.audio = self.audio.map(codec_name);
        let per_second = |count: f64| match length.as_secs_f64() {
            0.0 => 0.0,
            seconds => (count / seconds * 10.0).round() / 10.0,
        };
        report.packets = stats.media.slices.saturating_add(stats.media.late);
        report.jitter_ms = (self.jitter * 10.0).round() / 10.0;
        #[expect(clippy::cast_precision_loss, reason = "statistics for people")]
        {
            report.kbit_per_second = per_second(self.bytes as f64 * 8.0 / 1e3);
            report.frames_per_second = per_second(report.video_frames as f64);
            let lost = report.packets_lost as f64;
            report.loss_percent = percent(lost / (report.packets as f64 + lost).max(1.0));
            report.packets_reordered = stats.records_reordered;
            let reordered = report.packets_reordered as f64;
            report.reordered_percent = percent(reordered / (stats.datagrams as f64).max(1.0));
        }
        report.round_trip_ms = stats.round_trip.map(milliseconds);
        let tolerated = stats.tolerated.iter();
        report.tolerated = tolerated.map(|(of, count)| (of.name(), count)).collect();
        report.counters = counters(stats);
        report
    }
}

/// Converts a share to percent, with two decimal places.
fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 1e2
}

/// Returns the counters of everything unusual that are not zero.
fn counters(stats: &Stats) -> BTreeMap<&'static str, u64> {
    let media = &stats.media;
    let all = [
        ("foreign", stats.foreign),
        ("malformed", stats.malformed),
        ("restarts", stats.restarts),
        ("unknown", stats.unknown),
        ("records_dropped", stats.records_dropped),
        ("unsent", stats.unsent),
        ("resent", media.resent),
        ("recovered", media.recovered),
        ("duplicates", media.duplicates),
        ("late", media.late),
        ("inconsistent", media.inconsistent),
        ("over_limit", media.over_limit),
        ("out_of_range", media.out_of_range),
        ("jumps", media.jumps),
        ("evicted", media.evicted),
        ("size_mismatches", media.size_mismatches),
        ("invalid_info", media.invalid_info),
        ("clock_jumps", media.clock_jumps),
    ];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

fn codec_name(codec: Codec) -> String {
    format!("{codec:?}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tutk_runtime::tutk_session::MediaKind;

    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn frame(kind: MediaKind, timestamp: Duration) -> Frame {
        Frame {
            kind,
            codec: Some(Codec::H264),
            audio: None,
            number: 0,
            timestamp,
            info: None,
            resolution_changed: false,
            data: Bytes::from_static(&[0; 1000]),
        }
    }

    fn lost(first: u32, last: u32, received: u32, total: u32) -> Lost {
        Lost {
            stream: StreamKind::Video,
            first,
            last,
            received,
            total,
            undecodable: false,
            next_is_key: None,
        }
    }

    #[test]
    fn steady_stream_has_no_jitter_or_loss() {
        let mut meter = StreamMeter::new(None);
        for number in 0..20 {
            let kind = if number == 2 {
                MediaKind::Key
            } else {
                MediaKind::Delta
            };
            meter.frame(ms(30 + number * 50), &frame(kind, ms(number * 50)));
        }
        let mut stats = Stats::default();
        stats.media.slices = 40;
        let report = meter.finish(ms(1000), &stats);
        assert_eq!((report.video_frames, report.key_frames), (20, 1));
        assert_eq!(report.first_key_frame_ms, Some(130.0));
        assert_eq!((report.jitter_ms, report.longest_gap_ms), (0.0, 50.0));
        assert_eq!(
            (report.frames_per_second, report.kbit_per_second),
            (20.0, 160.0)
        );
        assert_eq!((report.loss_percent, report.packets), (0.0, 40));
        assert_eq!(report.codec.as_deref(), Some("h264"));
    }

    #[test]
    fn loss_counts_packets_of_incomplete_and_missing_frames() {
        let mut meter = StreamMeter::new(None);
        meter.lost(&lost(1, 1, 3, 5));
        meter.lost(&lost(2, 4, 0, 0));
        let mut stats = Stats::default();
        stats.media.slices = 45;
        let report = meter.finish(ms(1000), &stats);
        assert_eq!((report.frames_lost, report.packets_lost), (4, 5));
        assert_eq!(report.loss_percent, 10.0);
        // Frame numbers wrap.
        let mut meter = StreamMeter::new(None);
        meter.lost(&lost(u32::MAX, 0, 0, 0));
        assert_eq!(meter.finish(ms(1), &stats).frames_lost, 2);
    }

    #[test]
    fn reordering_is_a_share_of_all_packets() {
        let mut stats = Stats::default();
        (stats.datagrams, stats.records_reordered) = (3000, 100);
        let report = StreamMeter::new(None).finish(ms(1000), &stats);
        assert_eq!(
            (report.packets_reordered, report.reordered_percent),
            (100, 3.33)
        );
    }

    #[test]
    fn late_frames_raise_the_jitter() {
        let mut meter = StreamMeter::new(None);
        for number in 0..100 {
            let delay = if number % 2 == 0 { 0 } else { 20 };
            meter.frame(
                ms(number * 50 + delay),
                &frame(MediaKind::Delta, ms(number * 50)),
            );
        }
        let report = meter.finish(ms(5000), &Stats::default());
        assert!(
            (19.0..=20.0).contains(&report.jitter_ms),
            "{}",
            report.jitter_ms
        );
        assert_eq!(report.longest_gap_ms, 70.0);
    }

    #[test]
    fn empty_stream_is_finite() {
        let report = StreamMeter::new(None).finish(Duration::ZERO, &Stats::default());
        assert_eq!(report, StreamReport::default());
    }
}
