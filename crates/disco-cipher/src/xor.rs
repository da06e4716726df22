//! XOR with a repeating key: the obfuscation of the `summary` dialect (wire.md section 3,
//! summary.md "DISCO Encryption").
//!
//! Byte *i* of a datagram is XORed with byte *i* mod 32 of the key. That is its own inverse, so one
//! function does both directions.

use crate::SDK_KEY;

/// Length of a [`XorKey`], in bytes.
pub const KEY_LEN: usize = 32;

/// The key for [`apply`], [`KEY_LEN`] bytes.
///
/// The default is [`SDK_KEY`]. summary.md does not print the key that its cameras used, so a caller
/// may set another. This is obfuscation, and the key is no secret: it is neither redacted nor
/// zeroed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct XorKey([u8; KEY_LEN]);

impl XorKey {
    /// The key that the SDK has built in, [`SDK_KEY`].
    pub const SDK: Self = Self(SDK_KEY);

    /// Makes a key of these bytes.
    pub const fn new(bytes: [u8; KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

/// Scrambles or descrambles one whole datagram, of any length, in place.
///
/// The key starts anew at the first byte of `data`, so a datagram cannot be done in pieces, unless
/// each piece but the last is a multiple of [`KEY_LEN`] long.
pub fn apply(key: &XorKey, data: &mut [u8]) {
    let (chunks, tail) = data.as_chunks_mut::<KEY_LEN>();
    for chunk in chunks {
        xor(chunk, &key.0);
    }
    xor(tail, &key.0);
}

/// XORs `data` with as much of `key` as there is data for.
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
