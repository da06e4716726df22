//! The page, which is part of the program.

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::Sha256;
use sha2::digest::Digest as _;

use super::app::App;
use super::problem::Problem;
use crate::accounts::hex;

/// Path, content type and content.
const FILES: &[(&str, &str, &[u8])] = &[
    ("/", HTML, include_bytes!("page/index.html")),
    ("/style.css", CSS, include_bytes!("page/style.css")),
    ("/icon.svg", SVG, include_bytes!("page/icon.svg")),
    (
        "/manifest.webmanifest",
        MANIFEST,
        include_bytes!("page/manifest.webmanifest"),
    ),
    ("/api.js", JS, include_bytes!("page/api.js")),
    ("/app.js", JS, include_bytes!("page/app.js")),
    ("/confirm.js", JS, include_bytes!("page/confirm.js")),
    ("/controls.js", JS, include_bytes!("page/controls.js")),
    ("/details.js", JS, include_bytes!("page/details.js")),
    ("/dom.js", JS, include_bytes!("page/dom.js")),
    ("/feed.js", JS, include_bytes!("page/feed.js")),
    ("/layout.js", JS, include_bytes!("page/layout.js")),
    ("/microphone.js", JS, include_bytes!("page/microphone.js")),
    (
        "/microphone-worklet.js",
        JS,
        include_bytes!("page/microphone-worklet.js"),
    ),
    ("/panel.js", JS, include_bytes!("page/panel.js")),
    ("/player.js", JS, include_bytes!("page/player.js")),
    ("/sound.js", JS, include_bytes!("page/sound.js")),
    ("/talk.js", JS, include_bytes!("page/talk.js")),
    ("/tile.js", JS, include_bytes!("page/tile.js")),
    ("/widgets.js", JS, include_bytes!("page/widgets.js")),
    ("/words.js", JS, include_bytes!("page/words.js")),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const MANIFEST: &str = "application/manifest+json";
const JS: &str = "text/javascript; charset=utf-8";

/// Where the files are.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|&(path, _, _)| path)
}

/// The files, with what tells one version of each from another.
#[derive(Debug)]
pub(super) struct Page {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    tag: String,
}

impl Page {
    pub(super) fn new() -> Self {
        let files = FILES.iter().map(|&(path, content_type, content)| {
            let mut hash = hex(&Sha256::digest(content));
            hash.truncate(32);
            File {
                path,
                content_type,
                content,
                tag: format!("\"{hash}\""),
            }
        });
        Self {
            files: files.collect(),
        }
    }

    fn answer(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        let file = self.files.iter().find(|file| file.path == path)?;
        let known = headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|tags| tags.to_str().ok())
            .flat_map(|tags| tags.split(','))
            .any(|tag| tag.trim().trim_start_matches("W/") == file.tag);
        let mut response = match known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([(CONTENT_TYPE, file.content_type)], file.content).into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, HeaderValue::from_str(&file.tag).ok()?);
        // It may be kept, and is asked for again each time.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Some(response)
    }
}

pub(super) async fn asset(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let answer = app.page.answer(request.uri().path(), request.headers());
    answer.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such file", "see /"))
}
