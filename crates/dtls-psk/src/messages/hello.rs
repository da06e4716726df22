//! ClientHello, HelloVerifyRequest and ServerHello (RFC 6347 section 4.3.2, RFC 5246 section
//! 7.4.1).

use alloc::vec::Vec;

use super::extensions::{self, Extensions};
use super::{Reader, put_vec8, put_vec16};
use crate::cipher_suite::CipherSuite;
use crate::error::Error;
use crate::group::Group;
use crate::record::{DTLS_1_0, DTLS_1_2};

/// The signalling suite that a client may send instead of renegotiation_info (RFC 5746 section
/// 3.3).
pub(crate) const EMPTY_RENEGOTIATION_INFO_SCSV: u16 = 0x00ff;
/// No compression.
pub(crate) const COMPRESSION_NULL: u8 = 0;

const CLIENT_HELLO: &str = "ClientHello";
const VERIFY_REQUEST: &str = "HelloVerifyRequest";
const SERVER_HELLO: &str = "ServerHello";

/// The content of a ClientHello that this crate sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'a> {
    pub(crate) random: &'a [u8; 32],
    pub(crate) cookie: &'a [u8],
    pub(crate) suites: &'a [CipherSuite],
    pub(crate) groups: &'a [Group],
    pub(crate) encrypt_then_mac: bool,
    pub(crate) extended_master_secret: bool,
}

/// The content of a ServerHello that this crate sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice<'a> {
    pub(crate) random: &'a [u8; 32],
    pub(crate) suite: CipherSuite,
    pub(crate) encrypt_then_mac: bool,
    pub(crate) extended_master_secret: bool,
}

/// A ClientHello.
///
/// | size | field |
/// |---|---|
/// | 2 | version, `fe fd` |
/// | 32 | random |
/// | 1 + n | session ID, always empty in this crate's hellos |
/// | 1 + n | cookie, empty in the first hello |
/// | 2 + n | cipher suites, 2 bytes each |
/// | 1 + n | compression methods |
/// | 2 + n | extensions, may be missing |
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientHello<'a> {
    pub(crate) version: u16,
    pub(crate) random: &'a [u8; 32],
    pub(crate) session_id: &'a [u8],
    pub(crate) cookie: &'a [u8],
    pub(crate) suites: &'a [u8],
    pub(crate) compressions: &'a [u8],
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ClientHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(CLIENT_HELLO, body);
        let version = reader.u16("the version")?;
        let random = reader.array("the random")?;
        let session_id = reader.vec8("the session id")?;
        if session_id.len() > 32 {
            return Err(reader.malformed("a session ID of at most 32 bytes"));
        }
        let cookie = reader.vec8("the cookie")?;
        let suites = reader.vec16("the cipher suites")?;
        if suites.is_empty() || suites.len() % 2 != 0 {
            return Err(reader.malformed("a list of cipher suites"));
        }
        let compressions = reader.vec8("the compression methods")?;
        if compressions.is_empty() {
            return Err(reader.malformed("a compression method"));
        }
        let extensions = Extensions::read(&mut reader, CLIENT_HELLO)?;
        reader.end()?;
        Ok(Self {
            version,
            random,
            session_id,
            cookie,
            suites,
            compressions,
            extensions,
        })
    }

    /// Encodes a hello. Extensions that no offered suite uses are omitted, except
    /// signature_algorithms: some devices were only ever seen to answer hellos with it. The order
    /// is that of a hello that they answer (docs/dtls.md).
    pub(crate) fn write(offer: &Offer<'_>) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&DTLS_1_2.to_be_bytes());
        out.extend_from_slice(offer.random);
        put_vec8(&mut out, &[])?;
        put_vec8(&mut out, offer.cookie)?;
        let suites: Vec<u8> = offer
            .suites
            .iter()
            .flat_map(|suite| suite.id().to_be_bytes())
            .collect();
        put_vec16(&mut out, &suites)?;
        put_vec8(&mut out, &[COMPRESSION_NULL])?;
        let mut list = Vec::new();
        extensions::put_signature_algorithms(&mut list)?;
        extensions::put_renegotiation_info(&mut list)?;
        if offer.suites.iter().any(|suite| suite.has_forward_secrecy()) {
            extensions::put_supported_groups(&mut list, offer.groups)?;
            extensions::put_point_formats(&mut list)?;
        }
        if offer.encrypt_then_mac {
            extensions::put_encrypt_then_mac(&mut list)?;
        }
        if offer.extended_master_secret {
            extensions::put_extended_master_secret(&mut list)?;
        }
        put_vec16(&mut out, &list)?;
        Ok(out)
    }
}

