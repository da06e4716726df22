//! `tutk discover`: finds cameras and their dialect.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tutk_runtime::tutk_session::{
    Dialect, DiscoveredCamera, DiscoveryPlan, DiscoveryScope, Interface, Target, Uid,
};
use tutk_runtime::{Discovery, interfaces};

use crate::args::{DiscoverArgs, Global};
use crate::camera::{self, SelectedCamera, enr_from_environment};
use crate::config;
use crate::console::{self, Console};
use crate::failure::{Failure, Status};
use crate::models;
use crate::report::{self, FoundCamera, PhaseTime, Report, SilentCamera, milliseconds};
use crate::secret_text::SecretText;
use crate::signals::Stop;

const PHASE: &str = "discovery";

/// A camera of the command line or of the file.
struct Known {
    camera: SelectedCamera,
    /// Its address, if it has a host that can be resolved.
    at: Option<SocketAddr>,
}

pub(crate) async fn run(
    args: &DiscoverArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    report.cameras = Some(Vec::new());
    let known = known_cameras(args, global.config.as_deref(), stop).await?;
    let interfaces = interfaces_for(&known);
    let mut plan = DiscoveryPlan::new(scopes(args, &known), &interfaces);
    if args.sweep {
        // Every host is asked, so only in the dialects of real cameras.
        plan.dialects = Dialect::DETECTED.map(Arc::new).into();
        plan.add_sweep(
            &interfaces,
            known.iter().find_map(|known| Some(known.at?.ip())),
        );
    }
    if let Some(ports) = &args.local_port {
        plan.local_ports = ports.0.clone();
    }
    let time = match args.sweep {
        true => args.timeout.max(plan.time()),
        false => args.timeout,
    };

    let began = Instant::now();
    let mut cameras: Vec<FoundCamera> = Vec::new();
    let mut answers = Vec::new();
    let mut discovery =
        Discovery::start(plan, time).map_err(|error| Failure::runtime(PHASE, &error))?;
    loop {
        let found = tokio::select! {
            found = discovery.next() => found,
            () = stop.requested() => None,
        };
        let Some(found) = found else { break };
        if cameras.is_empty() {
            // The first answer completes the phase, as in a session.
            let ms = milliseconds(began.elapsed());
            report.phases.push(PhaseTime { phase: PHASE, ms });
        }
        let camera = describe(&found, &known);
        if !global.json {
            if cameras.is_empty() {
                console::print(header());
            }
            console::print(row(&camera));
        }
        cameras.push(camera);
        answers.push((found.uid, found.address));
        let answered = |known: &Known| has_answered(known, &answers);
        if args.sweep && !args.cameras.is_empty() && known.iter().all(answered) {
            break;
        }
    }
    report.seconds = report::seconds(began.elapsed());
    report.dialect = common_dialect(&cameras);
    let found_any = !cameras.is_empty();
    report.cameras = Some(cameras);
    report.silent = Some(silent(&known, &answers, found_any, console));
    if args.write {
        write_hosts(&known, &answers, global, console)?;
    }
    if found_any {
        return Ok(());
    }
    let what = format!("no camera answered within {} s", time.as_secs_f64());
    let advice = match (args.cameras.is_empty(), args.broadcast) {
        (true, None) => {
            "name a CAMERA, because some answer only to their own UID, or set --broadcast to the network's broadcast address"
        }
        (true, Some(_)) => "name a CAMERA, because some answer only to their own UID",
        (false, _) => {
            "check the address, UID, ENR and MAC, and that the camera is on and in this network; --sweep asks every host of the network"
        }
    };
    let failure = Failure::new(Status::Silent, PHASE, what, advice);
    let model = known
        .first()
        .and_then(|known| known.camera.model.as_deref());
    let only = model.filter(|_| known.len() == 1);
    Err(models::explain(failure, only))
}

