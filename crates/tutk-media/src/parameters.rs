use crate::bits::BitReader;
use crate::{Codec, Error, NalKind};

/// The largest width and height that an MP4 sample entry can state.
const MAX_SIDE: u32 = u16::MAX as u32;

/// The fields of a sequence parameter set that a player or a file header needs.
///
/// Parsing stops after the last of them: cameras make the most errors in the fields that follow.
/// For the same reason, nothing after the cropping rectangle is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceParameters {
    /// The codec of the set.
    pub codec: Codec,
    /// The width of the cropped picture in luma samples, never 0.
    pub width: u16,
    /// The height of the cropped picture in luma samples, never 0.
    pub height: u16,
    /// `chroma_format_idc`: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    pub chroma_format: u8,
    /// Bits per luma sample, 8 to 16.
    pub luma_bits: u8,
    /// Bits per chroma sample, 8 to 16.
    pub chroma_bits: u8,
    /// The colour space of the samples, if an H.264 set states it. (It is not parsed for H.265.)
    pub signal: Option<VideoSignal>,
    /// Profile, tier and level in the form of the codec.
    pub(crate) profile: Profile,
    /// The luma samples of the whole picture, which a decoder allocates before it crops.
    pub(crate) coded_pixels: u64,
}

/// The colour space of a picture: `video_signal_type` of the video usability information (H.264
/// E.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoSignal {
    /// `video_full_range_flag`: luma and chroma from 0 to 255 instead of 16 to 235 and 240.
    pub full_range: bool,
    /// `matrix_coefficients` (table E-5): 1 BT.709, 5 and 6 BT.601, 2 unspecified.
    pub matrix: u8,
}

/// The values to assume if a set does not state them (H.264 E.2.1).
impl Default for VideoSignal {
    fn default() -> Self {
        Self {
            full_range: false,
            matrix: 2,
        }
    }
}

/// Profile and level in the form of each codec, as in `avcC` and `hvcC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    H264 {
        profile_idc: u8,
        constraints: u8,
        level_idc: u8,
    },
    H265 {
        /// `general_profile_space`, `general_tier_flag` and `general_profile_idc` in one byte.
        general: u8,
        compatibility: [u8; 4],
        constraints: [u8; 6],
        level_idc: u8,
        /// 1 to 7.
        temporal_layers: u8,
        temporal_nesting: bool,
    },
}

impl SequenceParameters {
    /// Parses a sequence parameter set: a NAL unit without start code.
    ///
    /// # Errors
    ///
    /// [`Error::NotSequenceParameters`], [`Error::Truncated`], [`Error::OutOfRange`].
    pub fn parse(codec: Codec, payload: &[u8]) -> Result<Self, Error> {
        if codec.kind(payload) != NalKind::Sps {
            return Err(Error::NotSequenceParameters { codec });
        }
        let mut bits = BitReader::new(codec, payload);
        match codec {
            Codec::H264 => h264(&mut bits),
            Codec::H265 => h265(&mut bits),
        }
    }
}

