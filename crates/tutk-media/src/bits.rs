use crate::{Codec, Error};

/// Reads the fields of a sequence parameter set bit by bit, most significant bit first, and skips
/// emulation prevention bytes (H.264 7.3.1, H.265 7.3.1.1).
///
/// Each call names its field for the error.
pub(crate) struct BitReader<'a> {
    codec: Codec,
    payload: &'a [u8],
    /// The offset of the next byte.
    next: usize,
    /// The number of zero bytes directly before it.
    zeros: u8,
    current: u8,
    /// The number of unread bits of `current`.
    left: u8,
    /// The number of bits read.
    read: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(codec: Codec, payload: &'a [u8]) -> Self {
        Self {
            codec,
            payload,
            next: 0,
            zeros: 0,
            current: 0,
            left: 0,
            read: 0,
        }
    }

    /// Reads u(1).
    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Error> {
        if self.left == 0 {
            self.current = self.next_byte().ok_or(Error::Truncated {
                codec: self.codec,
                field,
                bit: self.read,
            })?;
            self.left = 8;
        }
        self.left -= 1;
        self.read += 1;
        Ok(self.current >> self.left & 1 == 1)
    }

    /// Reads u(n), n at most 32.
    pub(crate) fn bits(&mut self, count: u32, field: &'static str) -> Result<u32, Error> {
        debug_assert!(count <= 32);
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag(field)?);
        }
        Ok(value)
    }

    /// Reads u(8).
    pub(crate) fn byte(&mut self, field: &'static str) -> Result<u8, Error> {
        let mut value = 0;
        for _ in 0..8 {
            value = value << 1 | u8::from(self.flag(field)?);
        }
        Ok(value)
    }

    /// Skips `count` bits.
    pub(crate) fn skip(&mut self, count: u32, field: &'static str) -> Result<(), Error> {
        for _ in 0..count {
            self.flag(field)?;
        }
        Ok(())
    }

    /// Reads ue(v), which must be at most `max` (H.264 9.1, H.265 9.2).
    pub(crate) fn ue(&mut self, max: u32, field: &'static str) -> Result<u32, Error> {
        let mut zeros = 0;
        while !self.flag(field)? {
            zeros += 1;
            if zeros > 31 {
                return Err(self.out_of_range(field, max, u32::MAX));
            }
        }
        // At most 2^31 - 1 + 2^31 - 1.
        let value = ((1 << zeros) - 1) + self.bits(zeros, field)?;
        if value > max {
            return Err(self.out_of_range(field, max, value));
        }
        Ok(value)
    }

    /// Reads the code of se(v) and does not map it to a signed value.
    pub(crate) fn skip_se(&mut self, field: &'static str) -> Result<u32, Error> {
        self.ue(u32::MAX, field)
    }

    pub(crate) const fn out_of_range(&self, field: &'static str, max: u32, found: u32) -> Error {
        Error::OutOfRange {
            codec: self.codec,
            field,
            max,
            found,
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let mut byte = *self.payload.get(self.next)?;
        self.next += 1;
        if self.zeros >= 2 && byte == 3 {
            self.zeros = 0;
            byte = *self.payload.get(self.next)?;
            self.next += 1;
        }
        self.zeros = if byte == 0 {
            self.zeros.saturating_add(1)
        } else {
            0
        };
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exp_golomb_codes() {
        // 1 | 010 | 011 | 00100 | 00111 -> 0, 1, 2, 3, 6
        let bytes = [0b1010_0110, 0b0100_0011, 0b1000_0000];
        let mut bits = BitReader::new(Codec::H264, &bytes);
        let values: Vec<u32> = (0..5).map(|_| bits.ue(100, "x").unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 6]);
    }

    #[test]
    fn reads_the_largest_exp_golomb_codes() {
        // 31 zeros, a one, 31 ones: 2^32 - 2.
        let bytes = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        let mut bits = BitReader::new(Codec::H264, &bytes);
        assert_eq!(bits.ue(u32::MAX, "x"), Ok(u32::MAX - 1));
        let mut bits = BitReader::new(Codec::H264, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert!(matches!(
            bits.ue(u32::MAX, "x"),
            Err(Error::OutOfRange { .. })
        ));
    }

    #[test]
    fn emulation_prevention_bytes_are_skipped() {
        let mut bits = BitReader::new(Codec::H264, &[0, 0, 3, 1, 3, 0, 0, 3, 0, 0, 3, 2]);
        let bytes: Vec<u8> = (0..9).map(|_| bits.byte("x").unwrap()).collect();
        assert_eq!(bytes, [0, 0, 1, 3, 0, 0, 0, 0, 2]);
        assert_eq!(
            bits.flag("x"),
            Err(Error::Truncated {
                codec: Codec::H264,
                field: "x",
                bit: 72
            })
        );
    }

    #[test]
    fn values_above_their_limit_are_refused() {
        let mut bits = BitReader::new(Codec::H265, &[0b0011_1000]);
        assert_eq!(
            bits.ue(5, "sps_seq_parameter_set_id"),
            Err(Error::OutOfRange {
                codec: Codec::H265,
                field: "sps_seq_parameter_set_id",
                max: 5,
                found: 6
            })
        );
    }
}
