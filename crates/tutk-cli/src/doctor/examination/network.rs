//! The steps without a session: address, route, device, discovery and search.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;
use tutk_runtime::tutk_session::{
    AuthKey, Dialect, DiscoveredCamera, DiscoveryPlan, Mac, Phase, Search, Target, Uid,
    any_port_for, derive_auth_key,
};
use tutk_runtime::{Discovery, interfaces};

use super::Examination;
use crate::camera;
use crate::doctor::attempt::Goal;
use crate::doctor::observations::{AttemptKind, Host, QueryAnswer, QueryKind, Reach, UdpReach};
use crate::doctor::step::Mark;
use crate::doctor::{query, reach, route};

impl Examination {
    pub(super) async fn resolve(&mut self) -> Option<SocketAddr> {
        let began = Instant::now();
        let Some(host) = self.camera.host.clone() else {
            return self.find_without_host().await;
        };
        let limit = self.schedule.limit(5.0);
        match camera::lookup(&host, self.camera.port, limit).await {
            Ok(address) => {
                self.step(
                    Mark::Passed,
                    "address",
                    address.to_string(),
                    began.elapsed(),
                );
                self.seen.address = Some(address);
                Some(address)
            }
            Err(why) => {
                let reason = format!("{host:?}: {why}");
                self.step(Mark::Failed, "address", reason.clone(), began.elapsed());
                self.seen.unresolved = Some(reason);
                None
            }
        }
    }

    /// Searches for a camera whose address is not configured.
    async fn find_without_host(&mut self) -> Option<SocketAddr> {
        let found = self.search(None).await;
        if found.is_none() {
            let reason = "the camera's address has no host, and no camera with its UID answers";
            self.seen.unresolved = Some(reason.to_owned());
        }
        self.seen.address = found;
        found
    }

    pub(super) async fn find_route(&mut self, address: SocketAddr) -> bool {
        let began = Instant::now();
        let route = route::find(address).await;
        let passed = route.error.is_none();
        let text = match (&route.error, route.local) {
            (Some(error), _) => error.clone(),
            (None, local) => {
                let local = local.map(|local| local.to_string()).unwrap_or_default();
                let interface = route.interface.as_deref().unwrap_or("unknown interface");
                let network = match route.same_network {
                    true => "same network",
                    false => "another network, through a router",
                };
                let isolation = route.isolation.map(|kind| format!(", in a {kind}"));
                format!(
                    "from {local} ({interface}), {network}{}",
                    isolation.unwrap_or_default()
                )
            }
        };
        self.step(Mark::of(passed), "route", text, began.elapsed());
        self.seen.route = Some(route);
        passed
    }

    pub(super) async fn test_reach(&mut self, address: SocketAddr) -> (Reach, Option<Mac>) {
        let began = Instant::now();
        let target = self.target(QueryKind::Own, address);
        let own_mac = self.camera.credentials.mac;
        let limit = self.schedule.limit(4.0);
        let recorder = self.recorder.as_ref();
        let (reach, mac) = reach::test(target, own_mac, recorder, limit).await;
        self.mac = mac;
        let (mark, text) = match reach.host() {
            Host::Present if reach.udp == UdpReach::Refused => (
                Mark::Failed,
                "a device answers, but nothing listens on the UDP port",
            ),
            Host::Present => (Mark::Passed, "a device answers"),
            Host::Absent => (Mark::Failed, "no device answers"),
            Host::Unknown => (Mark::Noted, "nothing answers; some devices never do"),
        };
        self.step(mark, "device", text, began.elapsed());
        self.seen.reach = Some(reach);
        (reach, mac)
    }

    fn target(&self, kind: QueryKind, address: SocketAddr) -> Target {
        let credentials = &self.camera.credentials;
        let (uid, auth_key) = match kind {
            QueryKind::AnyUid => (Uid::default(), None),
            QueryKind::NoKey => (credentials.uid, None),
            QueryKind::Own | QueryKind::FixedPort | QueryKind::NeighbourMac => {
                (credentials.uid, Some(credentials.auth_key.clone()))
            }
        };
        Target {
            address,
            uid,
            auth_key,
        }
    }

    pub(super) async fn ask(&mut self, kind: QueryKind, address: SocketAddr, usual: f64) {
        self.ask_from(kind, address, 0, usual).await;
    }

    pub(super) async fn ask_from(
        &mut self,
        kind: QueryKind,
        address: SocketAddr,
        port: u16,
        usual: f64,
    ) {
        let target = self.target(kind, address);
        self.ask_target(kind, target, port, usual).await;
    }

