//! `/api/cameras/NAME/controls`: the commands of a camera, each at its own URL.

use std::time::SystemTime;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ALLOW, HeaderMap};
use axum::http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tutk_runtime::tutk_session::hl_ioctl::schema::{Field, Kind, Values};
use tutk_runtime::tutk_session::hl_ioctl::{
    CATALOGUE, Context, Control, Error as HlError, Operation, control,
};
use tutk_runtime::tutk_session::models::{self, Model};
use utoipa::openapi::schema::{Schema, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::body::read_json;
use super::extract::{CameraPath, Controller, PathCamera, role_needed};
use super::problem::Problem;
use super::responses::Errors;
use super::state::AppState;
use crate::accounts::Role;
use crate::clock::unix_time;
use crate::hub::Camera;
use crate::log_limit::log_limited;

/// The path of a control.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ControlPath {
    /// The control.
    #[param(inline)]
    control: ControlName,
}

#[derive(Deserialize)]
struct ControlName(String);

/// `value`, `values`, or neither for a control without values.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ControlOrder)]
struct BodyJson {
    /// One value.
    #[schema(inline)]
    value: Option<ValueJson>,
    /// Several values, in the order of the fields.
    #[schema(inline)]
    values: Option<Vec<ValueJson>>,
    /// Confirms that data may be destroyed.
    #[serde(default)]
    confirm: bool,
}

/// A value as the catalogue writes it. Numbers may be JSON numbers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a value must be a string or an integer")]
enum ValueJson {
    Text(String),
    Number(i64),
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Controls)]
pub(super) struct ControlsJson {
    camera: String,
    model: Option<String>,
    controls: Vec<ControlJson>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Control)]
struct ControlJson {
    name: &'static str,
    summary: &'static str,
    readable: bool,
    settable: bool,
    /// Setting it requires `confirm`.
    destructive: bool,
    /// A description of the accepted values. `null` if the control cannot be set.
    values: Option<String>,
    /// `none`: no value; `one`: one value; `fields`: several values in this order; `list`: a list
    /// of items, whose fields are joined by `:`.
    form: Option<&'static str>,
    /// An omitted field before others is `-`.
    fields: Option<Vec<FieldJson>>,
    /// The maximum number of items of a list.
    most: Option<usize>,
    /// The kind of camera that has the control. `null` if it depends on the camera.
    models: Option<ModelsJson>,
    url: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Field)]
struct FieldJson {
    name: &'static str,
    optional: bool,
    #[serde(flatten)]
    #[schema(inline)]
    kind: KindJson,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum KindJson {
    Named {
        choices: Vec<String>,
    },
    Number {
        min: i64,
        max: i64,
        unit: &'static str,
    },
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Models)]
struct ModelsJson {
    kind: &'static str,
    known: Vec<&'static str>,
    /// This camera is one of the known models. `null` while its model is unknown.
    this: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ControlValue)]
pub(super) struct ReadJson {
    control: &'static str,
    /// A name, a number, or an object with several fields.
    value: Value,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ControlEvent<'a> {
    camera: &'a str,
    #[serde(flatten)]
    set: &'a SetJson,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ControlSet)]
pub(super) struct SetJson {
    control: &'static str,
    /// The new value: a name, a number, or an object with several fields. `null` for a control
    /// without values.
    set: Option<Value>,
    /// `done`.
    #[schema(value_type = String)]
    answer: Value,
}

/// Returns the control that the path names.
///
/// # Errors
/// 404 with the names of all controls.
fn path_control(path: &ControlPath) -> Result<&'static Control, Problem> {
    let ControlName(name) = &path.control;
    control(name).ok_or_else(|| {
        let error = format!("there is no control {name:?}");
        let advice = "see /api/cameras/NAME/controls for all controls";
        let names = CATALOGUE.iter().map(|control| control.name);
        Problem::new(StatusCode::NOT_FOUND, error, advice).allowing(names)
    })
}

/// The controls of a camera
#[utoipa::path(
    get,
    path = "/api/cameras/{name}/controls",
    operation_id = "controls",
    tag = "controls",
    params(CameraPath),
    responses(
        (status = 200, description = "Not every model supports all controls.", body = ControlsJson),
        Errors<404>,
    ),
)]
pub(super) async fn list(PathCamera(camera): PathCamera) -> Json<ControlsJson> {
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
    let values = control.values();
    let url = super::cameras::controls_url(camera.name());
    ControlJson {
        name: control.name,
        summary: control.summary,
        readable: control.get_code().is_some(),
        settable: values.is_some(),
        destructive: control.destructive,
        values: values.map(|values| values.to_string()),
        form: values.map(|values| values.form()),
        fields: values.map(|values| values.fields().iter().map(field).collect()),
        most: match values {
            Some(Values::List { max_items, .. }) => Some(max_items),
            _ => None,
        },
        models: control.group.map(|group| ModelsJson {
            kind: group.name(),
            known: Model::in_group(group).map(|model| model.id).collect(),
            this: model.map(|id| Model::find(id).is_some_and(|model| model.is_in(group))),
        }),
        url: format!("{url}/{}", control.name),
    }
}

fn field(field: &Field) -> FieldJson {
    FieldJson {
        name: field.name,
        optional: field.optional,
        kind: match field.kind {
            Kind::Number { min, max, unit } => KindJson::Number { min, max, unit },
            kind => KindJson::Named {
                choices: kind.choices(),
            },
        },
    }
}

