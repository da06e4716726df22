//! The page, which is part of the program.

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::Sha256;
use sha2::digest::Digest as _;

use super::app::App;
use super::problem::Problem;

/// Path, content type and content.
const FILES: &[(&str, &str, &[u8])] = &[
    (
        "/",
        "text/html; charset=utf-8",
        include_bytes!("page/index.html"),
    ),
    (
        "/style.css",
        "text/css; charset=utf-8",
        include_bytes!("page/style.css"),
    ),
    (
        "/app.js",
        "text/javascript; charset=utf-8",
        include_bytes!("page/app.js"),
    ),
];

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
            let hash = Sha256::digest(content);
            let hash: String = hash
                .iter()
                .take(16)
                .map(|byte| format!("{byte:02x}"))
                .collect();
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
