//! Tests of the public API.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../model/mod.rs"]
mod model;

mod micros;
mod model_equivalence;
mod parity_decoder;
mod reassembler;
mod resend_mode;
mod roundtrip;
mod shared_numbers;
mod slicer;
mod slicer_resend_mode;
mod tracker;