    async fn ask_target(&mut self, kind: QueryKind, target: Target, port: u16, usual: f64) {
        let began = Instant::now();
        let limit = self.schedule.limit(usual);
        let uid = self.camera.credentials.uid;
        let local = self.seen.route.as_ref().and_then(|route| route.local);
        let local = SocketAddr::new(local.unwrap_or(any_port_for(target.address).ip()), port);
        let recorder = self.recorder.as_ref();
        let query = query::ask(kind, target, uid, local, recorder, limit).await;
        let (name, asked) = match kind {
            QueryKind::Own => ("discovery", "".to_owned()),
            QueryKind::FixedPort => ("discovery", format!("from port {port}: ")),
            QueryKind::AnyUid => ("discovery", "for any UID: ".to_owned()),
            QueryKind::NoKey => ("discovery", "without AuthKey: ".to_owned()),
            QueryKind::NeighbourMac => ("discovery", "with the MAC of this device: ".to_owned()),
        };
        let mut text = asked;
        if let Some(error) = &query.error {
            text.push_str(error);
        } else if query.answers.is_empty() {
            text.push_str("no answer in any dialect");
        } else {
            let mut answers: Vec<_> = query
                .answers
                .iter()
                .map(|answer| {
                    let uid = if answer.own_uid { "" } else { ", another UID" };
                    format!("{} from {}{uid}", answer.dialect, answer.from)
                })
                .collect();
            answers.sort();
            text.push_str(&answers.join("; "));
        }
        if let Some(stray) = query.strays.first() {
            text.push_str(&format!(
                "; {} unknown packets, the first of {} bytes from {}: {}",
                query.strays.len(),
                stray.bytes,
                stray.from,
                stray.begins
            ));
        }
        let usual_kind = matches!(kind, QueryKind::Own | QueryKind::FixedPort);
        let mark = match (query.own().next().is_some(), usual_kind) {
            (true, true) => Mark::Passed,
            (false, true) => Mark::Failed,
            (_, false) => Mark::Noted,
        };
        self.step(mark, name, text, began.elapsed());
        self.seen.queries.push(query);
    }

    /// The usual requests got no answer.
    pub(super) async fn explain_silence(
        &mut self,
        address: SocketAddr,
        reach: Reach,
        mac: Option<Mac>,
    ) {
        let foreign = |answer: &QueryAnswer| !answer.same_address;
        if self.seen.answers(QueryKind::Own).any(foreign) {
            return;
        }
        let listens = reach.udp != UdpReach::Refused;
        if reach.host() != Host::Absent && listens {
            self.ask(QueryKind::NoKey, address, 1.5).await;
            self.ask(QueryKind::AnyUid, address, 1.5).await;
            if let Some(mac) = mac.filter(|&mac| self.may_have(mac)) {
                let mut target = self.target(QueryKind::NeighbourMac, address);
                let enr = self.camera.credentials.enr.reveal();
                // An ENR is ASCII.
                let key = std::str::from_utf8(enr).map(|enr| derive_auth_key(enr, &mac));
                if let Ok(key) = key {
                    target.auth_key = Some(key);
                    self.ask_target(QueryKind::NeighbourMac, target, 0, 1.5)
                        .await;
                }
            }
            if self.seen.answered(QueryKind::NoKey) {
                let mut config = self.config(address, QueryKind::NoKey);
                config.credentials.auth_key = AuthKey([0; AuthKey::LEN]);
                self.attempt(AttemptKind::NoKey, Goal::Phase(Phase::Dtls), config)
                    .await;
            }
        }
        let kinds = [QueryKind::NoKey, QueryKind::AnyUid, QueryKind::NeighbourMac];
        let found_here = kinds
            .into_iter()
            .any(|kind| self.seen.answers(kind).next().is_some());
        if !found_here {
            self.search(Some(address)).await;
        }
    }

    /// Returns `true` if another AuthKey follows from this MAC. That of a camera behind a base
    /// station does not follow from the camera's own.
    fn may_have(&self, mac: Mac) -> bool {
        let credentials = &self.camera.credentials;
        credentials.base_station.is_none() && credentials.mac != Some(mac)
    }

    /// Looks for the camera's UID, at other addresses than `known`.
    async fn search(&mut self, known: Option<SocketAddr>) -> Option<SocketAddr> {
        let began = Instant::now();
        let credentials = &self.camera.credentials;
        let uid = credentials.uid;
        let search = Search {
            uid,
            auth_key: credentials.auth_key.clone(),
            dialects: Dialect::ALL.map(Arc::new).into(),
            known: known.map(|known| known.ip()),
            port: self.camera.port,
            sweep: self.network.searches(),
        };
        let plan = DiscoveryPlan::search(&search, &interfaces());
        let limit = plan.time().min(self.schedule.limit(8.0));
        let is_other = |found: &DiscoveredCamera| {
            let ip = |address: SocketAddr| address.ip().to_canonical();
            found.uid == uid && known.is_none_or(|known| ip(known) != ip(found.address))
        };
        let found = match Discovery::start(plan, limit) {
            Ok(mut discovery) => loop {
                match discovery.next().await {
                    Some(found) if is_other(&found) => break Ok(Some(found.address)),
                    Some(_) => {}
                    None => break Ok(None),
                }
            },
            Err(error) => Err(error),
        };
        let (mark, text) = match &found {
            Err(error) => (Mark::Noted, format!("cannot search this network: {error}")),
            Ok(Some(found)) => (Mark::Passed, format!("the camera answers at {found}")),
            Ok(None) => (
                Mark::Noted,
                "the camera does not answer at another address".to_owned(),
            ),
        };
        self.step(mark, "search", text, began.elapsed());
        let found = found.unwrap_or_default();
        if known.is_some() {
            self.seen.elsewhere = Some(found.into_iter().collect());
        }
        found
    }
}
