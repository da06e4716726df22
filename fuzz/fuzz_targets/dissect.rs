//! A capture, its datagrams or its AV packets are arbitrary bytes.
//!
//! Input: a byte that selects the kind and the dialect, then a capture file, or parts that follow
//! two bytes of length. Parts are datagrams, or AV packets that a session with known keys contains.
#![no_main]

mod sealed;

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use sealed::{Sent, Session, parts, time};
use tutk_dissect::capture::CaptureReader;
use tutk_dissect::{Behaviour, Dissector, Exporter, Keys, MAX_MEDIA_BYTES, MAX_SESSIONS};

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 3 {
        0 => capture(rest),
        1 => datagrams(rest),
        _ => av_packets(kind / 3, rest),
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
    while let Ok(Some(packet)) = reader.next_packet() {
        let packet = run.dissector.handle(&packet);
        run.check(packet);
    }
    run.finish();
}

fn datagrams(rest: &[u8]) {
    let mut run = Run::new(Keys::new());
    for (index, part) in parts(rest).enumerate() {
        let (to_camera, payload) = (index % 2 == 0, part.to_vec());
        run.datagram(&Sent { to_camera, payload });
    }
    run.finish();
}

fn av_packets(dialect: u8, rest: &[u8]) {
    let mut run = Run::new(Session::known_keys());
    let (mut session, start) = Session::new(dialect);
    for sent in start {
        run.datagram(&sent);
    }
    let mut sealed = 0;
    for sent in parts(rest).filter_map(|part| session.seal(part)) {
        run.datagram(&sent);
        sealed += 1;
    }
    let [session] = run.dissector.sessions() else {
        panic!("{:?}", run.dissector.sessions());
    };
    assert_eq!((session.decrypted, session.encrypted), (sealed, 0));
    run.finish();
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

    fn datagram(&mut self, sent: &Sent) {
        self.number += 1;
        let (time, datagram) = (time(self.number), sent.datagram());
        let packet = (self.dissector).handle_datagram(self.number, time, &datagram);
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
