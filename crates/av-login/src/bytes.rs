//! Access to bytes at fixed offsets. All numbers are little-endian.

/// Returns `N` bytes at `at`, or zeros if the packet ends before.
pub(crate) fn bytes_at<const N: usize>(packet: &[u8], at: usize) -> [u8; N] {
    packet
        .get(at..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .unwrap_or([0; N])
}

/// Returns the byte at `at`, or 0.
pub(crate) fn u8_at(packet: &[u8], at: usize) -> u8 {
    u8::from_le_bytes(bytes_at(packet, at))
}

/// Returns the 16-bit number at `at`, or 0.
pub(crate) fn u16_at(packet: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(packet, at))
}

/// Returns the 32-bit number at `at`, or 0.
pub(crate) fn u32_at(packet: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(packet, at))
}

/// Writes `value` at `at`. The caller's buffer must be large enough.
pub(crate) fn put(packet: &mut [u8], at: usize, value: &[u8]) {
    let place = packet
        .get_mut(at..)
        .and_then(|rest| rest.get_mut(..value.len()));
    debug_assert!(place.is_some(), "{} bytes at {at} do not fit", value.len());
    if let Some(place) = place {
        place.copy_from_slice(value);
    }
}
