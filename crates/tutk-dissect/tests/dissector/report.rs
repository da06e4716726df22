//! Report files.

use std::io::Cursor;

use proptest::prelude::*;
use tutk_dissect::Error;
use tutk_dissect::report::{MAGIC, MAX_TEXT, Report};

fn report() -> Report {
    Report {
        text: "verdict: healthy".to_owned(),
        json: "{}".to_owned(),
        capture: vec![0; 100_000],
    }
}

fn written(report: &Report) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    report.write(&mut file).unwrap();
    file.into_inner()
}

#[test]
fn report_survives() {
    let file = written(&report());
    assert!(file.starts_with(&MAGIC));
    // Zeroed media is compressed.
    assert!(file.len() < 2_000, "{}", file.len());
    assert_eq!(Report::read(Cursor::new(file)).unwrap(), report());
}

#[test]
fn other_files_are_refused() {
    for file in [&b""[..], b"PK\x03\x04", b"not a zip file"] {
        let read = Report::read(Cursor::new(file));
        assert!(matches!(read, Err(Error::NotAReport)), "{read:?}");
    }
}

#[test]
fn too_long_text_is_refused() {
    let long = Report {
        text: " ".repeat(usize::try_from(MAX_TEXT).unwrap() + 1),
        ..report()
    };
    let read = Report::read(Cursor::new(written(&long)));
    assert!(matches!(read, Err(Error::ReportTooLong { .. })), "{read:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_reports_do_not_panic(at: prop::sample::Index, value: u8) {
        let mut file = written(&report());
        let at = at.index(file.len());
        file[at] = value;
        let _ = Report::read(Cursor::new(file));
    }
}
