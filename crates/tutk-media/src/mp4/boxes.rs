//! The boxes themselves, written by mp4-atom.

use mp4_atom::{
    Atom, Avc1, Avcc, AvccExt, BufMut, Dinf, Dref, Encode, FourCC, FragmentInfo, Ftyp, Hdlr, Hvc1,
    HvcCArray, Hvcc, Mdat, Mdhd, Mdia, Mfhd, Mfra, Mfro, Minf, Moof, Moov, Mvex, Mvhd, Stbl, Stco,
    Stsd, Tfdt, Tfhd, Tfra, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, TrunSamples, Url, Visual,
    Vmhd,
};

use super::TIMESCALE;
use super::audio::AudioTrack;
use super::audio_boxes;
use crate::parameters::{Profile, SequenceParameters, h264_is_high};
use crate::{Error, ParameterSets};

/// Track ids.
pub(super) const VIDEO: u32 = 1;
pub(super) const AUDIO: u32 = 2;

/// `sample_depends_on` 2: a key frame (ISO/IEC 14496-12 8.8.3.1).
const KEY_SAMPLE: u32 = 0x0200_0000;
/// `sample_depends_on` 1, `sample_is_non_sync_sample` 1.
const DELTA_SAMPLE: u32 = 0x0101_0000;

/// Size of an `mdat` box header in bytes.
const MDAT_HEADER: usize = 8;

/// NAL unit types of the arrays in `hvcC` (H.265 table 7-1).
const HEVC_VPS: u8 = 32;
const HEVC_SPS: u8 = 33;
const HEVC_PPS: u8 = 34;

/// One access unit, or one frame of sound, of a fragment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// In bytes.
    pub(super) size: u32,
    /// In ticks.
    pub(super) duration: u32,
    pub(super) key: bool,
}

/// What a fragment has of one track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) track: u32,
    /// When the first sample begins, in ticks of the track.
    pub(super) start: u64,
    pub(super) samples: &'a [Sample],
    /// The samples' bytes one behind the other.
    pub(super) data: &'a [u8],
}

/// Where a fragment that begins with a key frame is.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexEntry {
    /// In ticks.
    pub(super) time: u64,
    /// In bytes from the beginning of the file.
    pub(super) moof_offset: u64,
}

/// Writes `ftyp` and `moov`.
pub(super) fn write_header(
    out: &mut Vec<u8>,
    parameters: &SequenceParameters,
    sets: &ParameterSets,
    sound: Option<&AudioTrack>,
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
    let tracks = if sound.is_some() { AUDIO } else { VIDEO };
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
        sound.map_or(Ok(()), |track| audio_boxes::write_track(out, AUDIO, track))
    })?;
    Ok(())
}

fn video_track(parameters: &SequenceParameters, sets: &ParameterSets) -> Trak {
    let stbl = Stbl {
        stsd: Stsd {
            codecs: vec![sample_entry(parameters, sets)],
        },
        // Either stco or co64 must be there, though all samples are in fragments.
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
                // Fields left at 0 are "not known": segmentation, parallelism, frame rate.
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

/// Writes `moof` and `mdat`; runs without samples are left out.
pub(super) fn write_fragment(
    out: &mut Vec<u8>,
    sequence_number: u32,
    runs: &[Run<'_>],
) -> Result<(), Error> {
    let runs = || runs.iter().filter(|run| !run.samples.is_empty());
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number },
        traf: runs().map(track_fragment).collect(),
    };
    // The offsets from the moof to the samples behind the mdat header stand inside the moof, in
    // fields whose size does not depend on them: write once to measure, and once for good.
    let before = out.len();
    moof.encode(out)?;
    let mut offset = out.len() - before + MDAT_HEADER;
    out.truncate(before);
    for (traf, run) in moof.traf.iter_mut().zip(runs()) {
        for trun in &mut traf.trun {
            let too_large = mp4_atom::Error::TooLarge(Moof::KIND);
            trun.data_offset = Some(i32::try_from(offset).map_err(|_| too_large)?);
        }
        offset += run.data.len();
    }
    moof.encode(out)?;
    // Not through `Mdat` itself, which would want the samples copied into a vector of its own.
    out.encode_atom(Mdat::KIND, |out| {
        for run in runs() {
            out.append_slice(run.data);
        }
        Ok(())
    })?;
    Ok(())
}

fn track_fragment(run: &Run<'_>) -> Traf {
    let entries = run.samples.iter().map(|sample| TrunEntry {
        duration: Some(sample.duration),
        size: Some(sample.size),
        flags: Some(if sample.key { KEY_SAMPLE } else { DELTA_SAMPLE }),
        cts: None,
    });
    Traf {
        tfhd: Tfhd {
            track_id: run.track,
            default_base_is_moof: true,
            ..Tfhd::default()
        },
        tfdt: Some(Tfdt {
            base_media_decode_time: run.start,
        }),
        trun: vec![Trun {
            data_offset: Some(0),
            samples: TrunSamples::Explicit(entries.collect()),
        }],
        ..Traf::default()
    }
}

/// Writes `mfra`, the index of the fragments that begin with a key frame.
pub(super) fn write_index(out: &mut Vec<u8>, index: &[IndexEntry]) -> Result<(), Error> {
    let entries = index.iter().map(|entry| FragmentInfo {
        time: entry.time,
        moof_offset: entry.moof_offset,
        traf_number: 1,
        trun_number: 1,
        sample_delta: 1,
    });
    let mut mfra = Mfra {
        tfra: vec![Tfra {
            track_id: VIDEO,
            entries: entries.collect(),
        }],
        mfro: Mfro::default(),
    };
    // The box names its own size at its end, so that a reader finds it from there.
    let before = out.len();
    mfra.encode(out)?;
    mfra.mfro.parent_size =
        u32::try_from(out.len() - before).map_err(|_| mp4_atom::Error::TooLarge(Mfra::KIND))?;
    out.truncate(before);
    mfra.encode(out)?;
    Ok(())
}
