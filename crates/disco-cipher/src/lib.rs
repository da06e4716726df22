#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod tag;
pub mod transcode;
pub mod xor;

/// The obfuscation key of the TUTK SDK, 32 ASCII bytes (docs/protocol.md, section 6).
///
/// [TransCode](transcode) uses its first 16 bytes. It is the default key of [XOR](xor). Every
/// device has the same key, so it is not secret.
pub const SDK_KEY: [u8; 32] = *b"Charlie is the designer of P2P!!";
