//! The number of round trips to the first frame.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use netsim::{CONNECTING, RoundTrips};
use tutk_session::Dialect;

/// The client waits for this time if the camera does not grant a session that was requested early.
const REFUSED: Duration = Duration::from_secs(1);

/// The client waits for the answer to an early login that the camera has discarded.
const DROPPED: Duration = Duration::from_millis(30);

#[test]
fn first_frame_arrives_after_the_expected_round_trips() {
    for (dialect, expected) in [
        (&Dialect::TRANSCODE, [7, 6, 5, 7, 7]),
        (&Dialect::SUMMARY, [7, 6, 5, 7, 7]),
        // The camera assigns the session id, so the session cannot be requested early. The refusal
        // of the login is an alert, after 4 round trips.
        (&Dialect::CC51, [7, 6, 6, 7, 11]),
    ] {
        for cookie in [false, true] {
            for (connecting, count) in CONNECTING.into_iter().zip(expected) {
                let refused_session = connecting == CONNECTING[4] && !dialect.has_tickets();
                let refused_login = connecting == CONNECTING[4] && dialect.has_tickets();
                let handshakes = if refused_login { 2 } else { 1 };
                let expected = RoundTrips {
                    count: count + u32::from(cookie) * handshakes,
                    timeouts: if refused_session {
                        REFUSED
                    } else if connecting == CONNECTING[3] {
                        DROPPED
                    } else {
                        Duration::ZERO
                    },
                };
                let measured = RoundTrips::measure(dialect, cookie, connecting).unwrap();
                assert_eq!(measured, expected, "{dialect}, {cookie}, {connecting:?}");
            }
        }
    }
}
