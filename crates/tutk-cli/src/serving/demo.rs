//! Three different simulated cameras for `tutk serve --demo`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use tutk_runtime::tutk_session::{CameraUrl, Credentials, Dialect};
use tutk_runtime::tutk_simulator::SimulatorConfig;
use tutk_runtime::{SimulatedCamera, simulate};
use tutk_serve::Keep;

use super::plan::CameraPlan;
use crate::args::SoundChoice;
use crate::clip::{self, BUILT_IN_FPS};
use crate::config::Network;
use crate::dialect_choice::DialectChoice;
use crate::failure::Failure;
use crate::resend_choice::ResendChoice;
use crate::sound;

/// 60 frames of H.265 (`assets/make-clips.sh`).
const H265: &[u8] = include_bytes!("../../assets/clip.h265");

/// Keys of no real camera.
const ENR: &str = "NobodysSecret+/0";

/// One simulated camera.
struct Kind {
    name: &'static str,
    uid: &'static str,
    mac: &'static str,
    stream: &'static [u8],
    sound: SoundChoice,
    dialect: Dialect,
    loss: f32,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "garden",
        uid: "TUTKDEMOCAMERA00111A",
        mac: "02005EC0FF01",
        stream: clip::BUILT_IN,
        sound: SoundChoice::Pcmu,
        dialect: Dialect::TRANSCODE,
        loss: 0.0,
    },
    Kind {
        name: "hall",
        uid: "TUTKDEMOCAMERA00111B",
        mac: "02005EC0FF02",
        stream: H265,
        sound: SoundChoice::Aac,
        dialect: Dialect::TRANSCODE,
        loss: 0.0,
    },
    Kind {
        name: "yard",
        uid: "TUTKDEMOCAMERA00111C",
        mac: "02005EC0FF03",
        stream: clip::BUILT_IN,
        sound: SoundChoice::Pcma,
        dialect: Dialect::CC51,
        loss: 0.01,
    },
];

/// Starts the cameras. They run until dropped or closed.
pub(crate) fn begin() -> Result<(Vec<SimulatedCamera>, BTreeMap<String, CameraPlan>), Failure> {
    let mut servers = Vec::new();
    let mut plans = BTreeMap::new();
    for kind in KINDS {
        let broken = |error: String| Failure::other("start", error, "report this");
        let credentials =
            Credentials::new(kind.uid, ENR, kind.mac).map_err(|error| broken(error.to_string()))?;
        let clip = clip::parse(
            "the built-in clip",
            Bytes::from_static(kind.stream),
            BUILT_IN_FPS,
        )?;
        let mut config = SimulatorConfig::new(credentials.clone(), clip.clip);
        config.dialects = vec![Arc::new(kind.dialect.clone())];
        config.audio = sound::load(kind.sound)?;
        config.impairment.loss = kind.loss;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server =
            simulate(config, listen).map_err(|error| Failure::runtime("listen", &error))?;
        let plan = CameraPlan {
            network: Network::default(),
            camera: CameraUrl {
                host: Some(Ipv4Addr::LOCALHOST.to_string()),
                port: server.local_addr().port(),
                credentials,
                model: None,
                subtype: None,
                user: None,
            },
            keep: Keep::default(),
            sound: true,
            record: None,
            capture: None,
            dialect: DialectChoice::One(Arc::new(kind.dialect.clone())),
            // Retransmission repairs the losses of this camera.
            resend: match kind.loss > 0.0 {
                true => ResendChoice::On,
                false => ResendChoice::Auto,
            },
            set_clock: false,
        };
        plans.insert(kind.name.to_owned(), plan);
        servers.push(server);
    }
    Ok((servers, plans))
}
