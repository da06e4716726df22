//! The closing report: for people, and as one JSON object for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tutk_media::AudioFormat;
use tutk_runtime::tutk_session::PhaseReport;

use crate::failure::Failure;
use crate::sound;

/// What was done. Every command has every field, so that whoever reads them need not know which it was.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// The subcommand.
    pub(crate) command: &'static str,
    /// Frames written; frames sent by `simulate`.
    pub(crate) frames: u64,
    /// Key frames among them.
    pub(crate) keyframes: u64,
    /// Frames that never came whole.
    pub(crate) lost: u64,
    /// Packets that came because they were asked for again.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) resent: u64,
    /// Packets that were made again from parity.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) recovered: u64,
    /// Frames left out before the first key frame: they cannot be decoded.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) skipped: u64,
    /// Frames dropped because the output was too slow.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) overrun: u64,
    /// Bytes of video in `frames`.
    pub(crate) bytes: u64,
    /// Seconds of video by the camera's clock; of `simulate` and `discover`, seconds that it ran.
    pub(crate) seconds: f64,
    /// The phases that were completed, in order.
    pub(crate) phases: Vec<PhaseTime>,
    /// The dialect that was spoken, once it is known.
    pub(crate) dialect: Option<&'static str>,
    /// `h264` or `h265`, once it is known.
    pub(crate) codec: Option<&'static str>,
    /// Width of the picture in pixels, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u16>,
    /// Height of the picture in pixels, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u16>,
    /// The file that was written, `-` for standard output; with `--segment` the pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    /// With `--segment`, how many files were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) segments: Option<u64>,
    /// Where `simulate` listened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<String>,
    /// How many clients `simulate` let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clients: Option<u64>,
    /// Whom `discover` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cameras: Option<Vec<FoundCamera>>,
    /// Of `cameras` and `cloud cameras`, which no other command fills the field above for.
    #[serde(rename = "cameras", skip_serializing_if = "Option::is_none")]
    pub(crate) listed: Option<Vec<Value>>,
    /// Of `cameras`: what is wrong in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mistakes: Option<Vec<Value>>,
    /// The camera's model, by its address or else by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// Of `info`: K10003, whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) camera: Option<Value>,
    /// Of `info`: the answer to K10020, whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<Value>,
    /// Of `control`: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) control: Option<&'static str>,
    /// The code of the newest command that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<u16>,
    /// The values that the control was to be set to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) set: Option<Value>,
    /// What the camera answered: the control's value or, if it was set, `done`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Value>,
    /// Of `control --list`: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) controls: Option<Vec<Value>>,
    /// The sound that was recorded, sent by `simulate`, or said by `talk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audio: Option<AudioReport>,
    /// Frames of sound that `simulate` heard, with --talk-output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) heard: Option<u64>,
    /// Of `cloud login`: the account's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<String>,
    /// How often the stream was begun again after it had broken off.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) reconnects: u64,
    /// Where it had broken off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gaps: Vec<Gap>,
    /// Whether a signal ended it.
    pub(crate) interrupted: bool,
    /// What failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// In which phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<&'static str>,
    /// What to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

/// One phase and how long it took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct PhaseTime {
    pub(crate) phase: &'static str,
    pub(crate) ms: f64,
}

/// A track of sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct AudioReport {
    pub(crate) codec: &'static str,
    /// Hertz.
    pub(crate) rate: u32,
    pub(crate) channels: u8,
    pub(crate) frames: u64,
    /// Frames that the network lost.
    pub(crate) lost: u64,
    /// Frames left out: from before the first picture, or damaged.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) skipped: u64,
}

/// A part of the recording in which nothing came.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Gap {
    /// Where it begins, seconds from the beginning of the recording.
    pub(crate) at: f64,
    /// How long it is, seconds.
    pub(crate) seconds: f64,
    /// Why the stream had broken off.
    pub(crate) error: String,
}

/// A camera that answered `discover`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FoundCamera {
    pub(crate) address: String,
    pub(crate) uid: String,
    pub(crate) dialect: &'static str,
    pub(crate) ms: f64,
}

