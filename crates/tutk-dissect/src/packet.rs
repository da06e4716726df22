//! The model of a dissected packet.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tutk_session::{Dialect, Phase};

use crate::opened::Opened;

/// A captured datagram of the protocol.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Packet {
    /// The number of the packet in the capture, from 1.
    pub number: u64,
    /// The time since 1970, serialized in seconds.
    #[serde(serialize_with = "seconds")]
    pub time: Duration,
    /// The sender.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
    /// The direction, if it is known.
    pub direction: Option<Direction>,
    /// The dialect, by its obfuscation; `None` for an IOTC header without obfuscation, which no
    /// dialect has. Its name is serialized.
    #[serde(serialize_with = "dialect_name")]
    pub dialect: Option<Arc<Dialect>>,
    /// The number of the session, from 1: [`Session::number`](crate::Session::number).
    pub session: Option<usize>,
    /// The phase of the session after this packet.
    #[serde(serialize_with = "phase_name")]
    pub phase: Option<Phase>,
    /// The name of the innermost layer.
    pub protocol: &'static str,
    /// One line that tells what the packet is.
    pub summary: String,
    /// The layers, from the outermost one on.
    pub layers: Vec<Layer>,
    /// The bytes of the packet without obfuscation and encryption.
    #[serde(skip)]
    pub opened: Opened,
}

/// The direction of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the client to the camera.
    ToCamera,
    /// From the camera to the client.
    FromCamera,
}

/// A layer of a packet.
///
/// Every byte of the layer is in a field, in the next layer, or in `undecoded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// The name, for example `IOTC`.
    pub name: &'static str,
    /// What the packet is in this layer, for example `discovery request`.
    pub title: Cow<'static, str>,
    /// The length in bytes, with the layers inside.
    pub length: usize,
    /// The fields in the order of their offsets.
    pub fields: Vec<Field>,
    /// The bytes whose meaning is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecoded: Vec<Undecoded>,
    /// What is unusual about the layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Cow<'static, str>>,
}

/// A field of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The name, for example `session id`.
    pub name: &'static str,
    /// The offset in the layer in bytes.
    pub offset: usize,
    /// The length in bytes.
    pub length: usize,
    /// The value.
    pub value: Value,
}

/// The value of a field. Bytes are serialized as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A text, or the name of a number.
    Text(String),
    /// Bytes of known place and unknown structure.
    #[serde(serialize_with = "hex")]
    Bytes(Vec<u8>),
    /// Bytes that are not repeated here: media, ciphertext, padding, and secrets unless they were
    /// asked for ([`Keys::show_secrets`](crate::Keys::show_secrets)).
    Omitted(&'static str),
}

/// Bytes whose meaning is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undecoded {
    /// The offset in the layer in bytes.
    pub offset: usize,
    /// The bytes, serialized as hexadecimal digits.
    #[serde(serialize_with = "hex")]
    pub bytes: Vec<u8>,
}

impl Packet {
    /// Returns the layer with this name; the first one if there are several.
    #[must_use]
    pub fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }
}

impl Layer {
    pub(crate) fn new(name: &'static str, length: usize) -> Self {
        Self {
            name,
            title: Cow::Borrowed(""),
            length,
            fields: Vec::new(),
            undecoded: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A layer of bytes whose meaning is not known.
    pub(crate) fn undecoded(name: &'static str, bytes: &[u8]) -> Self {
        let undecoded = match bytes {
            [] => Vec::new(),
            bytes => vec![Undecoded {
                offset: 0,
                bytes: bytes.to_vec(),
            }],
        };
        Self {
            undecoded,
            ..Self::new(name, bytes.len())
        }
    }

    /// Returns the value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        Some(&field.value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            // A camera's JSON can contain anything, also escape sequences of a terminal.
            Self::Text(text) => text.chars().try_for_each(|c| match c.is_control() {
                true => write!(f, "{}", c.escape_default()),
                false => f.write_char(c),
            }),
            Self::Bytes(bytes) => f.write_str(&to_hex(bytes)),
            Self::Omitted(what) => write!(f, "[{what}]"),
        }
    }
}

/// One line, in the style of tshark. The time is relative to `start`.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    packet: &'a Packet,
    start: Duration,
}

impl Packet {
    /// Formats the packet as one line. `start` is the time of the first packet.
    #[must_use]
    pub fn line(&self, start: Duration) -> Line<'_> {
        Line {
            packet: self,
            start,
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Packet {
            number,
            time,
            source,
            destination,
            protocol,
            summary,
            ..
        } = self.packet;
        // A capture merged from several files may go back in time.
        let (sign, since) = match time.checked_sub(self.start) {
            Some(since) => ("", since),
            None => ("-", self.start.saturating_sub(*time)),
        };
        let time = format!("{sign}{:.6}", since.as_secs_f64());
        write!(
            f,
            "{number:>5} {time:>11} {source} → {destination} {protocol} {summary}"
        )
    }
}

/// Returns the bytes as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_hex(bytes))
}

pub(crate) fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(crate) fn dialect_name<S: Serializer>(
    dialect: &Option<Arc<Dialect>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(dialect.as_ref().map_or("plain", |dialect| &dialect.name))
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn phase_name<S: Serializer>(phase: &Option<Phase>, serializer: S) -> Result<S::Ok, S::Error> {
    phase.map(Phase::name).serialize(serializer)
}