/// Parses H.264 7.3.2.1.1, up to the cropping rectangle.
fn h264(bits: &mut BitReader<'_>) -> Result<SequenceParameters, Error> {
    bits.skip(8, "NAL unit header")?;
    let profile_idc = bits.byte("profile_idc")?;
    let constraints = bits.byte("constraint flags")?;
    let level_idc = bits.byte("level_idc")?;
    bits.ue(31, "seq_parameter_set_id")?;

    let (mut chroma_format, mut separate_planes) = (1, false);
    let (mut luma_depth, mut chroma_depth) = (0, 0);
    if h264_is_high(profile_idc) {
        chroma_format = bits.ue(3, "chroma_format_idc")?;
        if chroma_format == 3 {
            separate_planes = bits.flag("separate_colour_plane_flag")?;
        }
        luma_depth = bits.ue(6, "bit_depth_luma_minus8")?;
        chroma_depth = bits.ue(6, "bit_depth_chroma_minus8")?;
        bits.skip(1, "qpprime_y_zero_transform_bypass_flag")?;
        if bits.flag("seq_scaling_matrix_present_flag")? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.flag("seq_scaling_list_present_flag")? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }

    bits.ue(12, "log2_max_frame_num_minus4")?;
    match bits.ue(2, "pic_order_cnt_type")? {
        0 => {
            bits.ue(12, "log2_max_pic_order_cnt_lsb_minus4")?;
        }
        1 => {
            bits.skip(1, "delta_pic_order_always_zero_flag")?;
            bits.skip_se("offset_for_non_ref_pic")?;
            bits.skip_se("offset_for_top_to_bottom_field")?;
            for _ in 0..bits.ue(255, "num_ref_frames_in_pic_order_cnt_cycle")? {
                bits.skip_se("offset_for_ref_frame")?;
            }
        }
        _ => {}
    }
    bits.ue(u32::MAX, "max_num_ref_frames")?;
    bits.skip(1, "gaps_in_frame_num_value_allowed_flag")?;
    let width = 16 * (bits.ue(MAX_SIDE / 16, "pic_width_in_mbs_minus1")? + 1);
    let map_units = bits.ue(MAX_SIDE / 16, "pic_height_in_map_units_minus1")? + 1;
    let frames_only = bits.flag("frame_mbs_only_flag")?;
    let field_factor = if frames_only { 1 } else { 2 };
    let height = 16 * map_units * field_factor;
    if !frames_only {
        bits.skip(1, "mb_adaptive_frame_field_flag")?;
    }
    bits.skip(1, "direct_8x8_inference_flag")?;

    let (unit_x, unit_y) = if separate_planes {
        (1, 1)
    } else {
        chroma_subsampling(chroma_format)
    };
    let coded_pixels = u64::from(width) * u64::from(height);
    let (width, height) = cropped(
        bits,
        "frame_cropping_flag",
        (width, height),
        (unit_x, unit_y * field_factor),
    )?;
    Ok(SequenceParameters {
        codec: Codec::H264,
        width,
        height,
        chroma_format: small(chroma_format),
        luma_bits: 8 + small(luma_depth),
        chroma_bits: 8 + small(chroma_depth),
        signal: video_signal(bits).unwrap_or_default(),
        profile: Profile::H264 {
            profile_idc,
            constraints,
            level_idc,
        },
        coded_pixels,
    })
}

/// Parses H.264 E.1.1, up to the colour description.
fn video_signal(bits: &mut BitReader<'_>) -> Result<Option<VideoSignal>, Error> {
    /// `Extended_SAR`: width and height follow.
    const EXTENDED: u8 = 255;
    if !bits.flag("vui_parameters_present_flag")? {
        return Ok(None);
    }
    if bits.flag("aspect_ratio_info_present_flag")? && bits.byte("aspect_ratio_idc")? == EXTENDED {
        bits.skip(32, "sar_width")?;
    }
    if bits.flag("overscan_info_present_flag")? {
        bits.skip(1, "overscan_appropriate_flag")?;
    }
    if !bits.flag("video_signal_type_present_flag")? {
        return Ok(None);
    }
    bits.skip(3, "video_format")?;
    let mut signal = VideoSignal {
        full_range: bits.flag("video_full_range_flag")?,
        ..VideoSignal::default()
    };
    if bits.flag("colour_description_present_flag")? {
        bits.skip(16, "colour_primaries")?;
        signal.matrix = bits.byte("matrix_coefficients")?;
    }
    Ok(Some(signal))
}

/// Returns `true` for profiles whose sets state chroma format and bit depth (H.264 7.3.2.1.1).
pub(crate) const fn h264_is_high(profile_idc: u8) -> bool {
    matches!(
        profile_idc,
        44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244
    )
}

