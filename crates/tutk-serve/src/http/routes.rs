//! The routes, and their OpenAPI document `/openapi.json`. Each handler describes its own
//! operation.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses as _, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::controls::ControlEvent;
use super::events::{MissedEvent, RemovedEvent, StateEvent};
use super::extract::{CameraPath, PathCamera};
use super::live::LiveMessage;
use super::problem::{Body, Problem};
use super::responses::{Binary, Errors};
use super::state::AppState;
use super::talk::{TalkCommand, TalkMessage};
use super::websocket::ErrorMessage;
use super::{cameras, controls, events, live, login, metrics, snapshot, stream, talk};

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
struct Description;

/// The document. It is the same for all requests.
static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(document);

/// All routes with their descriptions, but the files of the page.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(openapi))
        .routes(routes!(metrics::metrics))
        .routes(routes!(cameras::all))
        .routes(routes!(cameras::one))
        .routes(routes!(controls::list))
        .routes(routes!(controls::read, controls::set))
        .routes(routes!(events::events))
        .routes(routes!(stream::mp4))
        .routes(routes!(stream::ts))
        .routes(routes!(snapshot))
        .routes(routes!(live::live))
        .routes(routes!(talk::talk))
        .routes(routes!(login::start))
        .routes(routes!(login::end))
        .routes(routes!(login::user))
        .routes(routes!(page))
}

/// This document
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "server",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object)),
)]
async fn openapi() -> Json<&'static utoipa::openapi::OpenApi> {
    Json(&DOCUMENT)
}

fn document() -> utoipa::openapi::OpenApi {
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
    let cookie = "Set by /login, and after HTTP Basic authentication.";
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description("tutk-PORT", cookie));
    components.add_security_scheme("cookie", SecurityScheme::ApiKey(cookie));
    document
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

/// The newest key frame as JPEG
#[utoipa::path(
    get,
    path = "/{name}/snapshot.jpg",
    tag = "streams",
    params(CameraPath),
    responses(
        (status = 200, description = "JPEG.", content_type = "image/jpeg", body = inline(Binary)),
        Errors<404>,
        Errors<501, 502, 503, 504>,
    ),
)]
async fn snapshot(
    State(state): State<AppState>,
    PathCamera(camera): PathCamera,
    request: Request,
) -> Result<Response, Problem> {
    let label = stream::label(&request, "snapshot");
    drop(request);
    snapshot::response(&state, &camera, label).await
}

/// The web page
#[utoipa::path(
    get,
    path = "/",
    tag = "server",
    responses((status = 200, description = "HTML.", content_type = "text/html", body = String)),
)]
pub(super) async fn page(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let response = state.page.response(request.uri().path(), request.headers());
    response.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no such file", "see /"))
}
