use memchr::memmem;

/// The three bytes that every start code ends with (H.264 and H.265, annex B).
const START_CODE: [u8; 3] = [0, 0, 1];

/// A start code that is valid before any NAL unit.
pub(crate) const LONG_START_CODE: [u8; 4] = [0, 0, 0, 1];

/// A NAL unit and its position in a byte stream.
///
/// - start code: `00 00 01` or `00 00 00 01`, at [`start`](Self::start)
/// - NAL unit: [`payload`](Self::payload): header (1 byte in H.264, 2 in H.265) and RBSP with its
///   emulation prevention bytes
/// - trailing zeros: any number of `00`, part of neither
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NalUnit<'a> {
    /// The offset of the start code in the stream.
    pub start: usize,
    /// The offset of the payload in the stream.
    pub payload_start: usize,
    /// The NAL unit without start code and without trailing zero bytes. Never empty.
    pub payload: &'a [u8],
}

/// The NAL units of a byte stream: see [`nal_units`].
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    stream: &'a [u8],
    scanner: NalScanner,
}

/// A position in a byte stream, between two NAL units.
#[derive(Debug, Clone)]
pub(crate) struct NalScanner {
    /// The offset after the newest start code. `None` at the end of the stream.
    position: Option<usize>,
    /// The offset of that start code.
    start: usize,
}

/// Iterates over the NAL units of an Annex B byte stream (annex B.1.1 of H.264 and of H.265).
///
/// Start codes of three and of four bytes are recognised. Bytes before the first one and empty NAL
/// units are skipped. Any input is accepted.
///
/// ```
/// let stream = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68, 0xce, 0];
/// let units: Vec<_> = tutk_media::nal_units(&stream).collect();
/// assert_eq!(units[0].payload, [0x67, 0x42]);
/// assert_eq!((units[1].start, units[1].payload), (6, &[0x68, 0xce][..]));
/// ```
#[must_use]
pub fn nal_units(stream: &[u8]) -> NalUnits<'_> {
    NalUnits {
        stream,
        scanner: NalScanner::new(stream),
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = NalUnit<'a>;

    fn next(&mut self) -> Option<NalUnit<'a>> {
        self.scanner.next(self.stream)
    }
}

impl NalScanner {
    pub(crate) fn new(stream: &[u8]) -> Self {
        let found = find_start_code(stream, 0);
        Self {
            position: found.map(|(_, behind)| behind),
            start: found.map_or(stream.len(), |(start, _)| start),
        }
    }

    /// The next NAL unit of the stream, which must be the one given to [`new`](Self::new).
    pub(crate) fn next<'a>(&mut self, stream: &'a [u8]) -> Option<NalUnit<'a>> {
        loop {
            let (start, payload_start) = (self.start, self.position?);
            let end = match find_start_code(stream, payload_start) {
                Some((next, behind)) => {
                    self.start = next;
                    self.position = Some(behind);
                    next
                }
                None => {
                    self.position = None;
                    stream.len()
                }
            };
            let payload = trim_zeros(stream.get(payload_start..end)?);
            if !payload.is_empty() {
                return Some(NalUnit {
                    start,
                    payload_start,
                    payload,
                });
            }
        }
    }
}

/// Finds the first start code at or after `from`. Returns the offset of its first byte, the
/// optional leading zero included, and the offset of the byte after it.
fn find_start_code(stream: &[u8], from: usize) -> Option<(usize, usize)> {
    let at = from + memmem::find(stream.get(from..)?, &START_CODE)?;
    let long = at > from && stream.get(at - 1) == Some(&0);
    Some((at - usize::from(long), at + START_CODE.len()))
}

/// Removes `trailing_zero_8bits`: a NAL unit never ends with a zero byte (H.264 7.4.1, H.265
/// 7.4.2).
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
    fn finds_start_codes_of_both_lengths() {
        let stream = [
            0, 0, 0, 0, 1, 9, 0x10, // a leading zero byte, then four bytes
            0, 0, 1, 0x65, 0x88, 0, 0, 0, // trailing zeros
            0, 0, 1, 0x41, 0x9a,
        ];
        // The last zero before 00 00 01 belongs to the start code.
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
    fn emulation_prevention_bytes_are_kept() {
        let stream = [0, 0, 1, 0x65, 0, 0, 3, 1, 0x80];
        assert_eq!(payloads(&stream), [(0, &stream[3..])]);
    }

    #[test]
    fn streams_without_start_codes_have_no_nal_units() {
        assert_eq!(payloads(&[]), []);
        assert_eq!(payloads(&[0, 0]), []);
        assert_eq!(payloads(&[1, 2, 3, 4]), []);
        assert_eq!(payloads(&[0, 0, 1]), []);
        assert_eq!(payloads(&[0, 0, 1, 0, 0, 1, 0, 0, 0]), []);
    }

    #[test]
    fn empty_nal_units_are_skipped() {
        assert_eq!(payloads(&[0, 0, 1, 0, 0, 0, 1, 0x68]), [(3, &[0x68][..])]);
    }
}
