//! The format of a record (RFC 6347 section 4.1).

use crate::error::Error;

/// Bytes of a record's header.
pub(crate) const HEADER_LEN: usize = 13;
/// DTLS 1.2.
pub(crate) const DTLS_1_2: u16 = 0xfefd;
/// DTLS 1.0: still seen in the record headers of first hellos.
pub(crate) const DTLS_1_0: u16 = 0xfeff;
/// The longest plaintext of a record (RFC 5246 section 6.2.1), in bytes.
pub(crate) const MAX_PLAINTEXT: usize = 1 << 14;
/// The longest fragment of a record (RFC 5246 section 6.2.3), in bytes.
const MAX_FRAGMENT: usize = MAX_PLAINTEXT + 2048;
/// Sequence numbers have 48 bits.
pub(crate) const MAX_SEQUENCE: u64 = (1 << 48) - 1;

/// What a record carries (RFC 5246 section 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
}

impl ContentType {
    pub(crate) fn to_wire(self) -> u8 {
        match self {
            ContentType::ChangeCipherSpec => 20,
            ContentType::Alert => 21,
            ContentType::Handshake => 22,
            ContentType::ApplicationData => 23,
        }
    }

    fn from_wire(value: u8) -> Option<Self> {
        Some(match value {
            20 => ContentType::ChangeCipherSpec,
            21 => ContentType::Alert,
            22 => ContentType::Handshake,
            23 => ContentType::ApplicationData,
            _ => return None,
        })
    }
}

/// The two epochs there are: renegotiation is refused, so there is never a third.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epoch {
    /// 0: the handshake in the clear.
    Plain,
    /// 1: under the negotiated keys.
    Protected,
}

impl Epoch {
    pub(crate) fn number(self) -> u16 {
        match self {
            Epoch::Plain => 0,
            Epoch::Protected => 1,
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        match number {
            0 => Some(Epoch::Plain),
            1 => Some(Epoch::Protected),
            _ => None,
        }
    }
}

/// A record's header without its length, which is what its protection covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordId {
    pub(crate) content_type: ContentType,
    pub(crate) version: u16,
    pub(crate) epoch: Epoch,
    /// 48 bits.
    pub(crate) sequence: u64,
}

impl RecordId {
    /// Epoch and sequence number as on the wire, 2 + 6 bytes.
    pub(crate) fn number(&self) -> [u8; 8] {
        (u64::from(self.epoch.number()) << 48 | self.sequence).to_be_bytes()
    }
}

/// What [`split`] found at the start of a datagram.
pub(crate) enum Split<'a> {
    /// A record, and what comes after it.
    Record(RecordId, &'a mut [u8], &'a mut [u8]),
    /// A record of another protocol's or a later version, type or epoch, and what comes after it.
    Foreign(&'a mut [u8]),
    /// No record.
    Garbage,
}

/// Takes the first record off a datagram.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 1 | content type |
/// | 1 | 2 | version, `fe fd`; `fe ff` is let through in epoch 0 |
/// | 3 | 2 | epoch |
/// | 5 | 6 | sequence number in the epoch |
/// | 11 | 2 | length of the fragment |
/// | 13 | | fragment |
pub(crate) fn split(datagram: &mut [u8]) -> Split<'_> {
    let Some((header, rest)) = datagram.split_first_chunk_mut::<HEADER_LEN>() else {
        return Split::Garbage;
    };
    let &mut [content_type, v0, v1, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1] = header;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let Some((fragment, rest)) = rest.split_at_mut_checked(len) else {
        return Split::Garbage;
    };
    let version = u16::from_be_bytes([v0, v1]);
    let (Some(content_type), Some(epoch)) = (
        ContentType::from_wire(content_type),
        Epoch::from_number(u16::from_be_bytes([e0, e1])),
    ) else {
        return Split::Foreign(rest);
    };
    let version_fits = version == DTLS_1_2 || (version == DTLS_1_0 && epoch == Epoch::Plain);
    if !version_fits || len > MAX_FRAGMENT {
        return Split::Foreign(rest);
    }
    let id = RecordId {
        content_type,
        version,
        epoch,
        sequence: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
    };
    Split::Record(id, fragment, rest)
}

/// Appends a record in the clear.
pub(crate) fn append_plain(id: RecordId, content: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    append_with(id, content.len(), out, |out| {
        out.extend_from_slice(content);
        Ok(())
    })
}

pub(crate) fn append_with(
    id: RecordId,
    plaintext_len: usize,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    if plaintext_len > MAX_PLAINTEXT {
        return Err(Error::TooLong {
            max: MAX_PLAINTEXT,
            got: plaintext_len,
        });
    }
    let start = out.len();
    out.push(id.content_type.to_wire());
    out.extend_from_slice(&id.version.to_be_bytes());
    out.extend_from_slice(&id.number());
    let len_at = out.len();
    out.extend_from_slice(&[0, 0]);
    let body_at = out.len();
    let written = write(out).and_then(|()| {
        u16::try_from(out.len() - body_at).map_err(|_| Error::TooLong {
            max: MAX_PLAINTEXT,
            got: plaintext_len,
        })
    });
    match written {
        Ok(len) => {
            if let Some(field) = out.get_mut(len_at..body_at) {
                field.copy_from_slice(&len.to_be_bytes());
            }
            Ok(())
        }
        Err(error) => {
            // What the caller had in `out` stays as it was.
            out.truncate(start);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn header_bytes_one_by_one() {
        let id = RecordId {
            content_type: ContentType::Handshake,
            version: DTLS_1_2,
            epoch: Epoch::Plain,
            sequence: 0x0102_0304_0506,
        };
        let mut out = vec![0xaa];
        append_plain(id, b"xyz", &mut out).unwrap();
        assert_eq!(
            out,
            [
                0xaa, 22, 0xfe, 0xfd, 0, 0, 1, 2, 3, 4, 5, 6, 0, 3, b'x', b'y', b'z'
            ]
        );
    }

    proptest! {
        #[test]
        fn whatever_comes_is_split_to_its_end(mut datagram: Vec<u8>) {
            let mut rest = &mut datagram[..];
            loop {
                let before = rest.len();
                rest = match split(rest) {
                    Split::Record(_, fragment, rest) => {
                        prop_assert_eq!(fragment.len() + rest.len() + HEADER_LEN, before);
                        rest
                    }
                    Split::Foreign(rest) => rest,
                    Split::Garbage => break,
                };
                prop_assert!(rest.len() < before);
            }
        }
    }
}
