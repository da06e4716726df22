//! Values as data: their names and ranges, for lists of controls, for errors, and for reading text.

use core::fmt;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use serde_json::{Value, json};

/// What one field may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `on` (1) or `off` (2).
    OnOff,
    /// One of these.
    OneOf(&'static [NamedValue]),
    /// A whole number, both ends included.
    Number {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
        /// What it counts, such as `degrees`; empty if it has no unit.
        unit: &'static str,
    },
}

/// A value with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedValue {
    /// The name, as it is typed and as it stands in JSON.
    pub name: &'static str,
    /// The number on the wire.
    pub number: i64,
}

/// A field of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name, which is its key in JSON too.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Whether it may be left out: at the end, or anywhere by typing [`OMITTED`].
    pub optional: bool,
}

/// Typed for an optional field that is left out.
pub const OMITTED: &str = "-";

/// What a control takes when it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Nothing: to set it is to do it.
    None,
    /// One value.
    One(Kind),
    /// Several, in this order.
    Fields(&'static [Field]),
    /// Any number of items, each with these fields, joined by [`SEPARATOR`].
    List {
        /// The fields of an item.
        item: &'static [Field],
        /// The most items.
        max_items: usize,
    },
}

/// Stands between the fields of an item of a [`Values::List`].
pub const SEPARATOR: char = ':';

impl Kind {
    /// The number that stands for this text; none if it is not allowed.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<i64> {
        match *self {
            Self::OnOff => ON_OFF
                .iter()
                .find(|named| named.name == text)
                .map(|n| n.number),
            Self::OneOf(names) => names
                .iter()
                .find(|named| named.name == text)
                .map(|n| n.number),
            Self::Number { min, max, .. } => text.parse().ok().filter(|n| (min..=max).contains(n)),
        }
    }

    /// The names that its values have; none for numbers.
    #[must_use]
    pub const fn names(&self) -> &'static [NamedValue] {
        match *self {
            Self::OnOff => ON_OFF,
            Self::OneOf(names) => names,
            Self::Number { .. } => &[],
        }
    }

    /// What is allowed, each for itself: the names, or a range in words.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        match self.names() {
            [] => [self.to_string()].into(),
            names => names.iter().map(|named| named.name.into()).collect(),
        }
    }

    /// A number of the wire as JSON: its name where it has one.
    #[must_use]
    pub fn json(&self, number: i64) -> Value {
        self.names()
            .iter()
            .find(|named| named.number == number)
            .map_or_else(|| number.into(), |named| named.name.into())
    }
}

impl Field {
    /// A field that must be there.
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            optional: false,
        }
    }

    /// A field that may be left out.
    pub(crate) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            optional: true,
        }
    }

    /// The field as JSON: `name`, `optional`, and `choices` or `min`, `max` and `unit`.
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

impl Values {
    /// The fields: of one value alone that one, which is called `value`; of a list those of an item.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        match *self {
            Self::None => Vec::new(),
            Self::One(kind) => [Field::new("value", kind)].into(),
            Self::Fields(fields) | Self::List { item: fields, .. } => fields.into(),
        }
    }

    /// How the fields stand: `none`, `one`, `fields`, or `list`, of which there may be several items.
    #[must_use]
    pub const fn form(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::One(_) => "one",
            Self::Fields(_) => "fields",
            Self::List { .. } => "list",
        }
    }

    /// What is allowed, each for itself: of one value its [`choices`](Kind::choices), else the fields in words.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        match *self {
            Self::None => Vec::new(),
            Self::One(kind) => kind.choices(),
            Self::Fields(_) | Self::List { .. } => {
                let fields = self.fields();
                let words = fields
                    .iter()
                    .map(|field| format!("{} {}", field.name, field.kind));
                words.collect()
            }
        }
    }
}

const ON_OFF: &[NamedValue] = &[
    NamedValue {
        name: "on",
        number: 1,
    },
    NamedValue {
        name: "off",
        number: 2,
    },
];

/// `on, off or auto`; `-11 to 13 hours`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = match *self {
            Self::OnOff => ON_OFF,
            Self::OneOf(names) => names,
            Self::Number { min, max, unit } => {
                write!(f, "{min} to {max}")?;
                return match unit {
                    "" => Ok(()),
                    unit => write!(f, " {unit}"),
                };
            }
        };
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

/// `HORIZONTAL VERTICAL [SPEED]: horizontal -128 to 127 degrees; …`, in one line.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::None => f.write_str("no value"),
            Self::One(kind) => kind.fmt(f),
            Self::Fields(fields) => {
                for (at, field) in fields.iter().enumerate() {
                    if at > 0 {
                        f.write_str(" ")?;
                    }
                    write_name(f, field)?;
                }
                write_kinds(f, fields)
            }
            Self::List { item, max_items } => {
                write!(f, "0 to {max_items} times ")?;
                for (at, field) in item.iter().enumerate() {
                    if at > 0 {
                        write!(f, "{SEPARATOR}")?;
                    }
                    write_name(f, field)?;
                }
                write_kinds(f, item)
            }
        }
    }
}

fn write_name(f: &mut fmt::Formatter<'_>, field: &Field) -> fmt::Result {
    let name: String = field.name.to_ascii_uppercase();
    if field.optional {
        write!(f, "[{name}]")
    } else {
        f.write_str(&name)
    }
}

fn write_kinds(f: &mut fmt::Formatter<'_>, fields: &[Field]) -> fmt::Result {
    for (at, field) in fields.iter().enumerate() {
        let joint = if at == 0 { ": " } else { "; " };
        write!(f, "{joint}{} {}", field.name, field.kind)?;
    }
    Ok(())
}
