//! A client that is connected to a simulated camera. An adversary loses, repeats, changes and
//! forges the datagrams to the client. In half of the inputs the adversary knows the key.
//!
//! Frames are delivered as sent, once and in order, unless they were forged with the key. Deadlines
//! advance. The number of outputs is limited. Without the adversary, the session continues or ends.
#![no_main]

mod session;

use libfuzzer_sys::fuzz_target;
use session::{Input, Side, run};

fuzz_target!(|input: Input<'_>| run(Side::Client, &input));
