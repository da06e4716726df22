//! `tutk control`: one thing of a camera, read, set or done.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tutk_runtime::tutk_session::hl_ioctl::schema::Values;
use tutk_runtime::tutk_session::hl_ioctl::{self, CATALOGUE, Context, Control, Models, Operation};

use crate::args::{ControlArgs, Global};
use crate::asking::{Asking, COMMAND, NO_MEDIA};
use crate::camera;
use crate::console::{self, Console};
use crate::failure::{Failure, Status};
use crate::models;
use crate::report::Report;
use crate::signals::Stop;
use crate::{suggest, table};

const ARGUMENTS: &str = "arguments";
const SEE_LIST: &str = "`tutk control --list` shows every control and its values";

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
        let what = "a CAMERA and the NAME of a control are needed";
        return Err(Failure::usage(ARGUMENTS, what, SEE_LIST));
    };
    // All that can be wrong without a camera, before anything is sent.
    let operation = Operation::parse(name, &args.values).map_err(|_| unknown(name))?;
    report.control = Some(operation.control().name);
    report.set = json(&operation, &context(None))?;
    if operation.is_destructive() && !args.yes {
        let Control { name, summary, .. } = operation.control();
        let what = format!("{name} destroys data ({summary})");
        let advice = "add --yes if that is what is wanted";
        return Err(Failure::usage(ARGUMENTS, what, advice));
    }
    let camera = camera::read(camera, global.config.as_deref())?;

    let mut asking = Asking::open(camera, &args.access, NO_MEDIA, console, report, stop).await?;
    let result = carry_out(&mut asking, &operation, global.json).await;
    asking.close().await;
    result
}

async fn carry_out(
    asking: &mut Asking<'_>,
    operation: &Operation,
    to_report: bool,
) -> Result<(), Failure> {
    asking.enter().await?;
    let context = context(asking.model());
    let request = operation
        .request(&context)
        .map_err(|error| not_taken(&error))?;
    // As it is sent: `now` is later now.
    asking.report.set = json(operation, &context)?;
    let code = request.code;
    let Some(payload) = asking.ask(request).await? else {
        return Err(unanswered(asking, operation, code));
    };
    let answer = understand(operation, code, &payload)?;
    let refusal = refusal(operation, code, &answer);
    if !to_report && refusal.is_none() {
        console::print(table::of(&answer));
    }
    asking.report.answer = Some(answer);
    refusal.map_or(Ok(()), Err)
}

/// The values in the camera's words; `None` where none are sent.
fn json(operation: &Operation, context: &Context<'_>) -> Result<Option<Value>, Failure> {
    operation.json(context).map_err(|error| not_taken(&error))
}

/// The camera's answer in words.
fn understand(operation: &Operation, code: u16, payload: &[u8]) -> Result<Value, Failure> {
    operation.describe(payload).map_err(|error| {
        let name = operation.control().name;
        let what = format!("{name}: the answer to K{code} is in no known layout: {error}");
        let advice = "try again; with -v it is shown as it came";
        Failure::other(COMMAND, what, advice)
    })
}

/// A camera that was told to do it, and says something else than that it did.
fn refusal(operation: &Operation, code: u16, answer: &Value) -> Option<Failure> {
    let name = operation.control().name;
    (!operation.is_done(answer)).then(|| {
        let what =
            format!("{name}: the camera answered K{code} with {answer}, not with 1 for done");
        let advice = "the camera may not take this value, or not now";
        Failure::new(Status::Refused, COMMAND, what, advice)
    })
}

fn context(model: Option<&str>) -> Context<'_> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    Context {
        model,
        now_unix_millis: since.and_then(|since| u64::try_from(since.as_millis()).ok()),
    }
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

/// The names that this may be a mistake for.
fn nearest(name: &str) -> Vec<&'static str> {
    suggest::nearest(name, CATALOGUE.iter().map(|control| control.name))
}

fn unanswered(asking: &Asking<'_>, operation: &Operation, code: u16) -> Failure {
    let control = operation.control();
    let model = asking.model();
    let what = format!(
        "no answer to K{code} ({}) from {} within {} s: a camera that does not know a code does not answer",
        control.name,
        model.unwrap_or("a camera of unknown model"),
        asking.patience().as_secs_f32(),
    );
    let two_codes = operation.is_set() && control.other_set_code().is_some();
    let advice = match (model, control.models) {
        (_, Models::Kind { .. }) => format!("this is for {}", models::only(control.models)),
        (None, Models::Unknown) if two_codes => {
            "give `model` in the camera's address: it decides which code is sent".to_owned()
        }
        _ => {
            "this camera may not have it: `tutk control --list` shows what else there is".to_owned()
        }
    };
    Failure::new(Status::Silent, COMMAND, what, advice)
}

/// Every control, to people or into the report.
fn list(json: bool, report: &mut Report) {
    report.controls = Some(CATALOGUE.iter().map(Control::to_json).collect());
    if !json {
        for control in CATALOGUE {
            console::print(described(control));
        }
    }
}

/// Name, what can be done with it and what it does; below it, what it takes and which models have it.
fn described(control: &Control) -> String {
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
    let models = models::only(control.models);
    let models = (!models.is_empty()).then(|| format!("({models})"));
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
    fn what_cannot_be_set_is_a_mistake_of_the_command_line() {
        let operation = Operation::parse("night-check", ["on"]).unwrap();
        let failure = json(&operation, &context(None)).unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        assert!(failure.what.contains("read only"), "{failure}");
    }

    #[test]
    fn only_done_is_done() {
        let set = Operation::parse("spotlight", ["on"]).unwrap();
        let done = understand(&set, 10646, &[1]).unwrap();
        assert_eq!(refusal(&set, 10646, &done), None);
        let other = understand(&set, 10646, &[2]).unwrap();
        let failure = refusal(&set, 10646, &other).unwrap();
        assert_eq!(failure.status, Status::Refused);
        assert!(failure.what.contains("K10646 with 2"), "{failure}");
        let failure = understand(&set, 10646, &[]).unwrap_err();
        assert_eq!(failure.status, Status::Other);
    }

    #[test]
    fn unknown_names_are_answered_with_near_ones() {
        assert_eq!(nearest("nite-vision"), ["night-vision"]);
        assert_eq!(nearest("Status_Light"), ["status-light"]);
        assert_eq!(nearest("sprinkler"), Vec::<&str>::new());
        assert!(nearest("night").contains(&"night-check"));
        let failure = unknown("sire");
        assert!(failure.advice.contains("siren"), "{failure}");
        assert!(unknown("x").advice.contains("--list"));
    }

    #[test]
    fn the_list_says_it_all() {
        for control in CATALOGUE {
            let text = described(control);
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
