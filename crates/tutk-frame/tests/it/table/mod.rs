//! Packets written as tables of offsets and bytes.

/// Makes a packet of rows of (offset, bytes in hex). Each offset must follow from the rows before.
#[track_caller]
pub(crate) fn table(rows: &[(usize, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(offset, hex) in rows {
        assert_eq!(offset, bytes.len(), "row with another offset: {hex}");
        for byte in hex.split_whitespace() {
            bytes.push(u8::from_str_radix(byte, 16).unwrap());
        }
    }
    bytes
}

/// Returns the bytes that `write` writes.
pub(crate) fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

pub(crate) const UID: &str = "48 53 42 4a 59 42 35 48 53 45 54 47 43 44 57 44 31 31 31 41";
pub(crate) const RANDOM_ID: &str = "a1 a2 a3 a4 a5 a6 a7 a8";
pub(crate) const AUTH_KEY: &str = "71 5a 77 69 39 46 61 42";
pub(crate) const TAG: &str = "c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 ca cb cc cd ce cf d0 d1 d2 d3";
pub(crate) const Z4: &str = "00 00 00 00";
pub(crate) const Z6: &str = "00 00 00 00 00 00";
pub(crate) const Z8: &str = "00 00 00 00 00 00 00 00";
pub(crate) const Z10: &str = "00 00 00 00 00 00 00 00 00 00";
pub(crate) const Z12: &str = "00 00 00 00 00 00 00 00 00 00 00 00";
