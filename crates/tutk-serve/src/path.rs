//! Camera names in the URLs of all outputs.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All characters but the unreserved ones (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns a camera's name percent-encoded, as it appears in URLs.
///
/// ```
/// assert_eq!(tutk_serve::path_segment("front door").to_string(), "front%20door");
/// ```
pub fn path_segment(name: &str) -> impl Display + '_ {
    utf8_percent_encode(name, SEGMENT)
}
