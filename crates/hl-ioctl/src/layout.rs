//! How a payload is put together from its fields: what every command in `commands` is made of.
//!
//! A command's layout is written once, as the list of its fields. From it come the bytes and their reading
//! ([`Body`]), the names and ranges of its values, and their reading from text ([`FromText`]).

use alloc::string::{String, ToString};

use bytes::BufMut;
use nom::bytes::complete::take;
use serde_json::{Map, Value};

use crate::parse::parse;
use crate::schema::{Field, Kind, OMITTED, Values};
use crate::{Error, HEADER_SIZE, JsonDocument};

/// How much of a text that was typed an error repeats, in characters.
const MAX_GOT: usize = 32;

/// One field: a whole number on the wire, of which not every value is allowed.
pub trait Scalar: Copy {
    /// Bytes on the wire, little-endian.
    const SIZE: usize;
    /// Whether its highest bit is a sign.
    const SIGNED: bool = false;
    /// What it may hold, as data.
    const KIND: Kind;
    /// What it may hold on the wire, for errors.
    const ALLOWED: &'static str;

    /// The number on the wire.
    fn number(self) -> i64;

    /// What the number stands for; none if it is not allowed.
    fn from_number(number: i64) -> Option<Self>;

    /// Writes it.
    fn put_scalar(self, out: &mut impl BufMut) {
        out.put_int_le(self.number(), Self::SIZE);
    }

    /// As JSON: by its name, where it has one.
    fn to_json(self) -> Value {
        Self::KIND.json(self.number())
    }
}

/// The payload of a request or an answer.
pub(crate) trait Body: Sized {
    /// Writes it.
    fn put(&self, out: &mut impl BufMut);

    /// Reads it; `what` names the message in errors.
    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error>;

    /// As JSON: values by name, several fields as an object.
    fn json(&self) -> Value;
}

/// A payload that can be read from text, value by value.
pub(crate) trait FromText: Body {
    /// What there is to type.
    const VALUES: Values;

    /// Reads the texts; `control` names the control in errors.
    fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, Error>;
}

/// Reads fields one after the other.
pub(crate) struct Reader<'a> {
    what: &'static str,
    payload: &'a [u8],
    needed: usize,
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader of a payload that should have `needed` bytes.
    pub(crate) fn new(what: &'static str, needed: usize, payload: &'a [u8]) -> Self {
        Self {
            what,
            payload,
            needed,
            at: 0,
        }
    }

    /// The next bytes.
    pub(crate) fn bytes(&mut self, size: usize) -> Result<&'a [u8], Error> {
        let rest = self.payload.get(self.at..).unwrap_or_default();
        let base = HEADER_SIZE + self.at;
        let needed = self.needed.saturating_sub(self.at).max(size);
        let bytes = parse(self.what, base, needed, rest, take(size))?;
        self.at += size;
        Ok(bytes)
    }

    /// The next field, called `field` in errors.
    pub(crate) fn value<T: Scalar>(&mut self, field: &'static str) -> Result<T, Error> {
        let offset = HEADER_SIZE + self.at;
        let number = little_endian(self.bytes(T::SIZE)?, T::SIGNED);
        T::from_number(number).ok_or(Error::Value {
            field,
            offset,
            allowed: T::ALLOWED,
            got: number,
        })
    }
}

/// A number of at most 7 bytes.
fn little_endian(bytes: &[u8], signed: bool) -> i64 {
    let number = bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | i64::from(byte));
    let negative = signed && bytes.last().is_some_and(|last| last & 0x80 != 0);
    if negative {
        number - (1 << (8 * bytes.len()))
    } else {
        number
    }
}

/// Reads texts one after the other, against the fields that they are for.
pub(crate) struct Arguments<'a> {
    control: &'static str,
    rest: core::slice::Iter<'static, Field>,
    texts: core::slice::Iter<'a, &'a str>,
}

impl<'a> Arguments<'a> {
    /// Checks that there are as many as there must be.
    pub(crate) fn new(
        control: &'static str,
        fields: &'static [Field],
        texts: &'a [&'a str],
    ) -> Result<Self, Error> {
        let least = fields.iter().filter(|field| !field.optional).count();
        if !(least..=fields.len()).contains(&texts.len()) {
            return Err(count(control, &Values::Fields(fields), texts.len()));
        }
        Ok(Self {
            control,
            rest: fields.iter(),
            texts: texts.iter(),
        })
    }

    /// The next value.
    pub(crate) fn value<T: Scalar>(&mut self) -> Result<T, Error> {
        let name = self.rest.next().map_or("value", |field| field.name);
        scalar(self.control, name, self.texts.next().copied().unwrap_or(""))
    }

    /// The next value, which may be left out.
    pub(crate) fn optional<T: Scalar>(&mut self) -> Result<Option<T>, Error> {
        let name = self.rest.next().map_or("value", |field| field.name);
        match self.texts.next().copied() {
            None | Some(OMITTED) => Ok(None),
            Some(text) => scalar(self.control, name, text).map(Some),
        }
    }
}

