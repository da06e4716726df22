//! Reading and writing at fixed offsets. All numbers are little-endian.

/// `N` bytes at `at`; zeros where the packet does not reach.
pub(crate) fn bytes_at<const N: usize>(packet: &[u8], at: usize) -> [u8; N] {
    packet
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

/// The byte at `at`, or 0.
pub(crate) fn u8_at(packet: &[u8], at: usize) -> u8 {
    u8::from_le_bytes(bytes_at(packet, at))
}

/// The 16-bit number at `at`, or 0.
pub(crate) fn u16_at(packet: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(packet, at))
}

/// The 32-bit number at `at`, or 0.
pub(crate) fn u32_at(packet: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(packet, at))
}

/// Writes `value` at `at`. Every caller writes into a buffer of its own that is large enough.
pub(crate) fn put(packet: &mut [u8], at: usize, value: &[u8]) {
    let place = packet
        .get_mut(at..)
        .and_then(|rest| rest.get_mut(..value.len()));
    debug_assert!(place.is_some(), "{} bytes at {at} do not fit", value.len());
    if let Some(place) = place {
        place.copy_from_slice(value);
    }
}
