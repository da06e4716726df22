//! The types of `tls` without the feature. There are no values of them.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Needs the feature `tls`.
#[derive(Debug, Clone)]
pub struct TlsConfig(Infallible);

impl TlsConfig {
    pub(crate) async fn accept(&self, _: TcpStream) -> io::Result<TlsStream> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct TlsStream(Infallible);

impl TlsStream {
    pub(crate) fn get_ref(&self) -> (&TcpStream, ()) {
        match self.0 {}
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}
