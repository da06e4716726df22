//! RTSP connections in memory: what holds whatever a client sends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use common::client::{Client, PEER, config, description, frame};
use proptest::prelude::*;
use tutk_media::AudioCodec;
use tutk_runtime::tutk_session::MediaKind;
use tutk_serve::rtsp::{Connection, Event, Output};

/// Runs a connection as its owner does, but for a limit: it must come to rest.
fn come_to_rest(connection: &mut Connection, now: Instant) -> usize {
    let mut bytes = 0;
    for _ in 0..5_000 {
        match connection.poll_output() {
            Output::Timeout(_) => return bytes,
            Output::Write(written) => {
                bytes += written.len();
                connection.handle_written(now);
            }
            Output::Datagram { to, .. } => {
                assert_eq!(to.ip(), IpAddr::from(PEER.0))
            }
            Output::Event(Event::Describe { .. }) => {
                connection.handle_description(now, Ok(description(AudioCodec::Pcmu)));
            }
            Output::Event(Event::Play { .. }) => connection.handle_playing(now, None),
            Output::Event(_) => {}
        }
    }
    panic!("it does not come to rest");
}

proptest! {
    /// Whatever a client sends, however it is cut, with frames between: no panic, and never more
    /// said than is in proportion to what was asked.
    #[test]
    fn nothing_that_a_client_sends_is_too_much(
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
        let mut said = 0;
        for (piece, then) in pieces {
            client.connection.handle_bytes(client.now, &piece);
            sent += piece.len();
            said += come_to_rest(&mut client.connection, client.now);
            client.now += Duration::from_millis(u64::from(then) * 500);
            match then {
                0 => client.connection.handle_timeout(client.now),
                1 => {
                    let shows = client.shows.clone().unwrap();
                    let _ = client.connection.handle_frame(client.now, &frame(MediaKind::Key, 5, shows));
                }
                2 => {
                    client.connection.handle_rtcp(client.now, PEER.into(), &piece);
                }
                _ => {}
            }
            come_to_rest(&mut client.connection, client.now);
        }
        // The longest answer is a description, of less than a kilobyte; the shortest request has 20
        // bytes.
        prop_assert!(said <= (1 + sent / 20) * 1_000, "{said} for {sent}");
    }
}
