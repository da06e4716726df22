//! `/api/cameras/NAME/controls`: each of a camera's commands at an address of its own.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tutk_runtime::tutk_session::hl_ioctl::models::is_one_of;
use tutk_runtime::tutk_session::hl_ioctl::{
    CATALOGUE, Context, Control, Error as HlError, Models, Operation, control,
};

use super::app::{App, Named};
use super::problem::Problem;
use crate::hub::Camera;

/// `POST`'s body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// One value.
    value: Option<Word>,
    /// Several, in the order of the catalogue.
    values: Option<Vec<Word>>,
    /// That what is destroyed may be destroyed.
    #[serde(default)]
    confirm: bool,
}

/// A value in the catalogue's words; numbers may be numbers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Word {
    Text(String),
    Number(i64),
}

#[derive(Debug, Serialize)]
pub(super) struct ControlsJson {
    camera: String,
    model: Option<String>,
    controls: Vec<ControlJson>,
}

#[derive(Debug, Serialize)]
struct ControlJson {
    name: &'static str,
    summary: &'static str,
    readable: bool,
    settable: bool,
    destructive: bool,
    /// What it takes, in words.
    values: Option<String>,
    form: Option<Value>,
    fields: Option<Value>,
    most: Option<Value>,
    /// Which kind of camera has it, and models of it that are known; `null` where it depends on the camera.
    models: Option<ModelsJson>,
    url: String,
}

#[derive(Debug, Serialize)]
struct ModelsJson {
    kind: &'static str,
    known: &'static [&'static str],
    /// Whether this camera is one of those; `null` while its model is not known.
    this: Option<bool>,
}

#[derive(Debug, Serialize)]
pub(super) struct ReadJson {
    control: &'static str,
    value: Value,
}

#[derive(Debug, Serialize)]
pub(super) struct SetJson {
    control: &'static str,
    /// What it was set to; `null` for what takes no value.
    set: Option<Value>,
    /// `"done"`.
    answer: Value,
}

/// The control that the path names.
///
/// # Errors
/// 404 names all there are.
fn named(path: &BTreeMap<String, String>) -> Result<&'static Control, Problem> {
    let name = path.get("control").map_or("", String::as_str);
    control(name).ok_or_else(|| {
        let error = format!("there is no control {name:?}");
        let advice = "see the list at /api/cameras/NAME/controls";
        let names = CATALOGUE.iter().map(|control| control.name);
        Problem::new(StatusCode::NOT_FOUND, error, advice).allowing(names)
    })
}

pub(super) async fn list(Named(camera): Named) -> Json<ControlsJson> {
    let model = camera.details().model;
    let controls = CATALOGUE.iter();
    let controls = controls.map(|control| described(control, &camera, model.as_deref()));
    Json(ControlsJson {
        camera: camera.name().to_owned(),
        controls: controls.collect(),
        model,
    })
}

fn described(control: &Control, camera: &Camera, model: Option<&str>) -> ControlJson {
    let mut json = control.to_json();
    let mut take = |field| {
        json.get_mut(field)
            .map(Value::take)
            .filter(|value| !value.is_null())
    };
    let url = super::cameras::controls_url(camera.name());
    ControlJson {
        name: control.name,
        summary: control.summary,
        readable: control.get_code().is_some(),
        settable: control.values().is_some(),
        destructive: control.destructive,
        values: control.values().map(|values| values.to_string()),
        form: take("form"),
        fields: take("fields"),
        most: take("most"),
        models: match control.models {
            Models::Unknown => None,
            Models::Kind { name, models } => Some(ModelsJson {
                kind: name,
                known: models,
                this: model.map(|model| is_one_of(Some(model), models)),
            }),
        },
        url: format!("{url}/{}", control.name),
    }
}

pub(super) async fn read(
    Named(camera): Named,
    Path(path): Path<BTreeMap<String, String>>,
) -> Result<Json<ReadJson>, Problem> {
    let control = named(&path)?;
    if control.get_code().is_none() {
        let error = format!("{}: it can be set or done, not read", control.name);
        return Err(not_so(error, "POST"));
    }
    let value = carry_out(&camera, &Operation::read(control)).await?;
    let control = control.name;
    Ok(Json(ReadJson { control, value }))
}

