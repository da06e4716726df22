//! What all requests have in common, and which of them goes where.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::config::{HttpConfig, HttpLimits};
use super::events::Events;
use super::login::Doors;
use super::page::Page;
use super::problem::Problem;
use super::rates::Rate;
use super::snapshot::Desks;
use super::{
    cameras, controls, events, guard, live, metrics, openapi, page, snapshot, stream, talk,
};
use crate::accounts::Accounts;
use crate::hub::{Camera, Hub};

/// HTTP for the cameras of a hub, without sockets: for who has a server of his own. Clones are of the same one.
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
/// Where the server does not tell the client's address (axum's `ConnectInfo<SocketAddr>`), wrong passwords are counted
/// of all clients together. [`HttpServer`](super::HttpServer) is such a server, and sees to limits and times besides.
#[derive(Debug, Clone)]
pub struct HttpApp {
    app: App,
}

/// The same, for what is behind the routes.
#[derive(Debug, Clone)]
pub(super) struct App(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) hub: Hub,
    pub(super) accounts: Accounts,
    pub(super) names: Vec<String>,
    pub(super) rtsp_port: Option<u16>,
    pub(super) limits: HttpLimits,
    pub(super) doors: Doors,
    pub(super) counters: Counters,
    pub(super) events: Events,
    pub(super) page: Page,
    /// One of these for each stream.
    seats: Arc<Semaphore>,
    #[cfg_attr(
        not(feature = "snapshot"),
        expect(dead_code, reason = "nothing is made there")
    )]
    pub(super) desks: Desks,
    pub(super) rates: Mutex<BTreeMap<String, Rate>>,
    /// Whether all is to end. Whatever goes on listens to it, so that it is known when nothing does.
    stop: watch::Sender<bool>,
}

/// What was counted since the server began.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) connections_refused: AtomicU64,
    pub(super) viewers_refused: AtomicU64,
    pub(super) logins_failed: AtomicU64,
}

/// What goes on after its request was answered: a place among the streams, if it needs one, and the server waits for
/// it when it ends.
#[derive(Debug)]
pub(super) struct Going {
    _seat: Option<OwnedSemaphorePermit>,
    stop: watch::Receiver<bool>,
}

impl HttpApp {
    /// Makes it ready. Must be called within a tokio runtime. `listen` of the configuration is not listened on;
    /// its port is part of the cookie's name.
    #[must_use]
    pub fn new(hub: Hub, config: HttpConfig) -> Self {
        let limits = config.limits.within_reach();
        let shared = Shared {
            doors: Doors::new(config.listen.port()),
            hub,
            accounts: config.accounts,
            names: config.names,
            rtsp_port: config.rtsp_port,
            seats: Arc::new(Semaphore::new(limits.viewers)),
            limits,
            counters: Counters::default(),
            events: Events::new(),
            page: Page::new(),
            desks: Desks::default(),
            rates: Mutex::default(),
            stop: watch::Sender::new(false),
        };
        let app = App(Arc::new(shared));
        tokio::spawn(events::watch(Arc::downgrade(&app.0), app.stopping()));
        Self { app }
    }

    /// Everything that is served.
    pub fn router(&self) -> Router {
        self.app.router()
    }

    /// Ends what goes on: streams are closed, WebSockets get a close frame. Returns when all have ended, or their
    /// clients had two seconds to take a last word. Requests that come later are answered, but for streams.
    pub async fn stop(&self) {
        self.app.stop().await;
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }
}

