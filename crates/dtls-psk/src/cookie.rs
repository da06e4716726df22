//! Stateless cookies (RFC 6347 section 4.2.1).

use alloc::vec::Vec;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::{CryptoError, CryptoProvider, Hash};
use crate::error::Error;
use crate::messages::hello::{ClientHello, HelloVerifyRequest};
use crate::messages::{Fragment, HANDSHAKE_HEADER_LEN, handshake_header, handshake_type};
use crate::record::{ContentType, DTLS_1_2, Epoch, RecordId};

/// The length of a cookie, in bytes: an HMAC-SHA-256, and the maximum of DTLS 1.0.
const COOKIE_LEN: usize = 32;
/// The largest message number of an accepted hello. A client increments it for each
/// HelloVerifyRequest.
const MAX_HELLO_SEQUENCE: u16 = 32;

/// Returns `true` if `fragment` is the start of a ClientHello that can begin a handshake.
pub(crate) fn is_first_hello(fragment: &Fragment<'_>) -> bool {
    fragment.handshake_type == handshake_type::CLIENT_HELLO
        && fragment.sequence <= MAX_HELLO_SEQUENCE
}

/// Returns the hello in `fragment` if it is complete.
pub(crate) fn whole_hello<'a>(fragment: &Fragment<'a>) -> Option<ClientHello<'a>> {
    let whole = fragment.is_whole().then_some(fragment.data)?;
    ClientHello::parse(whole).ok()
}

/// The result of checking the cookie of a hello.
pub(crate) enum CookieCheck<'a> {
    /// The hello has a valid cookie, created with this secret.
    Verified(&'a Zeroizing<[u8; 32]>),
    /// The hello has no valid cookie. Contains the HelloVerifyRequest to send.
    Unverified { record: RecordId, content: Vec<u8> },
    /// The hello is malformed or incomplete.
    Malformed,
}

/// Checks the hello in `fragment`, received in the record with sequence number `record`, without
/// keeping state.
///
/// A hello must be complete in one record, because reassembly needs state for each sender (RFC 6347
/// section 4.2.1). New cookies are created with the first of `secrets`.
pub(crate) fn check<'a>(
    provider: &dyn CryptoProvider,
    secrets: impl IntoIterator<Item = &'a Zeroizing<[u8; 32]>>,
    peer_id: &[u8],
    record: u64,
    fragment: &Fragment<'_>,
) -> Result<CookieCheck<'a>, Error> {
    let Some(hello) = whole_hello(fragment) else {
        return Ok(CookieCheck::Malformed);
    };
    let mut made = None;
    for secret in secrets {
        let expected = compute(provider, secret, peer_id, &hello)?;
        // The comparison takes the same time for every cookie.
        if bool::from(expected.as_slice().ct_eq(hello.cookie)) {
            return Ok(CookieCheck::Verified(secret));
        }
        made.get_or_insert(expected);
    }
    let Some(cookie) = made else {
        return Ok(CookieCheck::Malformed);
    };
    let body = HelloVerifyRequest::write(&cookie)?;
    let header: [u8; HANDSHAKE_HEADER_LEN] = handshake_header(
        handshake_type::HELLO_VERIFY_REQUEST,
        body.len(),
        fragment.sequence,
        0,
        body.len(),
    )?;
    // Without state, the answer takes the sequence number of the hello's record (RFC 6347 section
    // 4.2.1).
    let record = RecordId {
        content_type: ContentType::Handshake,
        version: DTLS_1_2,
        epoch: Epoch::Plain,
        sequence: record,
    };
    let content = [&header[..], &body].concat();
    Ok(CookieCheck::Unverified { record, content })
}

/// Computes HMAC-SHA-256 under `secret` over the peer's address and all fields of its hello except
/// the cookie, each with its length as a prefix.
fn compute(
    provider: &dyn CryptoProvider,
    secret: &Zeroizing<[u8; 32]>,
    peer_id: &[u8],
    hello: &ClientHello<'_>,
) -> Result<[u8; COOKIE_LEN], Error> {
    let fields: [&[u8]; 7] = [
        peer_id,
        &hello.version.to_be_bytes(),
        hello.random,
        hello.session_id,
        hello.suites,
        hello.compressions,
        hello.extensions.raw(),
    ];
    // `usize` has at most 64 bits.
    let lengths = fields.map(|field| (field.len() as u64).to_be_bytes());
    let mut data: [&[u8]; 14] = [&[]; 14];
    let pairs = lengths.iter().zip(fields);
    for (to, (length, field)) in data.chunks_exact_mut(2).zip(pairs) {
        to.copy_from_slice(&[length, field]);
    }
    let mut cookie = [0; COOKIE_LEN];
    provider
        .hmac(Hash::Sha256, secret.as_slice(), &data, &mut cookie)
        .map_err(|CryptoError| Error::Crypto("computing a cookie"))?;
    Ok(cookie)
}
