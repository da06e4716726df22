//! `tutk simulate --cameras`: many simulated cameras in one process, to measure their viewers.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tutk_runtime::tutk_session::Phase;
use tutk_runtime::tutk_simulator::{SimulatorConfig, SimulatorEvent};
use tutk_runtime::{SimulatedCamera, simulate};

use super::simulate::{Identity, refused};
use crate::args::SimulateArgs;
use crate::console::Console;
use crate::dialect_choice::DialectChoice;
use crate::failure::Failure;
use crate::report::{self, Report, plural};
use crate::signals::Stop;
use crate::{new_file, open_files, private_file};

/// The number of characters of UID, ENR and MAC that are the number of a camera.
const NUMBER: usize = 4;

/// The descriptors of the process besides one of each camera.
const OTHER_DESCRIPTORS: u64 = 64;

/// The cameras of one process. They share the clip.
pub(super) struct Cameras<'a> {
    pub(super) count: u16,
    /// The address of the first camera. The others have the ports after it.
    pub(super) listen: SocketAddr,
    /// The identity that those of the cameras are derived from.
    pub(super) identity: &'a Identity,
    /// The configuration of each camera, except for its identity and seed.
    pub(super) config: SimulatorConfig,
}

pub(super) async fn run(
    args: &SimulateArgs,
    cameras: Cameras<'_>,
    media: &str,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    if let Some(path) = &args.write_config {
        new_file::check(path, args.overwrite)?;
    }
    raise_limit(cameras.count);
    let began = Instant::now();
    let mut file = String::from("# Written by `tutk simulate`.\n");
    let (stopping, stopped) = watch::channel(());
    let mut running = JoinSet::new();
    for number in 0..cameras.count {
        let (camera, identity) = cameras.start(args, number)?;
        let address = identity.address(camera.local_addr());
        match &args.write_config {
            Some(_) => table(&mut file, number, &address, &args.dialect),
            None => console.line(address),
        }
        if number == 0 {
            report.listen = Some(camera.local_addr().to_string());
        }
        running.spawn(serve(camera, stopped.clone()));
    }
    let s = plural(cameras.count.into());
    let count = cameras.count;
    console.line(format_args!("{count} simulated camera{s}: {media}"));
    if let Some(path) = &args.write_config {
        write(path, &file)?;
        console.line(format_args!("written to {}", path.display()));
    }
    stop.requested().await;
    drop(stopping);
    let clients = running.join_all().await.into_iter().sum();
    report.clients = Some(clients);
    report.seconds = report::seconds(began.elapsed());
    let s = plural(clients);
    console.line(format_args!(
        "served {clients} client{s}, {:.1} s",
        report.seconds
    ));
    Ok(())
}

impl Cameras<'_> {
    /// Starts the camera with this number.
    fn start(
        &self,
        args: &SimulateArgs,
        number: u16,
    ) -> Result<(SimulatedCamera, Identity), Failure> {
        let identity = self.identity.numbered(number);
        let mut config = self.config.clone();
        config.credentials = identity.credentials()?;
        config.impairment.seed = args.seed.wrapping_add(number.into());
        let mut listen = self.listen;
        if listen.port() != 0 {
            let port = listen.port().checked_add(number).ok_or_else(|| {
                let what = format!("{} cameras need more ports after {listen}", self.count);
                let advice = "use a smaller port or fewer cameras; port 0 selects free ports";
                Failure::usage("arguments", what, advice)
            })?;
            listen.set_port(port);
        }
        let camera = simulate(config, listen).map_err(|error| refused(listen, &error))?;
        Ok((camera, identity))
    }
}

impl Identity {
    /// Returns the identity of the camera with this number.
    fn numbered(&self, number: u16) -> Self {
        // Texts that are too short or not ASCII are refused as credentials.
        let numbered = |text: &str| {
            let kept = text
                .len()
                .checked_sub(NUMBER)
                .and_then(|end| text.get(..end));
            format!("{}{number:0NUMBER$}", kept.unwrap_or(text))
        };
        Self {
            uid: numbered(&self.uid),
            enr: numbered(self.enr.reveal()).into(),
            mac: numbered(&self.mac),
            ..self.clone()
        }
    }
}

/// Adds a camera to the configuration file.
fn table(file: &mut String, number: u16, address: &str, dialect: &DialectChoice) {
    // Writing to a string cannot fail. The address is percent-encoded.
    let _ = write!(
        file,
        "\n[cameras.camera{number:0NUMBER$}]\nurl = \"{address}\"\ndialect = \"{dialect}\"\n"
    );
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let name = path.display().to_string();
    private_file::write(path, text).map_err(|error| Failure::write("output", &name, &error))
}

/// Allows a socket for each camera. If the system does not, binding fails.
fn raise_limit(cameras: u16) {
    let (current, maximum) = open_files::limits();
    let wanted = u64::from(cameras) + OTHER_DESCRIPTORS;
    if wanted > current && !open_files::raise(wanted.min(maximum), maximum) {
        tracing::warn!("the limit of open files is {current}");
    }
}

/// Runs a camera until `stopped` is closed. Returns the number of authenticated clients.
async fn serve(mut camera: SimulatedCamera, mut stopped: watch::Receiver<()>) -> u64 {
    let mut clients = 0;
    loop {
        let event = tokio::select! {
            _ = stopped.changed() => break,
            event = camera.next_event() => event,
        };
        match event {
            Some(SimulatorEvent::Entered {
                phase: Phase::Stream,
                ..
            }) => clients += 1,
            Some(_) => {}
            None => break,
        }
    }
    camera.close().await;
    clients
}
