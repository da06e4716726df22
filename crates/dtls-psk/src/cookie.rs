//! Stateless cookies (RFC 6347 section 4.2.1).

use dimpl::crypto::CryptoProvider;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::messages::hello::{ClientHello, HelloVerifyRequest};
use crate::messages::{Fragment, HANDSHAKE_HEADER_LEN, handshake_header, handshake_type};
use crate::record::{ContentType, DTLS_1_2, Epoch, RecordId};

/// Bytes of a cookie: the most that DTLS 1.0 allowed, and a whole HMAC-SHA-256.
const COOKIE_LEN: usize = 32;
/// A hello with a higher message number is noise: a client counts one for every HelloVerifyRequest.
const MAX_HELLO_SEQUENCE: u16 = 32;

/// Whether `fragment` is, or begins, a hello that may come first.
pub(crate) fn is_first_hello(fragment: &Fragment<'_>) -> bool {
    fragment.handshake_type == handshake_type::CLIENT_HELLO
        && fragment.sequence <= MAX_HELLO_SEQUENCE
}

/// The hello in `fragment`, if all of it is there.
pub(crate) fn whole_hello<'a>(fragment: &Fragment<'a>) -> Option<ClientHello<'a>> {
    let whole = fragment.is_whole().then_some(fragment.data)?;
    ClientHello::parse(whole).ok()
}

/// What to do about a hello, as far as its cookie goes.
pub(crate) enum Judged<'a> {
    /// It brings a cookie made with this secret, for this peer and this hello.
    Verified(&'a Zeroizing<[u8; 32]>),
    /// It does not: the HelloVerifyRequest to answer.
    Unverified { record: RecordId, content: Vec<u8> },
    /// It is no whole hello.
    Malformed,
}

/// Judges the hello in `fragment` that came in the record numbered `record`, with nothing kept of it.
///
/// A hello must come whole, in one record: to put fragments together is to keep state for whoever sends
/// them (RFC 6347 section 4.2.1). Nothing here is the peer's fault: anybody can send anything from any
/// address. New cookies are made with the first of `secrets`.
pub(crate) fn judge<'a>(
    provider: &CryptoProvider,
    secrets: impl IntoIterator<Item = &'a Zeroizing<[u8; 32]>>,
    peer_id: &[u8],
    record: u64,
    fragment: &Fragment<'_>,
) -> Result<Judged<'a>, Error> {
    let Some(hello) = whole_hello(fragment) else {
        return Ok(Judged::Malformed);
    };
    let mut made = None;
    for secret in secrets {
        let expected = make(provider, secret, peer_id, &hello)?;
        // Takes the same time for every wrong cookie.
        if bool::from(expected.as_slice().ct_eq(hello.cookie)) {
            return Ok(Judged::Verified(secret));
        }
        made.get_or_insert(expected);
    }
    let Some(cookie) = made else {
        return Ok(Judged::Malformed);
    };
    let body = HelloVerifyRequest::write(&cookie)?;
    let header: [u8; HANDSHAKE_HEADER_LEN] = handshake_header(
        handshake_type::HELLO_VERIFY_REQUEST,
        body.len(),
        fragment.sequence,
        0,
        body.len(),
    )?;
    // The client's own record number: the only one to be had without state (RFC 6347 section 4.2.1).
    let record = RecordId {
        content_type: ContentType::Handshake,
        version: DTLS_1_2,
        epoch: Epoch::Plain,
        sequence: record,
    };
    let content = [&header[..], &body].concat();
    Ok(Judged::Unverified { record, content })
}

/// HMAC-SHA-256 with `secret` over the peer's address and all of its hello but the cookie, each part
/// with its length before it.
fn make(
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
