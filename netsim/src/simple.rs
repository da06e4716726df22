//! A model of the clients that are known: a frame is dropped at its first packet out of place.

/// One stream of such a client: one frame at a time, its slices in order.
#[derive(Debug, Default)]
pub(crate) struct Simple {
    /// The frame, and the index of the slice that must come next.
    current: Option<(u32, u16)>,
    delivered: u64,
}

impl Simple {
    /// A slice came.
    pub(crate) fn push(&mut self, frame: u32, index: u16, slices: u16) {
        let goes_on = self.current == Some((frame, index));
        if index > 0 && !goes_on {
            self.current = None;
            return;
        }
        self.current = Some((frame, index + 1));
        if index + 1 == slices {
            self.delivered += 1;
            self.current = None;
        }
    }

    /// Frames that it has handed out.
    #[must_use]
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(slices: &[(u32, u16)]) -> u64 {
        let mut simple = Simple::default();
        for &(frame, index) in slices {
            simple.push(frame, index, 3);
        }
        simple.delivered()
    }

    #[test]
    fn a_packet_out_of_place_costs_its_frame_and_maybe_the_next() {
        assert_eq!(
            delivered(&[(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]),
            2
        );
        assert_eq!(
            delivered(&[(1, 0), (1, 2), (1, 1), (2, 0), (2, 1), (2, 2)]),
            1
        );
        assert_eq!(
            delivered(&[(1, 0), (1, 1), (2, 0), (1, 2), (2, 1), (2, 2)]),
            0
        );
        assert_eq!(delivered(&[(1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]), 1);
    }
}
