//! Captures of simulated sessions.

use std::time::Duration;

use str0m_netem::NetemConfig;
use testkit::session::{Record, Simulation, UNIX, clip, clip_audio};
use tutk_dissect::capture::{CaptureReader, CaptureWriter, WriterOptions};
use tutk_dissect::{CapturedFrame, CapturedMessage, Dissector, Keys, Packet};
use tutk_session::{ClientConfig, Dialect, Event};
use tutk_simulator::SimulatorConfig;

/// A capture, and what both sides of the session reported.
pub(crate) struct Capture {
    pub(crate) file: Vec<u8>,
    pub(crate) record: Record,
}

/// A dissected capture.
pub(crate) struct Dissected {
    pub(crate) dissector: Dissector,
    pub(crate) packets: Vec<Packet>,
    pub(crate) frames: Vec<CapturedFrame>,
    pub(crate) messages: Vec<CapturedMessage>,
}

/// Captures a session of `seconds` over a network.
pub(crate) fn capture(
    dialect: &'static Dialect,
    seconds: u64,
    configure: impl FnOnce(&mut ClientConfig, &mut SimulatorConfig),
    net: impl Fn(NetemConfig) -> NetemConfig,
) -> Capture {
    let mut simulation = simulation(dialect, configure, net);
    simulation.run(Duration::from_secs(seconds));
    finish(simulation)
}

/// A simulation whose datagrams and keys are recorded.
pub(crate) fn simulation(
    dialect: &'static Dialect,
    configure: impl FnOnce(&mut ClientConfig, &mut SimulatorConfig),
    net: impl Fn(NetemConfig) -> NetemConfig,
) -> Simulation {
    let (mut client, mut camera) = Simulation::pair(dialect, clip(7, 20, 10));
    client.key_log = true;
    camera.audio = Some(clip_audio(7, 10));
    configure(&mut client, &mut camera);
    let mut simulation = Simulation::new(client, camera, 7, net);
    simulation.tap = Some(Vec::new());
    simulation
}

/// Writes the capture of a simulation. The key log is at its end.
pub(crate) fn finish(mut simulation: Simulation) -> Capture {
    let mut writer = CaptureWriter::new(Vec::new(), WriterOptions::default()).unwrap();
    for tapped in simulation.tap.take().unwrap() {
        let time = Duration::from_secs(UNIX.into()) + tapped.at;
        writer
            .datagram(time, tapped.from, tapped.to, &tapped.bytes)
            .unwrap();
    }
    let record = std::mem::take(&mut simulation.record);
    for event in &record.other {
        if let Event::KeyLog(line) = event {
            writer.key_log(&format!("{line}\n")).unwrap();
        }
    }
    Capture {
        file: writer.into_inner(),
        record,
    }
}

impl Capture {
    /// Dissects the capture with the key log in it.
    pub(crate) fn dissect(&self) -> Dissected {
        let mut keys = Keys::new();
        let mut reader = CaptureReader::new(&self.file[..]).unwrap();
        assert!(keys.add_capture(&mut reader).unwrap() > 0);
        dissect(&self.file, keys)
    }
}

/// Dissects a capture with these keys.
pub(crate) fn dissect(file: &[u8], keys: Keys) -> Dissected {
    let mut dissected = Dissected {
        dissector: Dissector::new(keys),
        packets: Vec::new(),
        frames: Vec::new(),
        messages: Vec::new(),
    };
    let mut reader = CaptureReader::new(file).unwrap();
    while let Some(captured) = reader.next_packet().unwrap() {
        let dissector = &mut dissected.dissector;
        dissected.packets.extend(dissector.handle(&captured));
        dissected.messages.extend_from_slice(dissector.messages());
        dissected
            .frames
            .extend(std::iter::from_fn(|| dissector.poll_frame()));
    }
    let dissector = &mut dissected.dissector;
    dissector.finish();
    dissected
        .frames
        .extend(std::iter::from_fn(|| dissector.poll_frame()));
    dissected
}

/// Checks that each byte of each layer is accounted for: its fields and undecoded bytes do not
/// overlap, and what they leave is in other layers.
pub(crate) fn check_bytes(packets: &[Packet]) {
    for packet in packets {
        for layer in &packet.layers {
            let fields = layer
                .fields
                .iter()
                .map(|field| (field.offset, field.length));
            let undecoded = layer.undecoded.iter().map(|at| (at.offset, at.bytes.len()));
            let mut parts: Vec<_> = fields.chain(undecoded).collect();
            parts.sort_unstable();
            let mut at = 0;
            for (offset, len) in parts {
                assert!(offset >= at, "{packet:?}");
                at = offset + len;
            }
            assert!(at <= layer.length, "{packet:?}");
        }
    }
}