/// Skips H.264 7.3.2.1.1.1. Sums are modulo 256, which decides where a list ends.
fn skip_scaling_list(bits: &mut BitReader<'_>, size: u32) -> Result<(), Error> {
    let (mut last, mut next) = (8_u32, 8_u32);
    for _ in 0..size {
        if next != 0 {
            let code = bits.skip_se("delta_scale")?;
            // se(v): odd codes are positive, even ones negative (H.264 9.1.1).
            let magnitude = code / 2 + code % 2;
            next = if code % 2 == 1 {
                last.wrapping_add(magnitude)
            } else {
                last.wrapping_sub(magnitude)
            } % 256;
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

/// Parses H.265 7.3.2.2.1, up to the bit depths.
fn h265(bits: &mut BitReader<'_>) -> Result<SequenceParameters, Error> {
    bits.skip(16, "NAL unit header")?;
    bits.skip(4, "sps_video_parameter_set_id")?;
    let sub_layers = bits.bits(3, "sps_max_sub_layers_minus1")?;
    if sub_layers > 6 {
        return Err(bits.out_of_range("sps_max_sub_layers_minus1", 6, sub_layers));
    }
    let temporal_nesting = bits.flag("sps_temporal_id_nesting_flag")?;
    let general = bits.byte("general_profile_idc")?;
    let mut compatibility = [0; 4];
    for byte in &mut compatibility {
        *byte = bits.byte("general_profile_compatibility_flag")?;
    }
    let mut constraints = [0; 6];
    for byte in &mut constraints {
        *byte = bits.byte("general constraint flags")?;
    }
    let level_idc = bits.byte("general_level_idc")?;
    skip_sub_layers(bits, sub_layers)?;

    bits.ue(15, "sps_seq_parameter_set_id")?;
    let chroma_format = bits.ue(3, "chroma_format_idc")?;
    // In H.265 the cropping unit depends on chroma_format_idc only (table 6-1).
    if chroma_format == 3 {
        bits.skip(1, "separate_colour_plane_flag")?;
    }
    let width = bits.ue(MAX_SIDE, "pic_width_in_luma_samples")?;
    let height = bits.ue(MAX_SIDE, "pic_height_in_luma_samples")?;
    let coded_pixels = u64::from(width) * u64::from(height);
    let (width, height) = cropped(
        bits,
        "conformance_window_flag",
        (width, height),
        chroma_subsampling(chroma_format),
    )?;
    let luma_depth = bits.ue(8, "bit_depth_luma_minus8")?;
    let chroma_depth = bits.ue(8, "bit_depth_chroma_minus8")?;
    Ok(SequenceParameters {
        codec: Codec::H265,
        width,
        height,
        chroma_format: small(chroma_format),
        luma_bits: 8 + small(luma_depth),
        chroma_bits: 8 + small(chroma_depth),
        signal: None,
        profile: Profile::H265 {
            general,
            compatibility,
            constraints,
            level_idc,
            temporal_layers: 1 + small(sub_layers),
            temporal_nesting,
        },
        coded_pixels,
    })
}

/// Skips the part of H.265 7.3.3 after `general_level_idc`.
fn skip_sub_layers(bits: &mut BitReader<'_>, sub_layers: u32) -> Result<(), Error> {
    let mut present = [(false, false); 6];
    let layers = present.iter_mut().take(usize::from(small(sub_layers)));
    for (profile, level) in layers {
        *profile = bits.flag("sub_layer_profile_present_flag")?;
        *level = bits.flag("sub_layer_level_present_flag")?;
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers), "reserved_zero_2bits")?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 }, "sub_layer_profile_idc")?;
        bits.skip(if level { 8 } else { 0 }, "sub_layer_level_idc")?;
    }
    Ok(())
}

/// `SubWidthC` and `SubHeightC`, 1 without chroma (H.264 and H.265, table 6-1).
const fn chroma_subsampling(chroma_format: u32) -> (u32, u32) {
    match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    }
}

