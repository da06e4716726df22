//! The AV login and its answer (docs/protocol.md, section 11).

use av_login::LoginLayout;

use crate::walk::Walk;

/// What differs by layout: user and password have the same length, then the words.
struct Offsets {
    title: &'static str,
    text: usize,
    resend: usize,
    auth_type: usize,
    capabilities: usize,
}

/// The layouts of the login packets. Keep equal to the table in section 11.
fn offsets(layout: LoginLayout) -> Option<Offsets> {
    let (title, text, resend, auth_type, capabilities) = match layout {
        LoginLayout::AuthAt550 => ("login, authentication type at 550", 256, 546, 550, 554),
        LoginLayout::AuthAt540 => ("login, authentication type at 540", 256, 538, 540, 552),
        LoginLayout::AuthAt542 => ("login, authentication type at 542", 257, 538, 542, 546),
        _ => return None,
    };
    Some(Offsets {
        title,
        text,
        resend,
        auth_type,
        capabilities,
    })
}

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
    let at = offsets(layout)?;
    walk.title(at.title);
    walk.text("user", at.text)?;
    walk.secret("password", at.text, show_secrets)?;
    walk.zeros(at.resend.checked_sub(walk.offset())?)?;
    let resend = walk.u8("resend")?;
    walk.zeros(at.auth_type.checked_sub(walk.offset())?)?;
    walk.u32("authentication type")?;
    walk.zeros(at.capabilities.checked_sub(walk.offset())?)?;
    let capabilities = walk.u32("capabilities")?;
    walk.last_is(format!("{capabilities:#010x}"));
    if layout == LoginLayout::AuthAt550 {
        walk.zeros(566_usize.checked_sub(walk.offset())?)?;
        walk.u16("channels")?;
    }
    if walk.remaining() > 0 && layout != LoginLayout::AuthAt542 {
        walk.zeros(walk.remaining())?;
    }
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
