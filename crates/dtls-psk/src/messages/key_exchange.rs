//! ServerKeyExchange and ClientKeyExchange of ECDHE_PSK (RFC 5489 section 2, RFC 8422 section 5.4).

use super::extensions::GROUP_X25519;
use super::{Reader, put_vec8, put_vec16};
use crate::error::Error;

/// named_curve (RFC 8422 section 5.4), the only curve type there is left.
const NAMED_CURVE: u8 = 3;
const SERVER: &str = "ServerKeyExchange";
const CLIENT: &str = "ClientKeyExchange";

/// A server's half.
///
/// | size | what |
/// |---|---|
/// | 2 + n | PSK identity hint; a client ignores it |
/// | 1 | curve type, 3 |
/// | 2 | named group, 29 for X25519 |
/// | 1 + n | public key |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EcdhePskServer<'a> {
    pub(crate) group: u16,
    pub(crate) public: &'a [u8],
}

impl<'a> EcdhePskServer<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(SERVER, body);
        reader.vec16("the PSK identity hint")?;
        if reader.u8("the curve type")? != NAMED_CURVE {
            return Err(Error::IllegalParameter {
                message: SERVER,
                what: "curve type",
            });
        }
        let group = reader.u16("the named group")?;
        let public = reader.vec8("the public key")?;
        reader.end()?;
        Ok(Self { group, public })
    }

    pub(crate) fn write(hint: &[u8], public: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        put_vec16(&mut out, hint)?;
        out.push(NAMED_CURVE);
        out.extend_from_slice(&GROUP_X25519.to_be_bytes());
        put_vec8(&mut out, public)?;
        Ok(out)
    }
}

/// A client's half.
///
/// | size | what |
/// |---|---|
/// | 2 + n | PSK identity |
/// | 1 + n | public key |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EcdhePskClient<'a> {
    pub(crate) identity: &'a [u8],
    pub(crate) public: &'a [u8],
}

impl<'a> EcdhePskClient<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(CLIENT, body);
        let identity = reader.vec16("the PSK identity")?;
        let public = reader.vec8("the public key")?;
        reader.end()?;
        Ok(Self { identity, public })
    }

    pub(crate) fn write(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        put_vec16(&mut out, self.identity)?;
        put_vec8(&mut out, self.public)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_halves_are_read_back_and_no_shorter_ones_are() {
        let server = EcdhePskServer::write(b"hint", &[9; 32]).unwrap();
        assert_eq!(&server[..10], b"\0\x04hint\x03\0\x1d\x20");
        assert_eq!(
            EcdhePskServer::parse(&server).unwrap(),
            EcdhePskServer {
                group: 29,
                public: &[9; 32]
            }
        );
        let client = EcdhePskClient {
            identity: b"AUTHPWD_admin",
            public: &[5; 32],
        };
        let wire = client.write().unwrap();
        assert_eq!(EcdhePskClient::parse(&wire).unwrap(), client);
        for len in 0..server.len() {
            assert!(EcdhePskServer::parse(&server[..len]).is_err());
        }
        for len in 0..wire.len() {
            assert!(EcdhePskClient::parse(&wire[..len]).is_err());
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_does_not_panic(body: Vec<u8>) {
            let _ = EcdhePskServer::parse(&body);
            let _ = EcdhePskClient::parse(&body);
        }
    }
}