/// Returns the cameras of the command line; without any, those of the file.
async fn known_cameras(
    args: &DiscoverArgs,
    file: Option<&Path>,
    stop: &mut Stop,
) -> Result<Vec<Known>, Failure> {
    let mut known = Vec::new();
    let named: Result<Vec<_>, _> = (args.cameras.iter())
        .map(|text| camera::read(text, file))
        .collect();
    for (camera, at) in resolve_all(named?, stop).await {
        let at = Some(at?).filter(|at| !at.ip().is_unspecified());
        known.push(Known { camera, at });
    }
    let has_file = file.is_some() || config::path(file).is_ok_and(|path| path.exists());
    if args.cameras.is_empty() && has_file {
        let enr = enr_from_environment();
        let (path, contents) = config::check(file, enr.as_ref().map(SecretText::reveal))?;
        if !contents.mistakes.is_empty() {
            let path = path.display();
            tracing::warn!(
                "{path} has errors, which `tutk cameras` lists; its other cameras are asked"
            );
        }
        let cameras = contents.cameras.into_iter().map(SelectedCamera::from);
        for (camera, at) in resolve_all(cameras, stop).await {
            // A camera whose name is not found may answer to a broadcast.
            let at = at.ok().filter(|at| !at.ip().is_unspecified());
            known.push(Known { camera, at });
        }
    }
    Ok(known)
}

