//! A named control, and how it is read and set.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::commands::SetAnswer;
use crate::layout::{FromText, Payload as _, ToJson};
use crate::schema::{Field, Values};
use crate::{CameraGroup, Command, CommandProfile, CommandSet, Error, Request, UNANSWERED};

/// A named control: a property or function of a camera that a client can read, set, or both.
///
/// The messages are the types in [`commands`](crate::commands).
#[derive(Debug, Clone, Copy)]
pub struct Control {
    /// The name in kebab case. It does not change between versions.
    pub name: &'static str,
    /// A one-line description.
    pub summary: &'static str,
    /// `true` if setting the control destroys data. [`set`](Self::set) does not ask for
    /// confirmation.
    pub destructive: bool,
    /// The group of cameras that have the control; `None` if it depends on the camera's equipment.
    pub group: Option<CameraGroup>,
    get: Option<Get>,
    set: Option<Set>,
}

/// What some requests depend on besides their values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context {
    /// The commands that the camera accepts.
    pub profile: CommandProfile,
    /// The time in milliseconds since 1970, for `clock now` and the timestamps of `position`.
    ///
    /// Without it `now` is an error and timestamps are 0.
    pub now_unix_millis: Option<u64>,
}

/// How a control is read.
#[derive(Debug, Clone, Copy)]
struct Get {
    code: u16,
    request: fn(&Context) -> Request,
    describe: fn(&[u8]) -> Result<Value, Error>,
}

/// How a control is set.
#[derive(Debug, Clone, Copy)]
struct Set {
    code: u16,
    legacy_code: Option<u16>,
    values: Values,
    make: Make,
}

/// Converts a control's name, values and context into the request and its values as JSON.
type Make = fn(&'static str, &[&str], &Context) -> Result<(Request, Value), Error>;

impl Control {
    /// Returns the code that reads the control.
    #[must_use]
    pub fn get_code(&self) -> Option<u16> {
        self.get.map(|get| get.code)
    }

    /// Returns the code that sets the control on cameras with this command set.
    #[must_use]
    pub fn set_code(&self, command_set: CommandSet) -> Option<u16> {
        let set = self.set?;
        match command_set {
            CommandSet::Current => Some(set.code),
            CommandSet::Legacy => set.legacy_code.or(Some(set.code)),
        }
    }

    /// Returns the code that sets the control with [`CommandSet::Legacy`], if that is another one.
    #[must_use]
    pub fn legacy_set_code(&self) -> Option<u16> {
        self.set?.legacy_code
    }

    /// Returns the values that setting the control requires, or `None` if it is read-only.
    #[must_use]
    pub fn values(&self) -> Option<Values> {
        self.set.map(|set| set.values)
    }

    /// Returns the request that reads the control, or `None` if it is write-only.
    #[must_use]
    pub fn get(&self) -> Option<Request> {
        self.get_with(&Context::default())
    }

    /// Returns the request that reads the control in this context.
    #[must_use]
    pub fn get_with(&self, context: &Context) -> Option<Request> {
        self.get.map(|get| (get.request)(context))
    }

    /// Returns the request that sets the control to these values.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`]. [`Error::ArgumentCount`] and [`Error::Argument`] for invalid values;
    /// the message lists the valid ones.
    pub fn set(&self, values: &[&str]) -> Result<Request, Error> {
        self.set_with(values, &Context::default())
    }

    /// Returns the request that sets the control to these values in this context.
    ///
    /// # Errors
    ///
    /// The errors of [`set`](Self::set).
    pub fn set_with(&self, values: &[&str], context: &Context) -> Result<Request, Error> {
        self.make(values, context).map(|(request, _)| request)
    }

    /// Returns the values that [`set_with`](Self::set_with) sends as JSON, in the form of
    /// [`describe_answer`](Self::describe_answer). It is `null` for a control without values.
    ///
    /// # Errors
    ///
    /// The errors of [`set`](Self::set).
    pub fn parse(&self, values: &[&str], context: &Context) -> Result<Value, Error> {
        self.make(values, context).map(|(_, json)| json)
    }

    /// Converts the answer to [`get`](Self::get) to JSON: values by name, several as an object.
    ///
    /// For a write-only control it converts the answer to [`set`](Self::set), as
    /// [`describe_set_answer`](Self::describe_set_answer) does.
    ///
    /// # Errors
    ///
    /// The errors of the command's [`Command::decode_answer`].
    pub fn describe_answer(&self, payload: &[u8]) -> Result<Value, Error> {
        match self.get {
            Some(get) => (get.describe)(payload),
            None => self.describe_set_answer(payload),
        }
    }

    /// Returns `false` if cameras never answer the command that sets the control. It is complete
    /// when it is sent and acknowledged.
    #[must_use]
    pub fn set_is_answered(&self) -> bool {
        self.set.is_none_or(|set| !UNANSWERED.contains(&set.code))
    }

    /// Converts the answer to [`set`](Self::set) to JSON: `"done"`, or the byte that the camera
    /// sent. An empty payload is `"done"` if there [is no answer](Self::set_is_answered).
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] for an empty answer.
    pub fn describe_set_answer(&self, payload: &[u8]) -> Result<Value, Error> {
        if payload.is_empty() && !self.set_is_answered() {
            return Ok(SetAnswer::Done.json());
        }
        SetAnswer::read(self.name, payload).map(|answer| answer.json())
    }

    /// Returns the control as JSON.
    ///
    /// The keys are `name`, `summary`, the codes `get` and `set`, `values` as text, their `form`
    /// ([`Values::form`]) and `fields` ([`Field::to_json`]), the largest number of list items as
    /// `most`, `destructive`, and the name of the group as `kind`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let values = self.values();
        let fields = |values: Values| -> Vec<_> {
            let fields = values.fields();
            fields.iter().map(Field::to_json).collect()
        };
        json!({
            "name": self.name,
            "summary": self.summary,
            "get": self.get_code(),
            "set": self.set_code(CommandSet::Current),
            "values": values.map(|values| values.to_string()),
            "form": values.map(|values| values.form()),
            "fields": values.map(fields),
            "most": match values {
                Some(Values::List { max_items, .. }) => Some(max_items),
                _ => None,
            },
            "destructive": self.destructive,
            "kind": self.group.map(CameraGroup::name),
        })
    }

    fn make(&self, values: &[&str], context: &Context) -> Result<(Request, Value), Error> {
        let control = self.name;
        let set = self.set.ok_or(Error::ReadOnly { control })?;
        (set.make)(control, values, context)
    }
}

