//! The JSON bodies of requests.

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::state::AppState;

/// Reads the body of a `POST` request. `advice` describes it, and `keys` are its keys.
///
/// # Errors
/// 415, 413, 408 and 400.
pub(super) async fn read_json<T: DeserializeOwned>(
    state: &AppState,
    headers: &HeaderMap,
    body: Body,
    advice: &str,
    keys: impl IntoIterator<Item = &'static str>,
) -> Result<T, Problem> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|content| content.to_str().ok())
        .and_then(|content| content.split(';').next())
        .is_some_and(|content| content.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        let error = "the body is not JSON";
        let advice = "send it with `Content-Type: application/json`";
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error, advice);
        return Err(problem.allowing(["application/json"]));
    }
    let bytes = body_bytes(state, body).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let error = format!("invalid body: {error}");
        Problem::new(StatusCode::BAD_REQUEST, error, advice).allowing(keys)
    })
}

async fn body_bytes(state: &AppState, body: Body) -> Result<Bytes, Problem> {
    let max = state.limits.body_bytes;
    match tokio::time::timeout(state.limits.body_time, to_bytes(body, max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => {
            let error = format!("the body has more than {max} bytes");
            let advice = "send values only";
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error, advice))
        }
        Ok(Err(error)) => {
            let error = format!("the body cannot be read: {error}");
            let advice = "send a complete body with a correct length or correct chunks";
            Err(Problem::new(StatusCode::BAD_REQUEST, error, advice))
        }
        Err(_) => {
            let error = "timeout while reading the body";
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                error,
                "send the body at once",
            ))
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.is::<LengthLimitError>())
}
