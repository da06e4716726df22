//! Datagrams with a cc51 header (docs/protocol.md, section 9).

use tutk_frame::cc51::{TAG_LEN, command};
use tutk_frame::{Cc51Header, SessionId};

use super::{Outer, Step};
use crate::packet::Direction;
use crate::walk::Walk;

pub(crate) fn dissect(bytes: &[u8]) -> Outer {
    let mut outer = Outer::new("cc51");
    let mut walk = Walk::new("cc51", bytes);
    if fields(&mut walk, &mut outer, bytes.len()).is_none() {
        walk.note("the datagram is shorter than its layout");
    }
    outer.layer = walk.finish();
    outer
}

fn fields(walk: &mut Walk<'_>, outer: &mut Outer, len: usize) -> Option<()> {
    walk.array::<2>("magic")?;
    walk.zeros(2)?;
    let command = walk.named_u16("command", command_name)?;
    let size = usize::from(walk.u16("size")?);
    let counted = len.saturating_sub(Cc51Header::UNCOUNTED);
    if size != counted {
        walk.note(format!(
            "the size field announces {size} bytes, but {counted} follow"
        ));
    }
    let direction = walk.named_u16("direction", |value| match value {
        0 => Some("request"),
        0xffff => Some("response"),
        _ => None,
    })?;
    walk.zeros(2)?;
    match command_name(command) {
        Some(name) => walk.title(name),
        None => walk.title(format!("unknown command {command:#06x}")),
    }
    match command {
        command::DISCOVERY => {
            let sequence = walk.u16("sequence")?;
            walk.u16("ticket")?;
            outer.session = Some(walk.array("session id")?);
            walk.title(format!("discovery, packet {sequence}"));
            // The sequence identifies the four packets, and with it the direction.
            (outer.step, outer.direction) = match sequence {
                0 => (Some(Step::DiscoveryRequest), Some(Direction::ToCamera)),
                1 => (Some(Step::DiscoveryAnswer), Some(Direction::FromCamera)),
                2 => (Some(Step::SessionRequest), Some(Direction::ToCamera)),
                3 => (Some(Step::SessionAnswer), Some(Direction::FromCamera)),
                _ => (None, None),
            };
            let [d, c, b, a] = walk.array("SDK version")?;
            walk.last_is(format!("{a}.{b}.{c}.{d}"));
            walk.u32("constant 29")?;
            walk.omitted("tag", TAG_LEN, "tag")?;
        }
        command::DATA => {
            walk.u8("constant 16")?;
            outer.channel = walk.u8("channel")?;
            walk.u16("ticket")?;
            outer.session = Some(walk.array("session id")?);
            walk.u32("constant 1")?;
            let start = walk.offset();
            let records = walk.remaining().checked_sub(TAG_LEN)?;
            walk.inner(records)?;
            walk.omitted("tag", TAG_LEN, "tag")?;
            outer.records = Some(start..start + records);
        }
        command::KEEPALIVE => {
            walk.u16("sequence")?;
            walk.u16("ticket")?;
            let counter = walk.u32("counter")?;
            walk.array::<{ SessionId::LEN }>("session id")?;
            walk.title(format!("keepalive {counter}"));
            walk.omitted("tag", TAG_LEN, "tag")?;
            // Not the id of the session in `outer`: the sender of the keepalive is not known.
            outer.direction = match direction {
                0xffff => Some(Direction::FromCamera),
                _ => None,
            };
        }
        _ => {}
    }
    Some(())
}

fn command_name(command: u16) -> Option<&'static str> {
    match command {
        command::DISCOVERY => Some("discovery"),
        command::KEEPALIVE => Some("keepalive"),
        command::DATA => Some("data"),
        _ => None,
    }
}