/// Reads a control
#[utoipa::path(
    get,
    path = "/api/cameras/{name}/controls/{control}",
    operation_id = "readControl",
    tag = "controls",
    params(CameraPath, ControlPath),
    responses(
        (status = 200, description = "The camera's value.", body = ReadJson),
        Errors<403, 404, 405>,
        Errors<502, 503, 504>,
    ),
)]
pub(super) async fn read(
    PathCamera(camera): PathCamera,
    Controller(_): Controller,
    Path(path): Path<ControlPath>,
) -> Result<Json<ReadJson>, Problem> {
    let control = path_control(&path)?;
    if control.get_code().is_none() {
        let error = format!("{}: cannot be read", control.name);
        return Err(wrong_method(error, "POST"));
    }
    let value = execute(&camera, &Operation::read(control)).await?;
    let control = control.name;
    Ok(Json(ReadJson { control, value }))
}

/// Sets a control, or performs an action
#[utoipa::path(
    post,
    path = "/api/cameras/{name}/controls/{control}",
    operation_id = "setControl",
    tag = "controls",
    params(CameraPath, ControlPath),
    request_body = BodyJson,
    responses(
        (status = 200, description = "The control was set.", body = SetJson),
        Errors<403, 404, 405, 408>,
        Errors<409, 413, 415, 422>,
        Errors<502, 503, 504>,
    ),
)]
pub(super) async fn set(
    State(state): State<AppState>,
    PathCamera(camera): PathCamera,
    Controller(user): Controller,
    Path(path): Path<ControlPath>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<SetJson>, Problem> {
    let control = path_control(&path)?;
    let Some(values) = control.values() else {
        let error = format!("{}: cannot be set", control.name);
        return Err(wrong_method(error, "GET"));
    };
    let advice = "send {\"value\": …} or {\"values\": […]}, or {} for a control without values";
    let json: BodyJson = read_json(
        &state,
        &headers,
        body,
        advice,
        ["value", "values", "confirm"],
    )
    .await?;
    let confirmed = json.confirm;
    let operation = Operation::set(control, json.values()?);
    // Validates the values before the camera is needed.
    let value = operation
        .json(&context(None))
        .map_err(|error| invalid_value(control, &error))?;
    if operation.is_destructive() && user.role() < Role::Admin {
        return Err(role_needed(Role::Admin));
    }
    if operation.is_destructive() && !confirmed {
        let error = format!("{}: this destroys data ({})", control.name, control.summary);
        let advice = "add \"confirm\": true to confirm";
        return Err(Problem::new(StatusCode::CONFLICT, error, advice).allowing(values.choices()));
    }
    let answer = execute(&camera, &operation).await?;
    log_limited!(
        info,
        camera = camera.name(),
        user = user.name(),
        control = control.name,
        "control set over HTTP"
    );
    let set = SetJson {
        control: control.name,
        set: value,
        answer,
    };
    let event = ControlEvent {
        camera: camera.name(),
        set: &set,
    };
    (state.events).publish("control", camera.name(), &event);
    Ok(Json(set))
}

/// Sends a command to the camera, and returns its answer as JSON.
async fn execute(camera: &Camera, operation: &Operation) -> Result<Value, Problem> {
    let control = operation.control();
    // The command code can depend on the model, which is known once the session is authenticated.
    let _lease = camera.connect().await?;
    let model = camera.details().model;
    let request = operation.request(&context(model.as_deref()));
    let request = request.map_err(|error| invalid_value(control, &error))?;
    let code = request.code;
    let answer = camera.command(request).await?;
    let name = control.name;
    let odd = |error, advice| Problem::new(StatusCode::BAD_GATEWAY, error, advice);
    let answer_json = operation.describe(&answer.payload).map_err(|error| {
        let error = format!("{name}: unknown layout of the answer to K{code}: {error}");
        odd(error, "try again; if the error persists, report it")
    })?;
    if !operation.is_done(&answer_json) {
        let error =
            format!("{name}: the camera answered K{code} with {answer_json} instead of 1 for done");
        return Err(odd(
            error,
            "the camera may not support this value, or not at this time",
        ));
    }
    Ok(answer_json)
}

fn context(model: Option<&str>) -> Context {
    models::command_context(model, Some(unix_time(SystemTime::now())))
}

impl ToSchema for ControlName {}

impl PartialSchema for ControlName {
    fn schema() -> RefOr<Schema> {
        let names = CATALOGUE.iter().map(|control| control.name);
        let schema = ObjectBuilder::new().schema_type(Type::String);
        schema.enum_values(Some(names)).into()
    }
}

impl BodyJson {
    fn values(self) -> Result<Vec<String>, Problem> {
        let values = match (self.value, self.values) {
            (None, None) => Vec::new(),
            (Some(one), None) => vec![one],
            (None, Some(several)) => several,
            (Some(_), Some(_)) => {
                let error = "both `value` and `values` are set";
                let advice = "set one of them";
                let problem = Problem::new(StatusCode::BAD_REQUEST, error, advice);
                return Err(problem.allowing(["value", "values"]));
            }
        };
        let values = values.into_iter().map(|value| match value {
            ValueJson::Text(text) => text,
            ValueJson::Number(number) => number.to_string(),
        });
        Ok(values.collect())
    }
}

/// Returns the error for values that a control does not accept.
fn invalid_value(control: &Control, error: &HlError) -> Problem {
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
        Some(values) => format!("the control accepts {values}"),
        None => "the control can only be read".to_owned(),
    };
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string(), advice).allowing(allowed)
}

fn wrong_method(error: String, method: &'static str) -> Problem {
    let advice = format!("use {method}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error, advice)
        .allowing([method])
        .with_header(ALLOW, HeaderValue::from_static(method))
}
