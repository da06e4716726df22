//! XXTEA ("Corrected Block TEA", Wheeler and Needham 1998), in place (docs/protocol.md, section
//! 14).
//!
//! Words and key are little-endian. XXTEA is broken and must not be used to protect data; cameras
//! require it in their challenge.

use zeroize::Zeroizing;

use crate::Error;

const DELTA: u32 = 0x9e37_79b9;

/// Encrypts `data` with 6 + 52 / words rounds. Its length must be a multiple of 4, and 8 or more.
///
/// # Errors
///
/// [`Error::XxteaLength`]. The data is not changed.
///
/// ```
/// use hl_ioctl::xxtea;
///
/// let mut data = *b"sixteen bytes ..";
/// xxtea::encrypt(&mut data, b"a key of 16 byte")?;
/// xxtea::decrypt(&mut data, b"a key of 16 byte")?;
/// assert_eq!(&data, b"sixteen bytes ..");
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
#[expect(
    clippy::indexing_slicing,
    reason = "every index is taken modulo the number of words, which is 2 or more"
)]
pub fn encrypt(data: &mut [u8], key: &[u8; 16]) -> Result<(), Error> {
    let (words, rounds) = words(data)?;
    let key = key_words(key);
    let count = words.len();
    let mut sum = 0u32;
    for _ in 0..rounds {
        sum = sum.wrapping_add(DELTA);
        for p in 0..count {
            let before = load(words[(p + count - 1) % count]);
            let after = load(words[(p + 1) % count]);
            let word = load(words[p]).wrapping_add(mix(before, after, sum, p, &key));
            words[p] = word.to_le_bytes();
        }
    }
    Ok(())
}

/// Decrypts what [`encrypt`] encrypted.
///
/// # Errors
///
/// [`Error::XxteaLength`]. The data is not changed.
#[expect(
    clippy::indexing_slicing,
    reason = "every index is taken modulo the number of words, which is 2 or more"
)]
pub fn decrypt(data: &mut [u8], key: &[u8; 16]) -> Result<(), Error> {
    let (words, rounds) = words(data)?;
    let key = key_words(key);
    let count = words.len();
    let mut sum = (0..rounds).fold(0u32, |sum, _| sum.wrapping_add(DELTA));
    for _ in 0..rounds {
        for p in (0..count).rev() {
            let before = load(words[(p + count - 1) % count]);
            let after = load(words[(p + 1) % count]);
            let word = load(words[p]).wrapping_sub(mix(before, after, sum, p, &key));
            words[p] = word.to_le_bytes();
        }
        sum = sum.wrapping_sub(DELTA);
    }
    Ok(())
}

/// Returns the data as words, and the number of rounds.
fn words(data: &mut [u8]) -> Result<(&mut [[u8; 4]], usize), Error> {
    let got = data.len();
    match data.as_chunks_mut::<4>() {
        (words, []) if words.len() >= 2 => {
            let rounds = 6 + 52 / words.len();
            Ok((words, rounds))
        }
        _ => Err(Error::XxteaLength { got }),
    }
}

fn key_words(key: &[u8; 16]) -> Zeroizing<[u32; 4]> {
    let mut words = Zeroizing::new([0; 4]);
    for (word, bytes) in words.iter_mut().zip(key.as_chunks::<4>().0) {
        *word = load(*bytes);
    }
    words
}

fn load(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes)
}

/// The function `MX` of the paper for word `p`, with its neighbours `before` and `after`.
#[expect(
    clippy::indexing_slicing,
    reason = "two numbers below 4 XORed are below 4"
)]
fn mix(before: u32, after: u32, sum: u32, p: usize, key: &[u32; 4]) -> u32 {
    let e = (sum >> 2 & 3) as usize;
    let shifts = (before >> 5 ^ after << 2).wrapping_add(after >> 3 ^ before << 4);
    shifts ^ (sum ^ after).wrapping_add(key[(p & 3) ^ e] ^ before)
}
