//! Hello extensions (RFC 5246 section 7.4.1.4).

use alloc::vec::Vec;

use super::{Reader, put_vec8, put_vec16};
use crate::error::Error;
use crate::group::Group;

/// supported_groups (RFC 8422 section 5.1.1).
pub(crate) const SUPPORTED_GROUPS: u16 = 10;
/// ec_point_formats (RFC 8422 section 5.1.2).
pub(crate) const EC_POINT_FORMATS: u16 = 11;
/// signature_algorithms (RFC 5246 section 7.4.1.4.1).
pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
/// encrypt_then_mac (RFC 7366 section 2).
pub(crate) const ENCRYPT_THEN_MAC: u16 = 22;
/// extended_master_secret (RFC 7627 section 5.1).
pub(crate) const EXTENDED_MASTER_SECRET: u16 = 23;
/// renegotiation_info (RFC 5746 section 3.2).
pub(crate) const RENEGOTIATION_INFO: u16 = 0xff01;

/// ECDSA and RSA with SHA-256, SHA-384 and SHA-512, then Ed25519: the list of the Go library whose
/// hello cameras are known to answer. No suite of this crate uses signatures.
const SIGNATURES: [u16; 7] = [0x0403, 0x0503, 0x0603, 0x0401, 0x0501, 0x0601, 0x0807];

/// The only point format still in use.
const POINT_UNCOMPRESSED: u8 = 0;

/// The maximum number of extensions in a hello. Real hellos have fewer than half as many.
const MAX_EXTENSIONS: usize = 64;

/// The extensions of a hello.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extensions<'a> {
    raw: &'a [u8],
    /// The list of groups, two bytes each.
    pub(crate) groups: Option<&'a [u8]>,
    pub(crate) point_formats: Option<&'a [u8]>,
    pub(crate) encrypt_then_mac: bool,
    pub(crate) extended_master_secret: bool,
    /// The content of renegotiation_info, which is empty in an initial handshake.
    pub(crate) renegotiation_info: Option<&'a [u8]>,
    /// The type of the first extension that has no field here.
    pub(crate) first_other: Option<u16>,
}

impl<'a> Extensions<'a> {
    /// Parses the extensions at the end of a hello, which may be missing.
    pub(crate) fn read(reader: &mut Reader<'a>, message: &'static str) -> Result<Self, Error> {
        let mut extensions = Self::default();
        if reader.is_empty() {
            return Ok(extensions);
        }
        extensions.raw = reader.vec16("the extensions")?;
        let mut list = Reader::new(message, extensions.raw);
        let mut seen: Vec<u16> = Vec::new();
        while !list.is_empty() {
            let number = list.u16("an extension's type")?;
            let content = list.vec16("an extension's content")?;
            if seen.len() >= MAX_EXTENSIONS {
                return Err(list.malformed("at most 64 extensions"));
            }
            if seen.contains(&number) {
                return Err(Error::IllegalParameter {
                    message,
                    what: "duplicate extension",
                });
            }
            seen.push(number);
            let mut content_reader = Reader::new(message, content);
            match number {
                SUPPORTED_GROUPS => {
                    let groups = content_reader.vec16("supported_groups")?;
                    if groups.is_empty() || groups.len() % 2 != 0 {
                        return Err(list.malformed("a list of groups in supported_groups"));
                    }
                    extensions.groups = Some(groups);
                    content_reader.end()?;
                }
                EC_POINT_FORMATS => {
                    extensions.point_formats = Some(content_reader.vec8("ec_point_formats")?);
                    content_reader.end()?;
                }
                ENCRYPT_THEN_MAC => {
                    extensions.encrypt_then_mac = true;
                    content_reader.end()?;
                }
                EXTENDED_MASTER_SECRET => {
                    extensions.extended_master_secret = true;
                    content_reader.end()?;
                }
                RENEGOTIATION_INFO => {
                    extensions.renegotiation_info =
                        Some(content_reader.vec8("renegotiation_info")?);
                    content_reader.end()?;
                }
                other => {
                    extensions.first_other.get_or_insert(other);
                }
            }
        }
        Ok(extensions)
    }

