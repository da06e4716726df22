//! Parsers for the values of options and of keys in `cameras.toml`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use jiff::{Span, SpanRelativeTo};
use tutk_runtime::tutk_session::DISCOVERY_PORT;
use tutk_serve::recorder::FileFormat;

/// Parses the name of a format.
pub(crate) fn file_format() -> impl TypedValueParser<Value = FileFormat> {
    let formats = [
        ("h264", "Bare H.264 (Annex B)"),
        ("h265", "Bare H.265 (Annex B)"),
        ("mp4", "Fragmented MP4"),
        ("ts", "MPEG transport stream"),
    ];
    let values = formats.map(|(name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values).try_map(|name| name.parse::<FileFormat>())
}

/// Parses seconds above zero, up to ten years.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    const MAX: f64 = 10.0 * 365.0 * 86_400.0;
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    if seconds > 0.0 && seconds <= MAX {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("seconds must be more than 0".to_owned())
    }
}

pub(crate) fn probability(text: &str) -> Result<f32, String> {
    within(text, 1.0)
}

pub(crate) fn at_most_half(text: &str) -> Result<f32, String> {
    within(text, 0.5)
}

/// Parses frames per second, of which a frame info can carry up to 255.
pub(crate) fn frame_rate(text: &str) -> Result<u8, String> {
    match text {
        "max" => Ok(u8::MAX),
        _ => (text.parse().ok().filter(|&fps| fps > 0))
            .ok_or_else(|| "must be a number from 1 to 255, or max".to_owned()),
    }
}

fn within(text: &str, max: f32) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value| (0.0..=max).contains(value))
        .ok_or_else(|| format!("must be a number from 0 to {max}"))
}

/// Parses an IP address with an optional port.
pub(crate) fn broadcast(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .or_else(|_| {
            text.parse()
                .map(|ip: IpAddr| SocketAddr::new(ip, DISCOVERY_PORT))
        })
        .map_err(|_| "must be an IP address, with or without :PORT".to_owned())
}

/// Parses the address at which a simulated camera listens.
pub(crate) fn camera_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("expected ADDRESS:PORT, for example 0.0.0.0:{DISCOVERY_PORT} or 127.0.0.1:0")
    })
}

/// Parses a duration of whole units, at least a second: 90s, 10m, 1h30m, 7d, 2w.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let span: Span = text
        .parse()
        .map_err(|_| "expected a duration, for example 90s, 10m, 1h30m or 7d")?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "expected weeks, days, hours, minutes and seconds")?;
    let length = Duration::try_from(length).map_err(|_| "the duration must be more than 0")?;
    if length < Duration::from_secs(1) {
        return Err("the duration must be at least 1 s".to_owned());
    }
    Ok(length)
}

/// Parses seconds, or 0.
pub(crate) fn seconds_or_none(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(0.0) => Ok(Duration::ZERO),
        _ => seconds(text).map_err(|_| "must be a number of seconds, or 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use bytesize::ByteSize;

    use super::*;

    #[test]
    fn rejects_seconds_that_are_not_positive() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        for bad in ["0", "-1", "nan", "inf", "1e300", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn probabilities_have_limits() {
        assert_eq!(probability("0.05"), Ok(0.05));
        assert_eq!(at_most_half("0.5"), Ok(0.5));
        assert!(probability("1.1").is_err() && probability("-0.1").is_err());
        assert!(at_most_half("0.6").is_err() && at_most_half("nan").is_err());
    }

    #[test]
    fn frame_rates_have_limits() {
        for (text, fps) in [("1", 1), ("120", 120), ("255", 255), ("max", 255)] {
            assert_eq!(frame_rate(text), Ok(fps));
        }
        for bad in ["0", "256", "-1", "fast", ""] {
            assert!(frame_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_port_of_a_broadcast_address_is_optional() {
        assert_eq!(broadcast("192.0.2.255").unwrap().port(), 32761);
        assert_eq!(broadcast("192.0.2.255:9").unwrap().port(), 9);
        assert!(broadcast("example.com").is_err());
    }

    #[test]
    fn simulated_cameras_listen_at_an_address_with_a_port() {
        assert_eq!(camera_listen("127.0.0.1:0").unwrap().port(), 0);
        let error = camera_listen("127.0.0.1").unwrap_err();
        assert!(error.contains("0.0.0.0:32761"), "{error}");
    }

    #[test]
    fn accepts_zero_seconds() {
        assert_eq!(seconds_or_none("0"), Ok(Duration::ZERO));
        assert!(seconds_or_none("-1").is_err() && seconds_or_none("x").is_err());
    }

    #[test]
    fn parses_durations_with_units() {
        for (text, seconds) in [
            ("90s", 90),
            ("10m", 600),
            ("1h30m", 5_400),
            ("7d", 604_800),
            ("2w", 1_209_600),
        ] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "10", "0s", "500ms", "-10m", "1mo", "1y", "ten"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        for (text, bytes) in [
            ("20G", 20_000_000_000),
            ("512MiB", 512 << 20),
            ("1000", 1000),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }
}
