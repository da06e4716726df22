//! Key frames as JPEG files.

use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use rusty_h264_decoder::Decoder;

use crate::{AccessUnit, Codec, Error, NalKind, ParameterSets, SequenceParameters, VideoSignal};

/// The JPEG quality that cameras usually have, of 1 to 100.
pub const SNAPSHOT_QUALITY: u8 = 85;

/// The largest picture that is decoded for a snapshot, in pixels: the largest of level 5.1, 36 864
/// macroblocks (H.264 table A-1).
pub const MAX_SNAPSHOT_PIXELS: u32 = 36_864 * 256;

/// `matrix_coefficients` of BT.709 (H.264 table E-5).
const BT709: u8 = 1;

/// Decodes a key frame and encodes it as a JPEG file (JFIF) of this quality, 1 to 100. Parameter
/// sets that are missing from the frame are taken from `sets`.
///
/// The decoder supports H.264 up to High profile, progressive, 4:2:0, 8 bits.
///
/// JPEG uses BT.601 in full range. The samples of the frame are converted from the colour space
/// that its sequence parameter set states ([`VideoSignal`]). If it does not, BT.601 in limited
/// range is assumed, as most players do.
///
/// # Errors
///
/// [`Error::SnapshotCodec`] for H.265, [`Error::SnapshotTooLarge`], [`Error::NoKeyFrame`] for other
/// frames and without parameter sets, [`Error::Snapshot`] if the frame cannot be decoded.
pub fn snapshot(sets: &ParameterSets, unit: &AccessUnit, quality: u8) -> Result<Vec<u8>, Error> {
    let codec = unit.codec();
    if codec != Codec::H264 {
        return Err(Error::SnapshotCodec { codec });
    }
    let mut sets = sets.clone();
    let unit = sets.complete(unit);
    let no_key_frame = Error::NoKeyFrame { codec, units: 1 };
    let parameters = sets.parameters().filter(|_| unit.is_key());
    let parameters = parameters.ok_or_else(|| no_key_frame.clone())?;
    // A slice can refer to any of the sets in the frame.
    for (_, sps) in unit.nals().filter(|(kind, _)| *kind == NalKind::Sps) {
        let pixels = SequenceParameters::parse(codec, sps)?.coded_pixels;
        if pixels > MAX_SNAPSHOT_PIXELS.into() {
            return Err(Error::SnapshotTooLarge {
                max: MAX_SNAPSHOT_PIXELS,
                found: u32::try_from(pixels).unwrap_or(u32::MAX),
            });
        }
    }
    let decoded = Decoder::new().decode(unit.data());
    let picture = decoded.map_err(|error| Error::Snapshot {
        why: error.to_string(),
    })?;
    let picture = picture.ok_or(no_key_frame)?;
    let side = |pixels: usize| {
        u16::try_from(pixels).map_err(|_| Error::Snapshot {
            why: format!("a side of {pixels} pixels"),
        })
    };
    let planes = Planes {
        width: side(picture.width)?,
        height: side(picture.height)?,
        luma: (&picture.y, picture.width),
        cb: (&picture.u, picture.width / 2),
        cr: (&picture.v, picture.width / 2),
        colours: Colours::new(parameters.signal.unwrap_or_default()),
    };
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, quality.clamp(1, 100));
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode_image(planes)
        .map_err(|error| Error::Snapshot {
            why: error.to_string(),
        })?;
    Ok(jpeg)
}

/// A decoded picture as the encoder reads it, row by row.
struct Planes<'a> {
    width: u16,
    height: u16,
    /// The samples and the number of samples per row.
    luma: (&'a [u8], usize),
    /// Half the width and height.
    cb: (&'a [u8], usize),
    cr: (&'a [u8], usize),
    colours: Colours,
}

impl ImageBuffer for Planes<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, [luma, cb, cr, _]: &mut [Vec<u8>; 4]) {
        let y = usize::from(y);
        let lumas = row(self.luma, y).take(self.width.into());
        let doubled = |sample| [sample; 2];
        let cbs = row(self.cb, y / 2).flat_map(doubled);
        let crs = row(self.cr, y / 2).flat_map(doubled);
        for ((y, u), v) in lumas.zip(cbs).zip(crs) {
            let [y, u, v] = self.colours.convert(y, u, v);
            luma.push(y);
            cb.push(u);
            cr.push(v);
        }
    }
}

fn row((samples, stride): (&[u8], usize), y: usize) -> impl Iterator<Item = u8> {
    samples.iter().skip(y * stride).copied()
}

/// The conversion of samples of the stream to samples of JPEG.
struct Colours {
    /// Each sample of JPEG from luma and both chroma of the stream, in 1/65536.
    matrix: [[i32; 3]; 3],
    /// The luma of black.
    black: i32,
}

const SHIFT: i32 = 16;

impl Colours {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "all are below 2, times 65536"
    )]
    fn new(signal: VideoSignal) -> Self {
        // The matrix of BT.601 times the inverse of BT.709's.
        const FROM_BT709: [[f64; 3]; 3] = [
            [1.0, 0.101_579, 0.196_076],
            [0.0, 0.989_854, -0.110_653],
            [0.0, -0.072_453, 0.983_398],
        ];
        const SAME: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let matrix = match signal.matrix == BT709 {
            true => FROM_BT709,
            false => SAME,
        };
        // Limited range: luma from 16 to 235, chroma 112 around 128.
        let (black, luma, chroma) = match signal.full_range {
            true => (0, 1.0, 1.0),
            false => (16, 255.0 / 219.0, 255.0 / 224.0),
        };
        let fixed = |value: f64| (value * f64::from(1 << SHIFT)).round() as i32;
        let matrix =
            matrix.map(|[y, u, v]| [fixed(y * luma), fixed(u * chroma), fixed(v * chroma)]);
        Self { matrix, black }
    }

    fn convert(&self, y: u8, u: u8, v: u8) -> [u8; 3] {
        let (y, u, v) = (
            i32::from(y) - self.black,
            i32::from(u) - 128,
            i32::from(v) - 128,
        );
        let sum = |[of_y, of_u, of_v]: [i32; 3]| {
            let half = 1 << (SHIFT - 1);
            (of_y * y + of_u * u + of_v * v + half) >> SHIFT
        };
        let [y, u, v] = self.matrix.map(sum);
        [y, u + 128, v + 128].map(|sample| u8::try_from(sample.clamp(0, 255)).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(full_range: bool, matrix: u8, [y, u, v]: [u8; 3]) -> [u8; 3] {
        Colours::new(VideoSignal { full_range, matrix }).convert(y, u, v)
    }

    #[test]
    fn limited_range_becomes_full_range() {
        for (limited, full) in [
            ([16, 128, 128], [0, 128, 128]),
            ([235, 128, 128], [255, 128, 128]),
            ([126, 240, 16], [128, 255, 0]),
            ([0, 0, 255], [0, 0, 255]),
        ] {
            assert_eq!(convert(false, 2, limited), full);
            assert_eq!(convert(true, 2, limited), limited);
        }
    }

    #[test]
    fn bt709_becomes_bt601() {
        // Full range: Y = 0.2126 × 255, Cb = 128 − 0.1146 × 255, Cr = 255; by BT.601 0.299 and
        // 0.1687.
        let red = convert(true, BT709, [54, 99, 255]);
        for (found, expected) in red.into_iter().zip([76, 85, 255_u8]) {
            assert!(found.abs_diff(expected) <= 1, "{red:?}");
        }
    }
}
