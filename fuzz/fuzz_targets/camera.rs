//! A simulated camera in the midst of a session with a client, while an adversary loses, repeats,
//! changes and invents what comes to it; in half of the inputs one who knows the key.
//!
//! Whatever comes, the client's frames are frames that were sent; deadlines move; outputs and
//! clients have a limit; and another client, at another address, is served.
#![no_main]

mod session;

use libfuzzer_sys::fuzz_target;
use session::{Input, Side, run};

fuzz_target!(|input: Input<'_>| run(Side::Simulator, &input));
