//! The camera models and how they differ (docs/protocol.md, section "Models").

use core::time::Duration;

use hl_ioctl::commands::Resolution;
use hl_ioctl::{CameraGroup, CommandProfile, CommandSet, Context, UserRule};

/// A camera model that speaks TUTK, with everything that the client does differently for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Model {
    /// The model identifier that the camera and the vendor's cloud use, such as `HL_CAM4`.
    pub id: &'static str,
    /// The marketing name.
    pub name: &'static str,
    /// The commands that the camera accepts.
    pub profile: CommandProfile,
    /// An outdoor camera behind a base station. It runs on a battery and does not answer while it
    /// sleeps. K10000 wakes it.
    pub outdoor: bool,
    /// A doorbell.
    pub doorbell: bool,
    /// The messages that identify the user of the vendor's account.
    pub user_rule: UserRule,
    /// The camera accepts only the DTLS suite TLS_PSK_WITH_AES_128_CBC_SHA256 (0x00AE).
    pub plain_psk: bool,
    /// The camera is known to support resend mode.
    pub resend: bool,
    /// With current firmware, the camera answers no discovery request of any known client.
    pub silent: bool,
}

/// The known models.
pub static MODELS: &[Model] = &[
    Model {
        profile: LEGACY,
        user_rule: UserRule::NONE,
        ..Model::new("WYZEC1", "Wyze Cam v1")
    },
    Model::new("WYZEC1-JZ", "Wyze Cam v2"),
    Model::new("WYZE_CAKP2JFUS", "Wyze Cam v3"),
    Model {
        profile: TWO_K,
        ..Model::new("HL_CAM3P", "Wyze Cam v3 Pro")
    },
    Model {
        profile: TWO_K,
        ..Model::new("HL_CAM4", "Wyze Cam v4")
    },
    Model::new("WYZECP1_JEF", "Wyze Cam Pan"),
    Model::new("HL_PAN2", "Wyze Cam Pan v2"),
    Model {
        silent: true,
        ..Model::new("HL_PAN3", "Wyze Cam Pan v3")
    },
    Model {
        profile: TWO_K,
        ..Model::new("HL_PANP", "Wyze Cam Pan Pro")
    },
    Model {
        profile: LEGACY,
        outdoor: true,
        user_rule: UserRule {
            doorbell_since: None,
            user_since: Some(29),
        },
        ..Model::new("WVOD1", "Wyze Cam Outdoor")
    },
    Model {
        profile: LEGACY,
        outdoor: true,
        user_rule: UserRule::NONE,
        ..Model::new("HL_WCO2", "Wyze Cam Outdoor v2")
    },
    Model {
        profile: LEGACY,
        doorbell: true,
        user_rule: UserRule::NONE,
        plain_psk: true,
        ..Model::new("WYZEDB3", "Wyze Doorbell")
    },
    Model {
        profile: TWO_K,
        doorbell: true,
        user_rule: UserRule {
            doorbell_since: Some(23),
            user_since: None,
        },
        ..Model::new("HL_DB2", "Wyze Doorbell v2")
    },
    Model {
        profile: TWO_K_ALTERNATE,
        silent: true,
        ..Model::new("HL_CFL2", "Wyze Floodlight v2")
    },
    Model {
        profile: TWO_K_ALTERNATE,
        resend: true,
        ..Model::new("HL_BC", "Wyze Bulb Cam")
    },
];

const CURRENT: CommandProfile = CommandProfile {
    command_set: CommandSet::Current,
    max_resolution: Resolution::P1080,
};
const LEGACY: CommandProfile = CommandProfile {
    command_set: CommandSet::Legacy,
    ..CURRENT
};
const TWO_K: CommandProfile = CommandProfile {
    max_resolution: Resolution::TwoK,
    ..CURRENT
};
const TWO_K_ALTERNATE: CommandProfile = CommandProfile {
    max_resolution: Resolution::TwoKAlternate,
    ..CURRENT
};

/// Prefixes of models that speak another protocol.
const UNSUPPORTED: [&str; 3] = ["GW_", "AN_", "LD_CFP"];

impl Model {
    const fn new(id: &'static str, name: &'static str) -> Self {
        Self {
            id,
            name,
            profile: CURRENT,
            outdoor: false,
            doorbell: false,
            user_rule: UserRule::MOST,
            plain_psk: false,
            resend: false,
            silent: false,
        }
    }

