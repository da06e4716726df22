//! Responses in the OpenAPI document.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::problem::Body;

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
        403 => {
            "The request comes from a page of another site, or the role of the account is not sufficient."
        }
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
