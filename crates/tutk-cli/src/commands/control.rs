//! `tutk control`: reads or sets a control of a camera, or runs an action.

use serde_json::Value;
use tutk_runtime::tutk_session::hl_ioctl::schema::Values;
use tutk_runtime::tutk_session::hl_ioctl::{self, CATALOGUE, Context, Control, Operation};
use tutk_runtime::tutk_session::models::command_context;

use crate::args::{ControlArgs, Global};
use crate::camera;
use crate::clock::unix_time;
use crate::command_session::{COMMAND, CommandSession, NO_MEDIA};
use crate::console::{self, Console};
use crate::failure::{Failure, Status};
use crate::models;
use crate::report::Report;
use crate::signals::Stop;
use crate::{suggest, table};

const ARGUMENTS: &str = "arguments";
const SEE_LIST: &str = "`tutk control --list` lists all controls and their values";

pub(crate) async fn run(
    args: &ControlArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    if args.list {
        list(global.json, report);
        return Ok(());
    }
    let (Some(camera), Some(name)) = (&args.camera, &args.name) else {
        let what = "the arguments CAMERA and NAME are required";
        return Err(Failure::usage(ARGUMENTS, what, SEE_LIST));
    };
    // Reports invalid arguments before anything is sent.
    let operation = Operation::parse(name, &args.values).map_err(|_| unknown(name))?;
    report.control = Some(operation.control().name);
    report.set = json(&operation, &context(None))?;
    if operation.is_destructive() && !args.yes {
        let Control { name, summary, .. } = operation.control();
        let what = format!("{name} destroys data ({summary})");
        let advice = "add --yes to confirm";
        return Err(Failure::usage(ARGUMENTS, what, advice));
    }
    let camera = camera::read(camera, global.config.as_deref())?;

    let mut session =
        CommandSession::open(camera, &args.access, NO_MEDIA, console, report, stop).await?;
    let result = execute(&mut session, &operation, global.json).await;
    session.close().await;
    result
}

async fn execute(
    session: &mut CommandSession<'_>,
    operation: &Operation,
    to_report: bool,
) -> Result<(), Failure> {
    session.authenticated().await?;
    let context = context(session.model());
    let request = operation
        .request(&context)
        .map_err(|error| not_taken(&error))?;
    // Evaluated when it is sent, because of the value `now`.
    session.report.set = json(operation, &context)?;
    let code = request.code;
    let Some(payload) = session.command(request).await? else {
        return Err(unanswered(session, operation, code));
    };
    let answer = decode_answer(operation, code, &payload)?;
    let refusal = refusal(operation, code, &answer);
    if !to_report && refusal.is_none() {
        console::print(table::of(&answer));
    }
    session.report.answer = Some(answer);
    refusal.map_or(Ok(()), Err)
}

/// Returns the values as JSON, or `None` if the operation sends none.
fn json(operation: &Operation, context: &Context) -> Result<Option<Value>, Failure> {
    operation.json(context).map_err(|error| not_taken(&error))
}

/// Decodes the camera's answer.
fn decode_answer(operation: &Operation, code: u16, payload: &[u8]) -> Result<Value, Failure> {
    operation.describe(payload).map_err(|error| {
        let name = operation.control().name;
        let what = format!("{name}: cannot decode the answer to K{code}: {error}");
        let advice = "try again; -v logs the raw answer";
        Failure::other(COMMAND, what, advice)
    })
}

/// Returns a failure if the camera did not confirm a command.
fn refusal(operation: &Operation, code: u16, answer: &Value) -> Option<Failure> {
    let name = operation.control().name;
    (!operation.is_done(answer)).then(|| {
        let what = format!("{name}: the camera answered K{code} with {answer} instead of 1 (done)");
        let advice = "the camera may not accept this value, or not in its current state";
        Failure::new(Status::Refused, COMMAND, what, advice)
    })
}

fn context(model: Option<&str>) -> Context {
    command_context(model, Some(unix_time()))
}

fn not_taken(error: &hl_ioctl::Error) -> Failure {
    Failure::usage(ARGUMENTS, error.to_string(), SEE_LIST)
}

