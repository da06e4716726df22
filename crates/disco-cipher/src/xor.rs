//! XOR with a repeating key: the obfuscation of the `summary` dialect
//! (docs/protocol.md, section 6).
//!
//! Byte *i* of a datagram is XORed with byte *i* mod 32 of the key. XOR is its own inverse, so one
//! function serves both directions.

use crate::SDK_KEY;

/// The length of a [`XorKey`] in bytes.
pub const KEY_LEN: usize = 32;

/// The key for [`apply`], [`KEY_LEN`] bytes.
///
/// The default is [`SDK_KEY`], which is this project's choice; a caller may set another one. The
/// key is not secret, so it is neither hidden nor zeroed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct XorKey([u8; KEY_LEN]);

impl XorKey {
    /// The key of the SDK, [`SDK_KEY`].
    pub const SDK: Self = Self(SDK_KEY);

    /// Makes a key of these bytes.
    pub const fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

/// Scrambles or descrambles a datagram of any length in place.
///
/// The key starts again at the first byte of `data`, so `data` must be the whole datagram.
pub fn apply(key: &XorKey, data: &mut [u8]) {
    let (chunks, tail) = data.as_chunks_mut::<KEY_LEN>();
    for chunk in chunks {
        xor(chunk, &key.0);
    }
    xor(tail, &key.0);
}

/// XORs `data` with the bytes of `key`.
#[inline(always)]
pub(crate) fn xor(data: &mut [u8], key: &[u8]) {
    for (byte, key) in data.iter_mut().zip(key) {
        *byte ^= key;
    }
}

impl Default for XorKey {
    fn default() -> Self {
        Self::SDK
    }
}

impl From<[u8; KEY_LEN]> for XorKey {
    fn from(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }
}
