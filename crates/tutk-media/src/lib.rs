#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access_unit;
mod adts;
mod annexb;
mod audio;
mod audio_clip;
mod audio_frame;
mod bits;
mod clip;
mod error;
pub mod g711;
mod mp4;
mod nal;
mod parameter_sets;
mod parameters;
mod rtp;
mod sdp;
mod tone;
mod wav;

pub use access_unit::{AccessUnit, AccessUnits, access_units};
pub use adts::{AAC_SAMPLES, AdtsFrame, AdtsFrames, AdtsHeader, adts_frames};
pub use annexb::{NalUnit, NalUnits, nal_units};
pub use audio::{AudioCodec, AudioFormat};
pub use audio_clip::AudioClip;
pub use audio_frame::{AudioConfig, MAX_AUDIO_FRAME_BYTES};
pub use clip::Clip;
pub use error::Error;
pub use mp4::{
    AUDIO_TOLERANCE, AUDIO_WAIT, FRAGMENT_DURATION, MAX_EARLY_AUDIO_FRAMES, MAX_FRAGMENT_BYTES,
    MAX_INDEX_ENTRIES, MAX_UNIT_BYTES, Mp4Writer, TIMESCALE,
};
pub use nal::{Codec, NalKind};
pub use parameter_sets::{MAX_PARAMETER_SETS, ParameterSets};
pub use parameters::SequenceParameters;
pub use rtp::{
    MAX_RTP_PACKET_BYTES, MIN_RTP_PACKET_BYTES, RTP_HEADER_BYTES, RTP_PACKET_BYTES, RtpConfig,
    RtpDepacketizer, RtpFrame, RtpPacketizer, RtpPackets, rtp_timestamp,
};
pub use sdp::MediaDescription;
pub use tone::{CLICK_MILLISECONDS, TONE_HERTZ, tone};
pub use wav::{Wav, WavFile};
