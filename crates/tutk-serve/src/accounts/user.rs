//! Users, their roles and their cameras.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The permissions of a user. Each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Watch: video, audio, snapshots, states and events.
    View,
    /// Also control: read and set controls, and talk.
    Control,
    /// Also commands that destroy data, and the metrics of the server.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::View, Self::Control, Self::Admin];

    /// Returns the name in configurations and in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Control => "control",
            Self::Admin => "admin",
        }
    }

    /// Returns the role with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// An authenticated user, or the anonymous user, which has all permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User(Option<Arc<Identity>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    name: String,
    role: Role,
    /// `None` for all cameras.
    cameras: Option<BTreeSet<String>>,
}

impl User {
    pub(crate) const ANONYMOUS: Self = Self(None);

    pub(crate) fn new(name: &str, role: Role) -> Self {
        Self(Some(Arc::new(Identity {
            name: name.to_owned(),
            role,
            cameras: None,
        })))
    }

    pub(super) fn with_role(self, role: Role) -> Self {
        self.with(|identity| identity.role = role)
    }

    pub(crate) fn with_cameras(self, cameras: BTreeSet<String>) -> Self {
        self.with(|identity| identity.cameras = Some(cameras))
    }

    fn with(mut self, change: impl FnOnce(&mut Identity)) -> Self {
        if let Some(identity) = &mut self.0 {
            change(Arc::make_mut(identity));
        }
        self
    }

    /// Returns the name, which is empty for an anonymous user.
    pub(crate) fn name(&self) -> &str {
        self.0.as_ref().map_or("", |identity| &identity.name)
    }

    #[cfg(any(feature = "http", test))]
    pub(crate) fn role(&self) -> Role {
        self.0
            .as_ref()
            .map_or(Role::Admin, |identity| identity.role)
    }

    /// Returns `true` if the user may see this camera.
    pub(crate) fn sees(&self, camera: &str) -> bool {
        let cameras = (self.0.as_ref()).and_then(|identity| identity.cameras.as_ref());
        cameras.is_none_or(|cameras| cameras.contains(camera))
    }
}
