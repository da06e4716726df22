//! The macros that define values and commands.

/// Defines an integer with a range.
macro_rules! number {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($int:ty): $what:literal, $min:literal to $max:literal, $unit:literal;
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($int);

        impl $name {
            #[doc = concat!("Creates a value of ", $min, " to ", $max, " ", $unit, ".")]
            ///
            /// # Errors
            ///
            /// [`Error::Range`](crate::Error::Range) if the value is out of range.
            pub fn new(number: $int) -> Result<Self, crate::Error> {
                let got = i64::from(number);
                <Self as crate::layout::Scalar>::from_number(got).ok_or(crate::Error::Range {
                    what: $what,
                    allowed: <Self as crate::layout::Scalar>::ALLOWED,
                    got,
                })
            }

            #[doc = concat!("The value in ", $unit, ".")]
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

/// Defines a byte with named values.
macro_rules! named {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $(#[$first_meta:meta])*
            $first:ident = $first_number:literal $first_name:literal,
            $($(#[$variant_meta:meta])* $variant:ident = $number:literal $text:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(#[$first_meta])*
            $first,
            $($(#[$variant_meta])* $variant,)*
        }

        impl crate::layout::Scalar for $name {
            const SIZE: usize = 1;
            const KIND: crate::schema::Kind = crate::schema::Kind::OneOf(&[
                crate::schema::NamedValue::new($first_name, $first_number),
                $(crate::schema::NamedValue::new($text, $number),)*
            ]);
            const ALLOWED: &'static str = concat!(
                $first_number, " (", $first_name, ")" $(, ", ", $number, " (", $text, ")")*
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

/// Defines a payload of several fields, with optional constant bytes at the end. Fields from the
/// byte `missing` on may be missing when read.
macro_rules! layout {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)+
        }
        $(missing $least:literal)?
        $(then $tail:expr)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)+
        }

        impl $name {
            pub(crate) const SIZE: usize =
                0 $(+ <$type as crate::layout::Scalar>::SIZE)+ $(+ $tail.len())?;
            pub(crate) const FIELDS: &'static [crate::schema::Field] = &[
                $(crate::schema::Field::new(
                    stringify!($field),
                    <$type as crate::layout::Scalar>::KIND,
                ).optional(<$type as crate::layout::Scalar>::OPTIONAL),)+
            ];

            /// Reads an item of a series.
            pub(crate) fn read_from(
                reader: &mut crate::layout::Reader<'_>,
            ) -> Result<Self, crate::Error> {
                let read = Self {
                    $($field: reader.value(stringify!($field))?,)+
                };
                $(reader.bytes($tail.len())?;)?
                Ok(read)
            }
        }

        impl crate::layout::Payload for $name {
            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                $(crate::layout::Payload::write(&self.$field, out);)+
                $(out.extend_from_slice(&$tail);)?
            }

            fn read(what: &'static str, payload: &[u8]) -> Result<Self, crate::Error> {
                $(if payload.len() == $least {
                    let mut padded = [0; Self::SIZE];
                    for (to, from) in padded.iter_mut().zip(payload) {
                        *to = *from;
                    }
                    return Self::read(what, &padded);
                })?
                Self::read_from(&mut crate::layout::Reader::new(what, Self::SIZE, payload))
            }
        }

        impl crate::layout::ToJson for $name {
            fn json(&self) -> serde_json::Value {
                crate::json::object([
                    $((stringify!($field), crate::layout::Scalar::to_json(self.$field)),)+
                ])
            }
        }

        impl crate::layout::FromText for $name {
            const VALUES: crate::schema::Values = crate::schema::Values::Fields(Self::FIELDS);

            fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, crate::Error> {
                let mut arguments = crate::layout::Arguments::new(control, Self::VALUES, texts)?;
                Ok(Self {
                    $($field: arguments.value(stringify!($field))?,)+
                })
            }
        }
    };
}
pub(crate) use layout;

/// Implements [`Command`](crate::Command) for a payload: its code, and the type of its answer.
macro_rules! command {
    ($name:ident = $code:literal: $answer:ty) => {
        impl crate::Command for $name {
            const CODE: u16 = $code;
            type Answer = $answer;

            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                crate::layout::Payload::write(self, out);
            }

            fn decode(payload: &[u8]) -> Result<Self, crate::Error> {
                crate::layout::Payload::read(concat!("K", $code), payload)
            }

            fn encode_answer(answer: &$answer, out: &mut alloc::vec::Vec<u8>) {
                crate::layout::Payload::write(answer, out);
            }

            fn decode_answer(payload: &[u8]) -> Result<$answer, crate::Error> {
                const NAME: [u8; 6] = crate::layout::message_name($code + 1);
                const TEXT: &str = match core::str::from_utf8(&NAME) {
                    Ok(text) => text,
                    Err(_) => "HL message",
                };
                crate::layout::Payload::read(TEXT, payload)
            }
        }
    };
}
pub(crate) use command;

/// Defines a command with a constant payload, whose content is ignored when read.
macro_rules! fixed {
    ($(#[$meta:meta])* $name:ident = $code:literal: $answer:ty, $payload:expr;) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $name;

        crate::layout::command!($name = $code: $answer);

        impl $name {
            const PAYLOAD: &'static [u8] = &$payload;
        }

        impl crate::layout::Payload for $name {
            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(Self::PAYLOAD);
            }

            fn read(what: &'static str, payload: &[u8]) -> Result<Self, crate::Error> {
                let size = Self::PAYLOAD.len();
                crate::layout::Reader::new(what, size, payload).bytes(size)?;
                Ok(Self)
            }
        }

        impl crate::layout::ToJson for $name {
            fn json(&self) -> serde_json::Value {
                serde_json::Value::Null
            }
        }

        impl crate::layout::FromText for $name {
            const VALUES: crate::schema::Values = crate::schema::Values::None;

            fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, crate::Error> {
                crate::layout::Arguments::new(control, Self::VALUES, texts).map(|_| Self)
            }
        }
    };
}
pub(crate) use fixed;

