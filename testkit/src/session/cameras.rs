//! Simulated cameras for tests whose statements hold for any camera.

use std::fmt;
use std::sync::Arc;

use tutk_session::{ClientConfig, Dialect};
use tutk_simulator::{
    Clip, EarlyPackets, ExtendedMasterSecret, PERSONALITIES, Personality, SimulatorConfig,
    SuiteMismatch,
};

use super::{Simulation, credentials};

/// The number of seeds of the personality `random` in [`TestCamera::all`].
const COMBINATIONS: u64 = 4;

/// A personality in a dialect.
#[derive(Debug, Clone)]
pub struct TestCamera {
    pub dialect: Arc<Dialect>,
    pub personality: Personality,
    /// The name of the personality, and its seed.
    name: String,
}

impl TestCamera {
    /// All personalities that answer, in all dialects.
    pub fn all() -> impl Iterator<Item = Self> {
        Dialect::ALL.iter().flat_map(Self::of)
    }

    /// All personalities that answer, in one dialect.
    pub fn of(dialect: &Dialect) -> impl Iterator<Item = Self> {
        let seeds = |name: &str| match name {
            "random" => 0..COMBINATIONS,
            _ => 0..1,
        };
        let each = PERSONALITIES.iter().flat_map(move |named| {
            seeds(named.name).map(move |seed| Self::new(dialect, named.name, seed))
        });
        each.filter(|camera| camera.personality.answers)
    }

    /// All personalities that answer, each in one dialect, for tests that take long.
    pub fn in_turn() -> impl Iterator<Item = Self> {
        let dialects = Dialect::ALL.map(Arc::new).into_iter().cycle();
        let each = dialects.zip(Self::of(&Dialect::TRANSCODE));
        each.map(|(dialect, camera)| Self { dialect, ..camera })
    }

    /// The camera that docs/protocol.md prefers.
    pub fn strict(dialect: &Dialect) -> Self {
        Self::new(dialect, "strict", 0)
    }

    /// The personality with this name. Only `random` uses the seed.
    pub fn new(dialect: &Dialect, name: &str, seed: u64) -> Self {
        Self {
            dialect: Arc::new(dialect.clone()),
            personality: Personality::by_name(name, seed).unwrap(),
            name: format!("{name} {seed}"),
        }
    }

    /// Configurations of both sides, as of [`Simulation::pair`].
    pub fn pair(&self, clip: Clip) -> (ClientConfig, SimulatorConfig) {
        let (mut client, mut camera) = Simulation::pair(&self.dialect, clip);
        self.apply(&mut client, &mut camera);
        (client, camera)
    }

    /// Sets the personality, and what the client must know of it. Keeps the dialects.
    pub fn apply(&self, client: &mut ClientConfig, camera: &mut SimulatorConfig) {
        client.model = self.personality.model.as_deref().map(str::to_owned);
        if self.personality.needs_wake_up {
            let behind = credentials().behind_base_station("GkB9S7cX38GgzSC6", "AABBCCDDEE00");
            client.credentials = behind.unwrap();
        }
        camera.credentials = client.credentials.clone();
        camera.personality = self.personality.clone();
    }

    /// Returns `true` if no fall-back is needed: the camera answers the first ClientHello and does
    /// not refuse early packets.
    pub fn connects_directly(&self) -> bool {
        self.personality.extended_master_secret != ExtendedMasterSecret::Unanswered
            && self.personality.suite_mismatch != SuiteMismatch::Unanswered
            && self.personality.early_packets != EarlyPackets::Refused
    }

    /// Returns `true` if client and camera use resend mode.
    pub fn uses_resend_mode(&self, client: &ClientConfig) -> bool {
        client.resend.applies_to(client.model.as_deref())
            && self.personality.resend.is_some()
            && *self.dialect != Dialect::SUMMARY
    }
}

impl fmt::Display for TestCamera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.dialect, self.name)
    }
}
