//! What somebody wants of a control: from words to a request, and from the answer back to words.

use alloc::string::String;
use alloc::vec::Vec;
use serde_json::Value;

use super::control::{Context, Control};
use super::table::control;
use crate::schema::{OMITTED, Values};
use crate::{Error, Request};

/// What the camera says, in words, to a set that it carried out.
pub const DONE: &str = "done";

/// One thing that is to be done with a control: it is read, or set to some values, or carried out.
///
/// ```
/// use hl_ioctl::{Context, Operation};
///
/// let order = Operation::parse("night-vision", ["auto"])?;
/// let request = order.request(&Context::default())?;
/// assert_eq!((request.code, request.payload), (10042, vec![3]));
/// // K10043.
/// let answer = order.describe(&[1])?;
/// assert!(order.is_done(&answer) && answer == "done");
///
/// let read = Operation::parse("night-vision", [""; 0])?;
/// assert_eq!(read.request(&Context::default())?.code, 10040);
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Operation {
    control: &'static Control,
    values: Vec<String>,
    is_set: bool,
}

impl Operation {
    /// By name and values as they are typed: with values it is set; without any it is read or, where there is
    /// nothing to read, done. [`OMITTED`] alone empties a list.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownControl`].
    pub fn parse(
        name: &str,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, Error> {
        let control = control(name).ok_or_else(|| Error::unknown_control(name))?;
        let mut operation = Self::set(control, values);
        operation.is_set = !operation.values.is_empty() || control.get_code().is_none();
        let list = matches!(control.values(), Some(Values::List { .. }));
        if list && matches!(&operation.values[..], [only] if only == OMITTED) {
            operation.values.clear();
        }
        Ok(operation)
    }

    /// It is read.
    #[must_use]
    pub const fn read(control: &'static Control) -> Self {
        Self {
            control,
            values: Vec::new(),
            is_set: false,
        }
    }

    /// It is set to these values, or done where it takes none.
    #[must_use]
    pub fn set(
        control: &'static Control,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            control,
            values: values.into_iter().map(Into::into).collect(),
            is_set: true,
        }
    }

    /// The control.
    #[must_use]
    pub const fn control(&self) -> &'static Control {
        self.control
    }

    /// Whether it is set or done, not read.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.is_set
    }

    /// Whether it destroys something: ask before.
    #[must_use]
    pub const fn is_destructive(&self) -> bool {
        self.is_set && self.control.destructive
    }

    /// The values that are sent, in the words of the answers; `None` where none are.
    ///
    /// # Errors
    ///
    /// As [`Control::set`], for one that is set.
    pub fn json(&self, context: &Context) -> Result<Option<Value>, Error> {
        if !self.is_set {
            return Ok(None);
        }
        let value = self.control.parse(&self.values(), context)?;
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// What is sent to the camera.
    ///
    /// # Errors
    ///
    /// As [`Control::set`] for one that is set, and [`Error::WriteOnly`] for one that cannot be read.
    pub fn request(&self, context: &Context) -> Result<Request, Error> {
        if self.is_set {
            return self.control.set_with(&self.values(), context);
        }
        let control = self.control.name;
        let request = self.control.get_with(context);
        request.ok_or(Error::WriteOnly { control })
    }

    /// The camera's answer in words: what was read, or [`DONE`].
    ///
    /// # Errors
    ///
    /// As [`Control::describe_answer`].
    pub fn describe(&self, payload: &[u8]) -> Result<Value, Error> {
        match self.is_set {
            true => self.control.describe_set_answer(payload),
            false => self.control.describe_answer(payload),
        }
    }

    /// Whether an answer in words says that what was to be done was done.
    #[must_use]
    pub fn is_done(&self, answer: &Value) -> bool {
        !self.is_set || *answer == DONE
    }

    fn values(&self) -> Vec<&str> {
        self.values.iter().map(String::as_str).collect()
    }
}

impl Error {
    /// At most 32 characters of the name are repeated.
    fn unknown_control(name: &str) -> Self {
        Self::UnknownControl {
            got: name.chars().take(32).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::{CommandProfile, CommandSet};

    const NOTHING: [&str; 0] = [];

    fn code(name: &str, values: &[&str], command_set: CommandSet) -> Result<u16, Error> {
        let context = Context {
            profile: CommandProfile {
                command_set,
                ..CommandProfile::default()
            },
            now_unix_millis: None,
        };
        let operation = Operation::parse(name, values.iter().copied())?;
        operation.json(&context)?;
        Ok(operation.request(&context)?.code)
    }

    #[test]
    fn without_a_value_it_is_read_or_done() {
        assert_eq!(code("siren", &[], CommandSet::Current), Ok(10632));
        assert_eq!(code("home-position", &[], CommandSet::Current), Ok(11004));
        let error = code("time-zone", &[], CommandSet::Current)
            .unwrap_err()
            .to_string();
        assert!(error.contains("-11 to 13 hours"), "{error}");
        let photo = control("photo").unwrap();
        let error = Operation::read(photo)
            .request(&Context::default())
            .unwrap_err();
        assert_eq!(error, Error::WriteOnly { control: "photo" });
    }

    #[test]
    fn with_values_it_is_set_in_the_models_own_code() {
        assert_eq!(
            code("motion-alarm", &["on"], CommandSet::Current),
            Ok(10206)
        );
        assert_eq!(code("motion-alarm", &["on"], CommandSet::Legacy), Ok(10202));
        let error = code("night-check", &["on"], CommandSet::Current).unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
        let error = code("sprinkler", &["on"], CommandSet::Current).unwrap_err();
        assert_eq!(error.to_string(), "there is no control `sprinkler`");
    }

    #[test]
    fn a_list_can_be_emptied() {
        let points = Operation::parse("patrol-points", [OMITTED]).unwrap();
        let request = points.request(&Context::default()).unwrap();
        assert_eq!((request.code, &request.payload[..]), (11012, &[0][..]));
        assert_eq!(code("patrol-points", &[], CommandSet::Current), Ok(11010));
        let none = Operation::set(control("patrol-points").unwrap(), NOTHING);
        assert_eq!(none.request(&Context::default()).unwrap().code, 11012);
    }

    #[test]
    fn only_done_is_done() {
        let set = Operation::parse("spotlight", ["on"]).unwrap();
        assert!(set.is_done(&set.describe(&[1]).unwrap()));
        assert!(!set.is_done(&set.describe(&[2]).unwrap()));
        assert!(set.describe(&[]).is_err());
        // The same byte is no refusal where it is a value.
        let get = Operation::parse("spotlight", NOTHING).unwrap();
        let off = get.describe(&[2]).unwrap();
        assert!(get.is_done(&off) && off == "off");
        assert!(!set.is_destructive());
        assert!(
            Operation::parse("format-sd-card", NOTHING)
                .unwrap()
                .is_destructive()
        );
    }
}
