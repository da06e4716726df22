//! The baseline: a client that drops a frame at its first packet out of order.

/// The reassembly of one stream, one frame at a time.
#[derive(Debug, Default)]
pub(crate) struct Baseline {
    /// The frame in reassembly and the index of its next slice.
    current: Option<(u32, u16)>,
    delivered: u64,
}

impl Baseline {
    pub(crate) fn push(&mut self, frame: u32, index: u16, slices: u16) {
        if index > 0 && self.current != Some((frame, index)) {
            self.current = None;
            return;
        }
        self.current = Some((frame, index + 1));
        if index + 1 == slices {
            self.delivered += 1;
            self.current = None;
        }
    }

    /// Returns the number of delivered frames.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_frames_with_a_packet_out_of_order() {
        let delivered = |slices: &[(u32, u16)]| {
            let mut baseline = Baseline::default();
            for &(frame, index) in slices {
                baseline.push(frame, index, 3);
            }
            baseline.delivered()
        };
        for (slices, expected) in [
            ([(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)], 2),
            ([(1, 0), (1, 2), (1, 1), (2, 0), (2, 1), (2, 2)], 1),
            ([(1, 0), (1, 1), (2, 0), (1, 2), (2, 1), (2, 2)], 0),
        ] {
            assert_eq!(delivered(&slices), expected, "{slices:?}");
        }
        assert_eq!(delivered(&[(1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]), 1);
    }
}
