//! `tutk control`: one thing of a camera, read, set or done.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tutk_runtime::tutk_session::hl_ioctl::describe::{LEFT_OUT, Values};
use tutk_runtime::tutk_session::hl_ioctl::{CATALOGUE, Context, Entry, Models, Request, entry};

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

/// What the camera says to a set that it carried out.
const DONE: &str = "done";

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
    let order = Order::new(name, &args.values)?;
    report.control = Some(order.entry.name);
    report.set = order.json()?;
    if order.is_set && order.entry.destructive && !args.yes {
        let Entry { name, summary, .. } = order.entry;
        let what = format!("{name} destroys data ({summary})");
        let advice = "add --yes if that is what is wanted";
        return Err(Failure::usage(ARGUMENTS, what, advice));
    }
    let camera = camera::read(camera, global.config.as_deref())?;

    let mut asking = Asking::open(camera, &args.access, NO_MEDIA, console, report, stop).await?;
    let result = carry_out(&mut asking, &order, global.json).await;
    asking.close().await;
    result
}

async fn carry_out(asking: &mut Asking<'_>, order: &Order<'_>, json: bool) -> Result<(), Failure> {
    asking.enter().await?;
    let request = order.request(asking.model())?;
    // As it is sent: `now` is later now.
    asking.report.set = order.json()?;
    let code = request.code;
    let Some(payload) = asking.ask(request).await? else {
        return Err(unanswered(asking, order, code));
    };
    let answer = order.understand(code, &payload)?;
    let refusal = order.refusal(code, &answer);
    if !json && refusal.is_none() {
        console::print(table::of(&answer));
    }
    asking.report.answer = Some(answer);
    refusal.map_or(Ok(()), Err)
}

/// What is to be done with which control.
struct Order<'a> {
    entry: &'static Entry,
    values: Vec<&'a str>,
    /// Set or done, not read.
    is_set: bool,
}

impl<'a> Order<'a> {
    fn new(name: &str, values: &'a [String]) -> Result<Self, Failure> {
        let entry = entry(name).ok_or_else(|| unknown(name))?;
        let mut values: Vec<_> = values.iter().map(String::as_str).collect();
        let is_set = !values.is_empty() || entry.get_code().is_none();
        // Without any value it is read: this is how a list is emptied.
        if matches!(entry.values(), Some(Values::List { .. })) && values == [LEFT_OUT] {
            values.clear();
        }
        Ok(Self {
            entry,
            values,
            is_set,
        })
    }

    /// The values in the camera's words; `None` where none are sent.
    fn json(&self) -> Result<Option<Value>, Failure> {
        if !self.is_set {
            return Ok(None);
        }
        let parsed = self.entry.parse(&self.values, &context(None));
        let value = parsed.map_err(|error| not_taken(&error.to_string()))?;
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// The request, by the model: it decides between two codes.
    fn request(&self, model: Option<&str>) -> Result<Request, Failure> {
        let context = context(model);
        let made = if self.is_set {
            self.entry
                .set_with(&self.values, &context)
                .map_err(|error| error.to_string())
        } else {
            let name = self.entry.name;
            self.entry
                .get_with(&context)
                .ok_or_else(|| format!("{name}: it cannot be read"))
        };
        made.map_err(|what| not_taken(&what))
    }

    /// The camera's answer in words.
    fn understand(&self, code: u16, payload: &[u8]) -> Result<Value, Failure> {
        let described = if self.is_set {
            self.entry.describe_set_answer(payload)
        } else {
            self.entry.describe_answer(payload)
        };
        described.map_err(|error| {
            let name = self.entry.name;
            let what = format!("{name}: the answer to K{code} is in no known layout: {error}");
            let advice = "try again; with -v it is shown as it came";
            Failure::other(COMMAND, what, advice)
        })
    }

    /// A camera that was told to do it, and says something else than that it did.
    fn refusal(&self, code: u16, answer: &Value) -> Option<Failure> {
        let name = self.entry.name;
        (self.is_set && *answer != DONE).then(|| {
            let what =
                format!("{name}: the camera answered K{code} with {answer}, not with 1 for done");
            let advice = "the camera may not take this value, or not now";
            Failure::new(Status::Refused, COMMAND, what, advice)
        })
    }
}

fn context(model: Option<&str>) -> Context<'_> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    Context {
        model,
        now_unix_millis: since.and_then(|since| u64::try_from(since.as_millis()).ok()),
    }
}

