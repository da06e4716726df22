//! DTLS records and handshake messages (RFC 6347, RFC 5246, RFC 4279, RFC 5489).

use dtls_psk::passive::RecordHeader;
use dtls_psk::{AlertDescription, CipherSuite};

use crate::packet::{Layer, to_hex};
use crate::walk::Walk;

/// Content types.
pub(crate) mod content {
    pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(crate) const ALERT: u8 = 21;
    pub(crate) const HANDSHAKE: u8 = 22;
    pub(crate) const APPLICATION_DATA: u8 = 23;
    const TLS12_CID: u8 = 25;

    /// All content types of DTLS 1.2.
    pub(crate) const ALL: std::ops::RangeInclusive<u8> = CHANGE_CIPHER_SPEC..=TLS12_CID;
}

/// Handshake types.
pub(crate) mod handshake {
    pub(super) const HELLO_REQUEST: u8 = 0;
    pub(crate) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(super) const SERVER_HELLO_DONE: u8 = 14;
    pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub(super) const FINISHED: u8 = 20;

    /// The length of the header of a message in bytes.
    pub(crate) const HEADER_LEN: usize = 12;
}

/// Dissects a record. `record` has its header and fragment; `content` is the plaintext, or `None`
/// if the record could not be decrypted.
pub(crate) fn record(record: &[u8], header: RecordHeader, content: Option<&[u8]>) -> Layer {
    let mut walk = Walk::new("DTLS", record);
    // The header is complete: it was split off a datagram.
    let _ = record_fields(&mut walk, header, content);
    walk.finish()
}

fn record_fields(walk: &mut Walk<'_>, header: RecordHeader, content: Option<&[u8]>) -> Option<()> {
    let content_type = walk.u8("content type")?;
    let name = content_name(content_type);
    match name {
        Some(name) => walk.last_is(name),
        None => walk.note("unknown content type"),
    }
    let version = walk.u16_be("version")?;
    walk.last_is(match version {
        0xfefd => "DTLS 1.2".to_owned(),
        0xfeff => "DTLS 1.0".to_owned(),
        other => format!("{other:#06x}"),
    });
    walk.u16_be("epoch")?;
    walk.array::<6>("sequence")?;
    walk.last_is(header.sequence.to_string());
    walk.u16_be("length")?;
    let name = name.unwrap_or("unknown record");
    if header.epoch == 0 {
        return plain_fields(walk, content_type);
    }
    let title = match (content, content_type) {
        (None, _) => format!("encrypted {name}"),
        (Some(content), content::ALERT) => alert_title(content),
        (Some(content), content::HANDSHAKE) if content.first() == Some(&handshake::FINISHED) => {
            "Finished".to_owned()
        }
        (Some(_), _) => name.to_owned(),
    };
    walk.title(title);
    walk.omitted("fragment", walk.remaining(), "ciphertext")?;
    Some(())
}

fn plain_fields(walk: &mut Walk<'_>, content_type: u8) -> Option<()> {
    match content_type {
        content::ALERT => {
            let level = walk.u8("level")?;
            let description = walk.u8("description")?;
            walk.title(alert_title(&[level, description]));
        }
        content::CHANGE_CIPHER_SPEC => {
            walk.title("ChangeCipherSpec");
            walk.u8("type")?;
        }
        content::HANDSHAKE => {
            let mut titles = Vec::new();
            while walk.remaining() > 0 {
                let message = walk.u8("message type")?;
                let name = message_name(message);
                walk.last_is(name.clone());
                let length = u24(walk, "message length")?;
                walk.u16_be("message sequence")?;
                let offset = u24(walk, "fragment offset")?;
                let fragment = u24(walk, "fragment length")?;
                titles.push(match fragment == length {
                    true => name,
                    false => format!("{name} fragment {offset}+{fragment}/{length}"),
                });
                walk.title(titles.join(", "));
                let fragment = usize::try_from(fragment).ok()?;
                // The complete message is a layer of its own.
                if walk.inner(fragment).is_none() {
                    walk.note("the fragment is longer than its record");
                    return None;
                }
            }
        }
        _ => walk.title("unknown record"),
    }
    Some(())
}

/// Dissects a complete handshake message without its header.
pub(crate) fn message(message_type: u8, body: &[u8]) -> Layer {
    let mut walk = Walk::new("Handshake", body);
    let name = message_name(message_type);
    walk.title(name);
    let complete = match message_type {
        handshake::CLIENT_HELLO => client_hello(&mut walk),
        handshake::SERVER_HELLO => server_hello(&mut walk),
        handshake::HELLO_VERIFY_REQUEST => verify_request(&mut walk),
        handshake::SERVER_KEY_EXCHANGE => server_key_exchange(&mut walk),
        handshake::CLIENT_KEY_EXCHANGE => client_key_exchange(&mut walk),
        handshake::FINISHED => walk.bytes("verify data", body.len()).map(drop),
        _ => Some(()),
    };
    if complete.is_none() {
        walk.note("the message is shorter than its layout");
    }
    walk.finish()
}

