//! Handling of packets that deviates from that of the codecs and of DTLS.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use av_login::{ANSWER_LEN, LoginAnswer, Nonce, Status};
use dtls_psk::passive::{self, RecordHeader, Side};
use hl_ioctl::JsonDocument;
use tutk_frame::av::{FLAG_CLOCK, GROUPED};
use tutk_frame::{
    AvHeader, AvStamp, BufferReset, ChannelMessage, IoctlMessage, IoctlRequest, LinkClock,
    SliceHeader, write_to_slice,
};
use tutk_session::Mac;

use crate::personality::{
    ExtendedMasterSecret, IoctlAnswers, LoginNonce, Personality, SliceSizes, SuiteMismatch,
};

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

/// Writes an HL message in the camera's kind of packet, without a message id.
pub(crate) fn write_hl(answers: IoctlAnswers, stamp: AvStamp, hl: &[u8], out: &mut Vec<u8>) {
    match answers {
        IoctlAnswers::Ioctl | IoctlAnswers::Numbered => {
            IoctlMessage { stamp, id: 0, hl }.write(out)
        }
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

/// Returns `true` if the records begin with a whole ClientHello that the camera does not answer.
pub(crate) fn is_unanswered_hello(records: &[u8], personality: &Personality) -> bool {
    /// The content type of handshake messages (RFC 5246, section 6.2.1).
    const HANDSHAKE: u8 = 22;
    let without_ems = personality.extended_master_secret == ExtendedMasterSecret::Unanswered;
    let without_suite = personality.suite_mismatch == SuiteMismatch::Unanswered;
    if !without_ems && !without_suite {
        return false;
    }
    let mut handshake = passive::Handshake::default();
    if let Some((header, fragment, _)) = RecordHeader::split(records)
        && (header.content_type, header.epoch) == (HANDSHAKE, 0)
    {
        handshake.handle_record(Side::Client, fragment, |_, _| {});
    }
    without_ems && handshake.offers_extended_master_secret() == Some(true)
        || without_suite && handshake.offers_any_suite(personality.suites) == Some(false)
}

/// Returns `true` if K10000 wakes a camera of a base station (docs/protocol.md, section 14).
pub(crate) fn is_wake_up(payload: &[u8], mac: Option<Mac>) -> bool {
    let Ok(document) = JsonDocument::decode("K10000", payload) else {
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
    // The header was parsed from the same bytes.
    let _ = write_to_slice(body, |out| slice.write(out));
    if sizes == SliceSizes::Padded {
        packet.extend_from_slice(&PADDING);
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use dtls_psk::{Config, Connection, Output, Psk};
    use testkit::session::{seed, start};

    use super::*;

    fn hello(with_ems: bool) -> Vec<u8> {
        let config = Config::client("id", Psk::new([1; 32])).with_extended_master_secret(with_ems);
        let mut client = Connection::client(Arc::new(config), seed(1), start()).unwrap();
        match client.poll_output() {
            Output::Transmit(records) => records.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_whole_hellos_are_unanswered() {
        let is_unanswered = |records: &[u8]| is_unanswered_hello(records, &Personality::EMS_SILENT);
        assert!(!is_unanswered(&hello(false)));
        let hello = hello(true);
        assert!(is_unanswered(&hello));
        assert!(!is_unanswered_hello(&hello, &Personality::STRICT));
        for len in 0..hello.len() {
            assert!(!is_unanswered(&hello[..len]), "{len}");
        }
        let mut other = hello;
        other[13] = 16;
        assert!(!is_unanswered(&other));
    }
}