fn not_taken(what: &str) -> Failure {
    Failure::usage(ARGUMENTS, what, SEE_LIST)
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
    suggest::nearest(name, CATALOGUE.iter().map(|entry| entry.name))
}

fn unanswered(asking: &Asking<'_>, order: &Order<'_>, code: u16) -> Failure {
    let entry = order.entry;
    let model = asking.model();
    let what = format!(
        "no answer to K{code} ({}) from {} within {} s: a camera that does not know a code does not answer",
        entry.name,
        model.unwrap_or("a camera of unknown model"),
        asking.patience().as_secs_f32(),
    );
    let two_codes = order.is_set && entry.other_set_code().is_some();
    let advice = match (model, entry.models) {
        (_, Models::Kind { .. }) => format!("this is for {}", models::only(entry.models)),
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
    report.controls = Some(CATALOGUE.iter().map(Entry::to_json).collect());
    if !json {
        for entry in CATALOGUE {
            console::print(described(entry));
        }
    }
}

/// Name, what can be done with it and what it does; below it, what it takes and which models have it.
fn described(entry: &Entry) -> String {
    let read = entry.get_code().map(|_| "read");
    let write = entry.values().map(|values| match values {
        Values::None => "do",
        _ => "set",
    });
    let modes: Vec<_> = read.into_iter().chain(write).collect();
    let yes = if entry.destructive {
        "; needs --yes"
    } else {
        ""
    };
    let mut text = format!(
        "{:<20} {:<10} {}{yes}",
        entry.name,
        modes.join(", "),
        entry.summary
    );
    let values = entry.values().filter(|values| *values != Values::None);
    let models = models::only(entry.models);
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

    fn order<'a>(name: &str, values: &'a [String]) -> Order<'a> {
        Order::new(name, values).unwrap()
    }

    #[test]
    fn without_a_value_it_is_read_or_done() {
        assert_eq!(order("siren", &[]).request(None).unwrap().code, 10632);
        assert_eq!(
            order("home-position", &[]).request(None).unwrap().code,
            11004
        );
        let failure = order("time-zone", &[]).request(None).unwrap_err();
        assert!(failure.what.contains("-11 to 13 hours"), "{failure}");
    }

    #[test]
    fn with_values_it_is_set_in_the_models_own_code() {
        let values = ["on".to_owned()];
        let alarm = order("motion-alarm", &values);
        assert_eq!(alarm.request(None).unwrap().code, 10206);
        assert_eq!(alarm.request(Some("WYZEDB3")).unwrap().code, 10202);
        let failure = order("night-check", &values).json().unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        assert!(failure.what.contains("read only"), "{failure}");
    }

    #[test]
    fn a_list_can_be_emptied() {
        let values = [LEFT_OUT.to_owned()];
        let points = order("patrol-points", &values);
        let request = points.request(None).unwrap();
        assert_eq!((request.code, request.payload), (11012, vec![0]));
        assert_eq!(
            order("patrol-points", &[]).request(None).unwrap().code,
            11010
        );
    }

    #[test]
    fn only_done_is_done() {
        let values = ["on".to_owned()];
        let set = order("spotlight", &values);
        let done = set.understand(10646, &[1]).unwrap();
        assert_eq!(set.refusal(10646, &done), None);
        let other = set.understand(10646, &[2]).unwrap();
        let failure = set.refusal(10646, &other).unwrap();
        assert_eq!(failure.status, Status::Refused);
        assert!(failure.what.contains("K10646 with 2"), "{failure}");
        let failure = set.understand(10646, &[]).unwrap_err();
        assert_eq!(failure.status, Status::Other);

        // The same byte is no refusal where it is a value.
        let get = order("spotlight", &[]);
        let off = get.understand(10640, &[2]).unwrap();
        assert_eq!((get.refusal(10640, &off), off), (None, "off".into()));
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
        for entry in CATALOGUE {
            let text = described(entry);
            assert!(
                text.starts_with(entry.name) && text.contains(entry.summary),
                "{text}"
            );
            if let Some(values) = entry.values().filter(|values| *values != Values::None) {
                assert!(text.contains(&values.to_string()), "{text}");
            }
            assert_eq!(text.contains("--yes"), entry.destructive, "{text}");
        }
    }
}
