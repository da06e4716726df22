//! What somebody wants of a control: from words to a request, and from the answer back to words.

use alloc::string::String;
use alloc::vec::Vec;
use serde_json::Value;

use super::entries::entry;
use super::entry::{Context, Entry};
use crate::describe::{LEFT_OUT, Values};
use crate::{Error, Request};

/// What the camera says, in words, to a set that it carried out.
pub const DONE: &str = "done";

/// One thing that is to be done with a control: it is read, or set to some values, or carried out.
///
/// ```
/// use hl_ioctl::{Context, Order};
///
/// let order = Order::of("night-vision", ["auto"])?;
/// let request = order.request(&Context::default())?;
/// assert_eq!((request.code, request.payload), (10042, vec![3]));
/// // K10043.
/// let answer = order.describe(&[1])?;
/// assert!(order.is_done(&answer) && answer == "done");
///
/// let read = Order::of("night-vision", [""; 0])?;
/// assert_eq!(read.request(&Context::default())?.code, 10040);
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Order {
    entry: &'static Entry,
    values: Vec<String>,
    is_set: bool,
}

impl Order {
    /// By name and values as they are typed: with values it is set; without any it is read or, where there is
    /// nothing to read, done. [`LEFT_OUT`] alone empties a list.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownControl`].
    pub fn of(
        name: &str,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, Error> {
        let entry = entry(name).ok_or_else(|| Error::unknown_control(name))?;
        let mut order = Self::set(entry, values);
        order.is_set = !order.values.is_empty() || entry.get_code().is_none();
        let list = matches!(entry.values(), Some(Values::List { .. }));
        if list && matches!(&order.values[..], [only] if only == LEFT_OUT) {
            order.values.clear();
        }
        Ok(order)
    }

    /// It is read.
    #[must_use]
    pub const fn read(entry: &'static Entry) -> Self {
        Self {
            entry,
            values: Vec::new(),
            is_set: false,
        }
    }

    /// It is set to these values, or done where it takes none.
    #[must_use]
    pub fn set(entry: &'static Entry, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            entry,
            values: values.into_iter().map(Into::into).collect(),
            is_set: true,
        }
    }

    /// The control.
    #[must_use]
    pub const fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// Whether it is set or done, not read.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.is_set
    }

    /// Whether it destroys something: ask before.
    #[must_use]
    pub const fn is_destructive(&self) -> bool {
        self.is_set && self.entry.destructive
    }

    /// The values that are sent, in the words of the answers; `None` where none are.
    ///
    /// # Errors
    ///
    /// As [`Entry::set`], for one that is set.
    pub fn json(&self, context: &Context<'_>) -> Result<Option<Value>, Error> {
        if !self.is_set {
            return Ok(None);
        }
        let value = self.entry.parse(&self.values(), context)?;
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    /// What is sent to the camera.
    ///
    /// # Errors
    ///
    /// As [`Entry::set`] for one that is set, and [`Error::WriteOnly`] for one that cannot be read.
    pub fn request(&self, context: &Context<'_>) -> Result<Request, Error> {
        if self.is_set {
            return self.entry.set_with(&self.values(), context);
        }
        let control = self.entry.name;
        let request = self.entry.get_with(context);
        request.ok_or(Error::WriteOnly { control })
    }

    /// The camera's answer in words: what was read, or [`DONE`].
    ///
    /// # Errors
    ///
    /// As [`Entry::describe_answer`].
    pub fn describe(&self, payload: &[u8]) -> Result<Value, Error> {
        match self.is_set {
            true => self.entry.describe_set_answer(payload),
            false => self.entry.describe_answer(payload),
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

    const NOTHING: [&str; 0] = [];

    fn code(name: &str, values: &[&str], model: Option<&str>) -> Result<u16, Error> {
        let context = Context {
            model,
            now_unix_millis: None,
        };
        let order = Order::of(name, values.iter().copied())?;
        order.json(&context)?;
        Ok(order.request(&context)?.code)
    }

    #[test]
    fn without_a_value_it_is_read_or_done() {
        assert_eq!(code("siren", &[], None), Ok(10632));
        assert_eq!(code("home-position", &[], None), Ok(11004));
        let error = code("time-zone", &[], None).unwrap_err().to_string();
        assert!(error.contains("-11 to 13 hours"), "{error}");
        let photo = entry("photo").unwrap();
        let error = Order::read(photo).request(&Context::default()).unwrap_err();
        assert_eq!(error, Error::WriteOnly { control: "photo" });
    }

    #[test]
    fn with_values_it_is_set_in_the_models_own_code() {
        assert_eq!(code("motion-alarm", &["on"], None), Ok(10206));
        assert_eq!(code("motion-alarm", &["on"], Some("WYZEDB3")), Ok(10202));
        let error = code("night-check", &["on"], None).unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
        let error = code("sprinkler", &["on"], None).unwrap_err();
        assert_eq!(error.to_string(), "there is no control `sprinkler`");
    }

    #[test]
    fn a_list_can_be_emptied() {
        let points = Order::of("patrol-points", [LEFT_OUT]).unwrap();
        let request = points.request(&Context::default()).unwrap();
        assert_eq!((request.code, &request.payload[..]), (11012, &[0][..]));
        assert_eq!(code("patrol-points", &[], None), Ok(11010));
        let none = Order::set(entry("patrol-points").unwrap(), NOTHING);
        assert_eq!(none.request(&Context::default()).unwrap().code, 11012);
    }

    #[test]
    fn only_done_is_done() {
        let set = Order::of("spotlight", ["on"]).unwrap();
        assert!(set.is_done(&set.describe(&[1]).unwrap()));
        assert!(!set.is_done(&set.describe(&[2]).unwrap()));
        assert!(set.describe(&[]).is_err());
        // The same byte is no refusal where it is a value.
        let get = Order::of("spotlight", NOTHING).unwrap();
        let off = get.describe(&[2]).unwrap();
        assert!(get.is_done(&off) && off == "off");
        assert!(!set.is_destructive());
        assert!(
            Order::of("format-sd-card", NOTHING)
                .unwrap()
                .is_destructive()
        );
    }
}
