//! One read or set of a control: from text to a request, and from the answer to JSON.

use alloc::string::String;
use alloc::vec::Vec;
use serde_json::Value;

use super::control::{Context, Control};
use super::table::control;
use crate::schema::{OMITTED, Values};
use crate::{Error, Request};

/// The description of the answer to a successful set.
pub const DONE: &str = "done";

/// A control to read, or to set to some values.
///
/// ```
/// use hl_ioctl::{Context, Operation};
///
/// let set = Operation::parse("night-vision", ["auto"])?;
/// let request = set.request(&Context::default())?;
/// assert_eq!((request.code, request.payload), (10042, vec![3]));
/// // The payload of K10043.
/// let answer = set.describe(&[1])?;
/// assert!(set.is_done(&answer) && answer == "done");
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
    /// Parses the name of a control and its values.
    ///
    /// With values the control is set. Without values it is read, or set if it is write-only.
    /// [`OMITTED`] as the only value of a list sets an empty list.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownControl`].
    pub fn parse(
        name: &str,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, Error> {
        let control = control(name).ok_or_else(|| Error::UnknownControl {
            got: name.chars().take(32).collect(),
        })?;
        let mut operation = Self::set(control, values);
        operation.is_set = !operation.values.is_empty() || control.get_code().is_none();
        let list = matches!(control.values(), Some(Values::List { .. }));
        if list && matches!(&operation.values[..], [only] if only == OMITTED) {
            operation.values.clear();
        }
        Ok(operation)
    }

    /// Creates an operation that reads the control.
    #[must_use]
    pub const fn read(control: &'static Control) -> Self {
        Self {
            control,
            values: Vec::new(),
            is_set: false,
        }
    }

    /// Creates an operation that sets the control to these values.
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

    /// Returns `true` if the operation sets the control.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.is_set
    }

    /// Returns `true` if the operation destroys data. Ask for confirmation before.
    #[must_use]
    pub const fn is_destructive(&self) -> bool {
        self.is_set && self.control.destructive
    }

    /// Returns the values to send as JSON, in the form of the answers, or `None` if there are none.
    ///
    /// # Errors
    ///
    /// The errors of [`Control::set`].
    pub fn json(&self, context: &Context) -> Result<Option<Value>, Error> {
        if !self.is_set {
            return Ok(None);
        }
        let value = self.control.parse(&self.values(), context)?;
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// Returns the request to the camera.
    ///
    /// # Errors
    ///
    /// The errors of [`Control::set`] for a set, and [`Error::WriteOnly`] for a read.
    pub fn request(&self, context: &Context) -> Result<Request, Error> {
        if self.is_set {
            return self.control.set_with(&self.values(), context);
        }
        let control = self.control.name;
        let request = self.control.get_with(context);
        request.ok_or(Error::WriteOnly { control })
    }

    /// Converts the camera's answer to JSON: the value read, or [`DONE`].
    ///
    /// # Errors
    ///
    /// The errors of [`Control::describe_answer`].
    pub fn describe(&self, payload: &[u8]) -> Result<Value, Error> {
        match self.is_set {
            true => self.control.describe_set_answer(payload),
            false => self.control.describe_answer(payload),
        }
    }

    /// Returns `true` if this answer, as JSON, reports success.
    #[must_use]
    pub fn is_done(&self, answer: &Value) -> bool {
        !self.is_set || *answer == DONE
    }

    fn values(&self) -> Vec<&str> {
        self.values.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;
    use crate::CommandSet;

    const NOTHING: [&str; 0] = [];

    fn code(name: &str, values: &[&str], command_set: CommandSet) -> Result<u16, Error> {
        let mut context = Context::default();
        context.profile.command_set = command_set;
        let operation = Operation::parse(name, values.iter().copied())?;
        Ok(operation.request(&context)?.code)
    }

    #[test]
    fn without_values_reads_or_performs_the_action() {
        let current = |name, values| code(name, values, CommandSet::Current);
        assert_eq!(current("siren", &[]), Ok(10632));
        assert_eq!(current("home-position", &[]), Ok(11004));
        let error = current("time-zone", &[]).unwrap_err().to_string();
        assert!(error.contains("-11 to 13 hours"), "{error}");
        let photo = control("photo").unwrap();
        let error = Operation::read(photo).request(&Context::default());
        assert_eq!(error, Err(Error::WriteOnly { control: "photo" }));
        let error = current("sprinkler", &["on"]).unwrap_err();
        assert_eq!(error.to_string(), "there is no control `sprinkler`");
    }

    #[test]
    fn with_values_sets_with_the_code_of_the_command_set() {
        for (command_set, video, motion) in [
            (CommandSet::Current, 10056, 10206),
            (CommandSet::Legacy, 10052, 10202),
        ] {
            assert_eq!(code("resolution", &["1080p"], command_set), Ok(video));
            assert_eq!(code("motion-alarm", &["on"], command_set), Ok(motion));
        }
    }

    #[test]
    fn sets_an_empty_list() {
        let points = Operation::parse("patrol-points", [OMITTED]).unwrap();
        let request = points.request(&Context::default()).unwrap();
        assert_eq!((request.code, &request.payload[..]), (11012, &[0][..]));
        let none = Operation::set(control("patrol-points").unwrap(), NOTHING);
        assert_eq!(none.request(&Context::default()).unwrap().code, 11012);
    }

    #[test]
    fn only_done_reports_success_of_a_set() {
        let set = Operation::parse("spotlight", ["on"]).unwrap();
        assert!(set.is_done(&set.describe(&[1]).unwrap()));
        assert!(!set.is_done(&set.describe(&[2]).unwrap()));
        assert!(!set.is_destructive());
        // 2 is a value in the answer to a read.
        let get = Operation::parse("spotlight", NOTHING).unwrap();
        let off = get.describe(&[2]).unwrap();
        assert!(get.is_done(&off) && off == "off");
        let format = Operation::parse("format-sd-card", NOTHING).unwrap();
        assert!(format.is_destructive());
    }
}
