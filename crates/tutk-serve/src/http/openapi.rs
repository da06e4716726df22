//! `/openapi.json`: the OpenAPI document. Each handler describes its own operation.

use std::collections::BTreeMap;

use axum::Json;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi, ToSchema};

use super::app::routes;
use super::controls::ControlEvent;
use super::events::{MissedEvent, RemovedEvent, StateEvent};
use super::live::LiveMessage;
use super::problem::Body;
use super::talk::{TalkCommand, TalkMessage};
use super::websocket::ErrorMessage;

/// The parts of the document that are not operations, and the schemas of events and messages.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "tutk serve",
        description = "Streams, state and controls of the cameras in the local network",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/")),
    security((), ("basic" = []), ("cookie" = [])),
    tags(
        (name = "streams", description = "Video and audio"),
        (name = "cameras", description = "All cameras and their state"),
        (name = "controls", description = "The commands of a camera, each at its own URL"),
        (name = "server", description = "This server"),
    ),
    components(schemas(
        Body, ControlEvent, ErrorMessage, LiveMessage, MissedEvent, RemovedEvent, StateEvent,
        TalkCommand, TalkMessage,
    )),
)]
pub(super) struct Description;

/// A body that is not text.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct Binary(#[expect(dead_code, reason = "used as a schema only")] String);

/// The error responses of an operation, by status. 0 stands for none.
pub(super) struct Errors<const A: u16, const B: u16 = 0, const C: u16 = 0, const D: u16 = 0>;

impl<const A: u16, const B: u16, const C: u16, const D: u16> IntoResponses for Errors<A, B, C, D> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let statuses = [A, B, C, D].into_iter().filter(|&status| status != 0);
        statuses
            .map(|status| (status.to_string(), error(status).into()))
            .collect()
    }
}

fn error(status: u16) -> Response {
    let description = match status {
        400 => "The request is malformed.",
        401 => "The name or password is missing or wrong.",
        403 => "The request comes from a page of another site.",
        404 => "There is no such camera or control. `allowed` lists all of them.",
        405 => "This control cannot be read, or cannot be set.",
        408 => "Timeout while reading the body.",
        409 => "The command destroys data, and `confirm` is missing.",
        413 => "The body is too long.",
        415 => "The body is not JSON.",
        421 => "The server has no accounts, and the Host header has an unknown name.",
        422 => "The control does not accept the value. `allowed` lists accepted values.",
        426 => "A WebSocket handshake is required.",
        429 => "Too many wrong passwords from this address.",
        431 => "URL and headers are too long.",
        501 => "Not supported by this program, or not for this camera's codec.",
        502 => "The camera sent an unexpected answer.",
        503 => "There is no session with the camera, or there are too many viewers.",
        _ => "The camera did not answer, or sent no frames.",
    };
    let schema = Ref::from_schema_name(Body::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(description);
    response.content("application/json", content).build()
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "server",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)),
)]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    let mut document = routes().into_openapi();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            responses.extend(Errors::<400, 401, 421, 429>::responses());
            responses.extend(Errors::<431>::responses());
        }
    }
    let components = document.components.get_or_insert_default();
    for (name, schema) in &mut components.schemas {
        if name != "ControlOrder" {
            require_all(schema);
        }
    }
    let basic = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some("Required if there are accounts."));
    components.add_security_scheme("basic", SecurityScheme::Http(basic.build()));
    let cookie = "Set after HTTP Basic authentication.";
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description("tutk-PORT", cookie));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    Json(document)
}

/// Marks all fields as required. Responses contain each field, with `null` for no value.
fn require_all(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => {
            object.required = object.properties.keys().cloned().collect();
        }
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(require_all),
        RefOr::T(Schema::OneOf(one)) => one.items.iter_mut().for_each(require_all),
        _ => {}
    }
}
