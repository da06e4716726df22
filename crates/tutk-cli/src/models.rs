//! What is known of models, for what is said to people (wire.md section 13).

use tutk_runtime::tutk_session::Phase;
use tutk_runtime::tutk_session::hl_ioctl::Models;
use tutk_runtime::tutk_session::hl_ioctl::models::{OUTDOOR, is_one_of};

use crate::failure::{Failure, Status};

/// Beginnings of models that speak another protocol altogether.
const NOT_TUTK: [&str; 3] = ["GW_", "AN_", "LD_CFP"];

/// Models and what they are sold as.
const PRODUCTS: [(&str, &str); 15] = [
    ("WYZEC1", "Wyze Cam v1"),
    ("WYZEC1-JZ", "Wyze Cam v2"),
    ("WYZE_CAKP2JFUS", "Wyze Cam v3"),
    ("HL_CAM3P", "Wyze Cam v3 Pro"),
    ("HL_CAM4", "Wyze Cam v4"),
    ("WYZECP1_JEF", "Wyze Cam Pan"),
    ("HL_PAN2", "Wyze Cam Pan v2"),
    ("HL_PAN3", "Wyze Cam Pan v3"),
    ("HL_PANP", "Wyze Cam Pan Pro"),
    ("WVOD1", "Wyze Cam Outdoor"),
    ("HL_WCO2", "Wyze Cam Outdoor v2"),
    ("WYZEDB3", "Wyze Doorbell"),
    ("HL_DB2", "Wyze Doorbell v2"),
    ("HL_CFL2", "Wyze Floodlight v2"),
    ("HL_BC", "Wyze Bulb Cam"),
];

/// Whether it is known to speak another protocol.
pub(crate) fn is_not_tutk(model: &str) -> bool {
    NOT_TUTK.iter().any(|prefix| model.starts_with(prefix))
}

/// That it speaks another protocol, in words.
pub(crate) fn not_tutk(model: &str) -> Option<String> {
    let is_not = is_not_tutk(model);
    is_not.then(|| format!("{model} does not speak TUTK but another protocol"))
}

/// What it is sold as.
pub(crate) fn product(model: &str) -> Option<&'static str> {
    let (_, product) = PRODUCTS.iter().find(|(known, _)| *known == model)?;
    Some(product)
}

/// Says more of a camera that answers nothing, going by its model.
pub(crate) fn explain(failure: Failure, model: Option<&str>) -> Failure {
    let unfound = failure.status == Status::Silent && failure.phase == Phase::Discovery.name();
    let more = match model {
        _ if !unfound => return failure,
        Some(_) if is_one_of(model, OUTDOOR) => {
            "an outdoor camera may be asleep: wake it in the vendor's app and try at once"
        }
        Some(_) => return failure,
        None => {
            "GW_ and AN_ models and LD_CFP never answer: they do not speak TUTK, use the vendor's app"
        }
    };
    let advice = format!("{}; {more}", failure.advice);
    Failure::new(failure.status, failure.phase, failure.what, advice)
}

/// Which models have a control, in words; empty if that is not known.
pub(crate) fn only(models: Models) -> String {
    match models {
        Models::Unknown => String::new(),
        Models::Kind { name, models } => format!("{name}: {}", models.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_is_not_found_is_explained_by_its_model() {
        let silent = || Failure::new(Status::Silent, "discovery", "no answer", "check");
        let advice = |model| explain(silent(), model).to_string();
        assert!(advice(None).contains("GW_"));
        assert!(advice(Some("WVOD1")).contains("asleep"));
        assert_eq!(advice(Some("HL_CAM4")), "discovery: no answer; check");
        let refused = Failure::new(Status::Refused, "dtls", "no", "check");
        assert_eq!(explain(refused.clone(), None), refused);
    }

    #[test]
    fn products_have_names() {
        assert_eq!(product("HL_CAM4"), Some("Wyze Cam v4"));
        assert_eq!(product("HL_CAM5"), None);
    }
}
