//! The files of the web page. They are part of the program.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::Sha256;
use sha2::digest::Digest as _;

use super::login::LOGIN;
use crate::hex::hex;

macro_rules! files {
    ($($name:literal => $content_type:expr),* $(,)?) => {
        &[
            ("/", HTML, include_bytes!("page/index.html")),
            (LOGIN, HTML, include_bytes!("page/login.html")),
            $((concat!("/", $name), $content_type, include_bytes!(concat!("page/", $name)))),*
        ]
    };
}

/// Path, content type and content.
const FILES: &[(&str, &str, &[u8])] = files![
    "style.css" => "text/css; charset=utf-8",
    "icon.svg" => "image/svg+xml",
    "manifest.webmanifest" => "application/manifest+json",
    "api.js" => JS,
    "app.js" => JS,
    "confirm.js" => JS,
    "controls.js" => JS,
    "details.js" => JS,
    "dom.js" => JS,
    "feed.js" => JS,
    "layout.js" => JS,
    "login.js" => JS,
    "microphone.js" => JS,
    "microphone-worklet.js" => JS,
    "panel.js" => JS,
    "player.js" => JS,
    "sound.js" => JS,
    "talk.js" => JS,
    "tile.js" => JS,
    "widgets.js" => JS,
    "texts.js" => JS,
];

const HTML: &str = "text/html; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Returns the paths of all files but `/`.
pub(super) fn files() -> impl Iterator<Item = &'static str> {
    FILES.iter().skip(1).map(|&(path, _, _)| path)
}

/// The files with their entity tags.
#[derive(Debug)]
pub(super) struct Page {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    etag: String,
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
                etag: format!("\"{hash}\""),
            }
        });
        Self {
            files: files.collect(),
        }
    }

    /// Returns the file at a path, or 304 if the client has the current version.
    pub(super) fn response(&self, path: &str, headers: &HeaderMap) -> Option<Response> {
        let file = self.files.iter().find(|file| file.path == path)?;
        let known = headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|tags| tags.to_str().ok())
            .flat_map(|tags| tags.split(','))
            .any(|tag| tag.trim().trim_start_matches("W/") == file.etag);
        let mut response = match known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([(CONTENT_TYPE, file.content_type)], file.content).into_response(),
        };
        let headers = response.headers_mut();
        headers.insert(ETAG, HeaderValue::from_str(&file.etag).ok()?);
        // Browsers may store the file, but have to revalidate it each time.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Some(response)
    }
}