/// Builders for the table.
impl Control {
    pub(super) const fn new(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            summary,
            destructive: false,
            group: None,
            get: None,
            set: None,
        }
    }

    /// Reads with the default value of `C`.
    pub(super) const fn reads<C>(self) -> Self
    where
        C: Command + Default,
        C::Answer: ToJson,
    {
        self.reads_with::<C>(|_| Request::from(&C::default()))
    }

    /// Reads with the request that the function returns.
    pub(super) const fn reads_with<C>(mut self, request: fn(&Context) -> Request) -> Self
    where
        C: Command,
        C::Answer: ToJson,
    {
        self.get = Some(Get {
            code: C::CODE,
            request,
            describe: |payload| C::decode_answer(payload).map(|answer| answer.json()),
        });
        self
    }

    /// Sets with `C`, parsed from the values.
    pub(super) const fn sets<C>(self) -> Self
    where
        C: Command + FromText,
    {
        self.sets_with::<C>(C::VALUES, |control, texts, _| {
            let command = C::from_texts(control, texts)?;
            Ok((Request::from(&command), command.json()))
        })
    }

    /// Sets with the request that the function returns.
    pub(super) const fn sets_with<C: Command>(mut self, values: Values, make: Make) -> Self {
        self.set = Some(Set {
            code: C::CODE,
            legacy_code: None,
            values,
            make,
        });
        self
    }

    /// Sets with `C` on cameras with [`CommandSet::Legacy`].
    pub(super) const fn legacy<C: Command>(mut self) -> Self {
        if let Some(set) = &mut self.set {
            set.legacy_code = Some(C::CODE);
        }
        self
    }

    pub(super) const fn only(mut self, group: CameraGroup) -> Self {
        self.group = Some(group);
        self
    }

    pub(super) const fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }
}
