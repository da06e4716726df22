//! The final report, as text and as one JSON object.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tutk_media::AudioFormat;
use tutk_runtime::tutk_session::PhaseReport;
use tutk_serve::recorder;

use crate::failure::Failure;

/// The result of a command. All commands share this type, so that the JSON has the same keys.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// The subcommand.
    pub(crate) command: &'static str,
    /// Video frames written, or sent by `simulate`.
    pub(crate) frames: u64,
    /// Key frames among them.
    pub(crate) keyframes: u64,
    /// Frames that did not arrive completely.
    pub(crate) lost: u64,
    /// Packets received by retransmission.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) resent: u64,
    /// Packets recovered from parity.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) recovered: u64,
    /// Undecodable frames skipped before the first key frame.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) skipped: u64,
    /// Frames dropped because the output was too slow.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) overrun: u64,
    /// Bytes of the video frames.
    pub(crate) bytes: u64,
    /// Seconds of video by the camera's clock. For `simulate` and `discover`, the running time.
    pub(crate) seconds: f64,
    /// The completed phases in order.
    pub(crate) phases: Vec<PhaseTime>,
    /// The dialect, if known.
    pub(crate) dialect: Option<Cow<'static, str>>,
    /// `h264` or `h265`, if known.
    pub(crate) codec: Option<&'static str>,
    /// Video width in pixels, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u16>,
    /// Video height in pixels, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u16>,
    /// The output file, `-` for standard output, or the pattern of `--segment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    /// The number of files with `--segment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) segments: Option<u64>,
    /// The address that `simulate` listened on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<String>,
    /// The number of clients of `simulate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clients: Option<u64>,
    /// The cameras that `discover` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cameras: Option<Vec<FoundCamera>>,
    /// The known cameras that did not answer `discover`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) silent: Option<Vec<SilentCamera>>,
    /// The list of `cameras` and `cloud cameras`, which share the key with `discover`.
    #[serde(rename = "cameras", skip_serializing_if = "Option::is_none")]
    pub(crate) listed: Option<Vec<Value>>,
    /// For `cameras`: the errors in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mistakes: Option<Vec<Value>>,
    /// The model from the camera's address, otherwise as the camera reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// For `info`: the complete K10003.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) camera: Option<Value>,
    /// For `info`: the complete answer to K10020.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<Value>,
    /// For `info`: the answer to K10050, if the firmware reports its bitrate there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) video_parameters: Option<Value>,
    /// For `control`: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) control: Option<&'static str>,
    /// The code of the last command that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<u16>,
    /// The values to which the control was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) set: Option<Value>,
    /// The camera's answer: the control's value, or `done` after setting it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Value>,
    /// For `control --list`: all controls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) controls: Option<Vec<Value>>,
    /// The audio that was recorded, or sent by `simulate` or `talk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audio: Option<AudioReport>,
    /// Audio frames that `simulate` received with `--talk-output`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audio_received: Option<u64>,
    /// For `cloud login`: the user ID of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_id: Option<String>,
    /// For `doctor`: the verdict, the steps and the observations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) examination: Option<Value>,
    /// The number of reconnects.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) reconnects: u64,
    /// The gaps in the recording.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) gaps: Vec<Gap>,
    /// A signal stopped the command.
    pub(crate) interrupted: bool,
    /// What failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The phase of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<&'static str>,
    /// What to do about the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

/// A phase and its duration.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct PhaseTime {
    pub(crate) phase: &'static str,
    pub(crate) ms: f64,
}

/// An audio track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct AudioReport {
    pub(crate) codec: &'static str,
    /// Hertz.
    pub(crate) rate: u32,
    pub(crate) channels: u8,
    pub(crate) frames: u64,
    /// Frames lost by the network.
    pub(crate) lost: u64,
    /// Frames skipped because they were damaged or before the first video frame.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) skipped: u64,
}

/// A gap in the recording.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Gap {
    /// The start in seconds from the start of the recording.
    pub(crate) at: f64,
    /// The length in seconds.
    pub(crate) seconds: f64,
    /// The reason for the interruption.
    pub(crate) error: String,
}

/// A camera that answered `discover`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FoundCamera {
    pub(crate) address: String,
    pub(crate) uid: String,
    pub(crate) dialect: Cow<'static, str>,
    pub(crate) ms: f64,
    /// The name in the configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The model in the configuration file or the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
}

/// A known camera that did not answer `discover`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SilentCamera {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) uid: String,
    /// The address that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// What the silence may mean.
    pub(crate) explanation: String,
}

impl From<&recorder::Gap> for Gap {
    fn from(gap: &recorder::Gap) -> Self {
        let error = gap.error.as_ref().map(ToString::to_string);
        Self {
            at: seconds(gap.at),
            seconds: seconds(gap.length),
            error: error.unwrap_or_else(|| "the stream was interrupted".to_owned()),
        }
    }
}

impl AudioReport {
    /// Returns a track of `format` without frames.
    pub(crate) fn new(format: AudioFormat) -> Self {
        Self {
            codec: format.codec.name(),
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

    /// Serializes the report to one line.
    pub(crate) fn to_json(&self) -> String {
        // Cannot fail: all map keys are strings and all floats are finite.
        serde_json::to_string(self).unwrap_or_else(|error| format!(r#"{{"error":"{error}"}}"#))
    }
}

/// Converts a duration, rounded to three decimals.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Converts a duration, rounded to three decimals.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}

/// Returns the plural `s` unless `count` is 1.
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

/// Formats a recording as one line.
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
        if let Some(dialect) = &self.dialect {
            write!(f, ", dialect {dialect}")?;
        }
        for (count, what) in [
            (self.skipped, "skipped before the first key frame"),
            (self.overrun, "dropped because the output is too slow"),
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
        (report.codec, report.dialect) = (Some("h264"), Some("summary".into()));
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
