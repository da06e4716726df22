//! Who is there: discovery without a session.

mod plan;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::net::UdpSocket;
use tutk_session::{Discoverer, Output, Transmit};

pub use tutk_session::Found;

pub use self::plan::Whom;
use self::plan::{Interface, Plan};
use crate::error::Error;
use crate::socket::{self, Inbox};

/// Asks each of `asked`, which may be [`Target`](tutk_session::Target)s of both address families or
/// [`Whom::Everywhere`], and calls `found` for each camera that answers within `time`, once for each address and
/// dialect.
///
/// An interface that comes or goes meanwhile is not noticed.
///
/// # Errors
/// [`Error::Io`] if there is no socket, or no randomness.
pub async fn discover<W: Into<Whom>>(
    asked: impl IntoIterator<Item = W>,
    time: Duration,
    found: impl FnMut(Found),
) -> Result<(), Error> {
    let asked: Vec<Whom> = asked.into_iter().map(Into::into).collect();
    let everywhere = |whom: &Whom| matches!(whom, Whom::Everywhere { .. });
    let interfaces = if asked.iter().any(everywhere) {
        interfaces()
    } else {
        Vec::new()
    };
    follow(Plan::new(asked, &interfaces), time, found).await
}

async fn follow(plan: Plan, time: Duration, mut found: impl FnMut(Found)) -> Result<(), Error> {
    if plan.targets.is_empty() {
        return Ok(());
    }
    let sockets = bind(&plan)?;
    let mut discoverer = Discoverer::new(plan.targets, &mut socket::rng()?, socket::now());
    let end = tokio::time::Instant::now() + time;
    let mut inbox = Inbox::new();
    loop {
        let deadline = loop {
            match discoverer.poll_output() {
                Output::Transmit(datagram) => {
                    for &place in plan.routes.get(&datagram.to).into_iter().flatten() {
                        if let Some(Some(socket)) = sockets.get(place) {
                            let Transmit { to, payload } = datagram;
                            socket::send(socket, Transmit { to, payload }).await;
                        }
                    }
                }
                Output::Event(event) => found(event),
                Output::Timeout(deadline) => break deadline,
            }
        };
        tokio::select! {
            () = readable(&sockets) => {
                let now = socket::now();
                for socket in sockets.iter().flatten() {
                    inbox.begin();
                    while let Some((from, datagram)) = inbox.next(socket) {
                        discoverer.handle_datagram(now, from, datagram);
                    }
                }
            }
            () = tokio::time::sleep_until(deadline.into()) => discoverer.handle_timeout(socket::now()),
            () = tokio::time::sleep_until(end) => return Ok(()),
        }
    }
}

/// The interfaces that broadcasts go out on.
fn interfaces() -> Vec<Interface> {
    let interfaces = match if_addrs::get_if_addrs() {
        Ok(listed) => listed.iter().filter_map(Interface::new).collect(),
        Err(error) => {
            tracing::warn!(%error, "the system does not tell its interfaces");
            Vec::new()
        }
    };
    tracing::debug!(?interfaces, "broadcast");
    interfaces
}

/// The plan's sockets, each in its place. One that cannot be had (its interface has just gone, the system has no
/// IPv6) is left out, as long as there is another.
fn bind(plan: &Plan) -> Result<Vec<Option<UdpSocket>>, Error> {
    let mut failed = None;
    let mut sockets = Vec::with_capacity(plan.sockets.len());
    for &address in &plan.sockets {
        let socket = socket::bind(address);
        if let Err(error) = &socket {
            tracing::warn!(%address, %error, "not asked from here");
        }
        sockets.push(socket.map_err(|error| failed = Some(error)).ok());
    }
    match failed {
        Some(error) if sockets.iter().all(Option::is_none) => Err(error.into()),
        _ => Ok(sockets),
    }
}

