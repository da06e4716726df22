//! Files on a disk that becomes full.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tutk_media::{AccessUnit, Clip, Codec, ParameterSets, nal_units};
use tutk_session::MediaKind;

use super::SinkError;
use crate::hub::{FrameContent, LiveFrame, StreamDescription};
use crate::recorder::Target;

const CLIP: &[u8] = include_bytes!("../../../../tutk-cli/assets/clip.h264");

/// Set in the process whose files have a limited size.
const CHILD: &str = "TUTK_TEST_FULL_DISK";

/// Two groups of six small frames, with the parameter sets of the clip.
fn frames() -> Vec<LiveFrame> {
    let clip = Clip::parse(Bytes::from_static(CLIP)).unwrap();
    let first = clip.units().next().unwrap();
    let mut sets = Vec::new();
    for nal in nal_units(first.data()) {
        if matches!(nal.payload[0] & 0x1f, 7 | 8) {
            sets.extend([0, 0, 0, 1]);
            sets.extend_from_slice(nal.payload);
        }
    }
    let frame = |number: u64| {
        let key = number.is_multiple_of(6);
        let mut data = if key { sets.clone() } else { Vec::new() };
        data.extend([0, 0, 0, 1, if key { 0x65 } else { 0x41 }]);
        data.extend([0x88; 20]);
        let unit = AccessUnit::new(Codec::H264, Bytes::from(data));
        LiveFrame::from(FrameContent {
            kind: if key {
                MediaKind::Key
            } else {
                MediaKind::Delta
            },
            data: unit.data().clone(),
            unit: Some(unit),
            codec: None,
            timestamp: Duration::from_millis(50 * number),
            wall: SystemTime::UNIX_EPOCH,
            discontinuity: false,
            description: Arc::new(StreamDescription {
                video: Some(ParameterSets::new(Codec::H264)),
                sound: None,
                settled: true,
            }),
        })
    };
    (0..12).map(frame).collect()
}

/// Records the frames, and ends the recording at the first error, as a recorder does. Returns the
/// file, if there is one, and whether everything was written.
fn record(path: &Path) -> (Option<Vec<u8>>, bool) {
    let mut sink = Target::new(path, None).unwrap().open().unwrap();
    let mut complete = true;
    for frame in frames() {
        if let Err(SinkError::Failed(_)) = sink.write(&frame) {
            complete = false;
            break;
        }
    }
    complete &= sink.finish().is_ok();
    let file = std::fs::read(path).ok();
    let _ = std::fs::remove_file(path);
    (file, complete)
}

/// Returns the types of the boxes of an MP4 file. Panics if the last one is incomplete.
fn boxes(mut file: &[u8]) -> Vec<&[u8]> {
    let mut types = Vec::new();
    while let [a, b, c, d, kind @ ..] = file {
        types.push(&kind[..4]);
        let size = u32::from_be_bytes([*a, *b, *c, *d]);
        file = file.split_at_checked(size.try_into().unwrap()).unwrap().1;
    }
    assert!(file.is_empty());
    types
}

/// Checks that a file consists of complete fragments, frames or packets, and is not empty.
fn check(name: &str, file: &[u8], whole: &[u8]) {
    match name {
        "out.mp4" => {
            let types = boxes(file);
            assert!(types.starts_with(&[b"ftyp", b"moov"]), "{types:?}");
            let fragments = types[2..].chunks(2);
            assert!(fragments.len() > 0);
            for fragment in fragments {
                assert_eq!(fragment, [b"moof", b"mdat"]);
            }
        }
        "out.ts" => assert!(file.len().is_multiple_of(188)),
        _ => {
            assert!(whole.starts_with(file));
            let rest = &whole[file.len()..];
            assert!(rest.is_empty() || rest.starts_with(&[0, 0, 0, 1]));
        }
    }
}

/// The file size is limited by the system. It also sends a signal, which a shell ignores for us,
/// because that is not possible without `unsafe`.
#[test]
fn file_on_a_full_disk_ends_with_a_complete_fragment() {
    if std::env::var_os(CHILD).is_none() {
        let test = std::env::current_exe().unwrap();
        let mut shell = Command::new("sh");
        let name = "recorder::sink::full_disk::file_on_a_full_disk_ends_with_a_complete_fragment";
        let script = "trap '' XFSZ; exec \"$0\" --exact \"$1\" --nocapture";
        let child = shell.args(["-c", script]).arg(test).arg(name);
        let output = child.env(CHILD, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{output:?}");
        assert!(text.contains("1 passed"), "{text}");
        return;
    }
    // Memory, where flushing to the disk costs nothing.
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    for name in ["out.mp4", "out.ts", "out.h264"] {
        let path = folder.path().join(name);
        let (whole, complete) = record(&path);
        let whole = whole.unwrap();
        assert!(complete);
        for size in 0..whole.len() {
            setrlimit(Resource::RLIMIT_FSIZE, size as u64, hard).unwrap();
            let (file, complete) = record(&path);
            setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
            assert!(!complete, "{name}: {size}");
            if let Some(file) = file {
                assert!(!file.is_empty() && file.len() <= size, "{name}: {size}");
                check(name, &file, &whole);
            }
        }
    }
}