/// Implements the payload of a type with one value.
macro_rules! value_payload {
    ($name:ident($type:ty)) => {
        impl crate::layout::Payload for $name {
            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                crate::layout::Payload::write(&self.0, out);
            }

            fn read(what: &'static str, payload: &[u8]) -> Result<Self, crate::Error> {
                crate::layout::Payload::read(what, payload).map(Self)
            }
        }
    };
}
pub(crate) use value_payload;

/// Defines a command with one value.
macro_rules! value {
    ($(#[$meta:meta])* $name:ident(pub $type:ty) = $code:literal: $answer:ty;) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(pub $type);

        crate::layout::command!($name = $code: $answer);
        crate::layout::value_payload!($name($type));

        impl crate::layout::ToJson for $name {
            fn json(&self) -> serde_json::Value {
                crate::layout::ToJson::json(&self.0)
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
pub(crate) use value;

/// Defines the controls, and the commands that have only a value. A control has these items:
///
/// - `get TYPE = CODE: ANSWER;` defines a command without payload that reads the control;
/// - `set TYPE(VALUE) = CODE;` defines a command with one value that sets it;
/// - `act TYPE = CODE: [PAYLOAD];` defines a command that performs an action;
/// - `get TYPE;`, `set TYPE;` and `legacy TYPE;` name a command that is defined elsewhere.
///
/// `by` and the arguments of `Control::reads_with` or `Control::sets_with` may follow.
macro_rules! catalogue {
    ($(
        $name:literal, $summary:literal $(, $flag:ident($($arg:expr)?))*: { $($items:tt)* }
    )+) => {
        /// The commands that the table defines.
        pub(crate) mod types {
            use super::*;

            $(crate::layout::types! { $name, $summary: $($items)* })+
        }

        /// Every control, in the order of the codes.
        pub static CATALOGUE: &[Control] = &[$(
            crate::layout::control! {
                [Control::new($name, $summary)$(.$flag($($arg)?))*] $($items)*
            },
        )+];
    };
}
pub(crate) use catalogue;

/// Defines the types of a control's commands.
macro_rules! types {
    ($name:literal, $summary:literal:) => {};
    ($name:literal, $summary:literal:
        get $type:ident = $code:literal: $answer:ident; $($rest:tt)*) => {
        crate::layout::fixed! {
            #[doc = concat!("K", $code, ": reads the control `", $name, "`. The answer contains")]
            #[doc = concat!("[`", stringify!($answer), "`].")]
            #[doc = ""]
            #[doc = concat!($summary, ".")]
            $type = $code: $answer, [];
        }
        crate::layout::types! { $name, $summary: $($rest)* }
    };
    ($name:literal, $summary:literal:
        set $type:ident($value:ty) = $code:literal; $($rest:tt)*) => {
        crate::layout::value! {
            #[doc = concat!("K", $code, ": sets the control `", $name, "`.")]
            #[doc = ""]
            #[doc = concat!($summary, ".")]
            #[derive(Copy)]
            $type(pub $value) = $code: SetAnswer;
        }
        crate::layout::types! { $name, $summary: $($rest)* }
    };
    ($name:literal, $summary:literal:
        act $type:ident = $code:literal: $payload:expr; $($rest:tt)*) => {
        crate::layout::fixed! {
            #[doc = concat!("K", $code, ": the control `", $name, "`. The payload is")]
            #[doc = concat!("`", stringify!($payload), "`.")]
            #[doc = ""]
            #[doc = concat!($summary, ".")]
            $type = $code: SetAnswer, $payload;
        }
        crate::layout::types! { $name, $summary: $($rest)* }
    };
    ($name:literal, $summary:literal:
        $kind:ident $type:ident $(by $($by:expr),+)?; $($rest:tt)*) => {
        crate::layout::types! { $name, $summary: $($rest)* }
    };
}
pub(crate) use types;

/// Adds a control's commands to it.
macro_rules! control {
    ([$($control:tt)*]) => { $($control)* };
    ([$($control:tt)*] get $type:ident by $request:expr; $($rest:tt)*) => {
        crate::layout::control! { [$($control)*.reads_with::<$type>($request)] $($rest)* }
    };
    ([$($control:tt)*] get $type:ident $(= $code:literal: $answer:ident)?; $($rest:tt)*) => {
        crate::layout::control! { [$($control)*.reads::<$type>()] $($rest)* }
    };
    ([$($control:tt)*] set $type:ident by $values:expr, $make:expr; $($rest:tt)*) => {
        crate::layout::control! { [$($control)*.sets_with::<$type>($values, $make)] $($rest)* }
    };
    ([$($control:tt)*] set $type:ident $(($value:ty) = $code:literal)?; $($rest:tt)*) => {
        crate::layout::control! { [$($control)*.sets::<$type>()] $($rest)* }
    };
    ([$($control:tt)*] act $type:ident = $code:literal: $payload:expr; $($rest:tt)*) => {
        crate::layout::control! { [$($control)*.sets::<$type>()] $($rest)* }
    };
    ([$($control:tt)*] legacy $type:ident; $($rest:tt)*) => {
        crate::layout::control! { [$($control)*.legacy::<$type>()] $($rest)* }
    };
}
pub(crate) use control;
