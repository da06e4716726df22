//! The list of outputs in this crate whose URLs name a camera.

/// Their URL schemes. The API lists each of them, with `null` for an output that is not running. A
/// new output adds its scheme here and its module to `lib.rs`.
pub(crate) const CAMERA_SCHEMES: &[&str] =
    &[crate::rtsp_server::SCHEME, crate::rtsp_server::TLS_SCHEME];
