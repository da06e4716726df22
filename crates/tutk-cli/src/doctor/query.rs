//! Discovery requests, and everything that comes back.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rand::TryRng as _;
use rand::rngs::SysRng;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tutk_runtime::tutk_session::{
    Dialect, DiscoveredCamera, Discoverer, DiscoveryPlan, DiscoveryScope, Output, Target, Uid,
    any_port_for,
};

use super::observations::{Query, QueryAnswer, QueryKind, Stray};
use super::recorder::Recorder;
use crate::report::milliseconds;

/// How long to wait for answers in other dialects after the first one.
const OTHER_DIALECTS: Duration = Duration::from_millis(250);

/// The longest UDP datagram.
pub(super) const MAX_DATAGRAM: usize = 65_536;

/// The number of bytes of a stray that are kept.
const BEGINNING: usize = 8;

/// Starts a discovery of `target` in all dialects that its keys allow.
pub(super) fn discoverer(target: Target) -> io::Result<Discoverer> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
    let plan = DiscoveryPlan::new([DiscoveryScope::At(target)], &[]);
    Ok(Discoverer::new(
        &plan,
        seed,
        Instant::now().into_std().into(),
    ))
}

/// Asks `target` for at most `limit`, from the port of `local`, or from any port if it is 0. `uid`
/// is the camera's. The address of `local` is for `recorder` only.
pub(super) async fn ask(
    kind: QueryKind,
    target: Target,
    uid: Uid,
    local: SocketAddr,
    recorder: Option<&Recorder>,
    limit: Duration,
) -> Query {
    let mut query = Query {
        kind,
        port: None,
        answers: Vec::new(),
        strays: Vec::new(),
        error: None,
    };
    if let Err(error) = exchange(&mut query, target, uid, local, recorder, limit).await {
        query.error = Some(error.to_string());
    }
    query
}

async fn exchange(
    query: &mut Query,
    target: Target,
    uid: Uid,
    mut local: SocketAddr,
    recorder: Option<&Recorder>,
    limit: Duration,
) -> io::Result<()> {
    let asked = target.address;
    let mut any = any_port_for(asked);
    any.set_port(local.port());
    let socket = UdpSocket::bind(any).await?;
    local.set_port(socket.local_addr()?.port());
    query.port = Some(local.port());
    let mut discoverer = discoverer(target)?;
    let mut end = Instant::now() + limit;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let deadline = loop {
            match discoverer.poll_output() {
                Output::Transmit(datagram) => {
                    if let Some(recorder) = recorder {
                        recorder.add(local, datagram.to, datagram.payload);
                    }
                    socket.send_to(datagram.payload, datagram.to).await?;
                }
                Output::Event(found) => {
                    query.answers.push(answer(asked, uid, &found));
                    end = end.min(Instant::now() + OTHER_DIALECTS);
                }
                Output::Timeout(deadline) => break deadline,
            }
        };
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                // An ICMP error for an earlier datagram; `reach` looks for those.
                let Ok((len, from)) = received else { continue };
                let datagram = buffer.get_mut(..len).unwrap_or_default();
                if let Some(recorder) = recorder {
                    recorder.add(from, local, datagram);
                }
                let known = Dialect::ALL.into_iter().any(|dialect| dialect.recognises(datagram));
                if !known && query.strays.len() < Query::MAX_STRAYS {
                    query.strays.push(stray(from, datagram));
                }
                discoverer.handle_datagram(Instant::now().into_std().into(), from, datagram);
            }
            () = tokio::time::sleep_until(std::time::Instant::from(deadline).into()) => {
                discoverer.handle_timeout(Instant::now().into_std().into());
            }
            () = tokio::time::sleep_until(end) => return Ok(()),
        }
    }
}

fn answer(asked: SocketAddr, uid: Uid, found: &DiscoveredCamera) -> QueryAnswer {
    QueryAnswer {
        from: found.address,
        same_address: found.address.ip().to_canonical() == asked.ip().to_canonical(),
        own_uid: found.uid == uid,
        dialect: found.dialect.name.clone(),
        ms: milliseconds(found.round_trip),
    }
}

fn stray(from: SocketAddr, datagram: &[u8]) -> Stray {
    let mut begins = String::new();
    for byte in datagram.iter().take(BEGINNING) {
        // Writing to a string cannot fail.
        let _ = write!(begins, "{byte:02x}");
    }
    Stray {
        from,
        bytes: datagram.len(),
        begins,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_beginning_of_strays() {
        let camera = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let target = Target {
            address: camera.local_addr().unwrap(),
            uid: Uid::default(),
            auth_key: None,
        };
        let limit = Duration::from_millis(300);
        let local = any_port_for(target.address);
        let recorder = Recorder::default();
        let uid = Uid::default();
        let asking = ask(
            QueryKind::AnyUid,
            target,
            uid,
            local,
            Some(&recorder),
            limit,
        );
        let answering = async {
            let mut buffer = [0; 2048];
            let (_, from) = camera.recv_from(&mut buffer).await.unwrap();
            for _ in 0..Query::MAX_STRAYS + 1 {
                camera.send_to(&[0xab; 40], from).await.unwrap();
            }
        };
        let (query, ()) = tokio::join!(asking, answering);
        assert_eq!(query.strays.len(), Query::MAX_STRAYS);
        let stray = &query.strays[0];
        assert_eq!(
            (stray.bytes, stray.begins.as_str()),
            (40, &*"ab".repeat(BEGINNING))
        );
        assert!(query.answers.is_empty() && query.error.is_none());
        let recorded = recorder.take();
        let strays = recorded
            .datagrams
            .iter()
            .filter(|sent| sent.payload == [0xab; 40]);
        assert_eq!(strays.count(), Query::MAX_STRAYS + 1);
    }
}