/// Resolves the cameras' addresses, all at once. Returns them in order.
async fn resolve_all(
    cameras: impl IntoIterator<Item = SelectedCamera>,
    stop: &Stop,
) -> Vec<(SelectedCamera, Result<SocketAddr, Failure>)> {
    let lookup = |camera: SelectedCamera| {
        let mut stop = stop.clone();
        tokio::spawn(async move {
            let at = camera::resolve(&camera, &mut stop).await;
            (camera, at)
        })
    };
    let lookups: Vec<_> = cameras.into_iter().map(lookup).collect();
    let mut resolved = Vec::new();
    for lookup in lookups {
        match lookup.await {
            Ok(camera) => resolved.push(camera),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    resolved
}

/// Returns the interfaces for broadcasts: only loopback if all named cameras are there, because
/// they are simulated ones.
fn interfaces_for(known: &[Known]) -> Vec<Interface> {
    let on_loopback = |known: &Known| known.at.is_some_and(|at| at.ip().is_loopback());
    match !known.is_empty() && known.iter().all(on_loopback) {
        true => vec![Interface::LOOPBACK],
        false => interfaces(),
    }
}

/// Returns where to ask: each known camera at its address and by broadcast, and without a CAMERA
/// any other by broadcast.
fn scopes(args: &DiscoverArgs, known: &[Known]) -> Vec<DiscoveryScope> {
    let mut scopes = Vec::new();
    for Known { camera, at } in known {
        let (uid, auth_key) = (camera.credentials.uid, &camera.credentials.auth_key);
        let target = |address| {
            DiscoveryScope::At(Target {
                address,
                uid,
                auth_key: Some(auth_key.clone()),
            })
        };
        scopes.extend(at.map(target));
        match args.broadcast {
            Some(address) if !is_everywhere(address) => scopes.push(target(address)),
            _ if args.cameras.is_empty() || args.sweep || args.write || at.is_none() => {
                scopes.push(DiscoveryScope::Everywhere {
                    port: camera.port,
                    uid,
                    auth_key: Some(auth_key.clone()),
                });
            }
            _ => {}
        }
    }
    match args.broadcast {
        Some(address) if is_everywhere(address) => scopes.push(DiscoveryScope::Everywhere {
            port: address.port(),
            uid: Uid::default(),
            auth_key: None,
        }),
        Some(address) => scopes.push(DiscoveryScope::At(Target {
            address,
            uid: Uid::default(),
            auth_key: None,
        })),
        None if args.cameras.is_empty() => scopes.push(DiscoveryScope::everywhere()),
        None => {}
    }
    scopes
}

/// 255.255.255.255 means every interface.
fn is_everywhere(address: SocketAddr) -> bool {
    address.ip() == IpAddr::V4(Ipv4Addr::BROADCAST)
}

fn describe(found: &DiscoveredCamera, known: &[Known]) -> FoundCamera {
    let mut same = known
        .iter()
        .filter(|known| known.camera.credentials.uid == found.uid);
    let known = same.next().map(|known| &known.camera);
    FoundCamera {
        address: found.address.to_string(),
        // Escaped, because it comes from the network.
        uid: found.uid.as_bytes().escape_ascii().to_string(),
        dialect: found.dialect.name.clone(),
        ms: milliseconds(found.round_trip),
        name: known.and_then(|known| known.name.clone()),
        model: known.and_then(|known| known.model.clone()),
    }
}

/// Returns the dialect if all cameras speak the same one.
fn common_dialect(cameras: &[FoundCamera]) -> Option<Cow<'static, str>> {
    let first = &cameras.first()?.dialect;
    let same = cameras.iter().all(|camera| camera.dialect == *first);
    same.then(|| first.clone())
}

fn header() -> String {
    format!(
        "{:<22} {:<20} {:<10} {:>10}  {:<16} {}",
        "ADDRESS", "UID", "DIALECT", "ROUND TRIP", "NAME", "MODEL"
    )
}

fn row(camera: &FoundCamera) -> String {
    format!(
        "{:<22} {:<20} {:<10} {:>7.1} ms  {:<16} {}",
        camera.address,
        camera.uid,
        camera.dialect,
        camera.ms,
        camera.name.as_deref().unwrap_or("-"),
        camera.model.as_deref().unwrap_or("-"),
    )
}

fn has_answered(known: &Known, answers: &[(Uid, SocketAddr)]) -> bool {
    let uid = known.camera.credentials.uid;
    answers.iter().any(|&(answered, _)| answered == uid)
}

/// Returns the known cameras without an answer. Prints them if another camera answered, or if they
/// come from the file; otherwise the failure explains them.
fn silent(
    known: &[Known],
    answers: &[(Uid, SocketAddr)],
    found_any: bool,
    console: &Console,
) -> Vec<SilentCamera> {
    let mut silent = Vec::new();
    for Known { camera, at } in known.iter().filter(|known| !has_answered(known, answers)) {
        let uid = camera.credentials.uid;
        let explanation = models::silence(camera.model.as_deref(), *at);
        if found_any || camera.name.is_some() {
            let name = camera.name.clone().unwrap_or_else(|| uid.to_string());
            console.line(format_args!("{name}: no answer; {explanation}"));
        }
        silent.push(SilentCamera {
            name: camera.name.clone(),
            uid: uid.to_string(),
            address: at.map(|at| at.to_string()),
            model: camera.model.clone(),
            explanation,
        });
    }
    silent
}

/// Writes the new addresses of cameras of the file. Host names stay.
fn write_hosts(
    known: &[Known],
    answers: &[(Uid, SocketAddr)],
    global: &Global,
    console: &Console,
) -> Result<(), Failure> {
    let enr = enr_from_environment();
    let enr = enr.as_ref().map(SecretText::reveal);
    for Known { camera, .. } in known {
        let Some(name) = &camera.name else { continue };
        let host = camera.host.as_deref();
        let old = host.map(str::parse::<IpAddr>);
        let of_camera = |&&(uid, _): &&(Uid, SocketAddr)| uid == camera.credentials.uid;
        let mut found = answers
            .iter()
            .filter(of_camera)
            .map(|(_, at)| at.ip().to_canonical());
        match (old, found.next()) {
            (_, None) => {}
            (Some(Err(_)), _) => {
                console.line(format_args!("{name}: its host is a name, which stays"))
            }
            (Some(Ok(old)), Some(new)) if old == new || found.any(|new| old == new) => {}
            (_, Some(new)) => {
                config::write_host(global.config.as_deref(), name, &new.to_string(), enr)?;
                let old = host.unwrap_or("not set");
                console.line(format_args!("{name}: host is {new} now, was {old}"));
            }
        }
    }
    Ok(())
}
