//! `/openapi.json`: all of this, for programs.

use axum::Json;
use axum::http::StatusCode;
use serde_json::Value;
use tutk_runtime::tutk_session::hl_ioctl::CATALOGUE;

use super::problem::Problem;

/// Written by hand, but for what the catalogue and the crate know.
const DOCUMENT: &str = include_str!("openapi.json");

/// Its parameters, answers and schemas.
const COMPONENTS: &str = include_str!("openapi_components.json");

pub(super) async fn openapi() -> Result<Json<Value>, Problem> {
    let document = document().map_err(|error| {
        // It ships with the program, and is read by a test.
        let error = format!("the document is broken: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error, "report this")
    })?;
    Ok(Json(document))
}

fn document() -> Result<Value, serde_json::Error> {
    let mut document: serde_json::Map<String, Value> = serde_json::from_str(DOCUMENT)?;
    let components: Value = serde_json::from_str(COMPONENTS)?;
    document.insert("components".to_owned(), components);
    let mut document = Value::Object(document);
    let names: Vec<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
    for (pointer, value) in [
        ("/info/version", Value::from(env!("CARGO_PKG_VERSION"))),
        ("/components/parameters/control/schema/enum", names.into()),
    ] {
        if let Some(place) = document.pointer_mut(pointer) {
            *place = value;
        }
    }
    Ok(document)
}