/// A HelloVerifyRequest.
///
/// | size | field |
/// |---|---|
/// | 2 | version: always DTLS 1.0, `fe ff`; clients ignore it |
/// | 1 + n | cookie |
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HelloVerifyRequest<'a> {
    pub(crate) cookie: &'a [u8],
}

impl<'a> HelloVerifyRequest<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(VERIFY_REQUEST, body);
        reader.u16("the version")?;
        let cookie = reader.vec8("the cookie")?;
        reader.end()?;
        Ok(Self { cookie })
    }

    pub(crate) fn write(cookie: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = DTLS_1_0.to_be_bytes().to_vec();
        put_vec8(&mut out, cookie)?;
        Ok(out)
    }
}

/// A ServerHello.
///
/// | size | field |
/// |---|---|
/// | 2 | version, `fe fd` |
/// | 32 | random |
/// | 1 + n | session ID, always empty in this crate's hellos: there is no resumption |
/// | 2 | cipher suite |
/// | 1 | compression method |
/// | 2 + n | extensions, may be missing |
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerHello<'a> {
    pub(crate) version: u16,
    pub(crate) random: &'a [u8; 32],
    pub(crate) suite: u16,
    pub(crate) compression: u8,
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(SERVER_HELLO, body);
        let version = reader.u16("the version")?;
        let random = reader.array("the random")?;
        if reader.vec8("the session id")?.len() > 32 {
            return Err(reader.malformed("a session ID of at most 32 bytes"));
        }
        let suite = reader.u16("the cipher suite")?;
        let compression = reader.u8("the compression method")?;
        let extensions = Extensions::read(&mut reader, SERVER_HELLO)?;
        reader.end()?;
        Ok(Self {
            version,
            random,
            suite,
            compression,
            extensions,
        })
    }

    /// Encodes the answer to `hello`.
    pub(crate) fn write(choice: &Choice<'_>, hello: &ClientHello<'_>) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&DTLS_1_2.to_be_bytes());
        out.extend_from_slice(choice.random);
        put_vec8(&mut out, &[])?;
        out.extend_from_slice(&choice.suite.id().to_be_bytes());
        out.push(COMPRESSION_NULL);
        let mut list = Vec::new();
        // Only with a suite that uses points (RFC 8422 section 5.2).
        if hello.extensions.point_formats.is_some() && choice.suite.has_forward_secrecy() {
            extensions::put_point_formats(&mut list)?;
        }
        if choice.encrypt_then_mac {
            extensions::put_encrypt_then_mac(&mut list)?;
        }
        if choice.extended_master_secret {
            extensions::put_extended_master_secret(&mut list)?;
        }
        let signalled =
            extensions::numbers(hello.suites).any(|id| id == EMPTY_RENEGOTIATION_INFO_SCSV);
        if signalled || hello.extensions.renegotiation_info.is_some() {
            extensions::put_renegotiation_info(&mut list)?;
        }
        if !list.is_empty() {
            put_vec16(&mut out, &list)?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUITE: CipherSuite = CipherSuite::EcdhePskChacha20Poly1305Sha256;

    fn offer<'a>(suites: &'a [CipherSuite]) -> Offer<'a> {
        Offer {
            random: &[7; 32],
            cookie: b"cookie",
            suites,
            groups: &[Group::X25519],
            encrypt_then_mac: false,
            extended_master_secret: true,
        }
    }

    const CHOICE: Choice<'static> = Choice {
        random: &[8; 32],
        suite: SUITE,
        encrypt_then_mac: false,
        extended_master_secret: true,
    };

    #[test]
    fn hellos_round_trip_and_truncated_ones_are_rejected() {
        let wire = ClientHello::write(&offer(&[SUITE])).unwrap();
        let hello = ClientHello::parse(&wire).unwrap();
        assert_eq!(hello.version, DTLS_1_2);
        assert_eq!(hello.random, &[7; 32]);
        assert_eq!(hello.cookie, b"cookie");
        assert_eq!(hello.suites, [0xcc, 0xac]);
        assert!(hello.extensions.extended_master_secret);

        let answer = ServerHello::write(&CHOICE, &hello).unwrap();
        let parsed = ServerHello::parse(&answer).unwrap();
        assert_eq!(parsed.random, &[8; 32]);
        assert_eq!(parsed.suite, 0xccac);
        assert!(parsed.extensions.extended_master_secret);
        assert_eq!(parsed.extensions.renegotiation_info, Some(&[][..]));

        let request = HelloVerifyRequest::write(b"cookie").unwrap();
        assert_eq!(request, b"\xfe\xff\x06cookie");

        // A hello may end before its extensions. Any other truncation is an error.
        for len in (0..wire.len()).filter(|&len| len != 2 + 32 + 1 + 7 + 4 + 2) {
            assert!(ClientHello::parse(&wire[..len]).is_err(), "cut at {len}");
        }
        for len in (0..answer.len()).filter(|&len| len != 2 + 32 + 1 + 3) {
            assert!(ServerHello::parse(&answer[..len]).is_err(), "cut at {len}");
        }
        for len in 0..request.len() {
            assert!(HelloVerifyRequest::parse(&request[..len]).is_err());
        }
    }

    /// The hello of the Go library that works with cameras, with this crate's random and groups.
    #[test]
    fn hello_is_the_proven_one_except_for_p_384() {
        let wire = ClientHello::write(&Offer {
            cookie: &[],
            groups: Group::ALL,
            extended_master_secret: false,
            ..offer(&[SUITE])
        })
        .unwrap();
        let expected = [
            &[0xfe, 0xfd][..],
            &[7; 32],
            &[0, 0],             // session ID, cookie
            &[0, 2, 0xcc, 0xac], // suites
            &[1, 0],             // compression
            &[0, 41],            // extensions
            &[
                0, 13, 0, 16, 0, 14, 4, 3, 5, 3, 6, 3, 4, 1, 5, 1, 6, 1, 8, 7,
            ],
            &[0xff, 1, 0, 1, 0],
            &[0, 10, 0, 6, 0, 4, 0, 29, 0, 23],
            &[0, 11, 0, 2, 1, 0],
        ];
        let len = expected[6..].iter().map(|part| part.len()).sum::<usize>();
        assert_eq!(usize::from(expected[5][1]), len);
        assert_eq!(wire, expected.concat());
    }

    #[test]
    fn renegotiation_scsv_is_answered_like_the_extension() {
        let mut wire = DTLS_1_2.to_be_bytes().to_vec();
        wire.extend_from_slice(&[7; 32]);
        wire.extend_from_slice(&[0, 0, 0, 4, 0xcc, 0xac, 0x00, 0xff, 1, 0]);
        let hello = ClientHello::parse(&wire).unwrap();
        let choice = Choice {
            extended_master_secret: false,
            ..CHOICE
        };
        let answer = ServerHello::write(&choice, &hello).unwrap();
        assert_eq!(&answer[38..], [0, 5, 0xff, 1, 0, 1, 0]);
    }

    #[test]
    fn extensions_are_sent_only_with_suites_that_use_them() {
        let plain = [CipherSuite::PskAes128CbcSha256];
        let wire = ClientHello::write(&Offer {
            encrypt_then_mac: true,
            ..offer(&plain)
        })
        .unwrap();
        let hello = ClientHello::parse(&wire).unwrap();
        assert_eq!(hello.suites, [0x00, 0xae]);
        assert_eq!(hello.extensions.groups, None);
        assert_eq!(hello.extensions.point_formats, None);
        assert!(hello.extensions.encrypt_then_mac);

        let wire = ClientHello::write(&offer(CipherSuite::ALL)).unwrap();
        let hello = ClientHello::parse(&wire).unwrap();
        assert_eq!(hello.extensions.groups, Some(&[0, 29][..]));
        let choice = Choice {
            suite: CipherSuite::PskAes128CbcSha256,
            encrypt_then_mac: true,
            ..CHOICE
        };
        let answer = ServerHello::write(&choice, &hello).unwrap();
        let parsed = ServerHello::parse(&answer).unwrap();
        assert_eq!(parsed.extensions.point_formats, None);
        assert!(parsed.extensions.encrypt_then_mac);
    }

    proptest! {
        #[test]
        fn random_bodies_do_not_panic(body: Vec<u8>) {
            let _ = ClientHello::parse(&body);
            let _ = ServerHello::parse(&body);
            let _ = HelloVerifyRequest::parse(&body);
        }
    }
}
