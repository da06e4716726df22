//! A report, or the datagrams or AV packets of a capture that is redacted, are arbitrary bytes.
//!
//! Input: a byte that selects the kind and the dialect, then a ZIP file, or parts that follow two
//! bytes of length. Parts are datagrams, or AV packets that a session with known keys contains. A
//! copy keeps the length of each datagram, can be decrypted as the original, and contains neither
//! UID nor ENR.
#![no_main]

mod sealed;

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use sealed::{Sent, Session, parts, time};
use tutk_dissect::capture::CaptureReader;
use tutk_dissect::redact::{Redacted, Redactor};
use tutk_dissect::report::Report;
use tutk_dissect::{Dissector, Keys};
use tutk_session::Credentials;

const UID: &str = "HSBJYB5HSETGCDWD111A";
const ENR: &str = "aKzdqckqZ8HUHFe5";

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => report(rest),
        1 => datagrams(rest),
        _ => av_packets(kind / 3, rest),
    }
});

fn report(file: &[u8]) {
    if let Ok(report) = Report::read(Cursor::new(file))
        && let Ok(mut capture) = CaptureReader::new(&report.capture[..])
    {
        while let Ok(Some(_)) = capture.next_block() {}
    }
}

fn datagrams(rest: &[u8]) {
    let mut run = Run::new(Keys::new());
    for (index, part) in parts(rest).enumerate() {
        let (to_camera, payload) = (index % 2 == 0, part.to_vec());
        run.redact(Sent { to_camera, payload });
    }
    run.check_copy();
}

fn av_packets(dialect: u8, rest: &[u8]) {
    let mut run = Run::new(Session::known_keys());
    let (mut session, start) = Session::new(dialect);
    for sent in start {
        run.redact(sent);
    }
    let mut sealed = 0;
    for sent in parts(rest).filter_map(|part| session.seal(part)) {
        run.redact(sent);
        sealed += 1;
    }
    let redactions = run.redactor.redactions();
    assert_eq!(redactions.encrypted_again, sealed);
    assert_eq!(redactions.zeroed_records, 0);
    assert_eq!(run.check_copy(), sealed);
}

struct Run {
    redactor: Redactor,
    copies: Vec<Sent>,
}

impl Run {
    fn new(keys: Keys) -> Self {
        let credentials = Credentials::new(UID, ENR, "AABBCCDDEEFF").expect("valid credentials");
        Self {
            redactor: Redactor::new(credentials, keys, [7; 32]).expect("valid credentials"),
            copies: Vec::new(),
        }
    }

    fn redact(&mut self, sent: Sent) {
        let number = self.copies.len() as u64 + 1;
        let Redacted { payload, .. } =
            (self.redactor).datagram(number, time(number), &sent.datagram());
        assert_eq!(payload.len(), sent.payload.len());
        assert_no_secret(&payload);
        self.copies.push(Sent { payload, ..sent });
    }

    /// Checks what a reader of the copy sees without obfuscation and encryption. Returns the number
    /// of decrypted records.
    fn check_copy(&self) -> u64 {
        let mut keys = Keys::new();
        let log = self.redactor.key_log();
        keys.add_key_log(log.as_bytes()).expect("a valid key log");
        let mut dissector = Dissector::new(keys);
        for (number, copy) in (1..).zip(&self.copies) {
            let packet = dissector.handle_datagram(number, time(number), &copy.datagram());
            let Some(opened) = packet.map(|packet| packet.opened) else {
                continue;
            };
            assert_no_secret(&opened.datagram);
            for record in opened.records {
                assert_no_secret(&record.content.unwrap_or_default());
            }
        }
        let sessions = dissector.sessions().iter();
        sessions.map(|session| session.decrypted).sum()
    }
}

fn assert_no_secret(bytes: &[u8]) {
    for secret in [UID, ENR] {
        let secret = secret.as_bytes();
        let found = bytes.windows(secret.len()).any(|part| part == secret);
        assert!(!found, "{} remains", secret.escape_ascii());
    }
}
