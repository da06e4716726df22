//! The client alone, with the inputs that the program `session` recorded. Its outputs must be the
//! same, and it has the memory of a microcontroller. Prints what it needs of it.
#![no_std]
#![no_main]

use core::mem::MaybeUninit;

use cortex_m::singleton;
use cortex_m_rt::entry;
use semihosting::{println, process};
use tutk_cortex_m::memory::{Heap, flash, stack_peak, statics};
use tutk_cortex_m::recording::{Entry, Reader};
use tutk_cortex_m::ticks::Ticks;
use tutk_cortex_m::{LARGEST_FRAME, Session, fail};
use tutk_session::Frame;

/// The heap without a frame, with space for fragmentation.
const HEAP_REST: usize = 32 << 10;

/// The largest frame, while it is received.
const HEAP_SIZE: usize = HEAP_REST + LARGEST_FRAME;

/// The most that the program may need, without a frame.
const RAM_LIMIT: usize = 64 << 10;
const FLASH_LIMIT: usize = 256 << 10;

#[global_allocator]
static HEAP: Heap = Heap::new();

#[entry]
fn main() -> ! {
    let memory = singleton!(: [MaybeUninit<u8>; HEAP_SIZE] = [MaybeUninit::uninit(); HEAP_SIZE]);
    HEAP.add(memory.unwrap_or_else(|| fail("the heap was used before")));
    let ticks = Ticks::start().unwrap_or_else(|| fail("the timer is in use"));
    let mut recording = Reader::open();
    let mut session = Session::new().unwrap_or_else(|error| fail(error));
    let (mut frames, mut bytes, mut largest) = (0, 0, 0);
    let (mut connecting, mut streaming) = (0, 0);
    loop {
        let instructions = match frames {
            0 => &mut connecting,
            _ => &mut streaming,
        };
        let received = |frame: &Frame| {
            frames += 1;
            bytes += frame.data.len();
            largest = frame.data.len().max(largest);
        };
        ticks.count(instructions, || session.drain(|_| {}, received));
        match recording.read_entry() {
            Ok((now, Entry::Input(input))) => {
                ticks.count(instructions, || session.handle(now, input));
            }
            Ok((_, Entry::Digest(digest))) if *digest == session.digest() => break,
            Ok(_) => fail("the outputs differ from the recorded ones"),
            Err(error) => fail(error),
        }
    }
    let (stack, statics) = (stack_peak(), statics() - HEAP_SIZE);
    let ram = HEAP_REST + stack + statics;
    println!("client: {frames} frames, {bytes} bytes, the largest frame {largest} bytes");
    println!("client: RAM without a frame: {ram} bytes");
    println!(
        "client:   heap {HEAP_REST}, of which {} used",
        HEAP.peak() - largest
    );
    println!("client:   stack {stack}, statics {statics}");
    println!("client: flash: {} bytes", flash());
    println!("client: instructions: {connecting} to connect, {streaming} for the stream");
    if ram > RAM_LIMIT || flash() > FLASH_LIMIT {
        fail("the client needs more than 64 KiB of RAM or 256 KiB of flash");
    }
    process::exit(0)
}
