//! The AV login and its answer (docs/protocol.md, section 11).

use crate::walk::Walk;

/// Reads a login packet after its AV header. Returns `true` if it requests resend mode.
pub(crate) fn request(walk: &mut Walk<'_>, packet: &[u8], show_secrets: bool) -> Option<bool> {
    walk.zeros(8)?;
    walk.u16("size")?;
    walk.u16("part")?;
    walk.array::<4>("random")?;
    // A layout that is not known leaves its bytes undecoded, except for a password in them.
    let layout = match av_login::LoginPacket::parse(packet) {
        Ok(login) => login.layout,
        Err(error) => {
            walk.note(error.to_string());
            walk.omitted(
                "user and password",
                walk.remaining(),
                "not decoded: it may contain a password",
            )?;
            return None;
        }
    };
    let at = layout.offsets();
    walk.title(format!("login, authentication type at {}", at.auth_type));
    walk.text("user", at.text_len)?;
    walk.secret("password", at.text_len, show_secrets)?;
    walk.zeros_to(at.resend)?;
    let resend = walk.u8("resend")?;
    walk.zeros_to(at.auth_type)?;
    walk.u32("authentication type")?;
    walk.zeros_to(at.capabilities)?;
    let capabilities = walk.u32("capabilities")?;
    walk.last_is(format!("{capabilities:#010x}"));
    if let Some(channels) = at.channels {
        walk.zeros_to(channels)?;
        walk.u16("channels")?;
    }
    if let Some(unknown) = at.unknown {
        walk.zeros_to(unknown)?;
        walk.u8("constant 1")?;
    }
    walk.zeros(walk.remaining())?;
    Some(resend != 0)
}

/// Reads the answer to a login after its AV header. Returns the status.
pub(crate) fn answer(walk: &mut Walk<'_>) -> Option<u8> {
    // The status is in the header's place for the counter.
    walk.seek(4);
    let status = walk.u8("status")?;
    walk.title(match status {
        0x10 => "login answer: accepted".to_owned(),
        other => format!("login answer: status {other:#04x}"),
    });
    walk.zeros(11)?;
    walk.u32("size")?;
    walk.array::<4>("random")?;
    walk.zeros(5)?;
    walk.u8("constant 1")?;
    walk.zeros(1)?;
    walk.u8("two-way audio")?;
    walk.zeros(4)?;
    walk.u32("authentication type")?;
    let capabilities = walk.u32("capabilities")?;
    walk.last_is(format!("{capabilities:#010x}"));
    walk.zeros(10)?;
    walk.u16("channels")?;
    if walk.remaining() >= 2 {
        walk.u16("constant 2")?;
        walk.zeros(walk.remaining())?;
    }
    Some(status)
}
