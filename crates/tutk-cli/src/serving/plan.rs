//! The cameras and listeners that the file and the command line ask for.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tutk_runtime::tutk_session::{CameraUrl, Credentials};
use tutk_serve::http::IpNet;
use tutk_serve::recorder::Target;
use tutk_serve::{Accounts, Keep, check_listen};

use crate::args::serve::ServeArgs;
use crate::config::{CaptureFile, Contents, Network, ServeTable, Users};
use crate::dialect_choice::DialectChoice;
use crate::failure::Failure;
use crate::listen::Listen;
use crate::resend_choice::ResendChoice;

/// The default ports.
const RTSP_PORT: u16 = 8554;
const HTTP_PORT: u16 = 8888;

/// The complete plan.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) servers: Servers,
    pub(crate) cameras: BTreeMap<String, CameraPlan>,
}

/// The listeners and their access rules.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Servers {
    pub(crate) rtsp: Option<SocketAddr>,
    pub(crate) rtsp_udp: bool,
    pub(crate) rtsps: Option<SocketAddr>,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    /// The files of a certificate and its key.
    pub(crate) certificate: Option<[PathBuf; 2]>,
    /// The directory of the configuration file.
    pub(crate) folder: PathBuf,
    /// Passwords are accepted over plain connections.
    pub(crate) allow_plain_auth: bool,
    /// Host names that the HTTP server accepts besides addresses and `localhost`.
    pub(crate) http_names: Vec<String>,
    /// Proxies that name the real client in `X-Forwarded-For`.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// The limits of each RTSP and each HTTP address; `None` for the default.
    pub(crate) max_rtsp_viewers: Option<u16>,
    pub(crate) max_http_viewers: Option<u16>,
    pub(crate) users: Users,
    pub(crate) no_auth: bool,
}

/// One camera.
#[derive(Debug, Clone)]
pub(crate) struct CameraPlan {
    pub(crate) camera: CameraUrl,
    pub(crate) network: Network,
    pub(crate) keep: Keep,
    pub(crate) sound: bool,
    pub(crate) record: Option<Target>,
    pub(crate) dialect: DialectChoice,
    pub(crate) resend: ResendChoice,
    pub(crate) set_clock: bool,
    pub(crate) capture: Option<CaptureFile>,
}

impl Plan {
    /// Combines the file, which has no errors, with the command line, which takes precedence.
    pub(crate) fn new(args: &ServeArgs, path: &Path, contents: Contents) -> Result<Self, Failure> {
        let Contents {
            cameras,
            serve,
            users,
            record,
            ..
        } = contents;
        let shown = path.display();
        if cameras.is_empty() {
            let what = format!("{shown} contains no camera");
            let advice =
                "add one (docs/cameras.md), run `tutk cloud cameras --write`, or use --demo";
            return Err(Failure::usage("arguments", what, advice));
        }
        let (network, keep) = (serve.network.clone(), serve.keep);
        let servers = Servers::new(args, serve, users, path.parent())?;
        let mut all = BTreeMap::new();
        for named in cameras {
            let serving = named.serving;
            let record = match record.as_ref().filter(|_| serving.record) {
                None => None,
                Some(record) => Some(record.target(&named.name).map_err(|what| {
                    Failure::usage("arguments", format!("{shown}, [record]: {what}"), "fix it")
                })?),
            };
            let sound = serving.sound.unwrap_or(true);
            let plan = CameraPlan {
                camera: named.camera,
                network: named.network.or(&network),
                keep: serving.keep.or(keep),
                sound,
                dialect: serving.dialect.unwrap_or(DialectChoice::Auto),
                resend: serving.resend.unwrap_or(ResendChoice::Auto),
                set_clock: serving.set_clock,
                capture: serving.capture,
                record: record.map(|target| if sound { target.with_audio() } else { target }),
            };
            all.insert(named.name, plan);
        }
        Ok(Self {
            servers,
            cameras: all,
        })
    }

    /// Returns the plan for simulated cameras, on the loopback interface by default.
    pub(crate) fn demo(
        args: &ServeArgs,
        cameras: BTreeMap<String, CameraPlan>,
    ) -> Result<Self, Failure> {
        let servers = Servers::new(args, ServeTable::default(), Users::default(), None)?;
        Ok(Self { servers, cameras })
    }
}

