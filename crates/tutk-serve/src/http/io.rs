//! A connection with a timeout for writes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::stream::Stream;

/// Fails writes with `TimedOut` if the client reads nothing for a time.
#[derive(Debug)]
pub(super) struct WriteTimeout {
    stream: Stream,
    time: Duration,
    timer: Pin<Box<Sleep>>,
    /// The timer is running.
    waiting: bool,
}

impl WriteTimeout {
    pub(super) fn new(stream: Stream, time: Duration) -> Self {
        Self {
            stream,
            time,
            timer: Box::pin(sleep(time)),
            waiting: false,
        }
    }

    fn limit<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.time);
        }
        ready!(self.timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for WriteTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for WriteTimeout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.limit(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.limit(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS writes here what it has encrypted.
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.limit(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.stream).poll_shutdown(context);
        self.limit(context, shut_down)
    }
}

#[cfg(all(test, feature = "tls"))]
#[allow(clippy::disallowed_methods, reason = "the certificate is in files")]
mod tests {
    use std::fs;
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::{ClientConfig, RootCertStore};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls::TlsConfig;

    /// TLS keeps what it has encrypted, so writes succeed while nothing is sent.
    #[tokio::test]
    async fn flush_and_shutdown_of_tls_are_limited() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let tls = TlsConfig::from_files(&certificate, &key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let connector = TlsConnector::from(Arc::new(client));
            connector
                .connect("localhost".try_into().unwrap(), stream)
                .await
                .unwrap()
        };
        let accept = async {
            let (stream, _) = listener.accept().await.unwrap();
            tls.accept(stream).await.unwrap()
        };
        // The client reads nothing.
        let (_client, server) = tokio::join!(connect, accept);
        let time = Duration::from_millis(100);
        let mut stream = WriteTimeout::new(Stream::Tls(Box::new(server)), time);
        let limit = Duration::from_secs(30);
        let fill = async {
            loop {
                stream.write_all(&[0; 1024]).await?;
                stream.flush().await?;
            }
        };
        let filled: io::Result<()> = timeout(limit, fill).await.unwrap();
        assert_eq!(filled.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let shut_down = timeout(limit, stream.shutdown()).await.unwrap();
        assert_eq!(shut_down.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
