//! NAL units each behind its length, as MP4 samples and many decoders have them (ISO/IEC 14496-15
//! section 4.3.3), to and from Annex B.

use crate::annexb::LONG_START_CODE;
use crate::{Error, MAX_UNIT_BYTES, nal_units};

/// Bytes of a length as this crate writes it.
const LENGTH_BYTES: usize = 4;

/// Appends the NAL units of an access unit (Annex B) to `out`, each behind its length in four bytes,
/// big-endian. Bytes before the first start code and zeros between NAL units are no part of any.
///
/// # Errors
///
/// [`Error::UnitTooLarge`], and nothing is appended.
pub fn to_length_prefixed(unit: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    if unit.len() > MAX_UNIT_BYTES {
        return Err(Error::UnitTooLarge {
            max: MAX_UNIT_BYTES,
            found: unit.len(),
        });
    }
    for nal in nal_units(unit) {
        push_length_prefixed(nal.payload, out);
    }
    Ok(())
}

/// Appends the NAL units of a sample to `out`, each behind a start code of four bytes. Each stands in the
/// sample behind its length in `length_bytes` bytes, big-endian: 1, 2 or 4, by `avcC` and `hvcC`. Empty
/// ones are passed over.
///
/// ```
/// let (mut sample, mut unit) = (Vec::new(), Vec::new());
/// tutk_media::to_length_prefixed(&[0, 0, 1, 0x68, 0xce, 0, 0, 1, 0x65, 0x88], &mut sample)?;
/// assert_eq!(sample, [0, 0, 0, 2, 0x68, 0xce, 0, 0, 0, 2, 0x65, 0x88]);
/// tutk_media::from_length_prefixed(&sample, 4, &mut unit)?;
/// assert_eq!(unit, [0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65, 0x88]);
/// # Ok::<(), tutk_media::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::LengthPrefixed`], with `out` as it was: another `length_bytes`, or a NAL unit that goes
/// beyond the sample.
pub fn from_length_prefixed(
    sample: &[u8],
    length_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let before = out.len();
    let result = append_annexb(sample, length_bytes, out);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

fn append_annexb(sample: &[u8], length_bytes: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    if !matches!(length_bytes, 1 | 2 | LENGTH_BYTES) {
        return Err(Error::LengthPrefixed {
            at: 0,
            expected: "lengths of 1, 2 or 4 bytes",
            found: length_bytes.to_string(),
        });
    }
    let mut rest = sample;
    while !rest.is_empty() {
        let error = |expected, found| Error::LengthPrefixed {
            at: sample.len() - rest.len(),
            expected,
            found,
        };
        let Some((length, behind)) = rest.split_at_checked(length_bytes) else {
            let found = format!("{} bytes", rest.len());
            return Err(error("the length of a NAL unit", found));
        };
        let length = length
            .iter()
            .fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        let nal = usize::try_from(length)
            .ok()
            .and_then(|length| behind.split_at_checked(length));
        let Some((nal, behind)) = nal else {
            let found = format!("{} of {length} bytes", behind.len());
            return Err(error("a whole NAL unit", found));
        };
        if !nal.is_empty() {
            out.extend_from_slice(&LONG_START_CODE);
            out.extend_from_slice(nal);
        }
        rest = behind;
    }
    Ok(())
}

/// Appends a NAL unit, which is held to be far below 2^32 bytes.
pub(crate) fn push_length_prefixed(nal: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(nal.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(nal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_size() {
        let mut out = vec![7];
        for (length_bytes, sample) in [
            (1, &[2, 0x68, 0xce, 0, 1, 0x65][..]),
            (2, &[0, 2, 0x68, 0xce, 0, 0, 0, 1, 0x65]),
            (4, &[0, 0, 0, 2, 0x68, 0xce, 0, 0, 0, 1, 0x65]),
        ] {
            from_length_prefixed(sample, length_bytes, &mut out).unwrap();
            assert_eq!(out, [7, 0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65]);
            out.truncate(1);
        }
    }

    #[test]
    fn what_is_cut_off_is_named_and_nothing_appended() {
        let mut out = vec![7];
        let mut error = |sample: &[u8], length_bytes| {
            let error = from_length_prefixed(sample, length_bytes, &mut out).unwrap_err();
            assert_eq!(out, [7]);
            error.to_string()
        };
        assert_eq!(
            error(&[0, 1, 0x65, 0, 3, 1], 2),
            "NAL units behind their lengths, byte 3: expected a whole NAL unit, found 1 of 3 bytes"
        );
        assert!(error(&[1, 0x65, 0xff], 1).ends_with("found 0 of 255 bytes"));
        assert!(error(&[0, 0, 0], 4).ends_with("the length of a NAL unit, found 3 bytes"));
        assert!(error(&[0xff; 9], 4).ends_with("found 5 of 4294967295 bytes"));
        assert!(error(&[], 3).ends_with("expected lengths of 1, 2 or 4 bytes, found 3"));
        let large = vec![0; MAX_UNIT_BYTES + 1];
        assert!(to_length_prefixed(&large, &mut out).is_err());
    }
}
