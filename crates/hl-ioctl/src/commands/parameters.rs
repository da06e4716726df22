//! K10020: read parameters.

use alloc::vec::Vec;

use bytes::BufMut;
use nom::Parser;
use nom::multi::length_data;
use nom::number::complete::u8;

use crate::parse::parse;
use crate::{Command, Error, HEADER_SIZE, JsonDocument};

/// The most parameters that one K10020 can ask for: its count is one byte.
pub const MAX_PARAMETERS: usize = 255;

/// K10020: asks for parameters by number. K10021 answers with JSON.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 1 | n, how many: 1 to [`MAX_PARAMETERS`] |
/// | 17 | n | their ids, a byte each, from 1 |
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReadParameters {
    count: u8,
    ids: Vec<u8>,
}

impl ReadParameters {
    /// Asks for these parameters.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] if there are none or more than [`MAX_PARAMETERS`], or for the id 0.
    pub fn new(ids: impl IntoIterator<Item = u8>) -> Result<Self, Error> {
        // One more than there may be is enough to know, whatever the iterator has.
        let ids: Vec<u8> = ids.into_iter().take(MAX_PARAMETERS + 1).collect();
        let count = match u8::try_from(ids.len()) {
            Ok(count) if count > 0 => count,
            _ => {
                return Err(Error::Range {
                    what: "K10020 count of parameters",
                    allowed: "1 to 255",
                    got: i64::try_from(ids.len()).unwrap_or(i64::MAX),
                });
            }
        };
        if ids.contains(&0) {
            return Err(Error::Range {
                what: "K10020 parameter id",
                allowed: "1 to 255",
                got: 0,
            });
        }
        Ok(Self { count, ids })
    }

    /// Asks for the ids 1 to 99.
    ///
    /// How many a real camera has is not known; that it passes over those that it does not have is likely.
    #[must_use]
    pub fn all() -> Self {
        let ids: Vec<u8> = (1..=99).collect();
        Self { count: 99, ids }
    }

    /// The ids, in the order of asking.
    #[must_use]
    pub fn ids(&self) -> &[u8] {
        &self.ids
    }
}

impl Command for ReadParameters {
    const CODE: u16 = 10020;
    type Answer = JsonDocument;

    fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.count);
        out.put_slice(&self.ids);
    }

    fn decode(payload: &[u8]) -> Result<Self, Error> {
        let count = payload.first().copied().map_or(0, usize::from);
        let ids = parse(
            "K10020",
            HEADER_SIZE,
            1 + count,
            payload,
            length_data(u8).map(|ids: &[u8]| ids),
        )?;
        Self::new(ids.iter().copied())
    }

    fn encode_answer(answer: &JsonDocument, out: &mut impl BufMut) {
        out.put_slice(answer.text().as_bytes());
    }

    fn decode_answer(payload: &[u8]) -> Result<JsonDocument, Error> {
        JsonDocument::parse("K10021", payload)
    }
}