/// Parses a cropping rectangle and returns the cropped size.
fn cropped(
    bits: &mut BitReader<'_>,
    flag: &'static str,
    (width, height): (u32, u32),
    (unit_x, unit_y): (u32, u32),
) -> Result<(u16, u16), Error> {
    let (mut crop_x, mut crop_y) = (0, 0);
    if bits.flag(flag)? {
        crop_x = bits.ue(MAX_SIDE, "left crop offset")? + bits.ue(MAX_SIDE, "right crop offset")?;
        crop_y = bits.ue(MAX_SIDE, "top crop offset")? + bits.ue(MAX_SIDE, "bottom crop offset")?;
    }
    Ok((
        side(bits, width, crop_x * unit_x, "cropped width")?,
        side(bits, height, crop_y * unit_y, "cropped height")?,
    ))
}

fn side(bits: &BitReader<'_>, full: u32, cropped: u32, field: &'static str) -> Result<u16, Error> {
    match u16::try_from(full.saturating_sub(cropped)) {
        Ok(0) => Err(bits.out_of_range("crop offsets", full.saturating_sub(1), cropped)),
        Ok(side) => Ok(side),
        Err(_) => Err(bits.out_of_range(field, MAX_SIDE, full - cropped)),
    }
}

/// Converts a value that is already checked to be below 256.
fn small(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn h264_high_1080p_is_cropped() {
        // x264, High@4.0, 1920x1088 coded, 8 rows cropped.
        let sps = hex("67640028acd940780227e5c05a808080a0000003002000000781e30632c0");
        let sps = SequenceParameters::parse(Codec::H264, &sps).unwrap();
        assert_eq!((sps.width, sps.height), (1920, 1080));
        assert_eq!(
            (sps.chroma_format, sps.luma_bits, sps.chroma_bits),
            (1, 8, 8)
        );
        assert_eq!(
            sps.profile,
            Profile::H264 {
                profile_idc: 100,
                constraints: 0,
                level_idc: 40
            }
        );
    }

    #[test]
    fn colour_space_is_parsed_and_may_be_truncated() {
        // x264 at 64x64: unspecified; full range and BT.709; BT.601 after an aspect ratio of 10:11.
        let nothing = hex("6742c00ada109b0110000003001000000300a0f1226a");
        let full = hex("6742c00ada109b016e02020280000003008000000507891350");
        let limited = hex("6742c00ada109b036a04040c80000003008000000507891350");
        let signal = |full_range, matrix| Some(VideoSignal { full_range, matrix });
        for (sps, expected) in [
            (nothing, None),
            (full, signal(true, 1)),
            (limited, signal(false, 6)),
        ] {
            let read = SequenceParameters::parse(Codec::H264, &sps).unwrap();
            assert_eq!((read.width, read.signal), (64, expected));
            // The fields after the size are optional.
            for len in 8..sps.len() {
                let read = SequenceParameters::parse(Codec::H264, &sps[..len]).unwrap();
                assert!(
                    read.signal.is_none() || read.signal == expected,
                    "{len}: {read:?}"
                );
            }
        }
    }

    #[test]
    fn truncated_sets_are_refused() {
        let sps = hex("67640028acd940780227e5c05a808080a0000003002000000781e30632c0");
        for len in 1..9 {
            let error = SequenceParameters::parse(Codec::H264, &sps[..len]).unwrap_err();
            assert!(matches!(error, Error::Truncated { .. }), "{len}: {error}");
        }
    }

    #[test]
    fn other_nal_units_are_refused() {
        for codec in [Codec::H264, Codec::H265] {
            let error = SequenceParameters::parse(codec, &[0x68, 0xce, 0x3c]).unwrap_err();
            assert_eq!(error, Error::NotSequenceParameters { codec });
        }
    }

    #[test]
    fn cropping_of_the_whole_picture_is_refused() {
        let mut bits = BitReader::new(Codec::H264, &[0x88, 0x10, 0x20, 0x40]);
        // The flag, then four offsets of 7 (0001000), each worth 4 samples: 56 of 16.
        let error = cropped(&mut bits, "flag", (16, 16), (4, 4)).unwrap_err();
        assert!(
            matches!(
                error,
                Error::OutOfRange {
                    field: "crop offsets",
                    ..
                }
            ),
            "{error}"
        );
    }
}
