//! A client in the midst of a session with a simulated camera, while an adversary loses, repeats,
//! changes and invents what comes to it; in half of the inputs one who knows the key, and invents
//! what is authentic.
//!
//! Whatever comes, frames are frames that were sent, once and in order (unless they were forged
//! with the key); deadlines move; outputs have an end; and when the adversary has gone, the session
//! goes on or ends.
#![no_main]

mod session;

use libfuzzer_sys::fuzz_target;
use session::{Input, Side, run};

fuzz_target!(|input: Input<'_>| run(Side::Client, &input));
