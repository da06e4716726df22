//! `tutk discover`: finds cameras and their dialect.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use tutk_runtime::tutk_session::{
    DiscoveredCamera, DiscoveryPlan, DiscoveryScope, Phase, Target, Uid,
};
use tutk_runtime::{Discovery, interfaces};

use crate::args::{DiscoverArgs, Global};
use crate::camera;
use crate::console;
use crate::failure::{Failure, Status};
use crate::models;
use crate::report::{self, FoundCamera, PhaseTime, Report, milliseconds};
use crate::signals::Stop;

pub(crate) async fn run(
    args: &DiscoverArgs,
    global: &Global,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    report.cameras = Some(Vec::new());
    let mut scopes = Vec::new();
    let mut model = None;
    for text in &args.cameras {
        let camera = camera::read(text, global.config.as_deref())?;
        model = camera.model.clone().filter(|_| args.cameras.len() == 1);
        scopes.push(DiscoveryScope::At(Target {
            address: camera::resolve(&camera, stop).await?,
            uid: camera.credentials.uid,
            auth_key: Some(camera.credentials.auth_key),
        }));
    }
    if let Some(address) = args.broadcast {
        scopes.push(broadcast(address));
    }
    if scopes.is_empty() {
        scopes.push(DiscoveryScope::everywhere());
    }

    let began = Instant::now();
    let mut cameras: Vec<FoundCamera> = Vec::new();
    let mut phases = Vec::new();
    let plan = DiscoveryPlan::new(scopes, &interfaces());
    let mut discovery = Discovery::start(plan, args.timeout)
        .map_err(|error| Failure::runtime(Phase::Discovery.name(), &error))?;
    loop {
        let found = tokio::select! {
            found = discovery.next() => found,
            () = stop.requested() => None,
        };
        let Some(found) = found else { break };
        phases.push(milliseconds(began.elapsed()));
        if !global.json {
            if cameras.is_empty() {
                console::print(header());
            }
            console::print(row(&found));
        }
        cameras.push(describe(&found));
    }
    report.seconds = report::seconds(began.elapsed());
    // The first answer completes the phase, as in a session.
    report.phases.extend(phases.first().map(|&ms| PhaseTime {
        phase: Phase::Discovery.name(),
        ms,
    }));
    report.dialect = common_dialect(&cameras);
    let found_any = !cameras.is_empty();
    report.cameras = Some(cameras);
    if found_any {
        return Ok(());
    }
    let waited = args.timeout.as_secs_f64();
    let what = format!("no camera answered within {waited} s");
    let advice = if args.cameras.is_empty() {
        "name a CAMERA, because some answer only to their own UID, or set --broadcast to the network's broadcast address"
    } else {
        "check the address, UID, ENR and MAC, and that the camera is on and in this network"
    };
    let failure = Failure::new(Status::Silent, Phase::Discovery.name(), what, advice);
    Err(models::explain(failure, model.as_deref()))
}

/// Converts a broadcast address from the command line. 255.255.255.255 means every interface.
fn broadcast(address: SocketAddr) -> DiscoveryScope {
    let (uid, auth_key) = (Uid::default(), None);
    if address.ip() == IpAddr::V4(Ipv4Addr::BROADCAST) {
        let port = address.port();
        return DiscoveryScope::Everywhere {
            port,
            uid,
            auth_key,
        };
    }
    DiscoveryScope::At(Target {
        address,
        uid,
        auth_key,
    })
}

fn describe(found: &DiscoveredCamera) -> FoundCamera {
    FoundCamera {
        address: found.address.to_string(),
        uid: uid_text(found),
        dialect: found.dialect.name,
        ms: milliseconds(found.round_trip),
    }
}

/// Escapes the UID, because it comes from the network.
fn uid_text(found: &DiscoveredCamera) -> String {
    found.uid.as_bytes().escape_ascii().to_string()
}

/// Returns the dialect if all cameras speak the same one.
fn common_dialect(cameras: &[FoundCamera]) -> Option<&'static str> {
    let first = cameras.first()?.dialect;
    let same = cameras.iter().all(|camera| camera.dialect == first);
    same.then_some(first)
}

fn header() -> String {
    format!(
        "{:<22} {:<20} {:<10} {:>10}",
        "ADDRESS", "UID", "DIALECT", "ROUND TRIP"
    )
}

fn row(found: &DiscoveredCamera) -> String {
    format!(
        "{:<22} {:<20} {:<10} {:>7.1} ms",
        found.address.to_string(),
        uid_text(found),
        found.dialect.name,
        milliseconds(found.round_trip),
    )
}
