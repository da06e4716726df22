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
///
/// # Example
///
/// An output that sends the video of one camera to each TCP connection. To watch it, run
/// `ffplay tcp://HOST:PORT`. It has no URL for each camera, so it registers nothing.
///
/// ```
/// use std::net::SocketAddr;
///
/// use tokio::io::AsyncWriteExt as _;
/// use tokio::net::TcpListener;
/// use tokio::task::JoinSet;
/// use tutk_serve::{Error, Hub, Output};
///
/// struct RawVideo {
///     address: SocketAddr,
///     /// Aborted when dropped.
///     tasks: JoinSet<()>,
/// }
///
/// struct RawVideoSettings {
///     listen: SocketAddr,
///     camera: String,
/// }
///
/// impl Output for RawVideo {
///     type Settings = RawVideoSettings;
///
///     async fn start(hub: Hub, settings: RawVideoSettings) -> Result<Self, Error> {
///         let listener = TcpListener::bind(settings.listen).await?;
///         let address = listener.local_addr()?;
///         let mut tasks = JoinSet::new();
///         tasks.spawn(async move {
///             let mut connections = JoinSet::new();
///             while let Ok((mut stream, peer)) = listener.accept().await {
///                 let Some(camera) = hub.camera(&settings.camera) else {
///                     continue;
///                 };
///                 connections.spawn(async move {
///                     // Viewers start at a key frame. A slow viewer misses frames up to the next
///                     // one.
///                     let mut viewer = camera.watch(peer.to_string());
///                     while let Some(frame) = viewer.next_frame().await {
///                         let is_video = frame.unit.is_some();
///                         if is_video && stream.write_all(&frame.data).await.is_err() {
///                             break;
///                         }
///                     }
///                 });
///             }
///         });
///         Ok(Self { address, tasks })
///     }
///
///     fn local_addr(&self) -> SocketAddr {
///         self.address
///     }
///
///     async fn close(mut self) {
///         self.tasks.shutdown().await;
///     }
/// }
/// ```
///
/// An output for public use also limits its connections and authenticates viewers.
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
