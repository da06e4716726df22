//! TransCode, the scrambling of datagrams in the `transcode` dialect (docs/protocol.md, section 6).
//!
//! A run of bytes is scrambled in blocks of [`BLOCK_LEN`] and a shorter tail. A datagram consists
//! of the header, which is one block, and one more run, see [`scramble_datagram`].
//!
//! | step | block, as four little-endian u32 words | tail of n < 16 bytes |
//! |---|---|---|
//! | 1 | word *i* rotated right by 4*i* + 1 | |
//! | 2 | XOR with K\[0..16\] | XOR with K\[0..n\] |
//! | 3 | permutation out\[j\] = in\[P\[j\]\] | n = 2: `1 0`, 4: `2 3 0 1`, 8: `7 4 3 2 1 6 5 0` |
//! | 4 | word *i* rotated right by 4*i* + 3 | |
//!
//! K is [`SDK_KEY`], P is `11 9 8 15 13 10 12 14 2 1 5 0 6 4 7 3`. Descrambling inverts the steps,
//! from the last to the first.
//!
//! The key is fixed, so this is obfuscation, not encryption. No function here fails or panics.
//! Bytes that were never scrambled are not detected.

use core::mem::swap;

use crate::SDK_KEY;
use crate::xor::xor;

/// The length of a block in bytes. The header of an IOTC datagram is one block.
pub const BLOCK_LEN: usize = 16;

/// The number of bytes of a partly scrambled datagram that are scrambled, including the header.
pub const PARTIAL_LEN: usize = 64;

/// The bit of header byte 3 for datagrams of which only the first [`PARTIAL_LEN`] bytes are
/// scrambled.
pub const PARTIAL_FLAG: u8 = 0x01;

/// The offset of the byte with [`PARTIAL_FLAG`].
const MODE_AT: usize = 3;

const WORDS: usize = 4;

/// P.
const PERMUTATION: [usize; BLOCK_LEN] = [11, 9, 8, 15, 13, 10, 12, 14, 2, 1, 5, 0, 6, 4, 7, 3];

const INVERSE: [usize; BLOCK_LEN] = inverse(PERMUTATION);

/// K\[0..16\].
const KEY: [u8; BLOCK_LEN] = *SDK_KEY.first_chunk().unwrap();

/// Scrambles a run of any length, in place.
pub fn scramble_run(run: &mut [u8]) {
    let (blocks, tail) = run.as_chunks_mut();
    for block in blocks {
        scramble_block(block);
    }
    xor(tail, &KEY);
    permute_tail(tail);
}

/// Descrambles a run of any length, in place: the inverse of [`scramble_run`].
pub fn descramble_run(run: &mut [u8]) {
    let (blocks, tail) = run.as_chunks_mut();
    for block in blocks {
        descramble_block(block);
    }
    permute_tail(tail);
    xor(tail, &KEY);
}

/// Scrambles a datagram in place.
///
/// | bytes | with [`PARTIAL_FLAG`] | without |
/// |---|---|---|
/// | 0..16 | one block | one block |
/// | 16..64 | one run | one run … |
/// | 64.. | unchanged | … to the end |
///
/// The flag is read before scrambling. A datagram shorter than a header is one run; how cameras
/// treat such a datagram is not known.
pub fn scramble_datagram(datagram: &mut [u8]) {
    let Some((header, rest)) = datagram.split_first_chunk_mut() else {
        return scramble_run(datagram);
    };
    let run = scrambled_part(header, rest);
    scramble_block(header);
    scramble_run(run);
}

/// Descrambles a datagram in place: the inverse of [`scramble_datagram`].
///
/// The header is descrambled first, since it has the flag.
pub fn descramble_datagram(datagram: &mut [u8]) {
    let Some((header, rest)) = datagram.split_first_chunk_mut() else {
        return descramble_run(datagram);
    };
    descramble_block(header);
    descramble_run(scrambled_part(header, rest));
}

/// Scrambles one block, in place.
// Otherwise the compiler does not vectorize the loop over blocks.
#[inline(always)]
pub fn scramble_block(block: &mut [u8; BLOCK_LEN]) {
    let [a, b, c, d] = words(block);
    let [ka, kb, kc, kd] = words(&KEY);
    let [a, b, c, d] = permute(
        [
            a.rotate_right(1) ^ ka,
            b.rotate_right(5) ^ kb,
            c.rotate_right(9) ^ kc,
            d.rotate_right(13) ^ kd,
        ],
        &PERMUTATION,
    );
    store(
        [
            a.rotate_right(3),
            b.rotate_right(7),
            c.rotate_right(11),
            d.rotate_right(15),
        ],
        block,
    );
}

