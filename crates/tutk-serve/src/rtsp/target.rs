//! The URLs of requests (RFC 2326 section 3.2):
//! `rtsp://HOST[:PORT]/NAME[/trackID=N][?start_delay=MILLISECONDS]`, or `rtsps`.

use std::time::Duration;

use percent_encoding::percent_decode_str;

/// The prefix of a track number.
const TRACK: &str = "trackID=";

/// The query parameter with the time between the response to `PLAY` and the first frame.
const START_DELAY: &str = "start_delay";

/// The maximum of the URL parameter `start_delay`. Longer delays are reduced to it.
///
/// It is less than [`MAX_LAG`](crate::MAX_LAG), so that the viewer still starts with its key frame.
pub const MAX_START_DELAY: Duration = Duration::from_secs(2);

/// The URL of a camera, or of one of its tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The camera's name.
    pub(super) camera: String,
    /// The track number.
    pub(super) track: Option<usize>,
    /// The URL of the camera as the client wrote it, without a trailing slash.
    pub(super) base: String,
    /// How long the first frame waits after the response to `PLAY`, if the URL has the parameter.
    pub(super) start_delay: Option<Duration>,
}

impl Target {
    /// Parses a URL. Returns `None` if it is not the URL of a camera.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        let schemes = ["rtsp", "rtsps"];
        if !schemes.iter().any(|own| scheme.eq_ignore_ascii_case(own)) {
            return None;
        }
        let (_, path) = rest.split_once('/')?;
        let path_at = uri.len() - path.len();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut segments = path.split('/');
        let name = segments.next()?;
        let camera = percent_decode_str(name).decode_utf8().ok()?;
        let track = match (segments.next(), segments.next()) {
            (None | Some(""), None) => None,
            (Some(track), None | Some("")) => Some(number(track)?),
            _ => return None,
        };
        // Some clients append the track to the query.
        let (query, in_query) = match query.rsplit_once('/') {
            Some((before, last)) => (before, number(last)),
            None => (query, None),
        };
        let base = uri.get(..path_at + name.len())?;
        (!camera.is_empty() && segments.next().is_none()).then(|| Self {
            camera: camera.into_owned(),
            track: track.or(in_query),
            base: base.to_owned(),
            start_delay: start_delay(query),
        })
    }

    /// Returns the URL of a track, relative to the camera's.
    pub(super) fn control(track: usize) -> String {
        format!("{TRACK}{track}")
    }
}

/// Returns the start delay of a query. Other parameters are ignored, and so is an invalid delay.
fn start_delay(query: &str) -> Option<Duration> {
    let mut parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, millis) = parameters.find(|(name, _)| *name == START_DELAY)?;
    let delay = Duration::from_millis(millis.parse().ok()?);
    Some(delay.min(MAX_START_DELAY))
}

fn number(segment: &str) -> Option<usize> {
    let digits = segment.strip_prefix(TRACK)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_urls() {
        let read = |uri| {
            let target = Target::parse(uri)?;
            Some((target.camera, target.track, target.base))
        };
        let is =
            |camera: &str, track, base: &str| Some((camera.to_owned(), track, base.to_owned()));
        for (uri, found) in [
            ("rtsp://h/front", is("front", None, "rtsp://h/front")),
            (
                "RTSP://[::1]:8554/front/",
                is("front", None, "RTSP://[::1]:8554/front"),
            ),
            (
                "rtsp://u:p@h/a%20b/trackID=1",
                is("a b", Some(1), "rtsp://u:p@h/a%20b"),
            ),
            (
                "rtsp://h/front/trackID=0/",
                is("front", Some(0), "rtsp://h/front"),
            ),
            ("rtsp://h/front?x=/y", is("front", None, "rtsp://h/front")),
            ("rtsps://h/front", is("front", None, "rtsps://h/front")),
            (
                "rtsp://h/front?x=y/trackID=1",
                is("front", Some(1), "rtsp://h/front"),
            ),
            ("rtsp://h/", None),
            ("rtsp://h", None),
            ("*", None),
            ("/front", None),
            ("http://h/front", None),
            ("rtsp://h/front/other", None),
            ("rtsp://h/front/trackID=", None),
            ("rtsp://h/front/trackID=-1", None),
            ("rtsp://h/front/trackID=99999999999999999999999", None),
            ("rtsp://h/front/trackID=1/x", None),
            ("rtsp://h/front//", None),
            ("rtsp://h/%ff", None),
        ] {
            assert_eq!(read(uri), found, "{uri}");
        }
    }

    #[test]
    fn query_may_have_a_start_delay() {
        let delay = |uri| Target::parse(uri).unwrap().start_delay;
        let millis = |millis| Some(Duration::from_millis(millis));
        for (uri, expected) in [
            ("rtsp://h/front", None),
            ("rtsp://h/front?start_delay=300", millis(300)),
            ("rtsp://h/front?video&start_delay=0&audio", millis(0)),
            ("rtsp://h/front?start_delay=300/trackID=1", millis(300)),
            ("rtsp://h/front/trackID=1?start_delay=300", millis(300)),
            ("rtsp://h/front?start_delay=99999", Some(MAX_START_DELAY)),
            ("rtsp://h/front?start_delay=-1", None),
            ("rtsp://h/front?start_delay=", None),
            ("rtsp://h/front?start_delays=3", None),
        ] {
            assert_eq!(delay(uri), expected, "{uri}");
        }
    }
}