fn client_hello(walk: &mut Walk<'_>) -> Option<()> {
    walk.array::<2>("version")?;
    walk.array::<32>("random")?;
    vec8(walk, "session id")?;
    let cookie = vec8(walk, "cookie")?;
    let len = usize::from(walk.u16_be("length of suites")?);
    let suites = suite_names(walk.bytes("suites", len)?);
    walk.last_is(suites.clone());
    let cookie = if cookie.is_empty() {
        ""
    } else {
        " with cookie"
    };
    walk.title(format!("ClientHello{cookie}: {suites}"));
    vec8(walk, "compression methods")?;
    extensions(walk)
}

fn server_hello(walk: &mut Walk<'_>) -> Option<()> {
    walk.array::<2>("version")?;
    walk.array::<32>("random")?;
    vec8(walk, "session id")?;
    let suite = suite_names(walk.bytes("suite", 2)?);
    walk.last_is(suite.clone());
    walk.title(format!("ServerHello: {suite}"));
    walk.u8("compression method")?;
    extensions(walk)
}

fn verify_request(walk: &mut Walk<'_>) -> Option<()> {
    walk.array::<2>("version")?;
    vec8(walk, "cookie").map(drop)
}

fn server_key_exchange(walk: &mut Walk<'_>) -> Option<()> {
    let len = usize::from(walk.u16_be("length of hint")?);
    if len > 0 {
        walk.text("identity hint", len)?;
    }
    if walk.remaining() > 0 {
        walk.u8("curve type")?;
        let group = walk.u16_be("group")?;
        if let Some(name) = group_name(group) {
            walk.last_is(name);
        }
        vec8(walk, "public key")?;
    }
    Some(())
}

fn client_key_exchange(walk: &mut Walk<'_>) -> Option<()> {
    let len = usize::from(walk.u16_be("length of identity")?);
    let identity = walk.text("identity", len)?.escape_ascii().to_string();
    walk.title(format!("ClientKeyExchange: identity {identity}"));
    if walk.remaining() > 0 {
        vec8(walk, "public key")?;
    }
    Some(())
}

fn extensions(walk: &mut Walk<'_>) -> Option<()> {
    if walk.remaining() == 0 {
        return Some(());
    }
    walk.u16_be("length of extensions")?;
    while walk.remaining() > 0 {
        let number = walk.u16_be("extension")?;
        walk.last_is(match extension_name(number) {
            Some(name) => name.to_owned(),
            None => number.to_string(),
        });
        let len = usize::from(walk.u16_be("length of extension")?);
        if len > 0 {
            walk.bytes("content of extension", len)?;
        }
    }
    Some(())
}

/// Reads a vector with a one-byte length.
fn vec8<'a>(walk: &mut Walk<'a>, name: &'static str) -> Option<&'a [u8]> {
    let len = usize::from(walk.u8("length")?);
    if len == 0 {
        return Some(&[]);
    }
    walk.bytes(name, len)
}

/// Reads a number of three bytes.
fn u24(walk: &mut Walk<'_>, name: &'static str) -> Option<u32> {
    let [a, b, c] = walk.array(name)?;
    let number = u32::from_be_bytes([0, a, b, c]);
    walk.last_is(number.to_string());
    Some(number)
}

fn suite_names(list: &[u8]) -> String {
    let (ids, _) = list.as_chunks::<2>();
    let names = ids.iter().map(|id| match u16::from_be_bytes(*id) {
        0x00ff => "SCSV".to_owned(),
        number => CipherSuite::from_id(number).map_or_else(
            || format!("0x{}", to_hex(id)),
            |suite| suite.name().to_owned(),
        ),
    });
    names.collect::<Vec<_>>().join(" ")
}

fn alert_title(content: &[u8]) -> String {
    match content {
        &[_, description, ..] => format!("alert {}", AlertDescription(description)),
        _ => "alert".to_owned(),
    }
}

fn content_name(content_type: u8) -> Option<&'static str> {
    Some(match content_type {
        content::CHANGE_CIPHER_SPEC => "ChangeCipherSpec",
        content::ALERT => "alert",
        content::HANDSHAKE => "handshake",
        content::APPLICATION_DATA => "application data",
        _ => return None,
    })
}

fn message_name(message: u8) -> String {
    let name = match message {
        handshake::HELLO_REQUEST => "HelloRequest",
        handshake::CLIENT_HELLO => "ClientHello",
        handshake::SERVER_HELLO => "ServerHello",
        handshake::HELLO_VERIFY_REQUEST => "HelloVerifyRequest",
        handshake::CERTIFICATE => "Certificate",
        handshake::SERVER_KEY_EXCHANGE => "ServerKeyExchange",
        handshake::SERVER_HELLO_DONE => "ServerHelloDone",
        handshake::CLIENT_KEY_EXCHANGE => "ClientKeyExchange",
        handshake::FINISHED => "Finished",
        other => return format!("handshake message {other}"),
    };
    name.to_owned()
}

fn extension_name(number: u16) -> Option<&'static str> {
    Some(match number {
        10 => "supported_groups",
        11 => "ec_point_formats",
        13 => "signature_algorithms",
        22 => "encrypt_then_mac",
        23 => "extended_master_secret",
        35 => "session_ticket",
        0xff01 => "renegotiation_info",
        _ => return None,
    })
}

fn group_name(number: u16) -> Option<&'static str> {
    match number {
        23 => Some("P-256"),
        24 => Some("P-384"),
        29 => Some("X25519"),
        _ => None,
    }
}
