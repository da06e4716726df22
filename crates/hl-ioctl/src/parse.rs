//! Runs nom parsers and converts their errors.

use nom::Parser;

use crate::Error;

pub(crate) type NomError<'a> = nom::error::Error<&'a [u8]>;

/// Runs `parser` on `input`, which starts at offset `base` of its HL message and should have
/// `expected` bytes.
///
/// Bytes after the parsed fields are ignored, because later firmware may append fields.
pub(crate) fn parse<'a, P>(
    what: &'static str,
    base: usize,
    expected: usize,
    input: &'a [u8],
    mut parser: P,
) -> Result<P::Output, Error>
where
    P: Parser<&'a [u8], Error = NomError<'a>>,
{
    match parser.parse_complete(input) {
        Ok((_, value)) => Ok(value),
        Err(error) => {
            let left = match &error {
                nom::Err::Error(at) | nom::Err::Failure(at) => at.input.len(),
                nom::Err::Incomplete(_) => 0,
            };
            Err(Error::Truncated {
                what,
                offset: base + input.len().saturating_sub(left),
                expected: base + expected,
                got: base + input.len(),
            })
        }
    }
}

/// Parses a field of fixed size.
pub(crate) fn array<'a, const N: usize>()
-> impl Parser<&'a [u8], Output = [u8; N], Error = NomError<'a>> {
    nom::combinator::map_opt(nom::bytes::complete::take(N), |bytes: &[u8]| {
        <[u8; N]>::try_from(bytes).ok()
    })
}
