//! HL messages (docs/protocol.md, sections 13, 14 and 18).

use hl_ioctl::{CATALOGUE, HEADER_SIZE, MAGIC};

use crate::packet::Layer;
use crate::walk::Walk;

/// The codes of the challenge exchange (docs/protocol.md, section 14).
pub(crate) mod code {
    use hl_ioctl::Command;
    use hl_ioctl::commands::{
        ConnectAuth, ConnectDoorbellUserAuth, ConnectRequest, ConnectUserAuth,
    };

    pub(crate) const CONNECT_REQUEST: u16 = ConnectRequest::CODE;
    pub(crate) const CHALLENGE: u16 = ConnectRequest::ANSWER_CODE;
    pub(crate) const RESPONSE: u16 = ConnectAuth::CODE;
    pub(crate) const DOORBELL_USER_RESPONSE: u16 = ConnectDoorbellUserAuth::CODE;
    pub(crate) const USER_RESPONSE: u16 = ConnectUserAuth::CODE;

    /// Returns `true` for the requests of the exchange.
    pub(crate) fn is_exchange(request: u16) -> bool {
        (CONNECT_REQUEST..=USER_RESPONSE).contains(&request)
    }

    /// Returns `true` for the answers to the responses: the connect result.
    pub(crate) fn is_result(answer: u16) -> bool {
        let results = [
            ConnectAuth::ANSWER_CODE,
            ConnectDoorbellUserAuth::ANSWER_CODE,
            ConnectUserAuth::ANSWER_CODE,
        ];
        results.contains(&answer)
    }
}

/// An HL message and its code.
pub(crate) struct Message {
    pub(crate) layer: Layer,
    pub(crate) code: Option<u16>,
    /// The first byte of the payload: the status in K10001.
    pub(crate) first: Option<u8>,
    pub(crate) payload: Vec<u8>,
}

/// Dissects the bytes of an IOCTL after its header. Returns `None` if they are not an HL message.
pub(crate) fn dissect(bytes: &[u8]) -> Option<Message> {
    if bytes.first_chunk() != Some(&MAGIC) {
        return None;
    }
    let mut walk = Walk::new("HL", bytes);
    let mut code = None;
    if fields(&mut walk, &mut code).is_none() {
        walk.note("the message is shorter than its layout");
    }
    let payload = bytes.get(HEADER_SIZE..).unwrap_or_default();
    Some(Message {
        layer: walk.finish(),
        code,
        first: payload.first().copied(),
        payload: payload.to_vec(),
    })
}

fn fields(walk: &mut Walk<'_>, found: &mut Option<u16>) -> Option<()> {
    walk.array::<2>("magic")?;
    walk.u16("version")?;
    let code = walk.u16("code")?;
    *found = Some(code);
    walk.title(title(code));
    let announced = usize::try_from(walk.u32("payload length")?).unwrap_or(usize::MAX);
    walk.zeros(HEADER_SIZE - 10)?;
    let len = announced.min(walk.remaining());
    if announced > len {
        walk.note(format!(
            "the message announces {announced} bytes of payload, but {len} follow"
        ));
    }
    match code {
        code::CHALLENGE => {
            let status = walk.u8("status")?;
            if let Some(name) = status_name(status) {
                walk.last_is(name);
            }
            walk.array::<16>("challenge")?;
        }
        code::RESPONSE => {
            walk.array::<16>("response")?;
            walk.array::<4>("id")?;
            walk.u8("video")?;
            walk.u8("audio")?;
        }
        _ if walk.peek::<1>() == Some(b"{") => {
            let json = walk.bytes("JSON", len)?;
            walk.last_is(String::from_utf8_lossy(json));
        }
        _ if len > 0 => {
            walk.bytes("payload", len)?;
        }
        _ => {}
    }
    Some(())
}

fn status_name(status: u8) -> Option<&'static str> {
    Some(match status {
        1 => "1, fixed key",
        2 => "2, camera is updating",
        3 => "3, ENR",
        4 => "4, camera is checking",
        5 => "5, camera is off",
        6 => "6, long ENR",
        _ => return None,
    })
}

/// Returns the code with the name of the message or of the control that it belongs to.
fn title(code: u16) -> String {
    let fixed = match code {
        code::CONNECT_REQUEST => "connect request",
        code::CHALLENGE => "challenge",
        code::RESPONSE => "response",
        code::DOORBELL_USER_RESPONSE | code::USER_RESPONSE => "response with user",
        _ if code::is_result(code) => "connect result",
        _ => "",
    };
    if !fixed.is_empty() {
        return format!("K{code} {fixed}");
    }
    // The code of an answer is the code of its request plus one.
    for (request, suffix) in [(code, ""), (code.wrapping_sub(1), " answer")] {
        for control in CATALOGUE {
            let set = [
                control.set_code(hl_ioctl::CommandSet::Current),
                control.legacy_set_code(),
            ];
            if control.get_code() == Some(request) {
                return format!("K{code} get {}{suffix}", control.name);
            }
            if set.contains(&Some(request)) {
                return format!("K{code} set {}{suffix}", control.name);
            }
        }
    }
    format!("K{code}")
}
