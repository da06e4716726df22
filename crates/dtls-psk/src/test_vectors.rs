//! Helpers of the unit tests.

use alloc::vec::Vec;

use crate::record::{ContentType, Epoch, RecordId};

pub(crate) const RECORD: RecordId = RecordId {
    content_type: ContentType::ApplicationData,
    version: 0xfefd,
    epoch: Epoch::Protected,
    sequence: 5,
};

/// Decodes hexadecimal digits. Other characters are skipped.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}