/// What is where, but for the page's files. All of it is in the OpenAPI document: a test there looks.
pub(super) fn routes() -> [(&'static str, MethodRouter<App>); 12] {
    let control = get(controls::read).merge(post(controls::set));
    [
        ("/openapi.json", get(openapi::openapi)),
        ("/metrics", get(metrics::metrics)),
        ("/api/cameras", get(cameras::all)),
        ("/api/cameras/{name}", get(cameras::one)),
        ("/api/cameras/{name}/controls", get(controls::list)),
        ("/api/cameras/{name}/controls/{control}", control),
        ("/api/events", get(events::events)),
        ("/{name}/stream.mp4", get(stream::mp4)),
        ("/{name}/stream.ts", get(stream::ts)),
        ("/{name}/snapshot.jpg", get(snapshot::snapshot)),
        ("/{name}/live", get(live::live)),
        ("/{name}/talk", get(talk::talk)),
    ]
}

impl App {
    fn router(&self) -> Router {
        let unknown = || async {
            let advice = "see /openapi.json for what there is";
            Problem::new(StatusCode::NOT_FOUND, "there is nothing here", advice)
        };
        let not_so = || async {
            let advice = "the header Allow says how";
            let error = "this is not done by this method";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, error, advice)
        };
        let files = page::paths().map(|path| (path, get(page::asset)));
        let all = routes().into_iter().chain(files);
        all.fold(Router::new(), |router, (path, what)| {
            router.route(path, what)
        })
        .fallback(unknown)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(self.clone(), guard::guard))
        .with_state(self.clone())
    }

    pub(super) async fn stop(&self) {
        self.stop.send_replace(true);
        let ended = tokio::time::timeout(super::FAREWELL, self.stop.closed());
        if ended.await.is_err() {
            tracing::debug!("HTTP clients that took no last word were left");
        }
    }

    /// As [`stop`](Self::stop), without waiting.
    pub(super) fn stop_soon(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// A place among the streams.
    ///
    /// # Errors
    /// 503 if all are taken, or the server ends.
    pub(super) fn seat(&self) -> Result<Going, Problem> {
        match Arc::clone(&self.seats).try_acquire_owned() {
            Ok(seat) => Ok(Going {
                _seat: Some(seat),
                ..self.going()
            }),
            Err(_) => {
                self.counters
                    .viewers_refused
                    .fetch_add(1, Ordering::Relaxed);
                let most = self.limits.viewers;
                let error = format!("{most} viewers watch already, and more are not served");
                let advice = "close another viewer, or raise the limit of viewers";
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, advice);
                Err(problem.retry_after(10))
            }
        }
    }

    /// For what goes on and is no viewer.
    pub(super) fn going(&self) -> Going {
        Going {
            _seat: None,
            stop: self.stopping(),
        }
    }

    /// Who watches now, over HTTP.
    pub(super) fn viewers(&self) -> usize {
        self.limits.viewers - self.seats.available_permits()
    }

    /// What was received in a second of late; `None` if it was not looked at before.
    pub(super) fn rate(&self, camera: &str, bytes: u64, pictures: u64) -> Option<Rate> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.retain(|name, _| self.hub.camera(name).is_some());
        let rate = rates.entry(camera.to_owned()).or_default();
        rate.look(bytes, pictures);
        rate.is_known().then(|| rate.clone())
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// The app, if there is one still.
    pub(super) fn upgrade(weak: &std::sync::Weak<Shared>) -> Option<Self> {
        weak.upgrade().map(Self)
    }
}

impl Counters {
    pub(super) fn login_failed(&self) {
        self.logins_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }
}

impl Going {
    /// Until the server ends. Cancel-safe.
    pub(super) async fn stopped(&mut self) {
        // An error says that the server is gone.
        let _ = self.stop.wait_for(|stop| *stop).await;
    }
}

/// The camera that the path names.
pub(super) struct Named(pub(super) Camera);

impl FromRequestParts<App> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let found = Path::<BTreeMap<String, String>>::from_request_parts(parts, app).await;
        let name = found.ok().and_then(|Path(mut path)| path.remove("name"));
        let camera = name.as_deref().and_then(|name| app.hub.camera(name));
        camera.map(Self).ok_or_else(|| {
            let error = match name {
                Some(name) => format!("there is no camera {name:?}"),
                None => "the path's name of a camera is not UTF-8".to_owned(),
            };
            let advice = "see /api/cameras for those there are";
            let cameras = app.hub.cameras();
            let names = cameras.iter().map(Camera::name);
            Problem::new(StatusCode::NOT_FOUND, error, advice).allowing(names)
        })
    }
}