    /// Returns the model with this identifier.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        MODELS.iter().find(|model| model.id == id)
    }

    /// Returns the models of a group.
    pub fn in_group(group: CameraGroup) -> impl Iterator<Item = &'static Self> {
        MODELS.iter().filter(move |model| model.is_in(group))
    }

    /// Returns `true` if the model belongs to the group.
    #[must_use]
    pub fn is_in(&self, group: CameraGroup) -> bool {
        match group {
            CameraGroup::LegacyCommands => self.profile.command_set == CommandSet::Legacy,
            CameraGroup::Outdoor => self.outdoor,
            CameraGroup::Doorbell => self.doorbell,
            _ => false,
        }
    }
}

/// Returns the command profile of a model, and the default profile for an unknown one.
#[must_use]
pub fn command_profile(id: Option<&str>) -> CommandProfile {
    id.and_then(Model::find)
        .map_or_else(CommandProfile::default, |model| model.profile)
}

/// Returns what requests to a camera of this model depend on, at a time since 1970 if it is known.
#[must_use]
pub fn command_context(id: Option<&str>, unix: Option<Duration>) -> Context {
    Context {
        profile: command_profile(id),
        now_unix_millis: unix.and_then(|unix| u64::try_from(unix.as_millis()).ok()),
    }
}

/// Returns `true` if cameras of this model are known to speak another protocol than TUTK.
#[must_use]
pub fn is_unsupported(id: &str) -> bool {
    UNSUPPORTED.iter().any(|prefix| id.starts_with(prefix))
}

/// Returns the messages with a user that a model supports.
pub(crate) fn user_rule(id: Option<&str>) -> UserRule {
    id.and_then(Model::find)
        .map_or_else(UserRule::default, |model| model.user_rule)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use hl_ioctl::commands::UserId;

    use super::*;

    #[test]
    fn identifiers_are_unique_and_supported() {
        let ids: BTreeSet<_> = MODELS.iter().map(|model| model.id).collect();
        assert_eq!(ids.len(), MODELS.len());
        assert!(!ids.into_iter().any(is_unsupported));
        assert!(is_unsupported("GW_GC1") && is_unsupported("LD_CFP"));
    }

    #[test]
    fn unknown_models_have_the_default_profile() {
        assert_eq!(CURRENT, CommandProfile::default());
        for id in [None, Some("HL_CAM5"), Some("WYZEC1-JZ")] {
            assert_eq!(command_profile(id), CURRENT, "{id:?}");
        }
    }

    #[test]
    fn profiles_match_the_protocol_document() {
        let profile = |id| command_profile(Some(id));
        for id in ["WYZEDB3", "WVOD1", "HL_WCO2", "WYZEC1"] {
            assert_eq!(profile(id), LEGACY, "{id}");
        }
        for id in ["HL_CAM3P", "HL_PANP", "HL_CAM4", "HL_DB2"] {
            assert_eq!(profile(id), TWO_K, "{id}");
        }
        for id in ["HL_CFL2", "HL_BC"] {
            assert_eq!(profile(id), TWO_K_ALTERNATE, "{id}");
        }
    }

    #[test]
    fn version_and_model_select_the_message_with_a_user() {
        let user = UserId::new("2a8f1e9c").unwrap();
        for (id, codes) in [
            (None, [10002, 10002, 10008, 10008]),
            (Some("HL_CAM5"), [10002, 10002, 10008, 10008]),
            (Some("HL_CAM4"), [10002, 10002, 10008, 10008]),
            (Some("WVOD1"), [10002, 10002, 10002, 10008]),
            (Some("HL_DB2"), [10002, 10006, 10006, 10006]),
            (Some("WYZEDB3"), [10002; 4]),
            (Some("WYZEC1"), [10002; 4]),
            (Some("HL_WCO2"), [10002; 4]),
        ] {
            for (version, code) in [22, 23, 25, 29].into_iter().zip(codes) {
                let message = user_rule(id).message(version, &user);
                assert_eq!(message.code(), code, "{id:?}, version {version}");
            }
        }
        assert_eq!(UserRule::MOST, UserRule::default());
    }
}
