//! HTTP: streams for browsers and players, an API in JSON, and the page.
//!
//! [`HttpServer`] serves a [`Hub`](crate::Hub) on a port; [`HttpApp`] is the same without sockets, for a server of one's
//! own. `/openapi.json` describes all of it but the messages of the WebSockets, which stand here.
//!
//! | address | what |
//! |---|---|
//! | `GET /NAME/stream.mp4` | fragmented MP4 without an end. `?sound=camera` (as the camera sends it; the default), `flac` (PCM and G.711 as FLAC, which browsers play) or `none` |
//! | `GET /NAME/stream.ts` | an MPEG transport stream without an end, with the sound that it has a place for |
//! | `GET /NAME/snapshot.jpg` | the newest key frame (H.264), with the feature `snapshot` |
//! | `GET /NAME/live` | a WebSocket for Media Source Extensions: below. `?sound=flac` (the default), `camera` or `none` |
//! | `GET /NAME/talk` | a WebSocket for sound to the camera: below |
//! | `GET /api/cameras`, `/api/cameras/NAME` | what there is, how it is, and where its streams are |
//! | `GET /api/cameras/NAME/controls` | the commands, with what they take |
//! | `GET /api/cameras/NAME/controls/CONTROL` | reads one |
//! | `POST /api/cameras/NAME/controls/CONTROL` | sets or does it: `{"value": "auto"}`, `{"values": ["1080p", "120"]}`, `{}`; with `"confirm": true` what destroys data |
//! | `GET /api/events` | server-sent events: below |
//! | `GET /metrics` | for Prometheus |
//! | `GET /openapi.json` | OpenAPI 3.1 |
//! | `GET /` | the page |
//!
//! Streams begin with the last key frame that came. A viewer that is slow misses frames up to a key frame; nothing waits
//! for it but what the system holds for a connection. What a stream has no place for is named in the header
//! `Tutk-Left-Out`. Paths have the camera's name percent-encoded.
//!
//! # Errors
//!
//! Every error is JSON: `{"error": "what is wrong", "advice": "what to try", "allowed": ["what would do", …]}`. What is
//! no HTTP at all, or has a head of more than twice what it may have, gets a bare status.
//!
//! | status | when |
//! |---|---|
//! | 400, 408, 413, 415, 431 | the request is not well formed, slow, too long, or not JSON |
//! | 401, 429 | name or password is missing or wrong; was wrong too often from this address |
//! | 403 | a page of another site asks for a change, a WebSocket or events |
//! | 404 | no such camera or control: `allowed` names those there are |
//! | 405 | this control is not read, or not set |
//! | 409 | it destroys data, and `confirm` is not there; somebody else talks |
//! | 421 | without accounts, the server is called by a name that it does not know |
//! | 422 | a value that the control does not take: `allowed` names what it takes |
//! | 426 | a WebSocket was asked for in another way |
//! | 501 | it cannot be done by this program, or with what this camera sends |
//! | 502, 504 | the camera answered with something else, or not at all |
//! | 503 | there is no session with the camera; too many viewers or connections |
//!
//! # Who may come in
//!
//! With [`Accounts`](crate::Accounts), every address wants HTTP Basic, or the cookie that is given for it: browsers do
//! not send Basic with WebSockets. The cookie is no page's to read (`HttpOnly`), goes along with no other site's
//! requests (`SameSite=Strict`), and lives in memory for a day ([`COOKIE_LIFETIME`]). After [`MAX_FAILURES`] wrong
//! passwords from one address none are looked at for the rest of a minute. There is no TLS here: passwords are safe
//! behind a proxy that speaks it, which has to pass `Host` on.
//!
//! Without accounts, `Host` has to be an IP address, `localhost`, or one of [`HttpConfig::names`].
//!
//! # `/NAME/live`
//!
//! Text messages are JSON with a `type`; binary ones are segments. Nothing is taken from the client.
//!
//! | `type` | when | fields |
//! |---|---|---|
//! | `state` | first of all, and when it changes | as in `/api/cameras`: `state`, `since`, `error`, `advice`, `attempts`, `next_attempt` |
//! | `init` | before each initialization segment | `mime`; `video`: `codec`, `width`, `height`; `sound`: `codec` (the camera's), `rate`, `channels`, `flac`, or `null`; `offset`, `wall` |
//! | `left-out` | before `init`, if a part of what the camera shows has no place | `what` (`"sound"`), `error` |
//! | `missed` | when the client was slow | `frames` that were left out |
//! | `error` | before the end, if it is one | `status`, `error`, `advice`, `allowed` |
//!
//! The first binary message after `init` is the initialization segment, those after it are media segments: one for each
//! frame, as soon as it is there. An `init` in between, when the picture's size, codec or the sound changes, means:
//! call `changeType(mime)` if `mime` is another, set `timestampOffset = offset` (seconds), append the new segment, and go
//! on. There is never a gap between segments, not even where the session fell: the picture stands. `wall` is the time
//! of day at `offset`, in milliseconds since 1970, by which a page can tell how late it is.
//!
//! A new viewer gets all since the last key frame at once: it plays on from the end of what is buffered, not from its
//! beginning. While the camera is away, the connection stays, and says so.
//!
//! | close code | when |
//! |---|---|
//! | 1001 | the server ends |
//! | 1003 | the client said something |
//! | 4404 | the camera is served no more |
//! | 4501 | the camera shows a picture that cannot be carried |
//! | 4503 | too many viewers |
//!
//! # `/NAME/talk`
//!
//! | from | message |
//! |---|---|
//! | server | `{"type": "ready", "codec": "PCMU", "rate": 8000}`: the camera listens |
//! | client | `{"type": "begin", "rate": 8000}`: sound of this rate follows. Another than the camera's is refused: a browser's `new AudioContext({ sampleRate: 8000 })` has the right one |
//! | client | binary: mono PCM, 16 bits, little-endian, any number of samples up to [`HttpLimits::message_bytes`] |
//! | client | `{"type": "end"}`: that was all |
//! | server | `{"type": "done", "seconds": 2.5}`, and close code 1000: all was said |
//! | server | `{"type": "error", "status": 409, "error": …, "advice": …, "allowed": […]}`, and close code 4000 + status |
//!
//! Sound is said as it comes, in real time: what is sent faster waits, at the client in the end. What is sent after a
//! pause is said at once. One client talks at a time (4409), and for [`TALK_SILENCE`] at most without saying anything
//! (4408). To close it without `end` is to break off. Cameras that take AAC cannot be talked to from here (4501): there
//! is no encoder for it.
//!
//! # `/api/events`
//!
//! | `event` | `data` |
//! |---|---|
//! | `state` | `camera`, and as in `/api/cameras`: `state`, `since`, `error`, … For every camera at the beginning, and when it changes |
//! | `removed` | `camera`: it is served no more |
//! | `control` | `camera`, `control`, `set`, `answer`: it was set through this API |
//! | `missed` | `events` that this client was too slow for; all states follow |
//!
//! A client that comes back with `Last-Event-ID`, as browsers do, gets what it missed if that is not too long ago
//! ([`KEPT_EVENTS`]), and all states otherwise.

mod app;
mod camera_state;
mod cameras;
mod config;
mod controls;
mod event_log;
mod events;
mod extract;
mod guard;
mod io;
mod live;
mod login_cookies;
mod media;
mod metrics;
mod openapi;
mod page;
mod problem;
mod rates;
mod server;
#[cfg_attr(not(feature = "snapshot"), path = "no_snapshot.rs")]
mod snapshot;
mod snapshot_cache;
mod state;
mod stream;
mod talk;
mod websocket;

pub use self::app::HttpApp;
pub use self::config::{HttpConfig, HttpLimits};
pub use self::event_log::KEPT_EVENTS;
pub use self::login_cookies::COOKIE_LIFETIME;
pub use self::server::HttpServer;
pub use self::talk::TALK_SILENCE;
pub use crate::failures::{FAILURE_TIME, MAX_FAILURES};
