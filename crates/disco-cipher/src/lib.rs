#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod tag;
pub mod transcode;
pub mod xor;

/// The obfuscation string of the TUTK SDK, 32 ASCII bytes (wire.md section 3).
///
/// [TransCode](transcode) has it built in (its first 16 bytes), and it is the default key of
/// [XOR](xor). It is the same in every device, so it hides nothing and is no secret.
pub const SDK_KEY: [u8; 32] = *b"Charlie is the designer of P2P!!";
