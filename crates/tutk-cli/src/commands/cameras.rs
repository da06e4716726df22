//! `tutk cameras`: lists the named cameras and checks the configuration file.

use serde_json::{Value, json};

use crate::args::Global;
use crate::camera::enr_from_environment;
use crate::config::{self, Mistake, NamedCamera};
use crate::console::{self, Console};
use crate::failure::Failure;
use crate::models;
use crate::report::{Report, plural};
use crate::secret_text::SecretText;
use crate::table::{columns, printable};
use crate::weak_key;

pub(crate) fn run(global: &Global, console: &Console, report: &mut Report) -> Result<(), Failure> {
    let enr = enr_from_environment();
    let enr = enr.as_ref().map(SecretText::reveal);
    let (path, contents) = config::check(global.config.as_deref(), enr)?;
    report.listed = Some(contents.cameras.iter().map(describe).collect());
    report.mistakes = Some(contents.mistakes.iter().map(describe_error).collect());
    let path = path.display();
    if !global.json && !contents.cameras.is_empty() {
        let header = ["NAME", "ADDRESS", "UID", "MODEL", "SOLD AS"].map(str::to_owned);
        let rows = contents.cameras.iter().map(row);
        console::print(columns(std::iter::once(header).chain(rows)));
    }
    for NamedCamera { name, camera, .. } in &contents.cameras {
        if let Some(warning) = weak_key::warning(&camera.credentials) {
            console.line(format_args!("{}: {warning}", printable(name)));
        }
    }
    let count = contents.mistakes.len();
    if count == 0 {
        if !global.json && contents.cameras.is_empty() {
            console::print(format_args!("{path} contains no camera"));
        }
        return Ok(());
    }
    // Printed also with --quiet, because they explain the failure.
    for mistake in &contents.mistakes {
        console::error_line(format_args!("{path}, {mistake}"));
    }
    let what = format!("{path}: {count} error{}", plural(count as u64));
    let advice = "docs/cameras.md describes the file";
    Err(Failure::usage("arguments", what, advice))
}

fn row(NamedCamera { name, camera, .. }: &NamedCamera) -> [String; 5] {
    let model = camera.model.as_deref();
    let address = match camera.host.as_deref() {
        Some(host) if host.contains(':') => format!("[{host}]:{}", camera.port),
        Some(host) => format!("{host}:{}", camera.port),
        None => "-".to_owned(),
    };
    [
        name.clone(),
        address,
        camera.credentials.uid.to_string(),
        model.unwrap_or("-").to_owned(),
        model.and_then(models::product).unwrap_or("-").to_owned(),
    ]
    .map(|text| printable(&text))
}

/// Describes a camera without its secrets.
fn describe(NamedCamera { name, camera, .. }: &NamedCamera) -> Value {
    json!({
        "name": name,
        "host": camera.host,
        "port": camera.port,
        "uid": camera.credentials.uid.to_string(),
        "mac": camera.credentials.mac.map(|mac| mac.to_string()),
        "model": camera.model,
        "product": camera.model.as_deref().and_then(models::product),
        "warning": weak_key::warning(&camera.credentials),
    })
}

fn describe_error(mistake: &Mistake) -> Value {
    json!({
        "camera": mistake.camera,
        "line": mistake.line,
        "key": mistake.key,
        "what": mistake.what,
    })
}
