//! RTP packets (RFC 3550) of access units and audio frames, and the way back.

mod audio;
mod depacketizer;
mod nal;
mod packet;
mod payload;
mod video;

pub(crate) use self::audio::{check as check_audio, clock_rate};
pub use self::depacketizer::{RtpDepacketizer, RtpFrame};
pub use self::packet::{
    MAX_RTP_PACKET_BYTES, MIN_RTP_PACKET_BYTES, RTP_HEADER_BYTES, RTP_PACKET_BYTES, RtpStream,
    VIDEO_CLOCK_RATE, rtp_timestamp,
};
pub use self::payload::{RtpPayload, RtpPayloads};
