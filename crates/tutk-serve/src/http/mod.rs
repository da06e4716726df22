//! The HTTP server: streams for browsers and players, a JSON API, and the web page.
//!
//! [`HttpServer`] serves a [`Hub`](crate::Hub) on a port. [`HttpApp`] is the same without sockets,
//! for use in another server. `/openapi.json` describes everything except the messages of the
//! WebSockets and the health checks.
//!
//! - `GET /NAME/stream.mp4`: endless fragmented MP4. `?sound=camera` (the camera's codec, the
//!   default), `flac` (PCM and G.711 as FLAC, which browsers play) or `none`
//! - `GET /NAME/stream.ts`: endless MPEG transport stream
//! - `GET /NAME/snapshot.jpg`: the newest key frame (H.264), with the feature `snapshot`
//! - `GET /NAME/live`: a WebSocket for Media Source Extensions, described below. `?sound=flac` (the
//!   default), `camera` or `none`
//! - `GET /NAME/talk`: a WebSocket for audio to the camera, described below
//! - `GET /api/cameras`, `/api/cameras/NAME`: cameras with their state, statistics and URLs
//! - `GET /api/cameras/NAME/controls`: the commands with their values
//! - `GET /api/cameras/NAME/controls/CONTROL`: reads a control
//! - `POST /api/cameras/NAME/controls/CONTROL`: sets a control: `{"value": "auto"}`, `{"values":
//!   ["1080p", "120"]}`, or `{}`. Commands that destroy data need `"confirm": true`
//! - `GET /api/events`: server-sent events, described below
//! - `GET /metrics`: metrics for Prometheus
//! - `GET /healthz`, `/readyz`: health checks, without authentication: 200 while the server
//!   answers; 200 while it has cameras and is not shutting down, otherwise 503
//! - `GET /openapi.json`: OpenAPI 3.1
//! - `GET /`: the web page
//!
//! Streams start with the newest key frame. A slow viewer misses frames up to a key frame. The
//! header `Tutk-Left-Out` names audio that a format cannot carry. Camera names in paths are
//! percent-encoded.
//!
//! # Errors
//!
//! Errors are JSON:
//! `{"error": "what failed", "advice": "what to do", "allowed": ["allowed value", …]}`. Invalid
//! HTTP, and heads of more than twice the limit, get a status without a body.
//!
//! - 400, 408, 413, 415, 431: the request is malformed, slow, too long, or not JSON
//! - 401, 429: the name or password is missing or wrong; too many wrong passwords from this address
//! - 403: a page of another site requests a change, a WebSocket or events; the user's role does not
//!   allow it; a password over plain HTTP
//! - 404: unknown camera or control; `allowed` lists all of them
//! - 405: this control cannot be read, or cannot be set
//! - 409: the command destroys data and `confirm` is missing; another client is talking
//! - 421: the server has no accounts, and the `Host` header has an unknown name
//! - 422: the control does not accept the value; `allowed` lists accepted values
//! - 426: a WebSocket handshake is required
//! - 501: not supported by this program, or not for this camera's codec
//! - 502, 504: the camera sent an unexpected answer, or none
//! - 503: no session with the camera; too many viewers or connections
//!
//! # Authentication
//!
//! With [`Accounts`](crate::Accounts), every URL but the login page needs HTTP Basic or a login
//! cookie, and the [`Role`](crate::Role) of the user must allow the request. `POST /login` with
//! `{"name": …, "password": …}` starts a session and sets its cookie, `POST /logout` ends it, and
//! `/api/user` returns the user. The end of a session also ends its streams, WebSockets and events.
//! Browsers do not send Basic with WebSockets, so Basic sets a cookie, too. Cookies are `HttpOnly`
//! and `SameSite=Strict`, `Secure` over TLS, and kept in memory for a day ([`COOKIE_LIFETIME`]). A
//! stream that runs when its cookie expires continues. After [`MAX_FAILURES`] wrong passwords for
//! an account from one address, further attempts have to wait, one second at first and
//! [`MAX_LOGIN_DELAY`] at most. RTSP counts them, too, if it has a clone of the accounts.
//!
//! Passwords and cookies are accepted over TLS ([`HttpConfig::tls`]), from the loopback interface,
//! and from a proxy in [`HttpConfig::trusted_proxies`] that sends `X-Forwarded-Proto: https`. Such
//! a proxy must forward the `Host` header. Others get 403, unless [`HttpConfig::allow_plain_auth`]
//! is set.
//!
//! Without accounts, the `Host` header must be an IP address, `localhost`, or one of
//! [`HttpConfig::names`].
//!
//! # `/NAME/live`
//!
//! Text messages are JSON with a `type`. Binary messages are segments. The client sends nothing.
//!
//! - `state`: at the start, and after each change; fields as in `/api/cameras`: `state`, `since`,
//!   `error`, `advice`, `attempts`, `next_attempt`
//! - `init`: before each initialization segment; fields `mime`; `video`: `codec`, `width`,
//!   `height`; `sound`: `codec` (the camera's), `rate`, `channels`, `flac`, or `null`; `offset`,
//!   `start`, `wall`
//! - `left-out`: before `init`, if the format cannot carry a part of the stream; fields `what`
//!   (`"sound"`), `error`
//! - `missed`: when the client was slow; fields `frames`: the number of missed frames
//! - `error`: before the end, after an error; fields `status`, `error`, `advice`, `allowed`
//!
//! The first binary message after `init` is the initialization segment. Its media segments follow,
//! one for each frame, without delay. All viewers share them, so their times start at `start` and
//! not at 0. For each `init`, call `changeType(mime)` if `mime` has changed, set
//! `timestampOffset = offset` (seconds), then append the segments. The first segment of a
//! connection is then at time 0. Segments have no gaps, even if frames were missed or the session
//! was lost: the last frame is shown longer. `wall` is the time of day at `offset`, in milliseconds
//! since 1970, for measuring latency.
//!
//! A new viewer receives all frames since the newest key frame at once. It should play from the end
//! of the buffer. The connection stays open while the camera is down.
//!
//! | close code | reason |
//! |---|---|
//! | 1001 | the server is shutting down |
//! | 1003 | the client sent a message |
//! | 4401 | the user has logged out |
//! | 4404 | the camera was removed |
//! | 4501 | the camera's video codec is not supported |
//! | 4503 | too many viewers |
//!
//! # `/NAME/talk`
//!
//! - server: `{"type": "ready", "codec": "PCMU", "rate": 8000}`: the backchannel is open
//! - client: `{"type": "begin", "rate": 8000}`: audio of this sample rate follows. It must be the
//!   rate of `ready`. A browser can record it with `new AudioContext({ sampleRate: 8000 })`
//! - client: binary: mono 16-bit little-endian PCM, up to [`HttpLimits::message_bytes`]
//! - client: `{"type": "end"}`: the end of the audio
//! - server: `{"type": "done", "seconds": 2.5}`, then close code 1000: all audio was played
//! - server: `{"type": "error", "status": 409, "error": …, "advice": …, "allowed": […]}`, then
//!   close code 4000 + status
//!
//! Audio is played in real time. If the client sends faster, it has to wait. Audio after a pause is
//! played at once. One client can talk at a time (4409). It may be silent for at most
//! [`TALK_SILENCE`] (4408). Closing the WebSocket without `end` aborts. The backchannel of cameras
//! with AAC is not supported (4501), because there is no encoder.
//!
//! # `/api/events`
//!
//! - `state`: `camera`, and as in `/api/cameras`: `state`, `since`, `error`, … For each camera at
//!   the start, and after each change
//! - `removed`: `camera`: the camera was removed
//! - `control`: `camera`, `control`, `set`, `answer`: a control was set through this API
//! - `missed`: `events`: the number of events that a slow client missed. The states of all cameras
//!   follow
//!
//! A client that reconnects with `Last-Event-ID`, as browsers do, receives the missed events if
//! they are still kept ([`KEPT_EVENTS`]), and all states otherwise.

mod app;
mod body;
mod camera_state;
mod cameras;
mod client;
mod config;
mod controls;
mod event_log;
mod events;
mod extract;
mod guard;
mod health;
mod io;
mod live;
mod login;
mod login_cookies;
mod media;
mod metrics;
mod page;
mod problem;
mod rates;
mod responses;
mod routes;
mod server;
#[cfg_attr(not(feature = "snapshot"), path = "no_snapshot.rs")]
mod snapshot;
#[cfg(feature = "snapshot")]
mod snapshot_cache;
mod state;
mod stop;
mod stream;
mod talk;
mod websocket;

pub use self::app::HttpApp;
pub use self::config::{HttpConfig, HttpLimits};
pub use self::event_log::KEPT_EVENTS;
pub use self::login_cookies::COOKIE_LIFETIME;
pub use self::server::HttpServer;
pub use self::talk::TALK_SILENCE;
pub use ipnet::IpNet;

pub use crate::login_budget::{MAX_FAILURES, MAX_LOGIN_DELAY};
