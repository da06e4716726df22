//! Reads the fields of a layer and keeps account of the bytes that no field covers.

use std::borrow::Cow;

use crate::packet::{Field, Layer, Undecoded, Value, to_hex};

/// A position in a layer, and the fields before it.
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    layer: Layer,
    /// The bytes that fields or inner layers cover.
    covered: Vec<(usize, usize)>,
}

macro_rules! numbers {
    ($($method:ident $type:ident $from:ident)*) => {$(
        /// Reads a number.
        pub(crate) fn $method(&mut self, name: &'static str) -> Option<$type> {
            let number = $type::$from(*self.peek()?);
            self.field(name, size_of::<$type>(), Value::Number(number.into()));
            Some(number)
        }
    )*};
}

impl<'a> Walk<'a> {
    pub(crate) fn new(name: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            layer: Layer::new(name, bytes.len()),
            covered: Vec::new(),
        }
    }

    numbers! {
        u8 u8 from_le_bytes
        u16 u16 from_le_bytes
        u32 u32 from_le_bytes
        u16_be u16 from_be_bytes
    }

    /// Reads a number and shows it as a name, or as hexadecimal digits if it has none.
    pub(crate) fn named_u16(
        &mut self,
        name: &'static str,
        names: impl FnOnce(u16) -> Option<&'static str>,
    ) -> Option<u16> {
        let number = u16::from_le_bytes(*self.peek()?);
        let text = names(number).map_or_else(|| format!("{number:#06x}"), str::to_owned);
        self.field(name, 2, Value::Text(text));
        Some(number)
    }

    /// Reads bytes as an array.
    pub(crate) fn array<const N: usize>(&mut self, name: &'static str) -> Option<[u8; N]> {
        let bytes = *self.peek::<N>()?;
        self.field(name, N, Value::Bytes(bytes.to_vec()));
        Some(bytes)
    }

    /// Reads bytes.
    pub(crate) fn bytes(&mut self, name: &'static str, len: usize) -> Option<&'a [u8]> {
        let bytes = self.slice(len)?;
        self.field(name, len, Value::Bytes(bytes.to_vec()));
        Some(bytes)
    }

    /// Reads a text that is padded with zeros. Other characters than printable ASCII are escaped.
    pub(crate) fn text(&mut self, name: &'static str, len: usize) -> Option<&'a [u8]> {
        let padded = self.slice(len)?;
        let end = padded.iter().rposition(|byte| *byte != 0);
        let text = padded.get(..end.map_or(0, |end| end + 1)).unwrap_or(padded);
        self.field(name, len, Value::Text(text.escape_ascii().to_string()));
        Some(text)
    }

    /// Reads bytes that are not repeated, such as ciphertext.
    pub(crate) fn omitted(
        &mut self,
        name: &'static str,
        len: usize,
        what: &'static str,
    ) -> Option<&'a [u8]> {
        let bytes = self.slice(len)?;
        self.field(name, len, Value::Omitted(what));
        Some(bytes)
    }

    /// Reads a secret, which is shown only if `show` is set.
    pub(crate) fn secret(
        &mut self,
        name: &'static str,
        len: usize,
        show: bool,
    ) -> Option<&'a [u8]> {
        match show {
            true => self.text(name, len),
            false => self.omitted(name, len, "secret"),
        }
    }

    /// Skips bytes that are not known to have a meaning. Unless they are zero, they are undecoded.
    pub(crate) fn zeros(&mut self, len: usize) -> Option<()> {
        let bytes = self.slice(len)?;
        if bytes.iter().all(|byte| *byte == 0) {
            self.cover(self.at, len);
        }
        self.at += len;
        Some(())
    }

    /// As [`zeros`](Self::zeros), up to an offset.
    pub(crate) fn zeros_to(&mut self, at: usize) -> Option<()> {
        self.zeros(at.saturating_sub(self.at))
    }

    /// Continues at an offset.
    pub(crate) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// Returns the bytes from the current position on for another layer.
    pub(crate) fn inner(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.slice(len)?;
        self.cover(self.at, len);
        self.at += len;
        Some(bytes)
    }

    /// Takes back the last call of [`inner`](Self::inner): its bytes count as undecoded.
    pub(crate) fn uncover(&mut self) {
        self.covered.pop();
    }

    /// Returns the number of bytes from the current position on.
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Returns the offset of the current position.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// Returns the bytes at the current position.
    pub(crate) fn peek<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.get(self.at..)?.first_chunk()
    }

    /// Replaces the value of the last field.
    pub(crate) fn last_is(&mut self, value: impl Into<String>) {
        if let Some(field) = self.layer.fields.last_mut() {
            field.value = Value::Text(value.into());
        }
    }

    pub(crate) fn title(&mut self, title: impl Into<Cow<'static, str>>) {
        self.layer.title = title.into();
    }

    pub(crate) fn note(&mut self, note: impl Into<Cow<'static, str>>) {
        self.layer.notes.push(note.into());
    }

    /// Returns the layer. Bytes that nothing covers are undecoded.
    pub(crate) fn finish(mut self) -> Layer {
        self.covered.sort_unstable();
        let mut at = 0;
        let end = (self.bytes.len(), self.bytes.len());
        for (from, to) in self.covered.into_iter().chain([end]) {
            if let Some(bytes) = self.bytes.get(at..from)
                && !bytes.is_empty()
            {
                self.layer.undecoded.push(Undecoded {
                    offset: at,
                    bytes: bytes.to_vec(),
                });
            }
            at = at.max(to);
        }
        self.layer
    }

    fn slice(&self, len: usize) -> Option<&'a [u8]> {
        self.bytes.get(self.at..)?.get(..len)
    }

    fn field(&mut self, name: &'static str, length: usize, value: Value) {
        self.layer.fields.push(Field {
            name,
            offset: self.at,
            length,
            value,
        });
        self.cover(self.at, length);
        self.at += length;
    }

    fn cover(&mut self, at: usize, len: usize) {
        self.covered.push((at, at.saturating_add(len)));
    }
}

/// Formats undecoded bytes for a summary.
pub(crate) fn undecoded_text(layer: &Layer) -> Option<String> {
    let first = layer.undecoded.first()?;
    let shown = first.bytes.get(..MAX_SHOWN).unwrap_or(&first.bytes);
    let more = if shown.len() < first.bytes.len() {
        "…"
    } else {
        ""
    };
    Some(format!(
        "undecoded at {}: {}{more}",
        first.offset,
        to_hex(shown)
    ))
}

/// The number of undecoded bytes in a summary. `--json` has all of them.
const MAX_SHOWN: usize = 16;
