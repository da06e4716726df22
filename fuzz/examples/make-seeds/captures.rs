//! Inputs of the targets `dissect` and `redact`. The first byte of each selects kind and dialect.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use bytes::Bytes;
use hl_ioctl::commands::{Challenge, ConnectRequest};
use hl_ioctl::{ChallengeStatus, Command};
use tutk_dissect::capture::{Block, CaptureReader, Datagram};
use tutk_dissect::report::Report;
use tutk_dissect::{Direction, Dissector, Keys, Layer};
use tutk_frame::{
    AvStamp, FrameInfo, IoctlMessage, IoctlRequest, LinkClock, MediaAck, MediaAckLayout, MediaKind,
    MediaLayout,
};
use tutk_session::Dialect;
use video_reassembly::{Slicer, SlicerConfig};

use super::{parts, save};

/// Saves the beginnings of the captures in the repository, their datagrams and AV packets, and AV
/// packets that they lack.
pub fn save_all() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures");
    for entry in fs::read_dir(folder).expect("the folder of captures") {
        let path = entry.expect("a file").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "pcapng")
        {
            let file = fs::read(&path).expect("a readable capture");
            let name = path.file_stem().expect("a name").to_string_lossy();
            for (number, len) in [2_000, 6_000, 20_000].into_iter().enumerate() {
                let part = &file[..file.len().min(len)];
                let seed = [&[0], part].concat();
                save("dissect", &format!("capture-{name}-{number}"), &seed);
            }
            let (datagrams, packets) = captured(&file);
            save_parts(&format!("datagrams-{name}"), 1, &datagrams);
            save_parts(&format!("av-packets-{name}"), 2, &packets);
            let report = Report {
                text: "text".into(),
                json: "{}".into(),
                capture: file[..2_000].to_vec(),
            };
            let mut zip = Cursor::new(Vec::new());
            report.write(&mut zip).expect("a vector");
            let seed = [&[0], &zip.into_inner()[..]].concat();
            save("redact", &format!("report-{name}"), &seed);
        }
    }
    save_parts("av-packets", 2, &av_packets());
}

/// Saves an input of parts for both targets. AV packets are in a session of each dialect.
fn save_parts(name: &str, kind: u8, all: &[Vec<u8>]) {
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    let all = parts(&all);
    for target in ["dissect", "redact"] {
        save(target, name, &[&[kind], &all[..]].concat());
        if kind == 2 {
            for (number, dialect) in Dialect::ALL.iter().enumerate().skip(1) {
                let head = kind + 3 * u8::try_from(number).expect("few dialects");
                let seed = [&[head], &all[..]].concat();
                save(target, &format!("{name}-{dialect}"), &seed);
            }
        }
    }
}

/// Returns the first datagrams of a capture, and its first AV packets, with few media packets.
fn captured(file: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    const MAX_DATAGRAMS: usize = 16;
    const MAX_MEDIA: usize = 3;
    const APPLICATION_DATA: u8 = 23;
    let mut keys = Keys::new();
    let mut reader = CaptureReader::new(file).expect("a capture");
    keys.add_capture(&mut reader).expect("a capture");
    let mut dissector = Dissector::new(keys);
    let (mut datagrams, mut packets, mut media) = (Vec::new(), Vec::new(), 0);
    let mut reader = CaptureReader::new(file).expect("a capture");
    while let Some(block) = reader.next_block().expect("a capture") {
        let Block::Packet(captured) = block else {
            continue;
        };
        let datagram = Datagram::parse(captured.link, captured.data).expect("a datagram");
        if datagrams.len() < MAX_DATAGRAMS {
            datagrams.push(datagram.payload.to_vec());
        }
        let Some(packet) = dissector.handle(&captured) else {
            continue;
        };
        let from_camera = packet.direction == Some(Direction::FromCamera);
        let head = u8::from(from_camera) | packet.opened.channel << 1;
        let is_media = |layer: &Layer| layer.fields.iter().any(|field| field.name == "media");
        for record in packet.opened.records {
            if record.header.content_type != APPLICATION_DATA || media == MAX_MEDIA {
                continue;
            }
            media += usize::from(packet.layers.iter().any(is_media));
            let content = record.content.expect("a decrypted record");
            packets.push([&[head], &content[..]].concat());
        }
    }
    (datagrams, packets)
}

/// Returns AV packets. The first byte of each is 0 to the camera, 1 from the camera.
fn av_packets() -> Vec<Vec<u8>> {
    let stamp = AvStamp::from_sequence(0x000c, 1);
    let (mut request, mut message, mut ack) = (vec![0], vec![1], vec![0]);
    let challenge = ConnectRequest::answer_to_hl(&Challenge {
        status: ChallengeStatus::from_byte(3),
        challenge: [0x5a; 16],
    })
    .expect("short");
    IoctlRequest {
        stamp,
        index: 1,
        hl: b"HL\x05\0\x10\x27\0\0\0\0\0\0\0\0\0\0",
    }
    .write(&mut request);
    IoctlMessage {
        stamp,
        id: 7,
        hl: &challenge,
    }
    .write(&mut message);
    MediaAck {
        stamp,
        base: 1,
        highest: 16,
        commands: 2,
        heartbeats: 3,
        clock: 0,
    }
    .write(&[1, 14], &MediaAckLayout::LIKELY, &mut ack);
    let mut slicer = Slicer::new(SlicerConfig::new(MediaLayout::Slice)).expect("the defaults");
    let info = FrameInfo::parse(&[0; 40]).expect("40 bytes are a frame info");
    let frame = Bytes::from_static(&[0x65; 250]);
    let mut slices = slicer
        .slice(MediaKind::Key, info, frame)
        .expect("one slice");
    let mut slice = Vec::new();
    slicer.write_next(&mut slices, LinkClock::default(), &mut slice);
    let slice = [&[1], &slice[..]].concat();
    vec![request, message, ack, slice]
}
