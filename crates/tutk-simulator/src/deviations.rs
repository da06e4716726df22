//! Packets inside DTLS that deviate from those that the codecs write.

use av_login::{ANSWER_LEN, LoginAnswer, Nonce, Status};
use hl_ioctl::JsonDocument;
use tutk_frame::av::{FLAG_CLOCK, GROUPED};
use tutk_frame::{
    AvHeader, AvStamp, BufferReset, ChannelMessage, IoctlMessage, IoctlRequest, LinkClock,
    SliceHeader,
};
use tutk_session::Mac;

use crate::personality::{IoctlAnswers, LoginNonce, Personality, SliceSizes};

/// Bytes by which a slice's size field is too large.
const MISSING: u16 = 40;

/// Bytes that follow a slice.
const PADDING: [u8; 4] = [0; 4];

/// The data of a buffer reset, as seen on a real camera of another vendor.
const BUFFER_RESET: [u8; 12] = [2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0];

/// Returns the camera's variant of a login answer. A refusal keeps its status.
pub(crate) fn login_answer(
    answer: [u8; ANSWER_LEN],
    personality: &Personality,
) -> [u8; ANSWER_LEN] {
    let Ok(mut parsed) = LoginAnswer::parse(&answer) else {
        return answer;
    };
    if parsed.status == Status::SUCCESS {
        parsed.status = personality.login_status;
    }
    if personality.login_nonce == LoginNonce::Zero {
        parsed.nonce = Nonce([0; 4]);
    }
    parsed.to_bytes()
}

/// Writes an HL message in the camera's kind of packet.
pub(crate) fn write_hl(answers: IoctlAnswers, stamp: AvStamp, hl: &[u8], out: &mut Vec<u8>) {
    match answers {
        IoctlAnswers::Ioctl => IoctlMessage { stamp, id: 0, hl }.write(out),
        IoctlAnswers::Grouped => IoctlRequest {
            stamp,
            index: stamp.counter.into(),
            hl,
        }
        .write(out),
        IoctlAnswers::Channel => ChannelMessage {
            ack: false,
            stamp,
            channel: 0,
            subtype: 0,
            data: [0; 24],
            body: hl,
        }
        .write(out),
    }
}

pub(crate) fn write_buffer_reset(stamp: AvStamp, out: &mut Vec<u8>) {
    BufferReset {
        ack: false,
        stamp,
        id: 0,
        data: BUFFER_RESET,
    }
    .write(out);
}

/// Returns `true` if K10000 wakes a camera of a base station (docs/protocol.md, section 14).
pub(crate) fn is_wake_up(payload: &[u8], mac: Option<Mac>) -> bool {
    let Ok(document) = JsonDocument::parse("K10000", payload) else {
        return false;
    };
    let field = |name: &str| document.value().get("cameraInfo")?.get(name);
    field("wakeupFlag").is_some_and(|flag| flag == 1)
        && mac.is_none_or(|mac| field("mac").is_some_and(|field| *field == *mac.to_string()))
}

/// Changes the size field or the end of a slice. Grouped slices stay as they are, because parity
/// covers them.
pub(crate) fn change_slice(sizes: SliceSizes, packet: &mut Vec<u8>) {
    let Ok((header, _)) = AvHeader::parse(packet) else {
        return;
    };
    if sizes == SliceSizes::Exact || header.packet_type == GROUPED {
        return;
    }
    let at = match header.flags & FLAG_CLOCK {
        0 => AvHeader::LEN,
        _ => AvHeader::LEN + LinkClock::LEN,
    };
    let Some(body) = packet.get_mut(at..) else {
        return;
    };
    let Ok((mut slice, _)) = SliceHeader::parse(body) else {
        return;
    };
    slice.size = match sizes {
        SliceSizes::Exact | SliceSizes::Padded => slice.size,
        SliceSizes::WithoutInfo => slice.size.saturating_sub(slice.info_len().unwrap_or(0)),
        SliceSizes::TooLarge => slice.size.saturating_add(MISSING),
    };
    slice.write(&mut &mut *body);
    if sizes == SliceSizes::Padded {
        packet.extend_from_slice(&PADDING);
    }
}
