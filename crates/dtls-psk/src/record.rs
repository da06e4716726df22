//! The format of a record (RFC 6347 section 4.1).

use alloc::vec::Vec;

use crate::error::Error;

/// The length of a record header, in bytes.
pub(crate) const HEADER_LEN: usize = 13;
/// DTLS 1.2.
pub(crate) const DTLS_1_2: u16 = 0xfefd;
/// DTLS 1.0, which may appear in the record header of a first hello.
pub(crate) const DTLS_1_0: u16 = 0xfeff;
/// The longest plaintext of a record, in bytes (RFC 5246 section 6.2.1).
pub(crate) const MAX_PLAINTEXT: usize = 1 << 14;
/// The longest fragment of a record, in bytes (RFC 5246 section 6.2.3).
const MAX_FRAGMENT: usize = MAX_PLAINTEXT + 2048;
/// The largest sequence number, 48 bits.
pub(crate) const MAX_SEQUENCE: u64 = (1 << 48) - 1;

/// The content type of a record (RFC 5246 section 6.2.1).
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

    pub(crate) fn from_wire(value: u8) -> Option<Self> {
        Some(match value {
            20 => ContentType::ChangeCipherSpec,
            21 => ContentType::Alert,
            22 => ContentType::Handshake,
            23 => ContentType::ApplicationData,
            _ => return None,
        })
    }
}

/// The epoch of a record. There are only two, because renegotiation is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Epoch {
    /// 0: unprotected.
    Plain,
    /// 1: protected by the negotiated keys.
    Protected,
}

impl Epoch {
    pub(crate) fn number(self) -> u16 {
        match self {
            Epoch::Plain => 0,
            Epoch::Protected => 1,
        }
    }

    pub(crate) fn from_number(number: u16) -> Option<Self> {
        match number {
            0 => Some(Epoch::Plain),
            1 => Some(Epoch::Protected),
            _ => None,
        }
    }
}

/// The header of a record without its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordId {
    pub(crate) content_type: ContentType,
    pub(crate) version: u16,
    pub(crate) epoch: Epoch,
    /// 48 bits.
    pub(crate) sequence: u64,
}

impl RecordId {
    /// Returns epoch and sequence number as on the wire, 2 + 6 bytes.
    pub(crate) fn number(&self) -> [u8; 8] {
        (u64::from(self.epoch.number()) << 48 | self.sequence).to_be_bytes()
    }
}

/// The header of a record without its length (RFC 6347 section 4.1). Any values are possible.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 1 | content type |
/// | 1 | 2 | version |
/// | 3 | 2 | epoch |
/// | 5 | 6 | sequence number |
/// | 11 | 2 | fragment length |
/// | 13 | | fragment |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecordHeader {
    /// The content type.
    pub content_type: u8,
    /// The version, 0xfefd for DTLS 1.2.
    pub version: u16,
    /// The epoch.
    pub epoch: u16,
    /// The sequence number, 48 bits.
    pub sequence: u64,
}

impl RecordHeader {
    /// The length of a record header in bytes.
    pub const LEN: usize = HEADER_LEN;

    /// Splits the first record off a datagram. Returns its header, its fragment and the bytes after
    /// it, or `None` if the datagram ends inside the record.
    #[must_use]
    pub fn split(datagram: &[u8]) -> Option<(Self, &[u8], &[u8])> {
        let (header, rest) = datagram.split_first_chunk()?;
        let (header, len) = Self::parse(header);
        let (fragment, rest) = rest.split_at_checked(len)?;
        Some((header, fragment, rest))
    }

    /// Returns the header and the length of the fragment.
    fn parse(header: &[u8; HEADER_LEN]) -> (Self, usize) {
        let &[content_type, v0, v1, e0, e1, s0, s1, s2, s3, s4, s5, l0, l1] = header;
        let header = Self {
            content_type,
            version: u16::from_be_bytes([v0, v1]),
            epoch: u16::from_be_bytes([e0, e1]),
            sequence: u64::from_be_bytes([0, 0, s0, s1, s2, s3, s4, s5]),
        };
        (header, usize::from(u16::from_be_bytes([l0, l1])))
    }

    /// Returns the header if its type, version and epoch are supported. Version `fe ff` is accepted
    /// in epoch 0.
    fn supported(self) -> Option<RecordId> {
        let epoch = Epoch::from_number(self.epoch)?;
        let version_fits =
            self.version == DTLS_1_2 || (self.version == DTLS_1_0 && epoch == Epoch::Plain);
        version_fits.then_some(RecordId {
            content_type: ContentType::from_wire(self.content_type)?,
            version: self.version,
            epoch,
            sequence: self.sequence & MAX_SEQUENCE,
        })
    }

    /// Returns the header if it is supported and that of a protected record.
    pub(crate) fn protected(self) -> Option<RecordId> {
        self.supported().filter(|id| id.epoch == Epoch::Protected)
    }
}

/// The result of [`split`].
pub(crate) enum Split<'a> {
    /// A record, and the rest of the datagram.
    Record(RecordId, &'a mut [u8], &'a mut [u8]),
    /// A record with an unsupported version, type, epoch or length, and the rest of the datagram.
    Unsupported(&'a mut [u8]),
    /// Not a record.
    Malformed,
}

/// Splits the first record off a datagram.
pub(crate) fn split(datagram: &mut [u8]) -> Split<'_> {
    let Some((header, rest)) = datagram.split_first_chunk_mut() else {
        return Split::Malformed;
    };
    let (header, len) = RecordHeader::parse(header);
    let Some((fragment, rest)) = rest.split_at_mut_checked(len) else {
        return Split::Malformed;
    };
    match header.supported() {
        Some(id) if len <= MAX_FRAGMENT => Split::Record(id, fragment, rest),
        _ => Split::Unsupported(rest),
    }
}

/// Appends an unprotected record.
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
            // `out` is restored on error.
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
    fn record_encodes_to_known_bytes() {
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
        fn split_consumes_every_datagram(mut datagram: Vec<u8>) {
            let mut rest = &mut datagram[..];
            loop {
                let before = rest.len();
                rest = match split(rest) {
                    Split::Record(_, fragment, rest) => {
                        prop_assert_eq!(fragment.len() + rest.len() + HEADER_LEN, before);
                        rest
                    }
                    Split::Unsupported(rest) => rest,
                    Split::Malformed => break,
                };
                prop_assert!(rest.len() < before);
            }
        }
    }
}
