//! The C interface. `include/tutk.h` is generated from this crate, and `cargo xtask header` writes
//! it.

pub mod address;
mod arguments;
pub mod camera;
pub mod client;
pub mod dissector;
pub mod error;
pub mod frame;
pub mod json;

use std::ffi::{CStr, c_char};

/// The version of the binary interface. It changes when a program that was compiled with another
/// header cannot use the library.
pub const TUTK_ABI_VERSION: u32 = 1;

/// Returns `TUTK_ABI_VERSION` of the library. A program compares it with the one of its header.
///
/// May be called from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn tutk_abi_version() -> u32 {
    TUTK_ABI_VERSION
}

/// Returns the version of the library, for example "0.2.0". The text is static.
///
/// May be called from any thread.
#[unsafe(no_mangle)]
pub extern "C" fn tutk_version() -> *const c_char {
    const VERSION: &[u8] = concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes();
    CStr::from_bytes_with_nul(VERSION).map_or(c"".as_ptr(), CStr::as_ptr)
}
