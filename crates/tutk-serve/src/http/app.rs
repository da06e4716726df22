//! The routes of the HTTP server, without sockets.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;

use super::config::HttpConfig;
use super::health::{HEALTHY, READY};
use super::page::files;
use super::problem::Problem;
use super::routes::{page, routes};
use super::state::AppState;
use super::{events, guard, health};
use crate::hub::Hub;

/// HTTP for the cameras of a hub without sockets, for use in another server. Cloning shares it.
///
/// ```no_run
/// # async fn run() -> std::io::Result<()> {
/// use std::net::SocketAddr;
/// use tutk_serve::{HttpApp, HttpConfig, Hub};
///
/// let listen: SocketAddr = ([127, 0, 0, 1], 8080).into();
/// let app = HttpApp::new(Hub::new(), HttpConfig::new(listen));
/// let router = app.router().into_make_service_with_connect_info::<SocketAddr>();
/// axum::serve(tokio::net::TcpListener::bind(listen).await?, router).await
/// # }
/// ```
///
/// The client's address is read from axum's `ConnectInfo<SocketAddr>`. Without it, wrong passwords
/// of all clients are counted together. [`HttpServer`](super::HttpServer) adds connection limits
/// and timeouts.
#[derive(Debug, Clone)]
pub struct HttpApp {
    state: AppState,
}

impl HttpApp {
    /// Creates the app. Must be called within a tokio runtime. The app does not listen on
    /// `config.listen`, but its port becomes part of the login cookie's name.
    #[must_use]
    pub fn new(hub: Hub, config: HttpConfig) -> Self {
        let state = AppState::new(hub, config);
        tokio::spawn(events::watch(state.downgrade(), state.shutdown()));
        Self { state }
    }

    /// Returns the router of all URLs.
    pub fn router(&self) -> Router {
        let not_found = || async {
            let advice = "see /openapi.json for all paths";
            Problem::new(StatusCode::NOT_FOUND, "no such path", advice)
        };
        let wrong_method = || async {
            let (error, advice) = ("method not allowed", "use a method of the Allow header");
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, error, advice)
        };
        let (router, _) = routes().split_for_parts();
        let router = router
            .route(HEALTHY, get(health::healthy))
            .route(READY, get(health::ready));
        files()
            .fold(router, |router, path| router.route(path, get(page)))
            .fallback(not_found)
            .method_not_allowed_fallback(wrong_method)
            .layer(from_fn_with_state(self.state.clone(), guard::guard))
            .with_state(self.state.clone())
    }

    /// Ends all streams and sends close frames to WebSockets. Returns when all have ended, at the
    /// latest after two seconds. Later requests are still answered, but streams end at once.
    pub async fn stop(&self) {
        self.state.close().await;
    }

    pub(super) fn state(&self) -> &AppState {
        &self.state
    }
}
