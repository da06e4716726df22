//! Handshake messages and their header (RFC 6347 section 4.2.2, RFC 5246 section 7.4).

pub(crate) mod extensions;
pub(crate) mod hello;
pub(crate) mod key_exchange;

use alloc::vec::Vec;

use crate::error::Error;

/// The length of a handshake header, in bytes.
pub(crate) const HANDSHAKE_HEADER_LEN: usize = 12;

/// The handshake types (RFC 5246 section 7.4, RFC 6347 section 4.3.2).
pub(crate) mod handshake_type {
    pub(crate) const HELLO_REQUEST: u8 = 0;
    pub(crate) const CLIENT_HELLO: u8 = 1;
    pub(crate) const SERVER_HELLO: u8 = 2;
    pub(crate) const HELLO_VERIFY_REQUEST: u8 = 3;
    pub(crate) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(crate) const SERVER_HELLO_DONE: u8 = 14;
    pub(crate) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(crate) const FINISHED: u8 = 20;
}

/// A complete handshake message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) handshake_type: u8,
    pub(crate) sequence: u16,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Fails unless the message is of type `expected`.
    pub(crate) fn expect(&self, expected: u8, name: &'static str) -> Result<(), Error> {
        if self.handshake_type == expected {
            Ok(())
        } else {
            Err(Error::UnexpectedMessage {
                expected: name,
                got: self.handshake_type,
            })
        }
    }
}

/// A fragment of a handshake message in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    pub(crate) handshake_type: u8,
    /// The length of the whole message, in bytes.
    pub(crate) length: usize,
    pub(crate) sequence: u16,
    /// The offset of `data` in the message.
    pub(crate) offset: usize,
    pub(crate) data: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Splits the first fragment off a record's content. Returns `None` if it is malformed.
    ///
    /// | offset | size | field |
    /// |---|---|---|
    /// | 0 | 1 | handshake type |
    /// | 1 | 3 | length of the whole message |
    /// | 4 | 2 | message sequence number |
    /// | 6 | 3 | fragment offset |
    /// | 9 | 3 | fragment length |
    /// | 12 | | fragment |
    pub(crate) fn split(content: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, rest) = content.split_first_chunk::<HANDSHAKE_HEADER_LEN>()?;
        let &[t, l0, l1, l2, s0, s1, o0, o1, o2, f0, f1, f2] = header;
        let number = |a, b, c| usize::try_from(u32::from_be_bytes([0, a, b, c])).ok();
        let (length, offset, len) = (
            number(l0, l1, l2)?,
            number(o0, o1, o2)?,
            number(f0, f1, f2)?,
        );
        if offset + len > length {
            return None;
        }
        let (data, rest) = rest.split_at_checked(len)?;
        let fragment = Fragment {
            handshake_type: t,
            length,
            sequence: u16::from_be_bytes([s0, s1]),
            offset,
            data,
        };
        Some((fragment, rest))
    }

    /// Returns `true` if the fragment is the whole message.
    pub(crate) fn is_whole(&self) -> bool {
        self.data.len() == self.length
    }
}

/// Encodes the header of a fragment.
pub(crate) fn handshake_header(
    handshake_type: u8,
    length: usize,
    sequence: u16,
    offset: usize,
    len: usize,
) -> Result<[u8; HANDSHAKE_HEADER_LEN], Error> {
    let number = |n: usize| match u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes() {
        [0, a, b, c] => Ok([a, b, c]),
        _ => Err(Error::TooLong {
            max: (1 << 24) - 1,
            got: n,
        }),
    };
    let ([l0, l1, l2], [o0, o1, o2], [f0, f1, f2]) =
        (number(length)?, number(offset)?, number(len)?);
    let [s0, s1] = sequence.to_be_bytes();
    Ok([handshake_type, l0, l1, l2, s0, s1, o0, o1, o2, f0, f1, f2])
}

/// A reader for a message's body. Errors name the missing field.
pub(crate) struct Reader<'a> {
    message: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'static str, body: &'a [u8]) -> Self {
        Self {
            message,
            rest: body,
        }
    }

    pub(crate) fn malformed(&self, what: &'static str) -> Error {
        Error::Malformed {
            message: self.message,
            what,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.malformed(what))?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<&'a [u8; N], Error> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.malformed(what))?;
        self.rest = rest;
        Ok(array)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Error> {
        let [byte] = *self.array(what)?;
        Ok(byte)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, Error> {
        Ok(u16::from_be_bytes(*self.array(what)?))
    }

    /// Reads a vector with a one-byte length.
    pub(crate) fn vec8(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let len = self.u8(what)?;
        self.bytes(usize::from(len), what)
    }

    /// Reads a vector with a two-byte length.
    pub(crate) fn vec16(&mut self, what: &'static str) -> Result<&'a [u8], Error> {
        let len = self.u16(what)?;
        self.bytes(usize::from(len), what)
    }

    /// Fails if any bytes are left.
    pub(crate) fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("the end of the message"))
        }
    }
}

/// Appends a vector with a one-byte length.
pub(crate) fn put_vec8(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    let len = u8::try_from(bytes.len()).map_err(|_| Error::TooLong {
        max: usize::from(u8::MAX),
        got: bytes.len(),
    })?;
    out.push(len);
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends a vector with a two-byte length.
pub(crate) fn put_vec16(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    let len = u16::try_from(bytes.len()).map_err(|_| Error::TooLong {
        max: usize::from(u16::MAX),
        got: bytes.len(),
    })?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fragments_round_trip(
            handshake_type: u8,
            sequence: u16,
            offset in 0usize..5000,
            data in proptest::collection::vec(any::<u8>(), 0..50),
            after in 0usize..5000,
        ) {
            let length = offset + data.len() + after;
            let mut wire = handshake_header(handshake_type, length, sequence, offset, data.len())
                .unwrap()
                .to_vec();
            wire.extend_from_slice(&data);
            wire.push(0x77);
            let (fragment, rest) = Fragment::split(&wire).unwrap();
            prop_assert_eq!(rest, &[0x77]);
            prop_assert_eq!(fragment, Fragment { handshake_type, length, sequence, offset, data: &data });
        }

        #[test]
        fn random_content_does_not_panic(content: Vec<u8>) {
            if let Some((fragment, rest)) = Fragment::split(&content) {
                prop_assert!(fragment.offset + fragment.data.len() <= fragment.length);
                prop_assert_eq!(12 + fragment.data.len() + rest.len(), content.len());
            }
        }
    }

    #[test]
    fn fragments_beyond_the_end_of_their_message_are_rejected() {
        let header = handshake_header(1, 10, 0, 8, 3).unwrap();
        assert_eq!(Fragment::split(&[&header[..], &[0; 3]].concat()), None);
    }
}
