//! The building blocks of the payloads in [`commands`](crate::commands).
//!
//! A command's layout is written once, as the list of its fields. The macros derive from it how the
//! payload is written and read ([`Payload`]), its JSON ([`ToJson`]) and how it is parsed from text
//! ([`FromText`]).

mod macros;
mod scalar;
mod text;

use alloc::vec::Vec;

use bytes::BufMut as _;
use nom::bytes::complete::take;
use serde_json::Value;

use crate::parse::parse;
use crate::{Error, HEADER_SIZE, JsonDocument};

pub(crate) use macros::{
    catalogue, command, control, fixed, layout, named, number, types, value, value_payload,
};
pub use scalar::Scalar;
pub(crate) use text::{Arguments, FromText, argument, scalar};

/// The payload of a request or an answer.
pub(crate) trait Payload: Sized {
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the payload. Errors name the message `what`.
    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error>;
}

/// A payload that can be shown as JSON: values by name, several fields as an object.
pub(crate) trait ToJson {
    fn json(&self) -> Value;
}

/// Returns `K` and the five digits of a code.
pub(crate) const fn message_name(code: u16) -> [u8; 6] {
    const fn digit(number: u16) -> u8 {
        let [digit, _] = (number % 10).to_le_bytes();
        b'0' + digit
    }
    [
        b'K',
        digit(code / 10_000),
        digit(code / 1000),
        digit(code / 100),
        digit(code / 10),
        digit(code),
    ]
}

/// Reads fields one after the other.
pub(crate) struct Reader<'a> {
    what: &'static str,
    payload: &'a [u8],
    needed: usize,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Creates a reader of a payload that should have `needed` bytes.
    pub(crate) fn new(what: &'static str, needed: usize, payload: &'a [u8]) -> Self {
        Self {
            what,
            payload,
            needed,
            at: 0,
        }
    }

    pub(crate) fn bytes(&mut self, size: usize) -> Result<&'a [u8], Error> {
        let rest = self.payload.get(self.at..).unwrap_or_default();
        let base = HEADER_SIZE + self.at;
        let needed = self.needed.saturating_sub(self.at).max(size);
        let bytes = parse(self.what, base, needed, rest, take(size))?;
        self.at += size;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.bytes(N)?;
        Ok(bytes.first_chunk().copied().unwrap_or([0; N]))
    }

    /// Reads a value. Errors name it `field`.
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

/// Decodes a number of at most 7 bytes.
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

impl<T: Scalar> Payload for T {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_int_le(self.number(), T::SIZE);
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        Reader::new(what, T::SIZE, payload).value(what)
    }
}

impl<T: Scalar> ToJson for T {
    fn json(&self) -> Value {
        self.to_json().unwrap_or_default()
    }
}

impl Payload for JsonDocument {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_slice(self.text().as_bytes());
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        Self::decode(what, payload)
    }
}

impl ToJson for JsonDocument {
    fn json(&self) -> Value {
        self.value().clone()
    }
}
