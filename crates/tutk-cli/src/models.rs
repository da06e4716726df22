//! Messages about camera models (docs/protocol.md, section "Models").

use std::net::SocketAddr;

use serde_json::Value;
use tutk_runtime::tutk_session::Phase;
use tutk_runtime::tutk_session::hl_ioctl::{CameraGroup, Control};
use tutk_runtime::tutk_session::models::{Model, is_unsupported};

use crate::failure::{Failure, Status};

/// The reason why a camera of this model cannot be used, if it speaks another protocol.
pub(crate) fn not_tutk(model: &str) -> Option<String> {
    is_unsupported(model).then(|| format!("{model} does not speak TUTK but another protocol"))
}

/// The marketing name of a model.
pub(crate) fn product(model: &str) -> Option<&'static str> {
    Model::find(model).map(|model| model.name)
}

/// Returns what the silence of a camera may mean. `at` is the address that was asked.
pub(crate) fn silence(model: Option<&str>, at: Option<SocketAddr>) -> String {
    let by_model = match model.and_then(Model::find) {
        Some(model) if model.silent => "current firmware of this model answers no discovery; ",
        Some(model) if model.outdoor => "it may be asleep: wake it in the vendor's app; ",
        _ => "",
    };
    let place = match at {
        Some(at) => format!("not at {at}, for example because DHCP gave it another address"),
        None => "on another network".to_owned(),
    };
    format!("{by_model}it is off, {place}, behind a firewall, or its UID, ENR or MAC is wrong")
}

fn is_outdoor(model: &str) -> bool {
    Model::find(model).is_some_and(|model| model.outdoor)
}

/// Says more of a camera that answers nothing, going by its model.
pub(crate) fn explain(failure: Failure, model: Option<&str>) -> Failure {
    let unfound = failure.status == Status::Silent && failure.phase == Phase::Discovery.name();
    let more = match model {
        _ if !unfound => return failure,
        Some(model) if is_outdoor(model) => {
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

/// The name of a group of cameras, and its models.
pub(crate) fn of_group(group: CameraGroup) -> String {
    let ids: Vec<_> = Model::in_group(group).map(|model| model.id).collect();
    format!("{group}: {}", ids.join(", "))
}

/// A control as JSON, with the models that have it.
pub(crate) fn control_json(control: &Control) -> Value {
    let ids = |group| {
        Model::in_group(group)
            .map(|model| model.id)
            .collect::<Vec<_>>()
    };
    let mut json = control.to_json();
    if let Some(json) = json.as_object_mut() {
        json.insert("models".to_owned(), control.group.map(ids).into());
    }
    json
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
