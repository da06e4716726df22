//! The URLs of requests (RFC 2326 section 3.2): `rtsp://HOST[:PORT]/NAME[/trackID=N]`.

use percent_encoding::percent_decode_str;

/// The prefix of a track number.
const TRACK: &str = "trackID=";

/// The URL of a camera, or of one of its tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The camera's name.
    pub(super) camera: String,
    /// The track number.
    pub(super) track: Option<usize>,
    /// The URL of the camera as the client wrote it, without a trailing slash.
    pub(super) base: String,
}

impl Target {
    /// Parses a URL. Returns `None` if it is not the URL of a camera.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("rtsp") {
            return None;
        }
        let (_, path) = rest.split_once('/')?;
        let path_at = uri.len() - path.len();
        // The query is ignored, but some clients append the track to it.
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut segments = path.split('/');
        let name = segments.next()?;
        let camera = percent_decode_str(name).decode_utf8().ok()?;
        let track = match (segments.next(), segments.next()) {
            (None | Some(""), None) => None,
            (Some(track), None | Some("")) => Some(number(track)?),
            _ => return None,
        };
        let in_query = query.rsplit_once('/').and_then(|(_, last)| number(last));
        let base = uri.get(..path_at + name.len())?;
        (!camera.is_empty() && segments.next().is_none()).then(|| Self {
            camera: camera.into_owned(),
            track: track.or(in_query),
            base: base.to_owned(),
        })
    }

    /// Returns the URL of a track, relative to the camera's.
    pub(super) fn control(track: usize) -> String {
        format!("{TRACK}{track}")
    }
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
}
