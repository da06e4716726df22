//! The time of sending in a video frame.

use alloc::format;
use core::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use tutk_frame::media::Codec;

/// The UUID of a SEI message with the time of sending: 16 hexadecimal digits, microseconds since
/// 1970. It is the first NAL unit of each video frame of a camera with
/// [`SimulatorConfig::send_times`](crate::SimulatorConfig::send_times).
pub const SEND_TIME_UUID: [u8; 16] = *b"tutk-sent-at-us:";

/// `user_data_unregistered` and its size (H.264 section D.1.7).
const MESSAGE: [u8; 2] = [5, 32];

/// `rbsp_trailing_bits`.
const END: u8 = 0x80;

/// Returns the frame with a SEI message before it. Frames of other codecs are unchanged.
pub(crate) fn with_send_time(codec: Codec, frame: &Bytes, unix: Duration) -> Bytes {
    let header: &[u8] = match codec {
        Codec::H264 => &[6],
        // A prefix SEI (H.265 section 7.4.2.2).
        Codec::H265 => &[39 << 1, 1],
        _ => return frame.clone(),
    };
    let time = format!("{:016x}", unix.as_micros());
    let mut data = BytesMut::with_capacity(frame.len() + 48);
    data.put_slice(&[0, 0, 0, 1]);
    data.put_slice(header);
    data.put_slice(&MESSAGE);
    data.put_slice(&SEND_TIME_UUID);
    data.put_slice(time.as_bytes());
    data.put_u8(END);
    data.put_slice(frame);
    data.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_precedes_the_frame() {
        let frame = Bytes::from_static(&[0, 0, 0, 1, 0x65, 7]);
        let time = Duration::from_micros(0x1234);
        let stamped = with_send_time(Codec::H264, &frame, time);
        let mut expected = b"\0\0\0\x01\x06\x05\x20tutk-sent-at-us:0000000000001234\x80".to_vec();
        expected.extend_from_slice(&frame);
        assert_eq!(stamped, expected);
        let stamped = with_send_time(Codec::H265, &frame, time);
        assert!(stamped.starts_with(b"\0\0\0\x01\x4e\x01\x05\x20tutk"));
        assert_eq!(with_send_time(Codec::Pcmu, &frame, time), frame);
    }
}
