use memchr::memmem;

/// The three bytes that every start code ends with (H.264 and H.265, annex B).
const START_CODE: [u8; 3] = [0, 0, 1];

/// A start code that may stand before any NAL unit.
pub(crate) const LONG_START_CODE: [u8; 4] = [0, 0, 0, 1];

/// One NAL unit and its place in the byte stream.
///
/// | part | bytes |
/// |---|---|
/// | start code | `00 00 01` or `00 00 00 01`, from [`start`](Self::start) on |
/// | NAL unit | [`payload`](Self::payload): header (1 byte in H.264, 2 in H.265) and RBSP with its emulation prevention bytes |
/// | trailing zeros | any number of `00`, in neither |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NalUnit<'a> {
    /// Offset in bytes of the start code in the stream.
    pub start: usize,
    /// The NAL unit without start code and without trailing zero bytes; never empty.
    pub payload: &'a [u8],
}

/// The NAL units of a byte stream: see [`nal_units`].
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    stream: &'a [u8],
    /// Offset behind the last start code found; `None` once the stream has been read.
    position: Option<usize>,
    /// Offset of that start code.
    start: usize,
}

/// Iterates over the NAL units of an Annex B byte stream (annex B.1.1 of H.264 and of H.265).
///
/// Start codes of three and of four bytes are taken; what stands before the first one is
/// skipped, as are empty NAL units. Any bytes at all may be given.
///
/// ```
/// let stream = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68, 0xce, 0];
/// let units: Vec<_> = tutk_media::nal_units(&stream).collect();
/// assert_eq!(units[0].payload, [0x67, 0x42]);
/// assert_eq!((units[1].start, units[1].payload), (6, &[0x68, 0xce][..]));
/// ```
#[must_use]
pub fn nal_units(stream: &[u8]) -> NalUnits<'_> {
    let found = find_start_code(stream, 0);
    NalUnits {
        stream,
        position: found.map(|(_, behind)| behind),
        start: found.map_or(stream.len(), |(start, _)| start),
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = NalUnit<'a>;

    fn next(&mut self) -> Option<NalUnit<'a>> {
        loop {
            let (start, from) = (self.start, self.position?);
            let end = match find_start_code(self.stream, from) {
                Some((next, behind)) => {
                    self.start = next;
                    self.position = Some(behind);
                    next
                }
                None => {
                    self.position = None;
                    self.stream.len()
                }
            };
            let payload = trim_zeros(self.stream.get(from..end)?);
            if !payload.is_empty() {
                return Some(NalUnit { start, payload });
            }
        }
    }
}

/// Finds the first start code at or behind `from`: the offset of its first byte (the optional
/// fourth byte in front of it counted in) and the offset behind it.
fn find_start_code(stream: &[u8], from: usize) -> Option<(usize, usize)> {
    let at = from + memmem::find(stream.get(from..)?, &START_CODE)?;
    let long = at > from && stream.get(at - 1) == Some(&0);
    Some((at - usize::from(long), at + START_CODE.len()))
}

/// A NAL unit never ends with a zero byte (H.264 7.4.1, H.265 7.4.2): those are the stream's.
fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0);
    bytes.get(..end.map_or(0, |last| last + 1)).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(stream: &[u8]) -> Vec<(usize, &[u8])> {
        nal_units(stream)
            .map(|unit| (unit.start, unit.payload))
            .collect()
    }

    #[test]
    fn start_codes_of_both_lengths_and_zeros_between() {
        let stream = [
            0, 0, 0, 0, 1, 9, 0x10, // a zero byte in front, then four bytes
            0, 0, 1, 0x65, 0x88, 0, 0, 0, // trailing zeros
            0, 0, 1, 0x41, 0x9a,
        ];
        // The last of the zeros in front of 00 00 01 is the start code's own.
        assert_eq!(
            payloads(&stream),
            [
                (1, &[9, 0x10][..]),
                (7, &[0x65, 0x88][..]),
                (14, &[0x41, 0x9a][..])
            ]
        );
    }

    #[test]
    fn emulation_prevention_is_left_alone() {
        let stream = [0, 0, 1, 0x65, 0, 0, 3, 1, 0x80];
        assert_eq!(payloads(&stream), [(0, &stream[3..])]);
    }

    #[test]
    fn nothing_to_find() {
        assert_eq!(payloads(&[]), []);
        assert_eq!(payloads(&[0, 0]), []);
        assert_eq!(payloads(&[1, 2, 3, 4]), []);
        assert_eq!(payloads(&[0, 0, 1]), []);
        assert_eq!(payloads(&[0, 0, 1, 0, 0, 1, 0, 0, 0]), []);
    }

    #[test]
    fn an_empty_unit_is_skipped() {
        assert_eq!(payloads(&[0, 0, 1, 0, 0, 0, 1, 0x68]), [(3, &[0x68][..])]);
    }
}
