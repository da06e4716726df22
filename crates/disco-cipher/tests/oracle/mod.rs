//! A byte-by-byte implementation of the ciphers, as a reference for tests and benchmarks. It shares
//! no code and no table with the crate.
#![allow(dead_code, reason = "each test and benchmark uses a part of it")]

const KEY: &[u8; 32] = b"Charlie is the designer of P2P!!";
const PERMUTATION: [usize; 16] = [11, 9, 8, 15, 13, 10, 12, 14, 2, 1, 5, 0, 6, 4, 7, 3];

pub(crate) fn xor(key: &[u8; 32], data: &mut [u8]) {
    for (i, byte) in data.iter_mut().enumerate() {
        *byte ^= key[i % 32];
    }
}

pub(crate) fn scramble_run(run: &mut [u8]) {
    for block in run.chunks_mut(16) {
        if block.len() < 16 {
            scramble_tail(block);
            continue;
        }
        rotate(block, |i, word| word.rotate_right(4 * i + 1));
        for i in 0..16 {
            block[i] ^= KEY[i];
        }
        let mut old = [0; 16];
        old.copy_from_slice(block);
        for j in 0..16 {
            block[j] = old[PERMUTATION[j]];
        }
        rotate(block, |i, word| word.rotate_right(4 * i + 3));
    }
}

pub(crate) fn descramble_run(run: &mut [u8]) {
    for block in run.chunks_mut(16) {
        if block.len() < 16 {
            descramble_tail(block);
            continue;
        }
        rotate(block, |i, word| word.rotate_left(4 * i + 3));
        let mut old = [0; 16];
        old.copy_from_slice(block);
        for j in 0..16 {
            block[PERMUTATION[j]] = old[j];
        }
        for i in 0..16 {
            block[i] ^= KEY[i];
        }
        rotate(block, |i, word| word.rotate_left(4 * i + 1));
    }
}

pub(crate) fn scramble_datagram(datagram: &mut [u8]) {
    let partial = datagram.len() >= 16 && datagram[3] & 1 == 1;
    let header = datagram.len().min(16);
    let end = if partial {
        datagram.len().min(64)
    } else {
        datagram.len()
    };
    scramble_run(&mut datagram[..header]);
    scramble_run(&mut datagram[header..end]);
}

pub(crate) fn descramble_datagram(datagram: &mut [u8]) {
    let header = datagram.len().min(16);
    descramble_run(&mut datagram[..header]);
    let partial = datagram.len() >= 16 && datagram[3] & 1 == 1;
    let end = if partial {
        datagram.len().min(64)
    } else {
        datagram.len()
    };
    descramble_run(&mut datagram[header..end]);
}

fn rotate(block: &mut [u8], turn: impl Fn(u32, u32) -> u32) {
    for (i, word) in (0..).zip(block.chunks_exact_mut(4)) {
        let old = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        word.copy_from_slice(&turn(i, old).to_le_bytes());
    }
}

fn tail_permutation(len: usize) -> Vec<usize> {
    match len {
        2 => vec![1, 0],
        4 => vec![2, 3, 0, 1],
        8 => vec![7, 4, 3, 2, 1, 6, 5, 0],
        n => (0..n).collect(),
    }
}

fn scramble_tail(tail: &mut [u8]) {
    for i in 0..tail.len() {
        tail[i] ^= KEY[i];
    }
    let old = tail.to_vec();
    for (j, from) in tail_permutation(tail.len()).into_iter().enumerate() {
        tail[j] = old[from];
    }
}

fn descramble_tail(tail: &mut [u8]) {
    let old = tail.to_vec();
    for (j, from) in tail_permutation(tail.len()).into_iter().enumerate() {
        tail[from] = old[j];
    }
    for i in 0..tail.len() {
        tail[i] ^= KEY[i];
    }
}