impl Servers {
    /// Combines the command line, which takes precedence, with `[serve]` of a file in `folder`.
    fn new(
        args: &ServeArgs,
        serve: ServeTable,
        users: Users,
        folder: Option<&Path>,
    ) -> Result<Self, Failure> {
        let local = |port| Some((Ipv4Addr::LOCALHOST, port).into());
        let servers = Self {
            rtsp: address(args.rtsp.or(serve.rtsp), local(RTSP_PORT)),
            rtsp_udp: serve.rtsp_udp.unwrap_or(true),
            rtsps: address(serve.rtsps, None),
            http: address(args.http.or(serve.http), local(HTTP_PORT)),
            https: address(serve.https, None),
            certificate: serve.certificate,
            folder: folder.map(Path::to_owned).unwrap_or_default(),
            allow_plain_auth: serve.allow_plain_auth,
            http_names: serve.http_names,
            trusted_proxies: serve.trusted_proxies,
            max_rtsp_viewers: serve.max_rtsp_viewers,
            max_http_viewers: serve.max_http_viewers,
            users,
            no_auth: args.no_auth || serve.no_auth,
        };
        servers.check()?;
        Ok(servers)
    }

    /// Returns an error if other machines have access without authentication.
    fn check(&self) -> Result<(), Failure> {
        let accounts = self.accounts()?;
        for (key, address) in [
            ("rtsp", self.rtsp),
            ("rtsps", self.rtsps),
            ("http", self.http),
            ("https", self.https),
        ] {
            let Some(address) = address else { continue };
            if check_listen(address, &accounts, false).is_ok() {
                continue;
            }
            if !self.no_auth {
                let what = format!(
                    "{key} at {address} is reachable from other machines, and the file has no [users]"
                );
                let advice = "add [users] with a name and a password, or use --no-auth to allow anonymous access";
                return Err(Failure::usage("arguments", what, advice));
            }
            tracing::warn!(
                "{key} at {address}: anyone who can reach it may watch, because of --no-auth"
            );
        }
        let plain = self.users.with_plain_passwords();
        if !plain.is_empty() {
            let names = plain.join(", ");
            tracing::warn!(
                "the passwords of {names} are not hashed; `tutk passwd USER` hashes one"
            );
        }
        self.warn_of_plain_connections(plain.len() < self.users.len());
        Ok(())
    }

    /// Says which clients of other machines cannot log in.
    fn warn_of_plain_connections(&self, has_hashes: bool) {
        let reachable =
            |address: Option<SocketAddr>| address.filter(|address| !address.ip().is_loopback());
        if self.users.is_empty() || self.allow_plain_auth {
            return;
        }
        if let Some(address) = reachable(self.http) {
            tracing::warn!(
                "http at {address} accepts no passwords from other machines, because other hosts on the network could read them: set `https` in [serve], or allow_plain_auth = true"
            );
        }
        if let Some(address) = reachable(self.rtsp).filter(|_| has_hashes) {
            tracing::warn!(
                "rtsp at {address} accepts no hashed passwords from other machines, because they cannot be used with Digest: set `rtsps` in [serve], or allow_plain_auth = true"
            );
        }
    }

    pub(crate) fn accounts(&self) -> Result<Accounts, Failure> {
        let advice = "correct [users] in the file";
        let accounts = self.users.accounts();
        accounts.map_err(|error| Failure::usage("arguments", error.to_string(), advice))
    }
}

impl PartialEq for CameraPlan {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            camera,
            network,
            keep,
            sound,
            record,
            dialect,
            resend,
            set_clock,
            capture,
        } = self;
        let rest = (
            &other.network,
            &other.keep,
            &other.sound,
            &other.record,
            &other.dialect,
            &other.resend,
            &other.set_clock,
            &other.capture,
        );
        let own = (
            network, keep, sound, record, dialect, resend, set_clock, capture,
        );
        is_same(camera, &other.camera) && own == rest
    }
}

fn is_same(one: &CameraUrl, other: &CameraUrl) -> bool {
    let keys = |keys: &Credentials| {
        let Credentials {
            uid,
            enr,
            auth_key,
            mac,
            base_station,
        } = keys;
        let base_station = base_station.as_ref();
        let base_station = base_station.map(|base| (base.enr.reveal().to_vec(), base.mac));
        let enr = enr.reveal().to_vec();
        (uid.to_string(), enr, auth_key.0, *mac, base_station)
    };
    let rest = |camera: &CameraUrl| {
        let CameraUrl {
            host,
            port,
            credentials: _,
            model,
            subtype,
            user,
        } = camera.clone();
        (host, port, model, subtype, user)
    };
    rest(one) == rest(other) && keys(&one.credentials) == keys(&other.credentials)
}

/// Returns the address of a listener, which is `default` if nothing is configured.
fn address(listen: Option<Listen>, default: Option<SocketAddr>) -> Option<SocketAddr> {
    match listen {
        None => default,
        Some(Listen::Off) => None,
        Some(Listen::At(address)) => Some(address),
    }
}