impl AudioReport {
    /// A track of that format without any frames.
    pub(crate) fn new(format: AudioFormat) -> Self {
        Self {
            codec: sound::name(format.codec),
            rate: format.rate,
            channels: format.channels,
            ..Self::default()
        }
    }
}

impl Report {
    pub(crate) fn new(command: &'static str) -> Self {
        Self {
            command,
            ..Self::default()
        }
    }

    pub(crate) fn phase(&mut self, report: &PhaseReport) -> PhaseTime {
        let time = PhaseTime {
            phase: report.phase.name(),
            ms: milliseconds(report.took),
        };
        self.phases.push(time);
        time
    }

    pub(crate) fn fail(&mut self, failure: Failure) {
        self.error = Some(failure.what);
        self.phase = Some(failure.phase);
        self.advice = Some(failure.advice.into_owned());
    }

    /// One line.
    pub(crate) fn to_json(&self) -> String {
        // It has no maps with odd keys and no floats that are not numbers: this cannot fail.
        serde_json::to_string(self).unwrap_or_else(|error| format!(r#"{{"error":"{error}"}}"#))
    }
}

/// To a thousandth.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// To a thousandth.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

/// `s` unless it is one.
pub(crate) fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl fmt::Display for PhaseTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<15}{:>9.1} ms", self.phase, self.ms)
    }
}

impl fmt::Display for AudioReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} Hz", self.codec, self.rate)
    }
}

/// The recording, in one line for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} frame{} ({} key frame{}, {} lost), {} bytes, {:.2} s",
            self.frames,
            plural(self.frames),
            self.keyframes,
            plural(self.keyframes),
            self.lost,
            self.bytes,
            self.seconds,
        )?;
        if let Some(codec) = self.codec {
            write!(f, " of {codec}")?;
        }
        if let (Some(width), Some(height)) = (self.width, self.height) {
            write!(f, " {width}x{height}")?;
        }
        if let Some(audio) = &self.audio {
            write!(f, ", with {audio}")?;
        }
        if let Some(dialect) = self.dialect {
            write!(f, ", dialect {dialect}")?;
        }
        for (count, what) in [
            (self.skipped, "before the first key frame left out"),
            (self.overrun, "dropped: the output is too slow"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if !self.gaps.is_empty() {
            let gaps = self.gaps.len() as u64;
            write!(f, ", {gaps} gap{}", plural(gaps))?;
        }
        if let Some(output) = self.output.as_deref().filter(|&output| output != "-") {
            write!(f, ": {output}")?;
        }
        if let Some(segments) = self.segments {
            write!(f, ", {segments} segment{}", plural(segments))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn json_has_the_fields_of_the_contract() {
        let mut report = Report::new("record");
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        let keys: BTreeSet<_> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        for key in [
            "frames",
            "keyframes",
            "lost",
            "bytes",
            "seconds",
            "phases",
            "dialect",
            "codec",
        ] {
            assert!(keys.contains(key), "{key}");
        }
        assert!(!keys.contains("error") && !keys.contains("phase"));

        report.fail(Failure::usage("input", "no", "yes"));
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(
            (&json["error"], &json["phase"]),
            (&"no".into(), &"input".into())
        );
    }

    #[test]
    fn the_line_for_people() {
        let mut report = Report::new("record");
        (
            report.frames,
            report.keyframes,
            report.bytes,
            report.seconds,
        ) = (100, 3, 207_503, 5.0);
        (report.codec, report.dialect) = (Some("h264"), Some("summary"));
        (report.width, report.height) = (Some(640), Some(360));
        report.output = Some("out.h264".into());
        assert_eq!(
            report.to_string(),
            "100 frames (3 key frames, 0 lost), 207503 bytes, 5.00 s of h264 640x360, \
             dialect summary: out.h264"
        );
    }

    #[test]
    fn times_are_rounded() {
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)), 1.235);
        assert_eq!(seconds(Duration::from_micros(1_234_567)), 1.235);
    }
}