/// Reads one value from text.
pub(crate) fn scalar<T: Scalar>(
    control: &'static str,
    field: &'static str,
    text: &str,
) -> Result<T, Error> {
    T::KIND
        .parse(text)
        .and_then(T::from_number)
        .ok_or_else(|| argument(control, field, T::KIND.to_string(), text))
}

/// The error for a text that is not allowed.
pub(crate) fn argument(
    control: &'static str,
    field: &'static str,
    allowed: String,
    text: &str,
) -> Error {
    Error::Argument {
        control,
        field,
        allowed,
        got: text.chars().take(MAX_GOT).collect(),
    }
}

/// The error for too many or too few texts.
pub(crate) fn count(control: &'static str, values: &Values, got: usize) -> Error {
    Error::ArgumentCount {
        control,
        allowed: values.to_string(),
        got,
    }
}

/// An object of these fields; those that are not there are left out.
pub(crate) fn object<const N: usize>(fields: [(&'static str, Option<Value>); N]) -> Value {
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_string(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

impl<T: Scalar> Body for T {
    fn put(&self, out: &mut impl BufMut) {
        self.put_scalar(out);
    }

    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        Reader::new(what, T::SIZE, payload).value(what)
    }

    fn json(&self) -> Value {
        self.to_json()
    }
}

impl<T: Scalar> FromText for T {
    const VALUES: Values = Values::One(T::KIND);

    fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, Error> {
        match texts {
            [text] => scalar(control, "value", text),
            _ => Err(count(control, &Self::VALUES, texts.len())),
        }
    }
}

impl Body for JsonDocument {
    fn put(&self, out: &mut impl BufMut) {
        out.put_slice(self.text().as_bytes());
    }

    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        Self::parse(what, payload)
    }

    fn json(&self) -> Value {
        self.value().clone()
    }
}

/// A number with a range, as a type of its own.
macro_rules! number {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($int:ty): $what:literal, $min:literal to $max:literal, $unit:literal;
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($int);

        impl $name {
            #[doc = concat!("A value of ", $min, " to ", $max, " ", $unit, ".")]
            ///
            /// # Errors
            ///
            /// [`Error::Range`](crate::Error::Range) for any other.
            pub fn new(number: $int) -> Result<Self, crate::Error> {
                let got = i64::from(number);
                <Self as crate::layout::Scalar>::from_number(got).ok_or(crate::Error::Range {
                    what: $what,
                    allowed: <Self as crate::layout::Scalar>::ALLOWED,
                    got,
                })
            }

            #[doc = concat!("In ", $unit, ".")]
            #[must_use]
            pub const fn get(self) -> $int {
                self.0
            }
        }

        impl crate::layout::Scalar for $name {
            const SIZE: usize = size_of::<$int>();
            const SIGNED: bool = $min < 0;
            const KIND: crate::schema::Kind = crate::schema::Kind::Number {
                min: $min,
                max: $max,
                unit: $unit,
            };
            const ALLOWED: &'static str = concat!($min, " to ", $max, " ", $unit);

            fn number(self) -> i64 {
                self.0.into()
            }

            fn from_number(number: i64) -> Option<Self> {
                if !($min..=$max).contains(&number) {
                    return None;
                }
                <$int>::try_from(number).ok().map(Self)
            }
        }
    };
}
pub(crate) use number;

/// A byte whose values have names.
macro_rules! named {
    ($type:ident: $first:ident = $first_number:literal $first_name:literal
        $(, $variant:ident = $number:literal $name:literal)* $(,)?) => {
        impl crate::layout::Scalar for $type {
            const SIZE: usize = 1;
            const KIND: crate::schema::Kind = crate::schema::Kind::OneOf(&[
                crate::schema::NamedValue { name: $first_name, number: $first_number },
                $(crate::schema::NamedValue { name: $name, number: $number },)*
            ]);
            const ALLOWED: &'static str = concat!(
                $first_number, " (", $first_name, ")" $(, ", ", $number, " (", $name, ")")*
            );

            fn number(self) -> i64 {
                match self {
                    Self::$first => $first_number,
                    $(Self::$variant => $number,)*
                }
            }

            fn from_number(number: i64) -> Option<Self> {
                match number {
                    $first_number => Some(Self::$first),
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use named;

/// A payload of several fields, and of bytes that are always the same behind them.
macro_rules! layout {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)+
        }
        $(then $tail:expr)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)+
        }

        impl $name {
            /// Bytes.
            pub(crate) const SIZE: usize =
                0 $(+ <$type as crate::layout::Scalar>::SIZE)+ $(+ $tail.len())?;
            /// Its fields, in their order on the wire.
            pub(crate) const FIELDS: &'static [crate::schema::Field] = &[
                $(crate::schema::Field::new(
                    stringify!($field),
                    <$type as crate::layout::Scalar>::KIND,
                ),)+
            ];

            /// The next of a series.
            pub(crate) fn read(reader: &mut crate::layout::Reader<'_>) -> Result<Self, crate::Error> {
                let read = Self {
                    $($field: reader.value(stringify!($field))?,)+
                };
                $(reader.bytes($tail.len())?;)?
                Ok(read)
            }
        }

        impl crate::layout::Body for $name {
            fn put(&self, out: &mut impl bytes::BufMut) {
                $(crate::layout::Scalar::put_scalar(self.$field, out);)+
                $(out.put_slice(&$tail);)?
            }

            fn take(what: &'static str, payload: &[u8]) -> Result<Self, crate::Error> {
                Self::read(&mut crate::layout::Reader::new(what, Self::SIZE, payload))
            }

            fn json(&self) -> serde_json::Value {
                crate::layout::object([
                    $((stringify!($field), Some(crate::layout::Scalar::to_json(self.$field))),)+
                ])
            }
        }

        impl crate::layout::FromText for $name {
            const VALUES: crate::schema::Values = crate::schema::Values::Fields(Self::FIELDS);

            fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, crate::Error> {
                let mut arguments = crate::layout::Arguments::new(control, Self::FIELDS, texts)?;
                Ok(Self {
                    $($field: arguments.value()?,)+
                })
            }
        }
    };
}
pub(crate) use layout;

