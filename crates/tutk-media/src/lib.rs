#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access_unit;
mod access_units;
mod adts;
mod annexb;
mod audio;
mod audio_clip;
mod audio_frame;
mod bits;
mod clip;
mod clock;
mod codec_string;
mod error;
mod flac;
pub mod g711;
mod length_prefixed;
mod mp4;
mod muxer_stats;
mod nal;
mod parameter_sets;
mod parameters;
mod pcm_encoder;
mod rtp;
mod sdp;
#[cfg(feature = "snapshot")]
mod snapshot;
mod tone;
mod ts;
#[cfg(feature = "tutk")]
mod tutk;
mod wav;

pub use access_unit::{AccessUnit, MAX_UNIT_BYTES};
pub use access_units::{AccessUnits, access_units};
pub use adts::{AAC_SAMPLES, AdtsFrame, AdtsFrames, AdtsHeader, adts_frames};
pub use annexb::{NalUnit, NalUnits, nal_units};
pub use audio::{AudioCodec, AudioFormat};
pub use audio_clip::AudioClip;
pub use audio_frame::{AudioConfig, MAX_AUDIO_FRAME_BYTES};
pub use clip::Clip;
pub use clock::AUDIO_TOLERANCE;
pub use error::{Error, Mp4Error};
pub use flac::{FlacEncoder, FlacFrame, MAX_FLAC_BLOCK, MIN_FLAC_BLOCK, STREAM_INFO_BYTES};
pub use length_prefixed::{from_length_prefixed, to_length_prefixed};
pub use mp4::{
    AUDIO_WAIT, FRAGMENT_DURATION, InitSegment, LiveMp4, MAX_EARLY_AUDIO_FRAMES,
    MAX_FRAGMENT_BYTES, MAX_INDEX_ENTRIES, Mp4Audio, Mp4Writer, Segment, TIMESCALE,
};
pub use muxer_stats::MuxerStats;
pub use nal::{Codec, NalKind};
pub use parameter_sets::{MAX_PARAMETER_SETS, ParameterSets};
pub use parameters::{SequenceParameters, VideoSignal};
pub use pcm_encoder::{PcmEncoder, talk_frame};
pub use rtp::{
    MAX_RTP_PACKET_BYTES, MIN_RTP_PACKET_BYTES, RTP_HEADER_BYTES, RTP_PACKET_BYTES,
    RtpDepacketizer, RtpFrame, RtpPayload, RtpPayloads, RtpStream, VIDEO_CLOCK_RATE, rtp_timestamp,
};
pub use sdp::MediaDescription;
#[cfg(feature = "snapshot")]
pub use snapshot::{MAX_SNAPSHOT_PIXELS, SNAPSHOT_QUALITY, snapshot};
pub use tone::{CLICK_MILLISECONDS, TONE_HERTZ, tone};
pub use ts::{TS_PACKET_BYTES, TS_TABLES_INTERVAL, TsWriter};
pub use wav::{Wav, WavFile};
