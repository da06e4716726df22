//! ServerKeyExchange and ClientKeyExchange of PSK (RFC 4279 section 2) and ECDHE_PSK (RFC 5489
//! section 2, RFC 8422 section 5.4).

use alloc::vec::Vec;

use super::{Reader, put_vec8, put_vec16};
use crate::error::Error;
use crate::suites::KeyExchange;

/// named_curve, the only curve type still in use (RFC 8422 section 5.4).
const NAMED_CURVE: u8 = 3;
const SERVER: &str = "ServerKeyExchange";
const CLIENT: &str = "ClientKeyExchange";

/// A ServerKeyExchange. With plain PSK it is omitted if there is no hint.
///
/// | size | field | suites |
/// |---|---|---|
/// | 2 + n | PSK identity hint | both |
/// | 1 | curve type, 3 | ECDHE_PSK |
/// | 2 | named group, as in supported_groups | ECDHE_PSK |
/// | 1 + n | public key | ECDHE_PSK |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerKeyExchange<'a> {
    pub(crate) hint: &'a [u8],
    pub(crate) share: Option<Share<'a>>,
}

/// The server's key share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share<'a> {
    pub(crate) group: u16,
    pub(crate) public: &'a [u8],
}

impl<'a> ServerKeyExchange<'a> {
    pub(crate) fn parse(body: &'a [u8], kind: KeyExchange) -> Result<Self, Error> {
        let mut reader = Reader::new(SERVER, body);
        let hint = reader.vec16("the PSK identity hint")?;
        let share = match kind {
            KeyExchange::Psk => None,
            KeyExchange::EcdhePsk => Some(Share::read(&mut reader)?),
        };
        reader.end()?;
        Ok(Self { hint, share })
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        put_vec16(&mut out, self.hint)?;
        if let Some(share) = self.share {
            out.push(NAMED_CURVE);
            out.extend_from_slice(&share.group.to_be_bytes());
            put_vec8(&mut out, share.public)?;
        }
        Ok(out)
    }
}

impl<'a> Share<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Error> {
        if reader.u8("the curve type")? != NAMED_CURVE {
            return Err(Error::IllegalParameter {
                message: SERVER,
                what: "curve type",
            });
        }
        let group = reader.u16("the named group")?;
        let public = reader.vec8("the public key")?;
        Ok(Self { group, public })
    }
}

/// A ClientKeyExchange.
///
/// | size | field | suites |
/// |---|---|---|
/// | 2 + n | PSK identity | both |
/// | 1 + n | public key | ECDHE_PSK |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientKeyExchange<'a> {
    pub(crate) identity: &'a [u8],
    pub(crate) public: Option<&'a [u8]>,
}

impl<'a> ClientKeyExchange<'a> {
    pub(crate) fn parse(body: &'a [u8], kind: KeyExchange) -> Result<Self, Error> {
        let mut reader = Reader::new(CLIENT, body);
        let identity = reader.vec16("the PSK identity")?;
        let public = match kind {
            KeyExchange::Psk => None,
            KeyExchange::EcdhePsk => Some(reader.vec8("the public key")?),
        };
        reader.end()?;
        Ok(Self { identity, public })
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        put_vec16(&mut out, self.identity)?;
        if let Some(public) = self.public {
            put_vec8(&mut out, public)?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [KeyExchange; 2] = [KeyExchange::Psk, KeyExchange::EcdhePsk];

    #[test]
    fn key_exchanges_encode_to_known_bytes() {
        let share = Share {
            group: 29,
            public: &[9; 32],
        };
        let server = ServerKeyExchange {
            hint: b"hint",
            share: Some(share),
        };
        assert_eq!(&server.write().unwrap()[..10], b"\0\x04hint\x03\0\x1d\x20");
        let plain = ServerKeyExchange {
            hint: b"hint",
            share: None,
        };
        assert_eq!(plain.write().unwrap(), b"\0\x04hint");
        let client = ClientKeyExchange {
            identity: b"id",
            public: None,
        };
        assert_eq!(client.write().unwrap(), b"\0\x02id");
        let client = ClientKeyExchange {
            identity: b"id",
            public: Some(b"key"),
        };
        assert_eq!(client.write().unwrap(), b"\0\x02id\x03key");
    }

    #[test]
    fn key_exchanges_round_trip_and_truncated_ones_are_rejected() {
        for kind in KINDS {
            let ephemeral = kind == KeyExchange::EcdhePsk;
            let server = ServerKeyExchange {
                hint: b"hint",
                share: ephemeral.then_some(Share {
                    group: 23,
                    public: &[9; 65],
                }),
            };
            let wire = server.write().unwrap();
            assert_eq!(ServerKeyExchange::parse(&wire, kind).unwrap(), server);
            for len in 0..wire.len() {
                assert!(ServerKeyExchange::parse(&wire[..len], kind).is_err());
            }
            let client = ClientKeyExchange {
                identity: b"a device",
                public: ephemeral.then_some(&[5; 32]),
            };
            let wire = client.write().unwrap();
            assert_eq!(ClientKeyExchange::parse(&wire, kind).unwrap(), client);
            for len in 0..wire.len() {
                assert!(ClientKeyExchange::parse(&wire[..len], kind).is_err());
            }
            let longer = [&wire[..], &[0]].concat();
            assert!(ClientKeyExchange::parse(&longer, kind).is_err());
        }
    }

    proptest! {
        #[test]
        fn random_bodies_do_not_panic(body: Vec<u8>) {
            for kind in KINDS {
                let _ = ServerKeyExchange::parse(&body, kind);
                let _ = ClientKeyExchange::parse(&body, kind);
            }
        }
    }
}
