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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::body::Body;
    use axum::http::Request;
    use axum::http::header::{ALLOW, HOST};
    use tower::ServiceExt as _;

    use super::*;
    use crate::http::app::routes;
    use crate::http::{HttpApp, HttpConfig};
    use crate::hub::Hub;

    /// What a route does not do is answered with what it does.
    #[tokio::test]
    async fn every_route_is_in_the_document_with_its_methods() {
        let app = HttpApp::new(Hub::new(), HttpConfig::new(([127, 0, 0, 1], 80).into()));
        let mut served = BTreeMap::new();
        let paths = routes().into_iter().map(|(path, _)| path);
        for path in paths.chain(["/"]) {
            let request = Request::delete(path).header(HOST, "localhost");
            let request = request.body(Body::empty()).unwrap();
            let answer = app.router().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            let allowed = answer.headers()[ALLOW]
                .to_str()
                .unwrap()
                .to_ascii_lowercase();
            let mut methods: Vec<_> = allowed.split(',').map(str::to_owned).collect();
            // With GET goes HEAD.
            methods.retain(|method| method != "head");
            served.insert(path.to_owned(), methods);
        }
        let document = document().unwrap();
        let described = document["paths"].as_object().unwrap().iter();
        let described = described.map(|(path, item)| {
            let methods = item.as_object().unwrap().keys().cloned();
            (path.clone(), methods.collect::<Vec<_>>())
        });
        assert_eq!(served, described.collect());
    }
}
