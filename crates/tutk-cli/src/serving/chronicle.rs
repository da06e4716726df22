//! What becomes of the cameras, for people.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use tutk_serve::{CameraState, Hub};

use crate::console::Console;

/// Tells each change of a camera's state, once.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    told: BTreeMap<String, (Discriminant<CameraState>, Option<String>)>,
}

impl Chronicle {
    /// Looks at all cameras.
    pub(crate) fn look(&mut self, hub: &Hub, console: &Console) {
        let cameras = hub.cameras();
        self.told
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
            let before = self.told.insert(name.to_owned(), now.clone());
            if before.as_ref() == Some(&now) {
                continue;
            }
            match (state, error) {
                (CameraState::Up, _) => console.line(format_args!("{name}: connected")),
                (CameraState::Down(fall), Some(error)) => match fall.next {
                    Some(next) => {
                        let seconds = next.as_secs_f64();
                        console.line(format_args!(
                            "{name}: {error}; trying again in {seconds:.1} s"
                        ));
                    }
                    None => console.line(format_args!("{name}: {error}")),
                },
                (CameraState::Failed(_), Some(error)) => console.line(format_args!(
                    "{name}: {error}; trying again when somebody watches"
                )),
                // Nobody asked, or not for long: only worth a line after something else was told.
                (CameraState::Idle, _) if before.is_some() => {
                    console.line(format_args!("{name}: nobody watches, disconnected"));
                }
                _ => {}
            }
        }
    }
}
