//! RTSP connections in memory with arbitrary input.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Buf as _;
use proptest::prelude::*;
use tutk_media::AudioCodec;
use tutk_runtime::tutk_session::MediaKind;
use tutk_serve::rtsp::{Connection, Event, Output};

use crate::common::rtsp_client::{Client, PEER, config, description, frame};

/// Polls all outputs, and returns the number of bytes written. Panics if the outputs do not end.
fn drain(connection: &mut Connection, now: Instant) -> usize {
    let mut bytes = 0;
    for _ in 0..5_000 {
        match connection.poll_output() {
            Output::Timeout(_) => return bytes,
            Output::Write(written) => {
                bytes += written.remaining();
                written.advance(written.remaining());
                connection.handle_written(now);
            }
            Output::Datagrams { to, .. } => {
                assert_eq!(to.ip(), IpAddr::from(PEER.0))
            }
            Output::Event(Event::Describe { .. }) => {
                connection.handle_description(now, Ok(description(AudioCodec::Pcmu)));
            }
            Output::Event(Event::Play { .. }) => connection.handle_playing(now, None),
            Output::Event(_) => {}
        }
    }
    panic!("the outputs do not end");
}

proptest! {
    /// A client cannot cause a panic, or responses out of proportion to its requests.
    #[test]
    fn arbitrary_input_has_limited_effects(
        pieces in prop::collection::vec(
            (
                prop_oneof![
                    "(OPTIONS|DESCRIBE|SETUP|PLAY|PAUSE|TEARDOWN|GET_PARAMETER|RECORD|X) \
                     (\\*|rtsp://h/front|rtsp://h/front/trackID=[0-2]) RTSP/1\\.0\r\n\
                     (CSeq: [0-9]{1,3}\r\n)?\
                     (Transport: RTP/AVP(/TCP|/UDP)?(;unicast)?(;client_port=7000-7001|;interleaved=[0-3]-[0-3])?\r\n)?\
                     (Session: [0-9a-f]{1,2}\r\n)?(Content-Length: [0-9]{1,2}\r\n)?\r\n",
                    "\\PC{0,40}\r\n",
                ].prop_map(String::into_bytes).boxed().prop_union(
                    prop::collection::vec(any::<u8>(), 0..60).boxed()
                ),
                0..4_u8,
            ),
            0..30,
        ),
    ) {
        let mut client = Client::new(config());
        let mut sent = 0;
        let mut written = 0;
        for (piece, action) in pieces {
            client.connection.handle_bytes(client.now, &piece);
            sent += piece.len();
            written += drain(&mut client.connection, client.now);
            client.now += Duration::from_millis(u64::from(action) * 500);
            match action {
                0 => client.connection.handle_timeout(client.now),
                1 => {
                    let description = client.description.clone().unwrap();
                    let _ = client.connection.handle_frame(client.now, &frame(MediaKind::Key, 5, description));
                }
                2 => {
                    client.connection.handle_rtcp(client.now, PEER.into(), &piece);
                }
                _ => {}
            }
            drain(&mut client.connection, client.now);
        }
        // The longest response is a description of less than 1,000 bytes. The shortest request has
        // 20 bytes.
        prop_assert!(written <= (1 + sent / 20) * 1_000, "{written} for {sent}");
    }
}
