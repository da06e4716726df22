//! The header: `ftyp` and `moov`.

use bytes::Bytes;
use mp4_atom::{
    Atom, Avc1, Avcc, AvccExt, BufMut, Dinf, Dref, Encode, FourCC, Ftyp, Hdlr, Hvc1, HvcCArray,
    Hvcc, Mdhd, Mdia, Minf, Moov, Mvex, Mvhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url, Visual,
    Vmhd,
};

use super::audio_entry::{self, AudioEntry};
use crate::clock::PICTURE_TICKS;
use crate::parameters::{Profile, SequenceParameters, h264_is_high};
use crate::{Error, ParameterSets};

/// The time scale of video: ticks per second. That of audio is its sample rate.
pub const TIMESCALE: u32 = PICTURE_TICKS;

/// Track ids.
pub(super) const VIDEO: u32 = 1;
pub(super) const AUDIO: u32 = 2;

/// NAL unit types of the arrays in `hvcC` (H.265 table 7-1).
const HEVC_VPS: u8 = 32;
const HEVC_SPS: u8 = 33;
const HEVC_PPS: u8 = 34;

/// The start of a stream: `ftyp` and `moov`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitSegment {
    /// The bytes.
    pub data: Bytes,
    /// The codecs of the tracks, for example `avc1.640028,mp4a.40.2` (RFC 6381).
    pub codecs: String,
}

impl InitSegment {
    /// The type that a browser's `MediaSource` needs, for example
    /// `video/mp4; codecs="avc1.640028,mp4a.40.2"`.
    #[must_use]
    pub fn mime_type(&self) -> String {
        format!("video/mp4; codecs=\"{}\"", self.codecs)
    }
}

/// Writes `ftyp` and `moov`.
pub(super) fn write(
    parameters: &SequenceParameters,
    sets: &ParameterSets,
    audio: Option<AudioEntry>,
) -> Result<InitSegment, Error> {
    let mut data = Vec::new();
    write_boxes(&mut data, parameters, sets, audio.as_ref())?;
    let audio = audio.and_then(|audio| audio.codec_string());
    let codecs = std::iter::once(parameters.codec_string()).chain(audio);
    Ok(InitSegment {
        data: data.into(),
        codecs: codecs.collect::<Vec<_>>().join(","),
    })
}

fn write_boxes(
    out: &mut Vec<u8>,
    parameters: &SequenceParameters,
    sets: &ParameterSets,
    audio: Option<&AudioEntry>,
) -> Result<(), Error> {
    // `iso5` is the first brand with default-base-is-moof, which every fragment uses.
    let codec_brand: &[u8; 4] = match parameters.profile {
        Profile::H264 { .. } => b"avc1",
        Profile::H265 { .. } => b"hvc1",
    };
    Ftyp {
        major_brand: FourCC::new(b"iso5"),
        minor_version: 0,
        compatible_brands: [b"iso5", b"iso6", b"mp41", codec_brand]
            .map(FourCC::new)
            .to_vec(),
    }
    .encode(out)?;
    let tracks = if audio.is_some() { AUDIO } else { VIDEO };
    let defaults = (VIDEO..=tracks).map(|track_id| Trex {
        track_id,
        default_sample_description_index: 1,
        ..Trex::default()
    });
    out.encode_atom(Moov::KIND, |out| {
        Mvhd {
            timescale: TIMESCALE,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: tracks + 1,
            ..Mvhd::default()
        }
        .encode(out)?;
        Mvex {
            trex: defaults.collect(),
            ..Mvex::default()
        }
        .encode(out)?;
        video_track(parameters, sets).encode(out)?;
        audio.map_or(Ok(()), |entry| audio_entry::write_track(out, AUDIO, entry))
    })?;
    Ok(())
}

fn video_track(parameters: &SequenceParameters, sets: &ParameterSets) -> Trak {
    let stbl = Stbl {
        stsd: Stsd {
            codecs: vec![sample_entry(parameters, sets)],
        },
        // Either stco or co64 is required, though all samples are in fragments.
        stco: Some(Stco::default()),
        ..Stbl::default()
    };
    let minf = Minf {
        vmhd: Some(Vmhd::default()),
        dinf: Dinf {
            dref: Dref {
                entries: vec![Url::default().into()],
            },
        },
        stbl,
        ..Minf::default()
    };
    let mdia = Mdia {
        mdhd: Mdhd {
            timescale: TIMESCALE,
            language: "und".into(),
            ..Mdhd::default()
        },
        hdlr: Hdlr {
            handler: FourCC::new(b"vide"),
            name: "video".into(),
        },
        minf,
    };
    let tkhd = Tkhd {
        track_id: VIDEO,
        enabled: true,
        in_movie: true,
        width: parameters.width.into(),
        height: parameters.height.into(),
        ..Tkhd::default()
    };
    Trak {
        tkhd,
        mdia,
        ..Trak::default()
    }
}

fn sample_entry(parameters: &SequenceParameters, sets: &ParameterSets) -> mp4_atom::Codec {
    let visual = Visual {
        data_reference_index: 1,
        width: parameters.width,
        height: parameters.height,
        ..Visual::default()
    };
    match parameters.profile {
        Profile::H264 {
            profile_idc,
            constraints,
            level_idc,
        } => Avc1 {
            visual,
            avcc: Avcc {
                configuration_version: 1,
                avc_profile_indication: profile_idc,
                profile_compatibility: constraints,
                avc_level_indication: level_idc,
                length_size: 4,
                sequence_parameter_sets: sets.sps().to_vec(),
                picture_parameter_sets: sets.pps().to_vec(),
                ext: h264_is_high(profile_idc).then(|| AvccExt {
                    chroma_format: parameters.chroma_format,
                    bit_depth_luma: parameters.luma_bits,
                    bit_depth_chroma: parameters.chroma_bits,
                    sequence_parameter_sets_ext: Vec::new(),
                }),
            },
            ..Avc1::default()
        }
        .into(),
        Profile::H265 {
            general,
            compatibility,
            constraints,
            level_idc,
            temporal_layers,
            temporal_nesting,
        } => {
            let array = |nal_unit_type, nalus: &[Vec<u8>]| HvcCArray {
                completeness: true,
                nal_unit_type,
                nalus: nalus.to_vec(),
            };
            Hvc1 {
                visual,
                // 0 means unknown for segmentation, parallelism and frame rate.
                hvcc: Hvcc {
                    configuration_version: 1,
                    general_profile_space: general >> 6,
                    general_tier_flag: general >> 5 & 1 == 1,
                    general_profile_idc: general & 0x1f,
                    general_profile_compatibility_flags: compatibility,
                    general_constraint_indicator_flags: constraints,
                    general_level_idc: level_idc,
                    chroma_format_idc: parameters.chroma_format,
                    bit_depth_luma_minus8: parameters.luma_bits - 8,
                    bit_depth_chroma_minus8: parameters.chroma_bits - 8,
                    num_temporal_layers: temporal_layers,
                    temporal_id_nested: temporal_nesting,
                    length_size_minus_one: 3,
                    arrays: vec![
                        array(HEVC_VPS, sets.vps()),
                        array(HEVC_SPS, sets.sps()),
                        array(HEVC_PPS, sets.pps()),
                    ],
                    ..Hvcc::default()
                },
                ..Hvc1::default()
            }
            .into()
        }
    }
}
