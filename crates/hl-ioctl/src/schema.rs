//! The names and ranges of values, for lists of controls, error messages and parsing.

use core::fmt;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use serde_json::{Value, json};

/// The text for an omitted optional field.
pub const OMITTED: &str = "-";

/// The separator between the fields of an item of [`Values::List`].
pub const SEPARATOR: char = ':';

const ON_OFF: &[NamedValue] = &[NamedValue::new("on", 1), NamedValue::new("off", 2)];

/// The values that setting a control requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Values {
    /// No value. Setting the control performs an action.
    None,
    /// One value.
    One(Kind),
    /// Several values in this order.
    Fields(&'static [Field]),
    /// A list of items with these fields, separated by [`SEPARATOR`].
    List {
        /// The fields of an item.
        item: &'static [Field],
        /// The largest number of items.
        max_items: usize,
    },
}

/// A field of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name, which is also its key in JSON.
    pub name: &'static str,
    /// The allowed values.
    pub kind: Kind,
    /// `true` if the field may be omitted at the end, or anywhere with [`OMITTED`].
    pub optional: bool,
}

/// The allowed values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `on` (1) or `off` (2).
    OnOff,
    /// One of these values.
    OneOf(&'static [NamedValue]),
    /// An integer in an inclusive range.
    Number {
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
        /// The unit, such as `degrees`. It is empty if there is none.
        unit: &'static str,
    },
}

/// A value with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedValue {
    /// The name in text and JSON.
    pub name: &'static str,
    /// The number on the wire.
    pub number: i64,
}

impl Values {
    /// Returns the fields. A single value is a field named `value`; a list has the fields of an
    /// item.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        match *self {
            Self::None => Vec::new(),
            Self::One(kind) => [Field::new("value", kind)].into(),
            Self::Fields(fields) | Self::List { item: fields, .. } => fields.into(),
        }
    }

    /// Returns `none`, `one`, `fields` or `list`.
    #[must_use]
    pub const fn form(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::One(_) => "one",
            Self::Fields(_) => "fields",
            Self::List { .. } => "list",
        }
    }

    /// Returns the [`choices`](Kind::choices) of a single value, or a description of each field.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        match *self {
            Self::None => Vec::new(),
            Self::One(kind) => kind.choices(),
            Self::Fields(fields) | Self::List { item: fields, .. } => fields
                .iter()
                .map(|field| format!("{} {}", field.name, field.kind))
                .collect(),
        }
    }
}

/// `HORIZONTAL VERTICAL [SPEED]: horizontal -128 to 127 degrees; …`, in one line.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::None => f.write_str("no value"),
            Self::One(kind) => kind.fmt(f),
            Self::Fields(fields) => write_fields(f, fields, ' '),
            Self::List { item, max_items } => {
                write!(f, "0 to {max_items} times ")?;
                write_fields(f, item, SEPARATOR)
            }
        }
    }
}

fn write_fields(f: &mut fmt::Formatter<'_>, fields: &[Field], separator: char) -> fmt::Result {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            write!(f, "{separator}")?;
        }
        let name = field.name.to_ascii_uppercase();
        if field.optional {
            write!(f, "[{name}]")?;
        } else {
            f.write_str(&name)?;
        }
    }
    for (at, field) in fields.iter().enumerate() {
        let joint = if at == 0 { ": " } else { "; " };
        write!(f, "{joint}{} {}", field.name, field.kind)?;
    }
    Ok(())
}

impl Field {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            optional: false,
        }
    }

    pub(crate) const fn optional(mut self, optional: bool) -> Self {
        self.optional = optional;
        self
    }

    /// Returns the field as JSON: `name`, `optional`, and `choices` or `min`, `max` and `unit`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self { name, optional, .. } = self;
        match self.kind {
            Kind::Number { min, max, unit } => json!({
                "name": name, "optional": optional, "min": min, "max": max, "unit": unit,
            }),
            Kind::OnOff | Kind::OneOf(_) => json!({
                "name": name, "optional": optional, "choices": self.kind.choices(),
            }),
        }
    }
}

impl Kind {
    /// Parses a name or a number. Returns the number on the wire, or `None` if it is not allowed.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<i64> {
        match *self {
            Self::Number { min, max, .. } => text.parse().ok().filter(|n| (min..=max).contains(n)),
            Self::OnOff | Self::OneOf(_) => {
                let named = self.names().iter().find(|named| named.name == text);
                named.map(|named| named.number)
            }
        }
    }

    /// Returns the named values. A number has none.
    #[must_use]
    pub const fn names(&self) -> &'static [NamedValue] {
        match *self {
            Self::OnOff => ON_OFF,
            Self::OneOf(names) => names,
            Self::Number { .. } => &[],
        }
    }

    /// Returns the names, or the range as text.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        match self.names() {
            [] => [self.to_string()].into(),
            names => names.iter().map(|named| named.name.into()).collect(),
        }
    }

    /// Returns a number on the wire as JSON: its name, or the number if it has no name.
    #[must_use]
    pub fn json(&self, number: i64) -> Value {
        self.names()
            .iter()
            .find(|named| named.number == number)
            .map_or_else(|| number.into(), |named| named.name.into())
    }
}

/// `on, off or auto`, or `-11 to 13 hours`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Number { min, max, unit } = self {
            write!(f, "{min} to {max}")?;
            return match *unit {
                "" => Ok(()),
                unit => write!(f, " {unit}"),
            };
        }
        let names = self.names();
        for (at, named) in names.iter().enumerate() {
            match at {
                0 => {}
                _ if at + 1 == names.len() => f.write_str(" or ")?,
                _ => f.write_str(", ")?,
            }
            f.write_str(named.name)?;
        }
        Ok(())
    }
}

impl NamedValue {
    pub(crate) const fn new(name: &'static str, number: i64) -> Self {
        Self { name, number }
    }
}
