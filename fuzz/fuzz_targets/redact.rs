//! A report, or the datagrams of a capture that is redacted, are arbitrary bytes.
//!
//! Input: a byte that selects the kind, then a ZIP file, or datagrams that follow two bytes of
//! length. A copy keeps the length of each datagram, and contains neither UID nor ENR.
#![no_main]

use std::io::Cursor;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tutk_dissect::Keys;
use tutk_dissect::capture::{CaptureReader, Datagram};
use tutk_dissect::redact::Redactor;
use tutk_dissect::report::Report;
use tutk_session::Credentials;

const UID: &str = "HSBJYB5HSETGCDWD111A";
const ENR: &str = "aKzdqckqZ8HUHFe5";
const CLIENT: ([u8; 4], u16) = ([192, 168, 1, 2], 50_000);
const CAMERA: ([u8; 4], u16) = ([192, 168, 1, 7], 32_761);

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((0, file)) => report(file),
        Some((_, parts)) => datagrams(parts),
        None => {}
    }
});

fn report(file: &[u8]) {
    if let Ok(report) = Report::read(Cursor::new(file))
        && let Ok(mut capture) = CaptureReader::new(&report.capture[..])
    {
        while let Ok(Some(_)) = capture.next_block() {}
    }
}

fn datagrams(mut rest: &[u8]) {
    let credentials = Credentials::new(UID, ENR, "AABBCCDDEEFF").expect("valid credentials");
    let mut redactor = Redactor::new(credentials, Keys::new(), [7; 32]).expect("valid credentials");
    let mut number = 0;
    while let Some((&len, after)) = rest.split_first_chunk::<2>() {
        let len = usize::from(u16::from_le_bytes(len)).min(after.len());
        let (payload, after) = after.split_at(len);
        rest = after;
        let (source, destination) = match number % 2 {
            0 => (CLIENT, CAMERA),
            _ => (CAMERA, CLIENT),
        };
        let datagram = Datagram {
            source: source.into(),
            destination: destination.into(),
            payload,
            missing: 0,
        };
        number += 1;
        let redacted = redactor.datagram(number, Duration::from_millis(number), &datagram);
        assert_eq!(redacted.payload.len(), payload.len());
        for secret in [UID, ENR] {
            let found = redacted
                .payload
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} remains");
        }
    }
}
