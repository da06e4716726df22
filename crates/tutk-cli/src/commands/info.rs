//! `tutk info`: what a camera says of itself.

use tutk_runtime::tutk_session::hl_ioctl::commands::ReadParameters;
use tutk_runtime::tutk_session::hl_ioctl::{Command as _, Request};

use crate::args::{Global, InfoArgs};
use crate::asking::{Asking, COMMAND, NO_MEDIA};
use crate::camera;
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
    let mut asking = Asking::open(camera, &args.access, NO_MEDIA, console, report, stop).await?;
    let result = ask(&mut asking, global.json).await;
    asking.close().await;
    result
}

async fn ask(asking: &mut Asking<'_>, json: bool) -> Result<(), Failure> {
    let result = asking.enter().await?;
    asking.report.camera = Some(result.json().clone());
    if !json {
        if let Some(model) = asking.model() {
            let product = models::product(model).map(|name| format!(" ({name})"));
            console::print(format_args!("model {model}{}", product.unwrap_or_default()));
        }
        console::print("\nWhat it says of itself (K10003)");
        console::print(table::of(result.json()));
    }

    let Some(payload) = asking.ask(Request::from(&ReadParameters::all())).await? else {
        let what = format!(
            "no answer to K10020 (parameters) from {} within {} s",
            asking.model().unwrap_or("a camera of unknown model"),
            asking.patience().as_secs_f32(),
        );
        let advice =
            "a camera that does not know a code does not answer: what came before is all it tells";
        return Err(Failure::new(Status::Silent, COMMAND, what, advice));
    };
    let parameters = ReadParameters::decode_answer(&payload).map_err(|error| {
        let advice = "the camera's answer is damaged: try again";
        Failure::other(COMMAND, error.to_string(), advice)
    })?;
    if !json {
        console::print("\nIts parameters by number (K10020)");
        console::print(table::of(parameters.value()));
    }
    asking.report.parameters = Some(parameters.into_value());
    Ok(())
}
