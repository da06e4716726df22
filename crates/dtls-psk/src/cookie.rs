//! Stateless cookies (RFC 6347 section 4.2.1).

use dimpl::crypto::CryptoProvider;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::messages::hello::ClientHello;

/// Bytes of a cookie: the most that DTLS 1.0 allowed, and a whole HMAC-SHA-256.
pub(crate) const COOKIE_LEN: usize = 32;

/// HMAC-SHA-256 with `secret` over the peer's address and all of its hello but the cookie, each part
/// with its length before it.
pub(crate) fn make(
    provider: &CryptoProvider,
    secret: &Zeroizing<[u8; 32]>,
    peer_id: &[u8],
    hello: &ClientHello<'_>,
) -> Result<[u8; COOKIE_LEN], Error> {
    let mut data = Vec::new();
    for part in [
        peer_id,
        &hello.version.to_be_bytes(),
        hello.random,
        hello.session_id,
        hello.suites,
        hello.compressions,
        hello.extensions.raw(),
    ] {
        // usize has at most 64 bits on every target there is; only that equal lengths be equal matters.
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    Ok(provider
        .hmac_provider
        .hmac_sha256(secret.as_slice(), &data)?)
}

/// Whether `hello` brings the cookie made for it. Takes the same time for every wrong cookie.
pub(crate) fn verify(
    provider: &CryptoProvider,
    secret: &Zeroizing<[u8; 32]>,
    peer_id: &[u8],
    hello: &ClientHello<'_>,
) -> Result<bool, Error> {
    let expected = make(provider, secret, peer_id, hello)?;
    Ok(bool::from(expected.as_slice().ct_eq(hello.cookie)))
}
