//! `tutk info`: shows what a camera reports about itself.

use serde_json::Value;
use tutk_runtime::tutk_session::hl_ioctl::commands::{
    BitrateSource, GetVideoParameters, Parameter, ReadParameters,
};
use tutk_runtime::tutk_session::hl_ioctl::{Command as _, Request, Scalar as _, control};

use crate::args::{Global, InfoArgs};
use crate::camera;
use crate::command_session::{COMMAND, CommandSession, NO_MEDIA};
use crate::console::{self, Console};
use crate::failure::{Failure, Status};
use crate::models;
use crate::report::Report;
use crate::signals::Stop;
use crate::table;

pub(crate) async fn run(
    args: &InfoArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let camera = camera::read(&args.camera, global.config.as_deref())?;
    let mut session =
        CommandSession::open(camera, &args.access, NO_MEDIA, console, report, stop).await?;
    let result = ask(&mut session, global.json).await;
    session.close().await;
    result
}

async fn ask(session: &mut CommandSession<'_>, json: bool) -> Result<(), Failure> {
    let result = session.authenticated().await?;
    session.report.camera = Some(result.json().clone());
    if !json {
        let model = session.model().unwrap_or("unknown");
        let product = models::product(model).map(|name| format!(" ({name})"));
        console::print(format_args!("model {model}{}", product.unwrap_or_default()));
        console::print("\nCamera information (K10003)");
        console::print(table::of(result.json()));
    }

    let Some(payload) = session
        .command(Request::from(&ReadParameters::all()))
        .await?
    else {
        let what = format!(
            "no answer to K10020 (parameters) from {} within {} s",
            session.model().unwrap_or("a camera of unknown model"),
            session.timeout().as_secs_f32(),
        );
        let advice =
            "the camera may not support K10020; the information above is complete otherwise";
        return Err(Failure::new(Status::Silent, COMMAND, what, advice));
    };
    let parameters = ReadParameters::decode_answer(&payload).map_err(|error| {
        let advice = "the camera's answer is invalid; try again";
        Failure::other(COMMAND, error.to_string(), advice)
    })?;
    if !json {
        console::print("\nParameters by number (K10020)");
        console::print(parameter_table(parameters.value()));
    }
    session.report.parameters = Some(parameters.into_value());
    match result.firmware().map(BitrateSource::of_firmware) {
        Some(BitrateSource::VideoParameters) => ask_video_parameters(session, json).await,
        _ => Ok(()),
    }
}

/// Some firmware reports the bitrate in K10051 only (docs/protocol.md, section "Models").
async fn ask_video_parameters(session: &mut CommandSession<'_>, json: bool) -> Result<(), Failure> {
    let Some(control) = control("video-parameters") else {
        return Ok(());
    };
    let request = Request::from(&GetVideoParameters);
    // The information is complete otherwise, so an invalid or missing answer is no failure.
    if let Some(payload) = session.command(request).await?
        && let Ok(video) = control.describe_answer(&payload)
    {
        if !json {
            console::print("\nVideo parameters (K10050)");
            console::print(table::of(&video));
        }
        session.report.video_parameters = Some(video);
    }
    Ok(())
}

/// Formats the parameters with the names of those that are known.
fn parameter_table(parameters: &Value) -> String {
    let Some(parameters) = parameters.as_object() else {
        return table::of(parameters);
    };
    let mut rows: Vec<_> = parameters
        .iter()
        .map(|(id, value)| {
            let number = id.parse::<i64>().ok();
            let name = number.filter(|id| Parameter::from_number(*id).is_some());
            let name = name.map_or(Value::from(""), |id| Parameter::KIND.json(id));
            let cells = [table::printable(id), table::of(&name), table::of(value)];
            (number.unwrap_or(i64::MAX), cells)
        })
        .collect();
    rows.sort();
    table::columns(rows.into_iter().map(|(_, cells)| cells))
}
