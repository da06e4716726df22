//! SHA-256 and SHA-384 as compression functions, for hashes over a secret length.

use arrayvec::ArrayVec;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroize;

/// The length of the longest digest, in bytes.
pub(super) const MAX_DIGEST_LEN: usize = 48;

/// A digest.
pub(super) type Digest = ArrayVec<u8, MAX_DIGEST_LEN>;

/// A SHA-2 hash as its compression function (FIPS 180-4 section 6).
pub(super) trait BlockHash: Send + Sync {
    /// The length of a digest, in bytes.
    const DIGEST_LEN: usize;
    /// The length of a block, in bytes. A power of two.
    const BLOCK_LEN: usize;
    /// The length of the length field at the end of the last block, in bytes.
    const LENGTH_LEN: usize;
    /// The initial hash value.
    const INITIAL: Self::State;
    /// A block of zeros.
    const ZEROS: Self::Block;

    /// The intermediate hash value.
    type State: Copy + Zeroize + Send + Sync;
    /// A block.
    type Block: Copy + AsRef<[u8]> + AsMut<[u8]> + Zeroize;

    /// Compresses one block. Runs in constant time.
    fn compress(state: &mut Self::State, block: &Self::Block);

    /// Compresses all whole blocks of `data`, faster than one at a time. Returns the remaining
    /// bytes.
    fn compress_blocks<'a>(state: &mut Self::State, data: &'a [u8]) -> &'a [u8];

    /// Assigns `other` to `state` if `choice` is set. Runs in constant time.
    fn assign(state: &mut Self::State, other: &Self::State, choice: Choice);

    /// Returns the digest of a final state.
    fn digest(state: &Self::State) -> Digest;
}

/// SHA-256.
pub(crate) struct Sha256;

impl BlockHash for Sha256 {
    const DIGEST_LEN: usize = 32;
    const BLOCK_LEN: usize = 64;
    const LENGTH_LEN: usize = 8;
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    const ZEROS: [u8; 64] = [0; 64];

    type State = [u32; 8];
    type Block = [u8; 64];

    fn compress(state: &mut [u32; 8], block: &[u8; 64]) {
        #[cfg(test)]
        count::add(1);
        sha2::block_api::compress256(state, core::slice::from_ref(block));
    }

    fn compress_blocks<'a>(state: &mut [u32; 8], data: &'a [u8]) -> &'a [u8] {
        let (blocks, rest) = data.as_chunks();
        #[cfg(test)]
        count::add(blocks.len());
        sha2::block_api::compress256(state, blocks);
        rest
    }

    fn assign(state: &mut [u32; 8], other: &[u32; 8], choice: Choice) {
        for (to, from) in state.iter_mut().zip(other) {
            to.conditional_assign(from, choice);
        }
    }

    fn digest(state: &[u32; 8]) -> Digest {
        let mut digest = Digest::new();
        for word in state {
            // A `Digest` has room for twelve words.
            let _ = digest.try_extend_from_slice(&word.to_be_bytes());
        }
        digest
    }
}

/// SHA-384.
pub(crate) struct Sha384;

impl BlockHash for Sha384 {
    const DIGEST_LEN: usize = 48;
    const BLOCK_LEN: usize = 128;
    const LENGTH_LEN: usize = 16;
    const INITIAL: [u64; 8] = [
        0xcbbb_9d5d_c105_9ed8,
        0x629a_292a_367c_d507,
        0x9159_015a_3070_dd17,
        0x152f_ecd8_f70e_5939,
        0x6733_2667_ffc0_0b31,
        0x8eb4_4a87_6858_1511,
        0xdb0c_2e0d_64f9_8fa7,
        0x47b5_481d_befa_4fa4,
    ];
    const ZEROS: [u8; 128] = [0; 128];

    type State = [u64; 8];
    type Block = [u8; 128];

    fn compress(state: &mut [u64; 8], block: &[u8; 128]) {
        #[cfg(test)]
        count::add(1);
        sha2::block_api::compress512(state, core::slice::from_ref(block));
    }

    fn compress_blocks<'a>(state: &mut [u64; 8], data: &'a [u8]) -> &'a [u8] {
        let (blocks, rest) = data.as_chunks();
        #[cfg(test)]
        count::add(blocks.len());
        sha2::block_api::compress512(state, blocks);
        rest
    }

    fn assign(state: &mut [u64; 8], other: &[u64; 8], choice: Choice) {
        for (to, from) in state.iter_mut().zip(other) {
            to.conditional_assign(from, choice);
        }
    }

    fn digest(state: &[u64; 8]) -> Digest {
        // The last two words are omitted.
        let mut digest = Digest::new();
        for word in state.iter().take(6) {
            // A `Digest` has room for six words.
            let _ = digest.try_extend_from_slice(&word.to_be_bytes());
        }
        digest
    }
}

/// Counts the blocks hashed by this thread. Lucky 13 measures this number.
#[cfg(test)]
pub(crate) mod count {
    use std::cell::Cell;

    thread_local! {
        static BLOCKS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn add(blocks: usize) {
        BLOCKS.set(BLOCKS.get() + blocks);
    }

    /// Returns the number of blocks that `work` hashes, and its result.
    pub(crate) fn blocks<T>(work: impl FnOnce() -> T) -> (usize, T) {
        let before = BLOCKS.get();
        let result = work();
        (BLOCKS.get() - before, result)
    }
}
