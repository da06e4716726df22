//! How many round trips a client needs from the start to the first video frame.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tutk_session::{Dialect, KnownCamera};
use tutk_simulator::EarlyPackets;

use crate::Error;
use crate::media::Media;
use crate::path::Conditions;
use crate::run::{CAMERA, first_frame_time};
use crate::scenario::{Goal, Scenario};

/// Two networks. The difference of the times is that of the round trips alone.
const ROUND_TRIPS: [Duration; 2] = [Duration::from_millis(4), Duration::from_millis(8)];

const RATE: u64 = 10_000;

/// How a client connects, and how the camera handles packets before their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connecting {
    /// Without fast connect.
    InTurn,
    /// With fast connect. The client does not know the dialect.
    DialectUnknown,
    /// With fast connect, as of the second session of a supervisor.
    Known(EarlyPackets),
}

/// All ways to connect, in the order of the table.
pub const CONNECTING: [Connecting; 5] = [
    Connecting::InTurn,
    Connecting::DialectUnknown,
    Connecting::Known(EarlyPackets::Accepted),
    Connecting::Known(EarlyPackets::Dropped),
    Connecting::Known(EarlyPackets::Refused),
];

/// The time until the first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundTrips {
    /// The number of round trips.
    pub count: u32,
    /// The time that does not depend on the network: timeouts.
    pub timeouts: Duration,
}

impl RoundTrips {
    /// Measures a connection to a camera that asks for a cookie, or does not.
    ///
    /// # Errors
    /// If a session fails, or the time is not a number of round trips.
    pub fn measure(dialect: &Dialect, cookie: bool, connecting: Connecting) -> Result<Self, Error> {
        // A key frame is one slice, so that it is not spread over time.
        let media = Media::new(RATE, 1)?;
        let mut times = [Duration::ZERO; 2];
        for (time, round_trip) in times.iter_mut().zip(ROUND_TRIPS) {
            let network = Conditions::clean(round_trip / 2);
            let scenario = Scenario {
                name: "first frame".into(),
                dialect: dialect.clone(),
                rate: RATE,
                resend: None,
                up: network,
                down: network,
                goal: Goal::default(),
            };
            *time = first_frame_time(&scenario, &media, |client, camera| {
                camera.personality.cookie_exchange = cookie;
                client.fast_connect = connecting != Connecting::InTurn;
                if connecting == Connecting::DialectUnknown {
                    client.dialects = Dialect::ALL.map(Arc::new).into();
                }
                if let Connecting::Known(early) = connecting {
                    camera.personality.early_packets = early;
                    client.known_camera = Some(KnownCamera {
                        address: CAMERA,
                        dialect: Arc::new(dialect.clone()),
                    });
                }
            })?;
        }
        let [less, more] = times;
        let [short, long] = ROUND_TRIPS;
        let (more_micros, unit) = ((more - less).as_micros(), (long - short).as_micros());
        let count = u32::try_from(more_micros / unit)?;
        match less.checked_sub(short * count) {
            Some(timeouts) if more_micros % unit == 0 => Ok(Self { count, timeouts }),
            _ => Err(format!("{count} round trips: {less:?} and {more:?}").into()),
        }
    }
}

impl fmt::Display for RoundTrips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.count)?;
        match self.timeouts {
            Duration::ZERO => Ok(()),
            timeouts => write!(f, " + {} s", timeouts.as_secs_f64()),
        }
    }
}

/// Returns the head of the table.
#[must_use]
pub fn round_trips_header() -> String {
    String::from(
        "| dialect | cookie | in turn | dialect unknown | known | early packets dropped | early packets refused |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    )
}

/// Returns a row of the table.
///
/// # Errors
/// Those of [`RoundTrips::measure`].
pub fn round_trips_row(dialect: &Dialect, cookie: bool) -> Result<String, Error> {
    let mut row = format!("| {dialect} | {} |", if cookie { "yes" } else { "no" });
    for connecting in CONNECTING {
        let measured = RoundTrips::measure(dialect, cookie, connecting)?;
        row += &format!(" {measured} |");
    }
    Ok(row + "\n")
}