/// Descrambles one block, in place: the inverse of [`scramble_block`].
///
/// A receiver can inspect a header without changing the datagram:
///
/// ```
/// # let mut datagram = [0; 88];
/// # datagram[..4].copy_from_slice(&[0x04, 0x02, 0x1a, 0x02]);
/// # disco_cipher::transcode::scramble_datagram(&mut datagram);
/// let mut header = *datagram.first_chunk().expect("a whole header");
/// disco_cipher::transcode::descramble_block(&mut header);
/// assert_eq!(header[..2], [0x04, 0x02]);
/// ```
#[inline(always)] // See `scramble_block`.
pub fn descramble_block(block: &mut [u8; BLOCK_LEN]) {
    let [a, b, c, d] = words(block);
    let [ka, kb, kc, kd] = words(&KEY);
    let [a, b, c, d] = permute(
        [
            a.rotate_left(3),
            b.rotate_left(7),
            c.rotate_left(11),
            d.rotate_left(15),
        ],
        &INVERSE,
    );
    store(
        [
            (a ^ ka).rotate_left(1),
            (b ^ kb).rotate_left(5),
            (c ^ kc).rotate_left(9),
            (d ^ kd).rotate_left(13),
        ],
        block,
    );
}

/// Returns the part of `rest` that is scrambled. `header` is plain text, `rest` the bytes after it.
fn scrambled_part<'a>(header: &[u8; BLOCK_LEN], rest: &'a mut [u8]) -> &'a mut [u8] {
    let len = match header[MODE_AT] & PARTIAL_FLAG {
        0 => rest.len(),
        _ => rest.len().min(PARTIAL_LEN - BLOCK_LEN),
    };
    rest.split_at_mut(len).0
}

/// Permutes the bytes of four words. Byte j of the result is byte `from[j]` of the input.
///
/// It shifts and masks words and has no loop, so that the compiler vectorizes the loops over blocks
/// on every x86-64. With a loop over the 16 bytes it does not, and the code is slower than moving
/// bytes.
#[inline(always)]
fn permute(words: [u32; WORDS], from: &[usize; BLOCK_LEN]) -> [u32; WORDS] {
    #[allow(
        clippy::indexing_slicing,
        reason = "both tables are permutations of 0..16"
    )]
    let byte = |to: usize| {
        let (from_bit, to_bit) = (from[to] % 4 * 8, to % 4 * 8);
        let byte = words[from[to] / 4] & (0xff << from_bit);
        if to_bit >= from_bit {
            byte << (to_bit - from_bit)
        } else {
            byte >> (from_bit - to_bit)
        }
    };
    [
        byte(0) | byte(1) | byte(2) | byte(3),
        byte(4) | byte(5) | byte(6) | byte(7),
        byte(8) | byte(9) | byte(10) | byte(11),
        byte(12) | byte(13) | byte(14) | byte(15),
    ]
}

/// Permutes a tail by its length. All three permutations are their own inverse.
fn permute_tail(tail: &mut [u8]) {
    match tail {
        [a, b] => swap(a, b),
        [a, b, c, d] => {
            swap(a, c);
            swap(b, d);
        }
        [a, b, c, d, e, f, g, h] => {
            swap(a, h);
            swap(b, e);
            swap(c, d);
            swap(f, g);
        }
        _ => {}
    }
}

/// Returns the little-endian words of a block.
#[inline(always)]
fn words(block: &[u8; BLOCK_LEN]) -> [u32; WORDS] {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// Writes the words of a block: the inverse of [`words`].
#[inline(always)]
fn store(words: [u32; WORDS], block: &mut [u8; BLOCK_LEN]) {
    for (bytes, word) in block.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
}

#[allow(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler: a wrong table does not build"
)]
const fn inverse(permutation: [usize; BLOCK_LEN]) -> [usize; BLOCK_LEN] {
    let mut inverse = [BLOCK_LEN; BLOCK_LEN];
    let mut to = 0;
    while to < BLOCK_LEN {
        assert!(inverse[permutation[to]] == BLOCK_LEN, "not a permutation");
        inverse[permutation[to]] = to;
        to += 1;
    }
    inverse
}