    /// Checks the extensions that both hellos may have.
    ///
    /// RFC 5746 sections 3.4 and 3.6 require an empty renegotiation_info in an initial handshake. A
    /// peer may omit it, because nothing is ever renegotiated.
    pub(crate) fn check(&self, message: &'static str) -> Result<(), Error> {
        let points = self.point_formats;
        if points.is_some_and(|formats| !formats.contains(&POINT_UNCOMPRESSED)) {
            return Err(Error::IllegalParameter {
                message,
                what: "ec_point_formats",
            });
        }
        match self.renegotiation_info {
            None | Some([]) => Ok(()),
            Some(_) => Err(Error::Renegotiation),
        }
    }

    /// Returns the encoded extensions.
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.raw
    }
}

/// Returns the numbers in a list of 16-bit numbers.
pub(crate) fn numbers(list: &[u8]) -> impl Iterator<Item = u16> + '_ {
    list.as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u16::from_be_bytes(*pair))
}

/// Appends signature_algorithms.
pub(crate) fn put_signature_algorithms(out: &mut Vec<u8>) -> Result<(), Error> {
    let mut content = Vec::new();
    put_vec16(&mut content, &SIGNATURES.map(u16::to_be_bytes).concat())?;
    put(out, SIGNATURE_ALGORITHMS, &content)
}

/// Appends supported_groups.
pub(crate) fn put_supported_groups(out: &mut Vec<u8>, groups: &[Group]) -> Result<(), Error> {
    let list: Vec<u8> = groups
        .iter()
        .flat_map(|group| group.id().to_be_bytes())
        .collect();
    let mut content = Vec::new();
    put_vec16(&mut content, &list)?;
    put(out, SUPPORTED_GROUPS, &content)
}

/// Appends ec_point_formats with only the uncompressed format.
pub(crate) fn put_point_formats(out: &mut Vec<u8>) -> Result<(), Error> {
    let mut content = Vec::new();
    put_vec8(&mut content, &[POINT_UNCOMPRESSED])?;
    put(out, EC_POINT_FORMATS, &content)
}

/// Appends encrypt_then_mac.
pub(crate) fn put_encrypt_then_mac(out: &mut Vec<u8>) -> Result<(), Error> {
    put(out, ENCRYPT_THEN_MAC, &[])
}

/// Appends extended_master_secret.
pub(crate) fn put_extended_master_secret(out: &mut Vec<u8>) -> Result<(), Error> {
    put(out, EXTENDED_MASTER_SECRET, &[])
}

/// Appends the renegotiation_info of an initial handshake.
pub(crate) fn put_renegotiation_info(out: &mut Vec<u8>) -> Result<(), Error> {
    put(out, RENEGOTIATION_INFO, &[0])
}

fn put(out: &mut Vec<u8>, number: u16, content: &[u8]) -> Result<(), Error> {
    out.extend_from_slice(&number.to_be_bytes());
    put_vec16(out, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &[u8]) -> Result<Extensions<'_>, Error> {
        Extensions::read(&mut Reader::new("hello", list), "hello")
    }

    #[test]
    fn extensions_round_trip_and_unknown_ones_are_skipped() {
        let mut list = Vec::new();
        put(&mut list, 0x0a0a, b"grease").unwrap();
        put_signature_algorithms(&mut list).unwrap();
        put_supported_groups(&mut list, Group::ALL).unwrap();
        put_point_formats(&mut list).unwrap();
        put_encrypt_then_mac(&mut list).unwrap();
        put_extended_master_secret(&mut list).unwrap();
        put_renegotiation_info(&mut list).unwrap();
        let mut wire = Vec::new();
        put_vec16(&mut wire, &list).unwrap();
        let extensions = read(&wire).unwrap();
        assert_eq!(extensions.groups, Some(&[0, 29, 0, 23][..]));
        assert_eq!(extensions.point_formats, Some(&[0][..]));
        assert!(extensions.encrypt_then_mac && extensions.extended_master_secret);
        assert_eq!(extensions.renegotiation_info, Some(&[][..]));
        assert_eq!(extensions.first_other, Some(0x0a0a));
        for len in 1..wire.len() {
            assert!(read(&wire[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn duplicate_extensions_are_rejected() {
        let mut list = Vec::new();
        put(&mut list, 0x1234, b"").unwrap();
        put(&mut list, 0x1234, b"").unwrap();
        let mut wire = Vec::new();
        put_vec16(&mut wire, &list).unwrap();
        assert!(matches!(read(&wire), Err(Error::IllegalParameter { .. })));
    }
}
