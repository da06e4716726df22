//! The URLs of the running outputs of a hub.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::path::path_segment;

/// The URLs of a running output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UrlScheme {
    /// The scheme, for example `rtsp`.
    pub scheme: &'static str,
    /// The address on which the output listens.
    pub address: SocketAddr,
    /// Where the URLs of the output point to.
    pub target: UrlTarget,
}

/// Where the URLs of an output point to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlTarget {
    /// One page for all cameras: `SCHEME://HOST:PORT/`.
    Index,
    /// Each camera has a URL: `SCHEME://HOST:PORT/NAME`.
    Camera,
}

impl UrlScheme {
    /// Returns the URL of the page for all cameras, if there is one.
    #[must_use]
    pub fn index_url(&self, host: &str) -> Option<String> {
        let port = self.address.port();
        (self.target == UrlTarget::Index).then(|| format!("{}://{host}:{port}/", self.scheme))
    }

    /// Returns the URL of a camera, if each camera has one. IPv6 hosts are in brackets.
    #[must_use]
    pub fn camera_url(&self, host: &str, camera: &str) -> Option<String> {
        let (port, name) = (self.address.port(), path_segment(camera));
        (self.target == UrlTarget::Camera)
            .then(|| format!("{}://{host}:{port}/{name}", self.scheme))
    }
}

/// The URL schemes of all running outputs.
#[derive(Debug, Clone, Default)]
pub(super) struct Outputs(Arc<Mutex<Vec<Arc<UrlScheme>>>>);

/// Keeps a URL scheme registered with a hub. Dropping it removes the scheme.
pub struct Registration {
    scheme: Arc<UrlScheme>,
    outputs: Weak<Mutex<Vec<Arc<UrlScheme>>>>,
}

impl Outputs {
    pub(super) fn register(&self, scheme: UrlScheme) -> Registration {
        let scheme = Arc::new(scheme);
        let mut schemes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        schemes.push(Arc::clone(&scheme));
        Registration {
            scheme,
            outputs: Arc::downgrade(&self.0),
        }
    }

    pub(super) fn all(&self) -> Vec<UrlScheme> {
        let schemes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        schemes.iter().map(|scheme| **scheme).collect()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(outputs) = self.outputs.upgrade() {
            let mut schemes = outputs.lock().unwrap_or_else(PoisonError::into_inner);
            schemes.retain(|scheme| !Arc::ptr_eq(scheme, &self.scheme));
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scheme.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_listed_while_they_run() {
        let outputs = Outputs::default();
        let scheme = |scheme, target| UrlScheme {
            scheme,
            address: ([127, 0, 0, 1], 8554).into(),
            target,
        };
        let rtsp = scheme("rtsp", UrlTarget::Camera);
        let registration = outputs.register(rtsp);
        let _http = outputs.register(scheme("http", UrlTarget::Index));
        let url = rtsp.camera_url("[::1]", "front door");
        assert_eq!(url.as_deref(), Some("rtsp://[::1]:8554/front%20door"));
        assert_eq!((rtsp.index_url("h"), outputs.all().len()), (None, 2));
        drop(registration);
        let [http] = outputs.all()[..] else {
            panic!("one output is left");
        };
        assert_eq!(http.index_url("h").as_deref(), Some("http://h:8554/"));
        assert_eq!(http.camera_url("h", "front"), None);
    }
}
