//! Prints status changes of cameras.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use tutk_serve::{CameraState, Hub};

use crate::console::Console;

/// Prints each change of a camera's state once.
#[derive(Debug, Default)]
pub(crate) struct StatusLog {
    printed: BTreeMap<String, (Discriminant<CameraState>, Option<String>)>,
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
                CameraState::Down(fall) => Some(fall.error.to_string()),
                CameraState::Failed(error) => Some(error.to_string()),
                _ => None,
            };
            let now = (discriminant(&state), error.clone());
            let name = camera.name();
            let before = self.printed.insert(name.to_owned(), now.clone());
            if before.as_ref() == Some(&now) {
                continue;
            }
            match (state, error) {
                (CameraState::Up, _) => console.line(format_args!("{name}: connected")),
                (CameraState::Down(fall), Some(error)) => match fall.next {
                    Some(next) => {
                        let seconds = next.as_secs_f64();
                        console.line(format_args!("{name}: {error}; retrying in {seconds:.1} s"));
                    }
                    None => console.line(format_args!("{name}: {error}")),
                },
                (CameraState::Failed(_), Some(error)) => console.line(format_args!(
                    "{name}: {error}; retrying when a viewer connects"
                )),
                // The initial idle state is not news.
                (CameraState::Idle, _) if before.is_some() => {
                    console.line(format_args!("{name}: no viewers, disconnected"));
                }
                _ => {}
            }
        }
    }
}
