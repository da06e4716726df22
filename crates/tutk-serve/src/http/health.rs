//! Health checks for service managers and load balancers. They need no authentication.

use axum::extract::State;
use axum::http::StatusCode;

use super::state::AppState;

/// 200 while the server answers.
pub(super) const HEALTHY: &str = "/healthz";

/// 200 while the server has cameras and is not shutting down, otherwise 503.
pub(super) const READY: &str = "/readyz";

/// Returns `true` for the paths of this module.
pub(super) fn is_health_check(path: &str) -> bool {
    path == HEALTHY || path == READY
}

pub(super) async fn healthy() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(state): State<AppState>) -> (StatusCode, &'static str) {
    let unready = |reason| (StatusCode::SERVICE_UNAVAILABLE, reason);
    if state.is_shutting_down() {
        unready("the server is shutting down\n")
    } else if state.hub.cameras().is_empty() {
        unready("there are no cameras\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}
