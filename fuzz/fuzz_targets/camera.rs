//! A simulated camera with a connected client. An adversary loses, repeats, changes and forges the
//! datagrams to the camera. In half of the inputs the adversary knows the key.
//!
//! The client's frames are always frames that were sent. Deadlines advance. The numbers of outputs
//! and clients are limited. A client at another address is served.
#![no_main]

mod session;

use libfuzzer_sys::fuzz_target;
use session::{Input, Side, run};

fuzz_target!(|input: Input<'_>| run(Side::Simulator, &input));
