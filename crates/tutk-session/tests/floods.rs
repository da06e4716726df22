//! Floods of datagrams that are accepted. The memory of the process stays below a limit. How the
//! limits follow from the queues is in docs/limits.md.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking"
)]

use std::alloc::System;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use testkit::session::datagram::{cc51_discovery, iotc_layout, scramble};
use testkit::session::machine::StateMachine;
use testkit::session::script::{CameraScript, Script};
use testkit::session::{camera_address, clip, credentials, epoch, frame_info, seed, start};
use tutk_session::hl_ioctl::HlMessage;
use tutk_session::tutk_frame::{
    DiscoveryAnswer, DiscoveryRequest, IoctlMessage, LinkClock, MediaLayout, SessionId,
    SessionRequest, Stage,
};
use tutk_session::video_reassembly::{Slicer, SlicerConfig};
use tutk_session::{
    Client, ClientConfig, Dialect, Discoverer, DiscoveryPlan, DiscoveryScope, Endpoint, MediaKind,
    Output, Phase, Target, Uid,
};
use tutk_simulator::{Simulator, SimulatorConfig};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The number of datagrams of a flood.
const FLOOD: u32 = 20_000;

/// Buffers that are reused, and tables that grow by doubling.
const SLACK: isize = 64 << 10;

/// Makes other tests of this program wait, because the allocator counts for all of them.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn allocated() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.cast_signed() - stats.bytes_deallocated.cast_signed()
}

/// Calls `step` for each datagram of a flood. Panics if the memory grows by more than `limit`.
fn flood(name: &str, limit: isize, mut step: impl FnMut(u32)) {
    let before = allocated();
    let mut peak = before;
    for number in 0..FLOOD {
        step(number);
        peak = peak.max(allocated());
    }
    println!("{name}: {} of {limit} bytes", peak - before);
    assert!(
        peak - before <= limit,
        "{name}: {} bytes, limit {limit}",
        peak - before
    );
}

/// Forgets the output of the peer.
fn forget<Peer: StateMachine>(script: &mut Script<Peer>) {
    script.datagrams.clear();
    script.packets.clear();
    script.backchannel.clear();
    script.events.clear();
}

/// Returns a source address for each number.
fn address(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + number), 32_761))
}

/// Returns a record of DTLS with handshake messages (RFC 6347 section 4.1).
fn record(sequence: u32, fragment: &[u8]) -> Vec<u8> {
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0];
    record.extend(sequence.to_be_bytes());
    record.extend((fragment.len() as u16).to_be_bytes());
    record.extend_from_slice(fragment);
    record
}

/// Returns a fragment of a handshake message of 8 KiB (RFC 6347 section 4.2.2).
fn fragment(number: u32) -> Vec<u8> {
    let length = [0, 0x20, 0];
    let message_sequence = ((number % 16) as u16).to_be_bytes();
    let offset = [0, (number / 16 % 32) as u8, 0];
    let mut fragment = vec![2];
    fragment.extend(length);
    fragment.extend(message_sequence);
    fragment.extend(offset);
    fragment.extend([0, 4, 0]);
    fragment.extend([0x5a; 1_024]);
    fragment
}

/// The camera is not authenticated before the end of the handshake.
#[test]
fn forged_handshake_messages_are_bounded() {
    const MESSAGES: isize = 8 * (8 << 10);
    let _alone = alone();
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::in_phase(dialect, Phase::Dtls);
        forget(&mut script);
        flood(
            &format!("{dialect}: handshake"),
            MESSAGES + SLACK,
            |number| {
                script.send_records(0, &record(number, &fragment(number)));
                forget(&mut script);
            },
        );
        assert!(!script.has_ended(), "{dialect}");
    }
}

/// An authenticated camera that sends messages which need an answer, and ones of an unknown code.
#[test]
fn messages_of_a_camera_are_bounded() {
    const MESSAGES: isize = 16 * 1_280;
    let _alone = alone();
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::in_phase(dialect, Phase::Stream);
        forget(&mut script);
        let unknown = HlMessage {
            code: 60_001,
            version: 5,
            payload: &[0x5a; 1_000],
        };
        let unknown = unknown.to_vec().unwrap();
        flood(
            &format!("{dialect}: messages"),
            2 * MESSAGES + SLACK,
            |number| {
                let stamp = script.stamp();
                let id = number + 1;
                script.send_packet(|out| {
                    IoctlMessage {
                        stamp,
                        id,
                        hl: &unknown,
                    }
                    .write(out)
                });
                forget(&mut script);
            },
        );
        assert!(!script.has_ended(), "{dialect}");
    }
}

