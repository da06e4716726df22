//! A relay between a client and a camera.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::loopback;

/// Forwards datagrams between one client and one camera, which can be replaced.
pub struct Relay {
    /// The address of the relay for the client's first datagrams.
    front: Arc<UdpSocket>,
    task: JoinHandle<()>,
}

impl Relay {
    pub async fn start(camera: SocketAddr) -> Self {
        let front = Arc::new(UdpSocket::bind(loopback()).await.unwrap());
        let task = spawn(&front, camera).await;
        Self { front, task }
    }

    pub fn address(&self) -> SocketAddr {
        self.front.local_addr().unwrap()
    }

    /// Replaces the camera by another one, which answers from another port.
    pub async fn replace(&mut self, camera: SocketAddr) {
        self.task.abort();
        self.task = spawn(&self.front, camera).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers come from a new port, to which the client sends from then on.
async fn spawn(front: &Arc<UdpSocket>, camera: SocketAddr) -> JoinHandle<()> {
    let front = Arc::clone(front);
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
                    if let Some(client) = client {
                        answers.send_to(&received[..len], client).await.unwrap();
                    }
                    continue;
                }
            };
            upstream.send_to(datagram, camera).await.unwrap();
        }
    })
}
