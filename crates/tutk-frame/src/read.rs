//! What every parser here shares: nom on a layout of fixed length, and checks that name offsets.

use nom::bytes::complete::take;
use nom::combinator::map_res;
use nom::{IResult, Parser};

use crate::Error;

/// nom's error over borrowed bytes; it never leaves this crate.
pub(crate) type NomError<'a> = nom::error::Error<&'a [u8]>;

/// Runs `parser` over a layout that takes at least `len` bytes; gives what it made and what is left.
pub(crate) fn layout<'a, O>(
    what: &'static str,
    len: usize,
    bytes: &'a [u8],
    mut parser: impl Parser<&'a [u8], Output = O, Error = NomError<'a>>,
) -> Result<(O, &'a [u8]), Error> {
    let short = |offset| Error::Length {
        what,
        offset,
        expected: len,
        actual: bytes.len(),
    };
    // Checked first, so that a short packet is one error, whatever field it ends in.
    if bytes.len() < len {
        return Err(short(bytes.len()));
    }
    match parser.parse(bytes) {
        Ok((rest, value)) => Ok((value, rest)),
        Err(nom::Err::Error(e) | nom::Err::Failure(e)) => {
            Err(short(bytes.len().saturating_sub(e.input.len())))
        }
        Err(nom::Err::Incomplete(_)) => Err(short(bytes.len())),
    }
}

/// The next `N` bytes as they are.
pub(crate) fn array<const N: usize>(input: &[u8]) -> IResult<&[u8], [u8; N]> {
    map_res(take(N), <[u8; N]>::try_from).parse(input)
}

/// Passes over `n` bytes that carry nothing.
pub(crate) fn skip<'a>(n: usize) -> impl Parser<&'a [u8], Output = &'a [u8], Error = NomError<'a>> {
    take(n)
}

/// Two bytes that must be these.
pub(crate) fn magic(
    what: &'static str,
    offset: usize,
    expected: [u8; 2],
    actual: [u8; 2],
) -> Result<(), Error> {
    if expected == actual {
        return Ok(());
    }
    Err(Error::Magic {
        what,
        offset,
        expected,
        actual,
    })
}

/// A field whose value must pass.
pub(crate) fn field(
    what: &'static str,
    field: &'static str,
    offset: usize,
    value: impl Into<u64>,
    passes: bool,
) -> Result<(), Error> {
    if passes {
        return Ok(());
    }
    Err(Error::Field {
        what,
        field,
        offset,
        value: value.into(),
    })
}

/// A length field's worth against the bytes there are.
pub(crate) fn length(
    what: &'static str,
    offset: usize,
    expected: usize,
    actual: usize,
) -> Result<(), Error> {
    if expected == actual {
        return Ok(());
    }
    Err(Error::Length {
        what,
        offset,
        expected,
        actual,
    })
}
