//! The trait of all outputs: RTSP, HTTP, and further ones.

use std::net::SocketAddr;

use crate::error::Error;
use crate::hub::Hub;

/// A way in which viewers reach the cameras of a hub, such as the RTSP server.
///
/// An output is one module. [`start`](Self::start) registers its
/// [`UrlScheme`](crate::UrlScheme) with the hub, so that the
/// web page, the API and the program list its URLs without knowing the output. It stops when it is
/// dropped.
pub trait Output: Sized + Send {
    /// The settings of the output.
    type Settings;

    /// Starts the output for all cameras of the hub.
    ///
    /// # Errors
    /// [`Error::Io`] if the output cannot listen; others as the output documents.
    fn start(
        hub: Hub,
        settings: Self::Settings,
    ) -> impl Future<Output = Result<Self, Error>> + Send;

    /// Returns the address on which the output listens, with the actual port if the settings had
    /// port 0.
    fn local_addr(&self) -> SocketAddr;

    /// Closes all connections in the way of the protocol, and stops.
    fn close(self) -> impl Future<Output = ()> + Send;
}
