//! Length-prefixed NAL units, as MP4 samples and many decoders use them (ISO/IEC 14496-15 section
//! 4.3.3), to and from Annex B.

use crate::annexb::LONG_START_CODE;
use crate::{AccessUnit, Error};

/// The size of a length as this crate writes it, in bytes.
pub(crate) const LENGTH_BYTES: usize = 4;

/// Appends the NAL units of an access unit to `out`, each after its length in four bytes,
/// big-endian.
pub fn to_length_prefixed(unit: &AccessUnit, out: &mut Vec<u8>) {
    for (_, nal) in unit.nals() {
        push_length_prefixed(nal, out);
    }
}

/// Appends the NAL units of a sample to `out`, each after a start code of four bytes.
///
/// In the sample, each NAL unit follows its length in `length_bytes` bytes, big-endian: 1, 2 or 4,
/// as `avcC` and `hvcC` state it. Empty NAL units are skipped.
///
/// ```
/// use tutk_media::{AccessUnit, Codec, from_length_prefixed, to_length_prefixed};
///
/// let unit = AccessUnit::new(Codec::H264, vec![0, 0, 1, 0x68, 0xce, 0, 0, 1, 0x65, 0x88]);
/// let (mut sample, mut stream) = (Vec::new(), Vec::new());
/// to_length_prefixed(&unit, &mut sample);
/// assert_eq!(sample, [0, 0, 0, 2, 0x68, 0xce, 0, 0, 0, 2, 0x65, 0x88]);
/// from_length_prefixed(&sample, 4, &mut stream)?;
/// assert_eq!(stream, [0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65, 0x88]);
/// # Ok::<(), tutk_media::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::LengthPrefixed`] for another `length_bytes` or a NAL unit that exceeds the sample.
/// `out` is unchanged then.
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

/// Appends a NAL unit, which must be smaller than 4 GiB.
pub(crate) fn push_length_prefixed(nal: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(nal.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(nal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lengths_of_every_size() {
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
    fn truncated_samples_are_refused() {
        let mut out = vec![7];
        let mut error = |sample: &[u8], length_bytes| {
            let error = from_length_prefixed(sample, length_bytes, &mut out).unwrap_err();
            assert_eq!(out, [7]);
            error.to_string()
        };
        assert_eq!(
            error(&[0, 1, 0x65, 0, 3, 1], 2),
            "length-prefixed NAL units, byte 3: expected a whole NAL unit, found 1 of 3 bytes"
        );
        assert!(error(&[1, 0x65, 0xff], 1).ends_with("found 0 of 255 bytes"));
        assert!(error(&[0, 0, 0], 4).ends_with("the length of a NAL unit, found 3 bytes"));
        assert!(error(&[0xff; 9], 4).ends_with("found 5 of 4294967295 bytes"));
        assert!(error(&[], 3).ends_with("expected lengths of 1, 2 or 4 bytes, found 3"));
    }
}
