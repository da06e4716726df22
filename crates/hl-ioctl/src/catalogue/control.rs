//! A named control, and how it is read and set.

use alloc::vec::Vec;
use serde_json::{Value, json};

use crate::commands::SetAnswer;
use crate::layout::{Body, FromText};
use crate::models::is_one_of;
use crate::schema::{Field, Values};
use crate::{Command, Error, Request};

/// A named control: something of a camera that can be read, or set, or both.
///
/// What it sends are the types in [`commands`](crate::commands); this is their table.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    /// Its name, in kebab case. It does not change from version to version.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Whether setting it destroys something. Ask before: [`set`](Self::set) does not.
    pub destructive: bool,
    /// Which models have it.
    pub models: Models,
    get: Option<Get>,
    set: Option<Set>,
}

/// Which models have a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Models {
    /// The documents do not say: it depends on what the camera has.
    Unknown,
    /// A kind of camera; the models of it that are known. Others of the kind may have it too.
    Kind {
        /// The kind, in words.
        name: &'static str,
        /// Its models.
        models: &'static [&'static str],
    },
}

/// What some requests depend on beside their values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// The model: it decides between two codes (see [`models`](crate::models)).
    pub model: Option<&'a str>,
    /// The time, in milliseconds since 1970: `clock now`, and the stamps of `position`. Without it there is
    /// no `now`, and stamps are 0.
    pub now_unix_millis: Option<u64>,
}

/// How a control is read.
#[derive(Debug, Clone, Copy)]
struct Get {
    code: u16,
    request: fn(&Context<'_>) -> Request,
    describe: fn(&[u8]) -> Result<Value, Error>,
}

/// How a control is set.
#[derive(Debug, Clone, Copy)]
struct Set {
    code: u16,
    /// The code for some models, and these.
    other: Option<(u16, &'static [&'static str])>,
    values: Values,
    make: Make,
}

/// Name of the control, values and context to the request, and to the values as JSON.
type Make = fn(&'static str, &[&str], &Context<'_>) -> Result<(Request, Value), Error>;

impl Control {
    /// The code that reads it.
    #[must_use]
    pub fn get_code(&self) -> Option<u16> {
        self.get.map(|get| get.code)
    }

    /// The code that sets it, on this model.
    #[must_use]
    pub fn set_code(&self, model: Option<&str>) -> Option<u16> {
        let set = self.set?;
        match set.other {
            Some((code, models)) if is_one_of(model, models) => Some(code),
            _ => Some(set.code),
        }
    }

    /// The code that sets it on some models, and these, if it is not the same for all.
    #[must_use]
    pub fn other_set_code(&self) -> Option<(u16, &'static [&'static str])> {
        self.set?.other
    }

    /// What it takes when it is set; none if it can only be read.
    #[must_use]
    pub fn values(&self) -> Option<Values> {
        self.set.map(|set| set.values)
    }

    /// The request that reads it; none if it can only be set.
    #[must_use]
    pub fn get(&self) -> Option<Request> {
        self.get_with(&Context::default())
    }

    /// The same, for a model and at a time.
    #[must_use]
    pub fn get_with(&self, context: &Context<'_>) -> Option<Request> {
        self.get.map(|get| (get.request)(context))
    }

    /// The request that sets it to these values.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`]; [`Error::ArgumentCount`] and [`Error::Argument`] for values that it does not
    /// take, which say what it takes.
    pub fn set(&self, values: &[&str]) -> Result<Request, Error> {
        self.set_with(values, &Context::default())
    }

    /// The same, for a model and at a time.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn set_with(&self, values: &[&str], context: &Context<'_>) -> Result<Request, Error> {
        self.make(values, context).map(|(request, _)| request)
    }

    /// The values that [`set_with`](Self::set_with) sends, as JSON in the words of
    /// [`describe_answer`](Self::describe_answer): `null` for a control that takes none.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn parse(&self, values: &[&str], context: &Context<'_>) -> Result<Value, Error> {
        self.make(values, context).map(|(_, json)| json)
    }

    /// What the camera answers to [`get`](Self::get), as JSON: values by name, several as an object. For a
    /// control that can only be set, the answer to that: [`describe_set_answer`](Self::describe_set_answer).
    ///
    /// # Errors
    ///
    /// As [`Command::decode_answer`] of its command.
    pub fn describe_answer(&self, payload: &[u8]) -> Result<Value, Error> {
        match self.get {
            Some(get) => (get.describe)(payload),
            None => self.describe_set_answer(payload),
        }
    }

    /// What the camera answers to [`set`](Self::set): `"done"`, or the byte that it says instead.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] if it says nothing.
    pub fn describe_set_answer(&self, payload: &[u8]) -> Result<Value, Error> {
        SetAnswer::take(self.name, payload).map(|answer| answer.json())
    }

    /// The entry itself as JSON: `name`, `summary`, `get` and `set` codes, `values` in words, their `form`
    /// ([`Values::form`]) and `fields` ([`Field::to_json`](crate::schema::Field::to_json)), how many items a list
    /// has at `most`, `destructive`, `models` and their `kind`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let fields = |values: Values| -> Vec<_> {
            let fields = values.fields();
            fields.iter().map(Field::to_json).collect()
        };
        json!({
            "name": self.name,
            "summary": self.summary,
            "get": self.get_code(),
            "set": self.set_code(None),
            "values": self.values().map(|values| alloc::format!("{values}")),
            "form": self.values().map(|values| values.form()),
            "fields": self.values().map(fields),
            "most": match self.values() {
                Some(Values::List { most, .. }) => Some(most),
                _ => None,
            },
            "destructive": self.destructive,
            "models": match self.models {
                Models::Unknown => None,
                Models::Kind { models, .. } => Some(models),
            },
            "kind": match self.models {
                Models::Unknown => None,
                Models::Kind { name, .. } => Some(name),
            },
        })
    }

    fn make(&self, values: &[&str], context: &Context<'_>) -> Result<(Request, Value), Error> {
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
            models: Models::Unknown,
            get: None,
            set: None,
        }
    }

    /// Is read by `C`.
    pub(super) const fn reads<C>(self) -> Self
    where
        C: Command + Default,
        C::Answer: Body,
    {
        self.reads_with::<C>(|_| Request::from(&C::default()))
    }

    /// Is read by `C`, made in another way.
    pub(super) const fn reads_with<C>(mut self, request: fn(&Context<'_>) -> Request) -> Self
    where
        C: Command,
        C::Answer: Body,
    {
        self.get = Some(Get {
            code: C::CODE,
            request,
            describe: |payload| C::decode_answer(payload).map(|answer| answer.json()),
        });
        self
    }

    /// Is set by `C`.
    pub(super) const fn sets<C>(self) -> Self
    where
        C: Command + FromText,
    {
        self.sets_with::<C>(C::VALUES, |control, texts, _| {
            let command = C::from_texts(control, texts)?;
            Ok((Request::from(&command), command.json()))
        })
    }

    /// Is set by `C`, made in another way.
    pub(super) const fn sets_with<C: Command>(mut self, values: Values, make: Make) -> Self {
        self.set = Some(Set {
            code: C::CODE,
            other: None,
            values,
            make,
        });
        self
    }

    /// Is set by `C` on some models.
    pub(super) const fn or<C: Command>(mut self, models: &'static [&'static str]) -> Self {
        if let Some(set) = &mut self.set {
            set.other = Some((C::CODE, models));
        }
        self
    }

    pub(super) const fn only(
        mut self,
        name: &'static str,
        models: &'static [&'static str],
    ) -> Self {
        self.models = Models::Kind { name, models };
        self
    }

    pub(super) const fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }
}
