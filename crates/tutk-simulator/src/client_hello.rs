//! The ClientHello, before DTLS handles it.

/// The extension extended_master_secret (RFC 7627).
const EXTENDED_MASTER_SECRET: [u8; 2] = [0, 23];

/// The length of record header, handshake header, version and random in bytes (RFC 6347, section
/// 4.2).
const FIXED_LEN: usize = 13 + 12 + 2 + 32;

/// Returns `true` if the records begin with a whole ClientHello that offers the extended master
/// secret.
pub(crate) fn offers_extended_master_secret(records: &[u8]) -> bool {
    let Some(mut extensions) = extensions(records) else {
        return false;
    };
    while let Some((kind, rest)) = extensions.split_at_checked(2)
        && let Some((_, next)) = vector(rest, 2)
    {
        if kind == EXTENDED_MASTER_SECRET {
            return true;
        }
        extensions = next;
    }
    false
}

/// Returns the extensions of a ClientHello.
fn extensions(records: &[u8]) -> Option<&[u8]> {
    let (fixed, mut rest) = records.split_at_checked(FIXED_LEN)?;
    let &[22, _, _, 0, 0, _, _, _, _, _, _, _, _, 1, ..] = fixed else {
        return None;
    };
    // Session id, cookie, suites and compression methods.
    for width in [1, 1, 2, 1] {
        (_, rest) = vector(rest, width)?;
    }
    vector(rest, 2).map(|(extensions, _)| extensions)
}

/// Splits off a vector whose length precedes it in `width` bytes.
fn vector(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_at_checked(width)?;
    let len = len
        .iter()
        .fold(0, |len, &byte| len << 8 | usize::from(byte));
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dtls_psk::{Config, Connection, Output, Psk};
    use testkit::session::{rng, start};

    use super::*;

    fn hello(with_ems: bool) -> Vec<u8> {
        let config = Config::client("id", Psk::new([1; 32])).with_extended_master_secret(with_ems);
        let mut client = Connection::client(Arc::new(config), &mut *rng(1), start()).unwrap();
        match client.poll_output() {
            Output::Transmit(records) => records.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn finds_the_extension_in_a_whole_hello() {
        assert!(!offers_extended_master_secret(&hello(false)));
        let hello = hello(true);
        assert!(offers_extended_master_secret(&hello));
        for len in 0..hello.len() {
            offers_extended_master_secret(&hello[..len]);
        }
        let mut other = hello;
        other[13] = 16;
        assert!(!offers_extended_master_secret(&other));
    }
}