fn unknown(name: &str) -> Failure {
    let what = format!("there is no control {name:?}");
    let advice = match nearest(name).as_slice() {
        [] => SEE_LIST.to_owned(),
        names => format!("did you mean {}? {SEE_LIST}", names.join(" or ")),
    };
    Failure::usage(ARGUMENTS, what, advice)
}

/// Returns the closest control names.
fn nearest(name: &str) -> Vec<&'static str> {
    suggest::nearest(name, CATALOGUE.iter().map(|control| control.name))
}

fn unanswered(session: &CommandSession<'_>, operation: &Operation, code: u16) -> Failure {
    let control = operation.control();
    let model = session.model();
    let what = format!(
        "no answer to K{code} ({}) from {} within {} s; cameras do not answer codes that they do not support",
        control.name,
        model.unwrap_or("a camera of unknown model"),
        session.timeout().as_secs_f32(),
    );
    let two_codes = operation.is_set() && control.legacy_set_code().is_some();
    let advice = match (model, control.group) {
        (_, Some(group)) => format!("this is for {}", models::of_group(group)),
        (None, None) if two_codes => {
            "set `model` in the camera's address, because it selects the code".to_owned()
        }
        _ => "the camera may not support this control; `tutk control --list` lists all controls"
            .to_owned(),
    };
    Failure::new(Status::Silent, COMMAND, what, advice)
}

/// Prints all controls, or adds them to the report.
fn list(json: bool, report: &mut Report) {
    report.controls = Some(CATALOGUE.iter().map(models::control_json).collect());
    if !json {
        for control in CATALOGUE {
            console::print(format_control(control));
        }
    }
}

/// Formats a control: name, operations and summary, followed by its values and models.
fn format_control(control: &Control) -> String {
    let read = control.get_code().map(|_| "read");
    let write = control.values().map(|values| match values {
        Values::None => "do",
        _ => "set",
    });
    let modes: Vec<_> = read.into_iter().chain(write).collect();
    let yes = if control.destructive {
        "; needs --yes"
    } else {
        ""
    };
    let mut text = format!(
        "{:<20} {:<10} {}{yes}",
        control.name,
        modes.join(", "),
        control.summary
    );
    let values = control.values().filter(|values| *values != Values::None);
    let models = control
        .group
        .map(|group| format!("({})", models::of_group(group)));
    for line in values
        .map(|values| values.to_string())
        .into_iter()
        .chain(models)
    {
        text.push_str(&format!("\n{:<20} {:<10} {line}", "", ""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_values_for_a_read_only_control() {
        let operation = Operation::parse("night-check", ["on"]).unwrap();
        let failure = json(&operation, &context(None)).unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        assert!(failure.what.contains("read only"), "{failure}");
    }

    #[test]
    fn only_1_confirms_a_command() {
        let set = Operation::parse("spotlight", ["on"]).unwrap();
        let done = decode_answer(&set, 10646, &[1]).unwrap();
        assert_eq!(refusal(&set, 10646, &done), None);
        let other = decode_answer(&set, 10646, &[2]).unwrap();
        let failure = refusal(&set, 10646, &other).unwrap();
        assert_eq!(failure.status, Status::Refused);
        assert!(failure.what.contains("K10646 with 2"), "{failure}");
        let failure = decode_answer(&set, 10646, &[]).unwrap_err();
        assert_eq!(failure.status, Status::Other);
    }

    #[test]
    fn suggests_similar_control_names() {
        assert_eq!(nearest("nite-vision"), ["night-vision"]);
        assert_eq!(nearest("Status_Light"), ["status-light"]);
        assert_eq!(nearest("sprinkler"), Vec::<&str>::new());
        assert!(nearest("night").contains(&"night-check"));
        let failure = unknown("sire");
        assert!(failure.advice.contains("siren"), "{failure}");
        assert!(unknown("x").advice.contains("--list"));
    }

    #[test]
    fn the_list_shows_every_control() {
        for control in CATALOGUE {
            let text = format_control(control);
            assert!(
                text.starts_with(control.name) && text.contains(control.summary),
                "{text}"
            );
            if let Some(values) = control.values().filter(|values| *values != Values::None) {
                assert!(text.contains(&values.to_string()), "{text}");
            }
            assert_eq!(text.contains("--yes"), control.destructive, "{text}");
        }
    }
}
