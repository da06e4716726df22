#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access_unit;
mod annexb;
mod bits;
mod clip;
mod error;
mod mp4;
mod nal;
mod parameters;

pub use access_unit::{AccessUnit, AccessUnits, access_units};
pub use annexb::{NalUnit, NalUnits, nal_units};
pub use clip::Clip;
pub use error::Error;
pub use mp4::{
    FRAGMENT_DURATION, MAX_FRAGMENT_BYTES, MAX_INDEX_ENTRIES, MAX_PARAMETER_SETS, MAX_UNIT_BYTES,
    Mp4Writer, TIMESCALE,
};
pub use nal::{Codec, NalKind};
pub use parameters::SequenceParameters;
