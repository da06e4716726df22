//! `subtype=hd` and `subtype=sd` of a camera address, in the camera's own terms.

use tutk_runtime::tutk_session::Subtype;
use tutk_runtime::tutk_session::hl_ioctl::Request;
use tutk_runtime::tutk_session::hl_ioctl::commands::{
    Bitrate, Resolution, SetResolution, SetVideoParameters,
};

/// Models with a 2K picture (wire.md section 13).
const TWO_K: [&str; 4] = ["HL_CAM3P", "HL_PANP", "HL_CAM4", "HL_DB2"];

/// Those that have another code for it.
const TWO_K_ALTERNATE: [&str; 2] = ["HL_CFL2", "HL_BC"];

/// Models that know K10052 and not K10056.
const VIDEO_PARAMETERS: [&str; 4] = ["WYZEDB3", "WVOD1", "HL_WCO2", "WYZEC1"];

/// The command that asks for that picture. A model that is not known is taken for a 1080p one.
pub(crate) fn request(model: Option<&str>, subtype: Subtype) -> Request {
    let is_one_of = |models: &[&str]| model.is_some_and(|model| models.contains(&model));
    let (resolution, bitrate) = match subtype {
        Subtype::Sd => (Resolution::P360, Bitrate::SD),
        Subtype::Hd if is_one_of(&TWO_K) => (Resolution::TwoK, Bitrate::HD),
        Subtype::Hd if is_one_of(&TWO_K_ALTERNATE) => (Resolution::TwoKAlternate, Bitrate::HD),
        Subtype::Hd => (Resolution::P1080, Bitrate::HD),
    };
    if is_one_of(&VIDEO_PARAMETERS) {
        let set = SetVideoParameters {
            resolution: Some(resolution),
            bitrate: Some(bitrate),
            ..SetVideoParameters::default()
        };
        return Request::from(&set);
    }
    Request::from(&SetResolution {
        resolution,
        bitrate,
        fps: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_is_asked_in_its_own_terms() {
        for (model, subtype, code, payload) in [
            // Resolution code + 1, bitrate, frames per second as they are.
            (None, Subtype::Hd, 10056, vec![1, 120, 0, 0, 0]),
            (Some("HL_CAM4"), Subtype::Hd, 10056, vec![4, 120, 0, 0, 0]),
            (Some("HL_BC"), Subtype::Hd, 10056, vec![5, 120, 0, 0, 0]),
            (Some("HL_CAM4"), Subtype::Sd, 10056, vec![2, 60, 0, 0, 0]),
            // Bitrate, resolution code + 1, frames per second and both flips as they are.
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