/// Waits until one of them has something. Cancel-safe.
async fn readable(sockets: &[Option<UdpSocket>]) {
    poll_fn(|cx| {
        // An error is not known to happen, and must not spin: then that socket is heard no more.
        let mut ready = |socket: &UdpSocket| socket.poll_recv_ready(cx).map(|ready| ready.is_ok());
        let any = (sockets.iter().flatten()).any(|socket| ready(socket) == Poll::Ready(true));
        if any { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use tutk_session::{Codec, Credentials, Dialect, Target, Uid};
    use tutk_simulator::{Clip, ClipFrame, SimulatorConfig};

    use super::*;
    use crate::{Impairment, SimulatedCamera, simulate};

    fn credentials() -> Credentials {
        Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF").unwrap()
    }

    fn camera(listen: &str) -> SimulatedCamera {
        let frame = ClipFrame {
            data: vec![0; 100].into(),
            key: true,
        };
        let clip = Clip::new([frame], Codec::H264, 10).unwrap();
        let config = SimulatorConfig::new(credentials(), clip);
        simulate(config, listen.parse().unwrap(), Impairment::default()).unwrap()
    }

    /// Who is found, until `count` are, and then for a second more.
    async fn ask(plan: Plan, count: usize) -> Vec<Found> {
        let mut seen = Vec::new();
        let (all, mut complete) = tokio::sync::mpsc::unbounded_channel();
        let found = |found| {
            seen.push(found);
            if seen.len() == count {
                all.send(()).unwrap();
            }
        };
        let more = async {
            complete.recv().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        tokio::select! {
            result = follow(plan, Duration::from_secs(60), found) => panic!("not all: {result:?}"),
            () = more => {}
        }
        seen
    }

    /// Loopback in the place of two networks. The clock is stopped.
    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn broadcast_goes_out_on_each_interface_and_finds_once() {
        let camera = camera("0.0.0.0:0");
        let interface = |last, broadcast: Option<[u8; 4]>| Interface {
            address: Ipv4Addr::new(127, 0, 0, last),
            broadcast: broadcast.map(Ipv4Addr::from),
        };
        let port = camera.local_addr().port();
        let own = Some([127, 255, 255, 255]);
        for interfaces in [
            // By 255.255.255.255 alone, by both, and from two interfaces.
            &[interface(1, None)][..],
            &[interface(1, own)],
            &[interface(1, own), interface(2, own)],
            // One that has just gone: 203.0.113.1 is nobody's.
            &[
                Interface {
                    address: Ipv4Addr::new(203, 0, 113, 1),
                    broadcast: None,
                },
                interface(1, None),
            ],
        ] {
            let everybody = Whom::Everywhere {
                port,
                uid: credentials().uid,
                auth_key: Some(credentials().auth_key),
            };
            let found = ask(Plan::new([everybody], interfaces), Dialect::ALL.len()).await;
            assert_eq!(found.len(), Dialect::ALL.len(), "{found:?}");
            for dialect in Dialect::ALL {
                assert!(found.iter().any(|found| found.dialect == dialect));
            }
            for found in found {
                assert_eq!(found.address, SocketAddr::from(([127, 0, 0, 1], port)));
                assert_eq!(found.uid, credentials().uid);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn cameras_of_both_families_are_found_at_once() {
        let cameras = ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"].map(camera);
        let addresses = cameras.each_ref().map(SimulatedCamera::local_addr);
        let asked = addresses.map(|address| {
            Whom::At(Target {
                address,
                uid: Uid::default(),
                auth_key: None,
            })
        });
        // All dialects but the one in which only who is known answers.
        let count = addresses.len() * (Dialect::ALL.len() - 1);
        let found = ask(Plan::new(asked, &[]), count).await;
        assert_eq!(found.len(), count, "{found:?}");
        for address in addresses {
            assert!(found.iter().any(|found| found.address == address));
        }
    }

    #[tokio::test]
    async fn no_socket_at_all_is_an_error() {
        let gone = Interface {
            address: Ipv4Addr::new(203, 0, 113, 1),
            broadcast: None,
        };
        let plan = Plan::new([Whom::everybody()], &[gone]);
        let result = follow(plan, Duration::ZERO, |_| {}).await;
        assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
    }
}
