//! Prints status changes of cameras.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};
use std::net::SocketAddr;

use tutk_serve::{CameraState, Hub};

use crate::camera;
use crate::console::Console;

/// Prints each change of a camera's state, and each new address, once.
#[derive(Debug, Default)]
pub(crate) struct StatusLog {
    printed: BTreeMap<String, Printed>,
}

/// What was printed about a camera.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    state: Discriminant<CameraState>,
    error: Option<String>,
    moved_to: Option<SocketAddr>,
}

impl StatusLog {
    /// Prints the changes of all cameras since the previous call.
    pub(crate) fn update(&mut self, hub: &Hub, console: &Console) {
        let cameras = hub.cameras();
        self.printed
            .retain(|name, _| cameras.iter().any(|camera| camera.name() == name));
        for camera in cameras {
            let state = camera.state();
            let error = match &state {
                CameraState::Down(disconnect) => Some(disconnect.error.to_string()),
                CameraState::Failed(error) => Some(error.to_string()),
                _ => None,
            };
            let now = Printed {
                state: discriminant(&state),
                error: error.clone(),
                moved_to: camera.details().moved_to,
            };
            let name = camera.name();
            let before = self.printed.get(name);
            if let Some(to) = now.moved_to
                && before.is_none_or(|before| before.moved_to != now.moved_to)
            {
                console.line(format_args!("{name}: {}", camera::moved(Some(name), to)));
            }
            let is_new = before
                .is_none_or(|before| (before.state, &before.error) != (now.state, &now.error));
            let is_first = before.is_none();
            self.printed.insert(name.to_owned(), now);
            if !is_new {
                continue;
            }
            match (state, error) {
                (CameraState::Up, _) => console.line(format_args!("{name}: connected")),
                (CameraState::Down(disconnect), Some(error)) => match disconnect.next {
                    Some(next) => {
                        let seconds = next.as_secs_f64();
                        console.line(format_args!("{name}: {error}; retrying in {seconds:.1} s"));
                    }
                    None => console.line(format_args!("{name}: {error}")),
                },
                (CameraState::Failed(_), Some(error)) => console.line(format_args!(
                    "{name}: {error}; retrying when a viewer connects"
                )),
                // The first state of a camera is idle.
                (CameraState::Idle, _) if !is_first => {
                    console.line(format_args!("{name}: no viewers, disconnected"));
                }
                _ => {}
            }
        }
    }
}