/// A command whose payload is always the same: a question, or an order.
macro_rules! fixed {
    ($(#[$meta:meta])* pub struct $name:ident = $payload:expr;) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $name;

        impl crate::layout::Body for $name {
            fn put(&self, out: &mut impl bytes::BufMut) {
                const PAYLOAD: &[u8] = &$payload;
                out.put_slice(PAYLOAD);
            }

            // What stands there is not looked at: there is only one thing that it can say.
            fn take(what: &'static str, payload: &[u8]) -> Result<Self, crate::Error> {
                const PAYLOAD: &[u8] = &$payload;
                let size = PAYLOAD.len();
                crate::layout::Reader::new(what, size, payload).bytes(size)?;
                Ok(Self)
            }

            fn json(&self) -> serde_json::Value {
                serde_json::Value::Null
            }
        }

        impl crate::layout::FromText for $name {
            const VALUES: crate::schema::Values = crate::schema::Values::None;

            fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, crate::Error> {
                match texts {
                    [] => Ok(Self),
                    _ => Err(crate::layout::count(control, &Self::VALUES, texts.len())),
                }
            }
        }
    };
}
pub(crate) use fixed;

/// A command whose payload is one value.
macro_rules! wrapped {
    ($(#[$meta:meta])* pub struct $name:ident(pub $type:ty);) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(pub $type);

        impl crate::layout::Body for $name {
            fn put(&self, out: &mut impl bytes::BufMut) {
                crate::layout::Body::put(&self.0, out);
            }

            fn take(what: &'static str, payload: &[u8]) -> Result<Self, crate::Error> {
                crate::layout::Body::take(what, payload).map(Self)
            }

            fn json(&self) -> serde_json::Value {
                crate::layout::Body::json(&self.0)
            }
        }

        impl crate::layout::FromText for $name {
            const VALUES: crate::schema::Values =
                <$type as crate::layout::FromText>::VALUES;

            fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, crate::Error> {
                crate::layout::FromText::from_texts(control, texts).map(Self)
            }
        }
    };
}
pub(crate) use wrapped;

/// Makes a payload a [`Command`](crate::Command): its codes, and what is answered.
macro_rules! command {
    ($name:ident = $code:literal, $answer_code:literal: $answer:ty) => {
        impl crate::Command for $name {
            const CODE: u16 = $code;
            const ANSWER_CODE: u16 = $answer_code;
            type Answer = $answer;

            fn encode(&self, out: &mut impl bytes::BufMut) {
                crate::layout::Body::put(self, out);
            }

            fn decode(payload: &[u8]) -> Result<Self, crate::Error> {
                crate::layout::Body::take(concat!("K", $code), payload)
            }

            fn encode_answer(answer: &$answer, out: &mut impl bytes::BufMut) {
                crate::layout::Body::put(answer, out);
            }

            fn decode_answer(payload: &[u8]) -> Result<$answer, crate::Error> {
                crate::layout::Body::take(concat!("K", $answer_code), payload)
            }
        }
    };
}
pub(crate) use command;
