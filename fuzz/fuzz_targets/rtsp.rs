//! An RTSP connection that receives arbitrary bytes in arbitrary parts, frames and timeouts.
//!
//! Input: a byte of settings, then steps. The lower three bits of a step's byte select the kind,
//! the others its duration in units of 200 ms. Bytes of the client follow two bytes of length.
#![no_main]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Buf as _, Bytes};
use libfuzzer_sys::fuzz_target;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tutk_media::{AccessUnit, AudioCodec, AudioConfig, AudioFormat, Codec, ParameterSets};
use tutk_serve::rtsp::{Connection, ConnectionConfig, DescriptionError, Event, Output, Ports};
use tutk_serve::{Accounts, FrameContent, LiveFrame, SoundDescription, StreamDescription};
use tutk_session::MediaKind;

const PEER: ([u8; 4], u16) = ([192, 0, 2, 9], 7001);

/// An H.264 key frame and its parameter sets.
const KEY: &[u8] = b"\0\0\x01\x67\x64\0\x28\xac\0\0\x01\x68\xce\x3c\x80\0\0\x01\x65\x88\x84";

/// The limit for the outputs after one step.
const MAX_OUTPUTS: usize = 10_000;

fuzz_target!(|data: &[u8]| {
    let Some((&settings, mut rest)) = data.split_first() else {
        return;
    };
    let start = Instant::now();
    let mut config = ConnectionConfig::new(PEER.into(), [192, 0, 2, 1].into());
    config.udp = (settings & 1 == 0).then_some(Ports {
        rtp: 30_000,
        rtcp: 30_001,
    });
    if settings & 2 != 0 {
        let mut accounts = Accounts::none();
        accounts.add("alice", "secret").expect("a valid name");
        config.accounts = Arc::new(accounts);
    }
    let codec = AudioCodec::ALL[usize::from(settings >> 2) % AudioCodec::ALL.len()];
    let described = describe(codec);
    let rng = Box::new(StdRng::seed_from_u64(1));
    let mut connection = Connection::new(config, rng, start);
    let mut now = start;
    let mut received = 0_usize;
    let mut sent = 0_usize;
    while let Some((&step, behind)) = rest.split_first() {
        rest = behind;
        now += Duration::from_millis(u64::from(step >> 3) * 200);
        match step & 7 {
            0..=2 => {
                let Some((length, behind)) = rest.split_first_chunk() else {
                    break;
                };
                let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
                let (bytes, behind) = behind.split_at(length);
                rest = behind;
                if connection.wants_input() {
                    connection.handle_bytes(now, bytes);
                    received += bytes.len();
                } else {
                    connection.handle_rtcp(now, PEER.into(), bytes);
                }
            }
            3 | 4 => {
                if connection.wants_frames() {
                    let kind = if step & 7 == 3 {
                        MediaKind::Key
                    } else {
                        MediaKind::Audio
                    };
                    let _ = connection.handle_frame(now, &frame(kind, now - start, &described));
                }
            }
            5 => connection.handle_timeout(now),
            6 => connection.close(now),
            _ => {
                connection.handle_rtcp(now, PEER.into(), rest);
            }
        }
        sent += drain(&mut connection, now, &described, settings);
    }
    // Frames and reports are small. A response is shorter than 1024 bytes, and a request has at
    // least 20 bytes.
    assert!(
        sent <= 4_096 + (received / 20) * 1_024 + data.len() * 2_048,
        "{sent} bytes sent, {received} received"
    );
});

fn describe(codec: AudioCodec) -> Arc<StreamDescription> {
    let sets = ParameterSets::of(&AccessUnit::new(Codec::H264, KEY));
    let format = AudioFormat {
        codec,
        rate: 8_000,
        channels: 1,
    };
    let config = AudioConfig::new(format).expect("a supported rate");
    Arc::new(StreamDescription {
        video: Some(sets),
        sound: Some(SoundDescription { format, config }),
        settled: true,
    })
}

fn frame(kind: MediaKind, timestamp: Duration, described: &Arc<StreamDescription>) -> LiveFrame {
    let (data, unit) = match kind {
        MediaKind::Audio => (Bytes::from_static(&[0x21; 160]), None),
        _ => {
            let data = Bytes::from_static(KEY);
            (data.clone(), Some(AccessUnit::new(Codec::H264, data)))
        }
    };
    LiveFrame::from(FrameContent {
        kind,
        data,
        unit,
        codec: None,
        timestamp,
        wall: SystemTime::UNIX_EPOCH + timestamp,
        discontinuity: false,
        description: Arc::clone(described),
    })
}

/// Handles all outputs and returns the number of bytes sent.
fn drain(
    connection: &mut Connection,
    now: Instant,
    described: &Arc<StreamDescription>,
    settings: u8,
) -> usize {
    let mut sent = 0;
    for _ in 0..MAX_OUTPUTS {
        match connection.poll_output() {
            Output::Timeout(_) => return sent,
            Output::Write(bytes) => {
                sent += bytes.remaining();
                bytes.advance(bytes.remaining());
                connection.handle_written(now);
            }
            Output::Datagrams { to, payloads, .. } => {
                assert_eq!(to.ip(), SocketAddr::from(PEER).ip());
                sent += payloads.len();
            }
            Output::Event(Event::Describe { camera }) => {
                let description = match camera.as_str() {
                    "front" => Ok(Arc::clone(described)),
                    _ if settings & 0x80 == 0 => Err(DescriptionError::UnknownCamera),
                    _ => Err(DescriptionError::Unavailable),
                };
                connection.handle_description(now, description);
            }
            Output::Event(Event::Play { .. }) => connection.handle_playing(now, None),
            Output::Event(_) => {}
        }
    }
    panic!("unbounded output");
}
