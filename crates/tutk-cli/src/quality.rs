//! Translates `subtype=` of a camera address to a command (docs/protocol.md, section "Credentials
//! and keys").

use tutk_runtime::tutk_session::Subtype;
use tutk_runtime::tutk_session::hl_ioctl::Request;
use tutk_runtime::tutk_session::hl_ioctl::commands::{Bitrate, Resolution};
use tutk_runtime::tutk_session::models::command_profile;

/// Returns the command that selects this picture quality. An unknown model is treated as a 1080p
/// camera.
pub(crate) fn request(model: Option<&str>, subtype: Subtype) -> Request {
    let profile = command_profile(model);
    let best = profile.max_resolution;
    let (resolution, bitrate) = match subtype {
        Subtype::Sd => (Resolution::P360, Bitrate::SD),
        Subtype::P720 => (Resolution::P720, Bitrate::HD),
        Subtype::P1080 => (Resolution::P1080, Bitrate::HD),
        // Models that have 2K have it as their highest resolution.
        _ => (best, Bitrate::HD),
    };
    profile.set_video(resolution, bitrate, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_family_gets_its_own_command() {
        for (model, subtype, code, payload) in [
            // Resolution code + 1, bitrate, frames per second unchanged.
            (None, Subtype::Hd, 10056, vec![1, 120, 0, 0, 0]),
            (Some("HL_CAM4"), Subtype::Hd, 10056, vec![4, 120, 0, 0, 0]),
            (Some("HL_BC"), Subtype::Hd, 10056, vec![5, 120, 0, 0, 0]),
            (Some("HL_CAM4"), Subtype::Sd, 10056, vec![2, 60, 0, 0, 0]),
            (Some("HL_BC"), Subtype::P720, 10056, vec![3, 120, 0, 0, 0]),
            (Some("HL_BC"), Subtype::P1080, 10056, vec![1, 120, 0, 0, 0]),
            (Some("HL_BC"), Subtype::TwoK, 10056, vec![5, 120, 0, 0, 0]),
            (Some("HL_CAM4"), Subtype::TwoK, 10056, vec![4, 120, 0, 0, 0]),
            (None, Subtype::TwoK, 10056, vec![1, 120, 0, 0, 0]),
            // Bitrate, resolution code + 1, frames per second and both flips unchanged.
            (
                Some("WYZEDB3"),
                Subtype::Hd,
                10052,
                vec![120, 0, 1, 0, 0, 0],
            ),
        ] {
            let request = request(model, subtype);
            assert_eq!(
                (request.code, request.payload),
                (code, payload),
                "{model:?}"
            );
        }
    }
}