pub(super) async fn set(
    State(app): State<App>,
    Named(camera): Named,
    Path(path): Path<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SetJson>, Problem> {
    let control = named(&path)?;
    let Some(values) = control.values() else {
        let error = format!("{}: it can be read, not set", control.name);
        return Err(not_so(error, "GET"));
    };
    let asked = asked(&app, &headers, body).await?;
    let confirmed = asked.confirm;
    let operation = Operation::set(control, asked.values()?);
    // What can be wrong without the camera, before it is asked for anything.
    let words = operation
        .json(&context(None))
        .map_err(|error| not_taken(control, &error))?;
    if operation.is_destructive() && !confirmed {
        let error = format!("{}: this destroys data ({})", control.name, control.summary);
        let advice = "add \"confirm\": true if that is what is wanted";
        return Err(Problem::new(StatusCode::CONFLICT, error, advice).allowing(values.choices()));
    }
    let answer = carry_out(&camera, &operation).await?;
    tracing::info!(
        camera = camera.name(),
        control = control.name,
        "set by HTTP"
    );
    let set = SetJson {
        control: control.name,
        set: words,
        answer,
    };
    app.events.set(camera.name(), &set);
    Ok(Json(set))
}

/// Asks the camera, and puts its answer into words.
async fn carry_out(camera: &Camera, operation: &Operation) -> Result<Value, Problem> {
    let control = operation.control();
    // Which code it is may go by the model, which is known when the camera has let us in.
    let _lease = camera.connect().await?;
    let model = camera.details().model;
    let request = operation.request(&context(model.as_deref()));
    let request = request.map_err(|error| not_taken(control, &error))?;
    let code = request.code;
    let answer = camera.command(request).await?;
    let name = control.name;
    let odd = |error, advice| Problem::new(StatusCode::BAD_GATEWAY, error, advice);
    let words = operation.describe(&answer.payload).map_err(|error| {
        let error = format!("{name}: the answer to K{code} is in no known layout: {error}");
        odd(error, "try again; if it stays so, report this")
    })?;
    if !operation.is_done(&words) {
        let error =
            format!("{name}: the camera answered K{code} with {words}, not with 1 for done");
        return Err(odd(error, "the camera may not take this value, or not now"));
    }
    Ok(words)
}

fn context(model: Option<&str>) -> Context<'_> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    Context {
        model,
        now_unix_millis: since.and_then(|since| u64::try_from(since.as_millis()).ok()),
    }
}

/// Reads a body.
///
/// # Errors
/// 415, 413, 408 and 400.
async fn asked(app: &App, headers: &HeaderMap, body: Body) -> Result<Asked, Problem> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|content| content.to_str().ok())
        .and_then(|content| content.split(';').next())
        .is_some_and(|content| content.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        let error = "the body has to be JSON";
        let advice = "send it with `Content-Type: application/json`";
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error, advice);
        return Err(problem.allowing(["application/json"]));
    }
    let bytes = whole(app, body).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let error = format!("the body is not what it should be: {error}");
        let advice = "send {\"value\": …} or {\"values\": […]}, or {} where there is no value";
        let problem = Problem::new(StatusCode::BAD_REQUEST, error, advice);
        problem.allowing(["value", "values", "confirm"])
    })
}

async fn whole(app: &App, body: Body) -> Result<Bytes, Problem> {
    let most = app.limits.body_bytes;
    match tokio::time::timeout(app.limits.body_time, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // The only other thing that can go wrong is that the client is gone, and hears of nothing.
        Ok(Err(_)) => {
            let error = format!("the body has more than {most} bytes");
            let advice = "send values only";
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error, advice))
        }
        Err(_) => {
            let error = "the body did not come in time";
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                error,
                "send it at once",
            ))
        }
    }
}

impl Asked {
    fn values(self) -> Result<Vec<String>, Problem> {
        let words = match (self.value, self.values) {
            (None, None) => Vec::new(),
            (Some(one), None) => vec![one],
            (None, Some(several)) => several,
            (Some(_), Some(_)) => {
                let error = "both `value` and `values` are there";
                let advice = "give one of them";
                let problem = Problem::new(StatusCode::BAD_REQUEST, error, advice);
                return Err(problem.allowing(["value", "values"]));
            }
        };
        let words = words.into_iter().map(|word| match word {
            Word::Text(text) => text,
            Word::Number(number) => number.to_string(),
        });
        Ok(words.collect())
    }
}

/// Values that a control does not take: what it takes is named.
fn not_taken(control: &Control, error: &HlError) -> Problem {
    let values = control.values();
    let field = match error {
        HlError::Argument { field, .. } => Some(*field),
        _ => None,
    };
    let fields = values.map(|values| values.fields()).unwrap_or_default();
    let one = fields.iter().find(|known| Some(known.name) == field);
    let allowed = match one {
        Some(one) => one.kind.choices(),
        None => values.map(|values| values.choices()).unwrap_or_default(),
    };
    let advice = match values {
        Some(values) => format!("it takes {values}"),
        None => "it can be read only".to_owned(),
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string(), advice).allowing(allowed)
}

fn not_so(error: String, method: &'static str) -> Problem {
    let advice = format!("use {method}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error, advice)
        .allowing([method])
        .with_header(ALLOW, HeaderValue::from_static(method))
}
