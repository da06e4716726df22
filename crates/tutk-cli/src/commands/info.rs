//! `tutk info`: shows what a camera reports about itself.

use tutk_runtime::tutk_session::hl_ioctl::commands::ReadParameters;
use tutk_runtime::tutk_session::hl_ioctl::{Command as _, Request};

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
        if let Some(model) = session.model() {
            let product = models::product(model).map(|name| format!(" ({name})"));
            console::print(format_args!("model {model}{}", product.unwrap_or_default()));
        }
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
        console::print(table::of(parameters.value()));
    }
    session.report.parameters = Some(parameters.into_value());
    Ok(())
}
