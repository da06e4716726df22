//! Logging in and out with a cookie, and the current user.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::body::read_json;
use super::client::Client;
use super::extract::Authenticated;
use super::problem::Problem;
use super::responses::Errors;
use super::state::AppState;
use crate::accounts::{AuthError, Login, User};
use crate::clock::now;
use crate::log_limit::log_limited;

/// The login page.
pub(super) const LOGIN: &str = "/login";

/// The files of the login page, which need no authentication.
const PUBLIC: [&str; 5] = [
    LOGIN,
    "/login.js",
    "/style.css",
    "/icon.svg",
    "/manifest.webmanifest",
];

/// Returns `true` for paths that need no authentication.
pub(super) fn is_public(path: &str) -> bool {
    PUBLIC.contains(&path)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    name: String,
    password: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserJson {
    /// `null` without accounts.
    name: Option<String>,
    /// `view`, `control` or `admin`.
    role: &'static str,
    /// `POST /logout` ends the session.
    can_log_out: bool,
}

/// Logs in
///
/// Sets the login cookie. Wrong passwords are limited as for HTTP Basic.
#[utoipa::path(
    post,
    path = "/login",
    operation_id = "logIn",
    tag = "server",
    request_body = Credentials,
    responses(
        (status = 204, description = "The login cookie is set."),
        Errors<403, 408, 413, 415>,
    ),
)]
pub(super) async fn start(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let client = Client::of(&state, &parts);
    let advice = "send {\"name\": …, \"password\": …}";
    let Credentials { name, password } =
        read_json(&state, &parts.headers, body, advice, ["name", "password"]).await?;
    let password = Zeroizing::new(password);
    if state.accounts.allows_anonymous() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    client.check_transport(&state)?;
    let login = (state.accounts).check_password(
        now(),
        client.address,
        name.as_bytes(),
        password.as_bytes(),
    );
    let user = log_in(&state, &client, login)
        .await
        .map_err(|error| match error {
            LoginError::Delayed(problem) => problem,
            LoginError::Malformed | LoginError::Wrong => {
                let advice = "check both";
                Problem::new(StatusCode::UNAUTHORIZED, "wrong name or password", advice)
            }
        })?;
    let cookie = state.login_cookies.set_new(&user, client.secure);
    let cookie = cookie.ok_or_else(|| {
        let (error, advice) = ("the system has no randomness", "try again");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, advice)
    })?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

/// Logs out
///
/// The login cookie of the request is no longer valid.
#[utoipa::path(
    post,
    path = "/logout",
    operation_id = "logOut",
    tag = "server",
    responses((status = 204, description = "The session has ended."), Errors<403>),
)]
pub(super) async fn end(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = state.login_cookies.log_out(&headers) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// The user that is logged in
#[utoipa::path(
    get,
    path = "/api/user",
    tag = "server",
    responses((status = 200, description = "The user, and what it may do.", body = UserJson)),
)]
pub(super) async fn user(
    State(state): State<AppState>,
    headers: HeaderMap,
    Authenticated(user): Authenticated,
) -> Json<UserJson> {
    let is_anonymous = user == User::ANONYMOUS;
    Json(UserJson {
        name: (!is_anonymous).then(|| user.name().to_owned()),
        role: user.role().name(),
        can_log_out: state.login_cookies.authenticate(&headers).is_some(),
    })
}

/// Why a login failed.
pub(super) enum LoginError {
    Malformed,
    Wrong,
    Delayed(Problem),
}

/// Completes a login: checks a hashed password on another thread, and counts failures.
pub(super) async fn log_in(
    state: &AppState,
    client: &Client,
    login: Login,
) -> Result<User, LoginError> {
    let checked = match login {
        Login::Done(checked) => checked,
        Login::Check(check) => check.run().await,
    };
    match checked {
        Ok(user) => Ok(user),
        Err(AuthError::Delayed(wait)) => {
            state.counters.logins_delayed.inc();
            let seconds = u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
            let error = "too many wrong passwords from this address";
            let advice = format!("wait {seconds} s");
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, error, advice);
            Err(LoginError::Delayed(problem.retry_after(seconds)))
        }
        Err(AuthError::Unauthorized) => Err(LoginError::Malformed),
        Err(AuthError::Wrong | AuthError::Stale) => {
            state.counters.logins_failed.inc();
            log_limited!(warn, peer = %client.address, "wrong name or password");
            Err(LoginError::Wrong)
        }
    }
}
