//! Cameras' names in the paths of RTSP and HTTP.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A camera's name as it stands in the paths of both servers: percent-encoded.
///
/// ```
/// assert_eq!(tutk_serve::path_segment("front door").to_string(), "front%20door");
/// ```
pub fn path_segment(name: &str) -> impl Display + '_ {
    utf8_percent_encode(name, SEGMENT)
}
