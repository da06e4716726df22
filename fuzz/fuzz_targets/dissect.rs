//! A capture, its datagrams or its AV packets are arbitrary bytes.
//!
//! Input: a byte that selects the kind, then a capture file, or parts that follow two bytes of
//! length. Parts are datagrams, or AV packets that a session with known keys contains.
#![no_main]

use std::time::Duration;

use dtls_psk::passive::{Handshake, Keys as RecordKeys, RecordHeader, Sender};
use libfuzzer_sys::fuzz_target;
use tutk_dissect::capture::{Block, CaptureReader, Datagram};
use tutk_dissect::{Behaviour, Dissector, Exporter, Keys, MAX_MEDIA_BYTES, MAX_SESSIONS};

const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 1], 50_000);
const CAMERA: ([u8; 4], u16) = ([192, 0, 2, 7], 32_761);
const MASTER: [u8; 48] = [0x42; 48];

/// A ClientHello and a ServerHello with TLS_PSK_WITH_CHACHA20_POLY1305_SHA256, without extensions,
/// as records. The randoms are 32 bytes of 1 and of 2.
fn hellos() -> [Vec<u8>; 2] {
    let record = |message: u8, body: &[u8]| {
        let body_len = u8::try_from(body.len()).expect("a short hello");
        let mut record = b"\x16\xfe\xfd\0\0\0\0\0\0\0\0\0".to_vec();
        record.push(body_len + 12);
        record.extend([message, 0, 0, body_len, 0, 0, 0, 0, 0, 0, 0, body_len]);
        record.extend_from_slice(body);
        record
    };
    let client = [&[0xfe, 0xfd][..], &[1; 32], b"\0\0\0\x02\xcc\xab\x01\0"].concat();
    let server = [&[0xfe, 0xfd][..], &[2; 32], b"\0\xcc\xab\0"].concat();
    [record(1, &client), record(2, &server)]
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => capture(rest),
        1 => datagrams(rest),
        _ => av_packets(rest),
    }
});

fn capture(file: &[u8]) {
    let mut keys = Keys::new();
    if let Ok(mut reader) = CaptureReader::new(file) {
        let _ = keys.add_capture(&mut reader);
    }
    let Ok(mut reader) = CaptureReader::new(file) else {
        return;
    };
    let mut run = Run::new(keys);
    while let Ok(Some(block)) = reader.next_block() {
        if let Block::Packet(packet) = block {
            let packet = run.dissector.handle(&packet);
            run.check(packet);
        }
    }
    run.finish();
}

fn datagrams(rest: &[u8]) {
    let mut run = Run::new(Keys::new());
    for (index, part) in parts(rest).enumerate() {
        run.datagram(index % 2 == 0, part);
    }
    run.finish();
}

fn av_packets(rest: &[u8]) {
    let mut keys = Keys::new();
    let hex = |byte: &str, count| byte.repeat(count);
    let line = format!("CLIENT_RANDOM {} {}", hex("01", 32), hex("42", 48));
    keys.add_key_log(line.as_bytes()).expect("a valid line");
    let mut run = Run::new(keys);
    let mut handshake = Handshake::default();
    for (hello, sender) in hellos().iter().zip([Sender::Client, Sender::Server]) {
        handshake.handle_record(sender, &hello[RecordHeader::LEN..], |_, _| {});
        run.record(sender == Sender::Client, hello);
    }
    let parameters = handshake.parameters().expect("both hellos");
    let mut keys = RecordKeys::new(parameters, &MASTER).expect("a crypto provider");
    for (index, part) in parts(rest).enumerate() {
        // The first byte of a part tells the sender.
        let Some((direction, packet)) = part.split_first() else {
            continue;
        };
        let to_camera = direction & 1 == 0;
        let sender = if to_camera {
            Sender::Client
        } else {
            Sender::Server
        };
        let header = RecordHeader {
            content_type: 23,
            version: 0xfefd,
            epoch: 1,
            sequence: index as u64,
        };
        let mut fragment = Vec::new();
        if keys.seal(sender, header, packet, &mut fragment).is_err() {
            continue;
        }
        let mut record = b"\x17\xfe\xfd\0\x01".to_vec();
        record.extend_from_slice(&(index as u64).to_be_bytes()[2..]);
        record.extend_from_slice(&(fragment.len() as u16).to_be_bytes());
        record.extend_from_slice(&fragment);
        run.record(to_camera, &record);
    }
    assert!(
        run.dissector
            .sessions()
            .iter()
            .all(|session| session.encrypted == 0)
    );
    run.finish();
}

/// Splits the input into parts of at most 2000 bytes.
fn parts(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)) % 2000;
        let (part, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        Some(part)
    })
}

struct Run {
    dissector: Dissector,
    exporter: Exporter<Vec<u8>>,
    behaviour: Behaviour,
    number: u64,
}

impl Run {
    fn new(keys: Keys) -> Self {
        Self {
            dissector: Dissector::new(keys),
            exporter: Exporter::new(Vec::new()).expect("a vector"),
            behaviour: Behaviour::default(),
            number: 0,
        }
    }

    /// Wraps a DTLS record as in `transcode`, without obfuscation.
    fn record(&mut self, to_camera: bool, record: &[u8]) {
        let mut datagram = b"\x04\x02\x1a\x0b".to_vec();
        datagram.extend_from_slice(&(record.len() as u16 + 12).to_le_bytes());
        datagram.extend_from_slice(match to_camera {
            true => b"\0\0\x07\x04\x21\0",
            false => b"\0\0\x08\x04\x12\0",
        });
        datagram.extend_from_slice(b"id\0\x01\x0c\0\0\0identity");
        datagram.extend_from_slice(record);
        self.datagram(to_camera, &datagram);
    }

    fn datagram(&mut self, to_camera: bool, payload: &[u8]) {
        self.number += 1;
        let (source, destination) = match to_camera {
            true => (CLIENT, CAMERA),
            false => (CAMERA, CLIENT),
        };
        let datagram = Datagram {
            source: source.into(),
            destination: destination.into(),
            payload,
            missing: 0,
        };
        let time = Duration::from_millis(self.number);
        let packet = self.dissector.handle_datagram(self.number, time, &datagram);
        self.check(packet);
    }

    fn check(&mut self, packet: Option<tutk_dissect::Packet>) {
        if let Some(packet) = packet {
            for layer in &packet.layers {
                let fields = layer.fields.iter().map(|field| field.length);
                let undecoded = layer.undecoded.iter().map(|part| part.bytes.len());
                assert!(fields.chain(undecoded).sum::<usize>() <= layer.length);
            }
            let _ = packet.line(Duration::ZERO).to_string();
            self.exporter.packet(&packet).expect("a vector");
            self.behaviour.packet(&packet);
        }
        for message in self.dissector.messages() {
            self.behaviour.message(message);
        }
        while let Some(frame) = self.dissector.poll_frame() {
            assert!(frame.frame.data.len() <= MAX_MEDIA_BYTES);
            self.behaviour.frame(frame);
        }
        assert!(self.dissector.sessions().len() <= MAX_SESSIONS);
    }

    fn finish(mut self) {
        self.dissector.finish();
        self.check(None);
        let _ = (self.behaviour.model(), self.behaviour.frame_numbers());
        self.exporter.finish().expect("a vector");
    }
}