/// Of each frame only the first slice arrives.
#[test]
fn incomplete_frames_of_a_camera_are_bounded() {
    /// For video and for audio.
    const FRAMES: isize = 2 * 16 * (2 << 20);
    let _alone = alone();
    let mut script = CameraScript::in_phase(&Dialect::TRANSCODE, Phase::Stream);
    forget(&mut script);
    let mut slicer = Slicer::new(SlicerConfig::new(MediaLayout::Slice)).unwrap();
    let data = bytes::Bytes::from(vec![7; 2 << 20]);
    let mut packet = Vec::new();
    flood("incomplete frames", FRAMES + FRAMES / 50, |number| {
        let kind = match number % 3 {
            0 => MediaKind::Key,
            1 => MediaKind::Delta,
            _ => MediaKind::Audio,
        };
        packet.clear();
        let mut frame = slicer.slice(kind, frame_info(), data.clone()).unwrap();
        slicer.write_next(&mut frame, LinkClock::default(), &mut packet);
        script.send_packet(|out| out.extend_from_slice(&packet));
        forget(&mut script);
    });
    assert!(!script.has_ended());
}

#[test]
fn answers_to_a_discovery_are_bounded() {
    const REPORTED: usize = 1_024;
    let _alone = alone();
    let target = Target {
        address: SocketAddr::from((Ipv4Addr::BROADCAST, 32_761)),
        uid: Uid::default(),
        auth_key: None,
    };
    let plan = DiscoveryPlan::new([DiscoveryScope::At(target)], &[]);
    let mut discoverer = Discoverer::new(&plan, seed(1), start());
    let mut found = 0;
    let dialect = &Dialect::TRANSCODE;
    let layout = iotc_layout(dialect).unwrap();
    flood("discovery", REPORTED as isize * 128 + SLACK, |number| {
        let mut answer = Vec::new();
        DiscoveryAnswer {
            uid: credentials().uid,
            session: Some(SessionId([1; 8])),
            address: None,
        }
        .write(layout.discovery, &mut answer);
        scramble(dialect, &mut answer);
        discoverer.handle_datagram(start(), address(number), &mut answer);
        found += discoverer.drain().events.len();
    });
    assert_eq!(found, REPORTED);
}

#[test]
fn datagrams_for_no_client_need_no_memory() {
    let _alone = alone();
    let mut endpoint = Endpoint::new();
    let config = ClientConfig::new(camera_address(), credentials());
    endpoint.insert(Client::new(config, seed(1), epoch(start(), start())));
    while !matches!(endpoint.poll_output(), Output::Timeout(_)) {}
    flood("endpoint", SLACK, |number| {
        let mut datagram = [number as u8; 1_000];
        let claimed = endpoint.handle_datagram(start(), address(number), &mut datagram);
        assert_eq!(claimed, None);
        while !matches!(endpoint.poll_output(), Output::Timeout(_)) {}
    });
    assert_eq!(endpoint.unclaimed(), u64::from(FLOOD));
}

/// Each address discovers the camera, requests a session and starts a handshake.
#[test]
fn strangers_at_a_simulated_camera_are_bounded() {
    /// A connection of dtls-psk, and the queues of a client.
    const CLIENT: isize = 64 << 10;
    let _alone = alone();
    for dialect in &Dialect::ALL {
        let mut config = SimulatorConfig::new(credentials(), clip(1, 1, 1));
        config.dialects = vec![dialect.clone().into()];
        config.personality.max_clients = 4;
        let mut camera = Simulator::new(config, camera_address(), seed(2), epoch(start(), start()));
        let camera = camera.as_mut().unwrap();
        let max = 4;
        flood(
            &format!("{dialect}: camera"),
            max * CLIENT + SLACK,
            |number| {
                let session = SessionId(u64::from(number).to_le_bytes());
                let (mut discovery, mut request) = (Vec::new(), Vec::new());
                match iotc_layout(dialect) {
                    Some(layout) => {
                        DiscoveryRequest {
                            uid: credentials().uid,
                            version: DiscoveryRequest::SDK_VERSION,
                            session,
                            stage: Stage::Broadcast,
                            auth_key: None,
                        }
                        .write(layout.discovery, &mut discovery);
                        SessionRequest {
                            uid: credentials().uid,
                            session,
                            stamp: layout.session.stamp(number),
                        }
                        .write(&mut request);
                    }
                    None => {
                        cc51_discovery(0, 0, session).write(&mut discovery);
                        cc51_discovery(2, number as u16, session).write(&mut request);
                    }
                }
                for mut datagram in [discovery, request] {
                    scramble(dialect, &mut datagram);
                    camera.handle_datagram(start(), address(number), &mut datagram);
                    camera.drain();
                }
                assert!(camera.clients().count() <= 4);
            },
        );
    }
}
