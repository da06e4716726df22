//! The report: everything that was observed, without secrets.

use std::net::IpAddr;

use rand::TryRng as _;
use rand::rngs::SysRng;
use tutk_dissect::capture::{CaptureWriter, Datagram, WriterOptions};
use tutk_dissect::redact::{Redactions, Redactor};
use tutk_dissect::report::Report;
use tutk_dissect::{Error, Keys};
use tutk_runtime::tutk_session::{CameraUrl, Mac};

use super::recorder::Recording;
use super::step::Step;

/// The beginning of report.txt.
const HEAD: &str = "\
A report of `tutk doctor` for a bug report. UID, MAC and IP addresses, keys, passwords, network names and
account data are replaced by fakes of the same length. Audio and video are zeros. Times, and the order and
lengths of packets, are real. `tutk dissect` explains the report; Wireshark opens capture.pcapng.
";

/// What a report is made of.
pub(crate) struct Contents<'a> {
    pub(crate) camera: &'a CameraUrl,
    /// The MAC of the device at the camera's address.
    pub(crate) mac: Option<Mac>,
    pub(crate) recording: &'a Recording,
    pub(crate) steps: &'a [Step],
    pub(crate) notes: &'a [String],
    /// The verdict in words.
    pub(crate) conclusion: &'a str,
    /// The output of `--json`.
    pub(crate) json: &'a str,
}

impl Contents<'_> {
    /// Makes the report. Takes some seconds for a long recording.
    ///
    /// # Errors
    /// Returns an error if the system has no randomness.
    pub(crate) fn report(&self) -> Result<Report, Error> {
        let mut redactor = self.redactor()?;
        let capture = capture(&mut redactor, self.recording)?;
        let text = self.text(redactor.redactions());
        Ok(Report {
            text: redactor.text(&text),
            json: redactor.text(self.json),
            capture,
        })
    }

    fn redactor(&self) -> Result<Redactor, Error> {
        let Self {
            camera,
            mac,
            recording,
            ..
        } = self;
        let mut keys = Keys::new();
        // A malformed line makes some records undecryptable, which are then zeroed.
        let _ = keys.add_key_log(recording.key_log.as_bytes());
        let mut seed = [0; 32];
        SysRng
            .try_fill_bytes(&mut seed)
            .map_err(std::io::Error::other)?;
        let mut redactor = Redactor::new(camera.credentials.clone(), keys, seed)?;
        if let Some(mac) = mac {
            redactor.add_mac(mac);
        }
        if let Some(user) = &camera.user {
            redactor.add_secret(user.as_bytes());
        }
        if let Some(host) = &camera.host {
            match host.parse::<IpAddr>() {
                Ok(address) => redactor.add_address(address),
                Err(_) => redactor.add_secret(host.as_bytes()),
            }
        }
        Ok(redactor)
    }

    fn text(&self, redactions: Redactions) -> String {
        let mut text = format!(
            "{HEAD}\ntutk {}, {}, {}\n\n",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        );
        for step in self.steps {
            text += &format!("{step}\n");
        }
        text.push('\n');
        for note in self.notes {
            text += &format!("Note: {note}.\n");
        }
        text += &format!("{}\n\n", self.conclusion);
        text += &format!(
            "Redacted: {} packets, {} of them media; {} records encrypted again, {} without a known key and now \
             zeros, {} Finished messages with zeros, {} unknown tags, {} packets of other protocols. Not captured: \
             {} packets.\n",
            redactions.datagrams,
            redactions.media,
            redactions.encrypted_again,
            redactions.zeroed_records,
            redactions.finished,
            redactions.unknown_tags,
            redactions.unknown_datagrams,
            self.recording.dropped,
        );
        text
    }
}

/// Returns the redacted capture.
fn capture(redactor: &mut Redactor, recording: &Recording) -> Result<Vec<u8>, Error> {
    let options = WriterOptions {
        comment: "redacted by tutk doctor",
        ..WriterOptions::default()
    };
    let mut capture = CaptureWriter::new(Vec::new(), options)?;
    for (number, datagram) in (1..).zip(&recording.datagrams) {
        let redacted = redactor.datagram(
            number,
            datagram.time,
            &Datagram {
                source: datagram.source,
                destination: datagram.destination,
                payload: &datagram.payload,
                missing: 0,
            },
        );
        // There are no packets between the two versions of IP.
        match capture.datagram(
            datagram.time,
            redacted.source,
            redacted.destination,
            &redacted.payload,
        ) {
            Ok(()) | Err(Error::MixedAddresses) => {}
            Err(error) => return Err(error),
        }
    }
    capture.key_log(redactor.key_log())?;
    Ok(capture.into_inner())
}
