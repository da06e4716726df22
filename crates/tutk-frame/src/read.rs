//! Shared parser helpers: nom over layouts of fixed length, and checks that name offsets.

use nom::bytes::complete::take;
use nom::combinator::map_res;
use nom::{IResult, Parser};

use crate::error::Error;

/// nom's error over borrowed bytes. It never leaves this crate.
pub(crate) type NomError<'a> = nom::error::Error<&'a [u8]>;

/// Runs `parser` over a layout of at least `len` bytes. Returns its value and the remaining bytes.
pub(crate) fn layout<'a, O>(
    what: &'static str,
    len: usize,
    bytes: &'a [u8],
    parser: impl Parser<&'a [u8], Output = O, Error = NomError<'a>>,
) -> Result<(O, &'a [u8]), Error> {
    layout_after(0, what, len, bytes, parser)
}

/// Like [`layout`], for a layout whose first `before` bytes are already parsed. `len` counts them,
/// `rest` does not.
pub(crate) fn layout_after<'a, O>(
    before: usize,
    what: &'static str,
    len: usize,
    rest: &'a [u8],
    mut parser: impl Parser<&'a [u8], Output = O, Error = NomError<'a>>,
) -> Result<(O, &'a [u8]), Error> {
    let actual = before.saturating_add(rest.len());
    let short = |left: usize| Error::Length {
        what,
        offset: actual.saturating_sub(left),
        expected: len,
        actual,
    };
    // Checked first, so that a short packet has the same error for every field.
    if actual < len {
        return Err(short(0));
    }
    match parser.parse(rest) {
        Ok((rest, value)) => Ok((value, rest)),
        Err(nom::Err::Error(e) | nom::Err::Failure(e)) => Err(short(e.input.len())),
        Err(nom::Err::Incomplete(_)) => Err(short(0)),
    }
}

/// Parses `N` bytes.
pub(crate) fn array<const N: usize>(input: &[u8]) -> IResult<&[u8], [u8; N]> {
    map_res(take(N), <[u8; N]>::try_from).parse(input)
}

/// Skips `n` bytes.
pub(crate) fn skip<'a>(n: usize) -> impl Parser<&'a [u8], Output = &'a [u8], Error = NomError<'a>> {
    take(n)
}

/// Checks the two bytes that tell packets apart.
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

/// Fails with [`Error::Field`] if `valid` is false.
pub(crate) fn field(
    what: &'static str,
    field: &'static str,
    offset: usize,
    value: impl Into<u64>,
    valid: bool,
) -> Result<(), Error> {
    if valid {
        return Ok(());
    }
    Err(Error::Field {
        what,
        field,
        offset,
        value: value.into(),
    })
}

/// Checks the value of a length field against the number of bytes.
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
