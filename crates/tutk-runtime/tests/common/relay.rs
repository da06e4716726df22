//! What stands between a client and a camera: it can fall silent, and give the camera another port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::loopback;

/// Passes datagrams on between one client and one camera.
pub struct Relay {
    /// Where the client asks.
    front: Arc<UdpSocket>,
    muted: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Relay {
    pub async fn start(camera: SocketAddr) -> Self {
        let front = Arc::new(UdpSocket::bind(loopback()).await.unwrap());
        let muted = Arc::new(AtomicBool::new(false));
        let task = spawn(&front, &muted, camera).await;
        Self { front, muted, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.front.local_addr().unwrap()
    }

    /// Nothing of what the camera says reaches the client, or it does again.
    pub fn mute(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    /// Another camera, which answers from another port, takes the place of the one before.
    pub async fn replace(&mut self, camera: SocketAddr) {
        self.task.abort();
        self.task = spawn(&self.front, &self.muted, camera).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Clients ask at `front`, and are answered from a port of its own: that is where they send to from
/// then on.
async fn spawn(
    front: &Arc<UdpSocket>,
    muted: &Arc<AtomicBool>,
    camera: SocketAddr,
) -> JoinHandle<()> {
    let (front, muted) = (Arc::clone(front), Arc::clone(muted));
    let answers = UdpSocket::bind(loopback()).await.unwrap();
    let upstream = UdpSocket::bind(loopback()).await.unwrap();
    tokio::spawn(async move {
        let [mut asked, mut sent, mut received] = [(); 3].map(|()| vec![0; 65_536]);
        let mut client = None;
        loop {
            let datagram = tokio::select! {
                Ok((len, from)) = front.recv_from(&mut asked) => {
                    client = Some(from);
                    &asked[..len]
                }
                Ok((len, _)) = answers.recv_from(&mut sent) => &sent[..len],
                Ok((len, _)) = upstream.recv_from(&mut received) => {
                    if let (Some(client), false) = (client, muted.load(Ordering::Relaxed)) {
                        answers.send_to(&received[..len], client).await.unwrap();
                    }
                    continue;
                }
            };
            upstream.send_to(datagram, camera).await.unwrap();
        }
    })
}
