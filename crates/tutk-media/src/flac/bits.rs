//! A bit writer, most significant bit first.

#[derive(Debug)]
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// The bits of an incomplete byte, at the lower end.
    held: u64,
    count: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            held: 0,
            count: 0,
        }
    }

    /// Writes the lower `count` bits of a value, at most 32.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32);
        let mask = (1_u64 << count) - 1;
        self.held = self.held << count | u64::from(value) & mask;
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let [.., byte] = (self.held >> self.count).to_be_bytes();
            self.out.push(byte);
        }
    }

    /// Writes a number as that many zeros and a one.
    pub(super) fn unary(&mut self, mut zeros: u32) {
        while zeros >= 32 {
            self.put(0, 32);
            zeros -= 32;
        }
        self.put(0, zeros);
        self.put(1, 1);
    }

    /// Writes a signed number in two's complement.
    pub(super) fn signed(&mut self, value: i32, count: u32) {
        self.put(value.cast_unsigned(), count);
    }

    /// Writes zeros up to the next byte.
    pub(super) fn align(&mut self) {
        self.put(0, (8 - self.count) % 8);
    }
}
