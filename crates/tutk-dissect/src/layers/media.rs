//! Media: slices, fragments, parity, frame info, and audio to the camera (docs/protocol.md,
//! sections 15 to 17).

use tutk_frame::{Codec, FragmentHeader, GroupHeader, MediaKind};

use crate::walk::Walk;

/// Reads a slice from its header on.
pub(crate) fn slice(walk: &mut Walk<'_>) -> Option<()> {
    let code = walk.u8("kind")?;
    let (kind, resent) = MediaKind::from_code(code)?;
    walk.last_is(kind_name(kind));
    let is_last = walk.u8("last")? & 1 != 0;
    let counter = walk.u16("slice counter")?;
    let slices = walk.u16("slices")?;
    let place = match is_last {
        false => walk.u16("index")?,
        true => walk.u16("frame info length")?,
    };
    let size = usize::from(walk.u16("size")?);
    walk.zeros(2)?;
    walk.u32("previous frame")?;
    let frame = walk.u32("frame")?;
    let resent = if resent { ", resent" } else { "" };
    let index = if is_last {
        slices
    } else {
        place.saturating_add(1)
    };
    walk.title(format!(
        "{} frame {frame}, slice {index}/{slices}, counter {counter}{resent}",
        kind_name(kind)
    ));
    let rest = walk.remaining();
    let info = if is_last {
        usize::from(place).min(rest)
    } else {
        0
    };
    // The size may or may not count the frame info.
    if size != rest && size != rest - info {
        walk.note(format!(
            "the size field announces {size} bytes, but {rest} follow"
        ));
    }
    walk.omitted("media", rest - info, "media")?;
    if is_last {
        frame_info(walk, kind)?;
    }
    Some(())
}

/// Reads a grouped packet after its group header.
pub(crate) fn grouped(walk: &mut Walk<'_>, group: &GroupHeader) -> Option<()> {
    if !group.is_parity() {
        return slice(walk);
    }
    walk.title(format!(
        "parity {} of group {}",
        group.index.saturating_sub(group.k).saturating_add(1),
        group.group
    ));
    walk.omitted("parity", walk.remaining(), "parity")?;
    Some(())
}

/// Reads a fragment after its AV header, which has the sequence at 4 and the kind in `kind`.
pub(crate) fn fragment(walk: &mut Walk<'_>, kind: MediaKind, sequence: u16) -> Option<()> {
    walk.u32("timestamp")?;
    walk.u32("frame size")?;
    let fragments = walk.u32("fragments")?;
    let index = walk.u32("index")?;
    let info = walk.u32("codec info")?;
    if info == FragmentHeader::H264 {
        walk.last_is("H264");
    }
    walk.zeros(4)?;
    walk.title(format!(
        "{} frame {sequence}, fragment {}/{fragments}",
        kind_name(kind),
        index.saturating_add(1)
    ));
    walk.omitted("media", walk.remaining(), "media")?;
    Some(())
}

/// Reads an audio packet to the camera after AV header and link clock (docs/protocol.md, section
/// 16).
pub(crate) fn talk(walk: &mut Walk<'_>) -> Option<()> {
    walk.u8("kind")?;
    walk.u8("last")?;
    walk.u16("previous frame, low")?;
    walk.u16("slices")?;
    let info = usize::from(walk.u16("frame info length")?);
    walk.u32("size")?;
    walk.u32("previous frame")?;
    let frame = walk.u32("frame")?;
    walk.title(format!("audio frame {frame} to the camera"));
    let info = info.min(walk.remaining());
    walk.omitted("media", walk.remaining() - info, "media")?;
    codec(walk)?;
    walk.u8("audio flags")?;
    walk.zeros(1)?;
    walk.u8("constant 1")?;
    walk.zeros(7)?;
    walk.u32("milliseconds")?;
    Some(())
}

fn frame_info(walk: &mut Walk<'_>, kind: MediaKind) -> Option<()> {
    codec(walk)?;
    match kind {
        MediaKind::Audio => walk.u8("audio flags")?,
        _ => walk.u8("frame flags")?,
    };
    walk.u8("camera")?;
    walk.u8("viewers")?;
    walk.u8("frames per second")?;
    walk.u8("resolution")?;
    walk.u8("bitrate")?;
    walk.u32("microseconds")?;
    walk.u32("seconds")?;
    // 16 or 24 bytes on some devices.
    if walk.remaining() >= 8 {
        walk.u32("frame bytes")?;
        walk.u32("frame number")?;
    }
    if walk.remaining() >= 12 {
        walk.text("MAC", 12)?;
    }
    walk.zeros(walk.remaining())
}

fn codec(walk: &mut Walk<'_>) -> Option<()> {
    let id = walk.u16("codec")?;
    match Codec::from(id) {
        Codec::Unknown(id) => walk.last_is(format!("{id:#06x}")),
        codec => walk.last_is(format!("{codec:?}")),
    }
    Some(())
}

fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Key => "key",
        _ => "delta",
    }
}
