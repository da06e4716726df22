//! A whole session: a client and a simulated camera, on a network with a latency of 5 ms.
//!
//! Checks that each frame is the one that was sent, and records the inputs of the client for the
//! program `client`.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use core::time::Duration;

use cortex_m::singleton;
use cortex_m_rt::entry;
use semihosting::{println, process};
use tutk_cortex_m::memory::Heap;
use tutk_cortex_m::recording::Writer;
use tutk_cortex_m::{CAMERA, CLIENT, Input, Session, credentials, epoch, fail};
use tutk_session::{Codec, Dialect, Instant, Output};
use tutk_simulator::{Clip, ClipFrame, Simulator, SimulatorConfig};

/// The number of frames to receive.
const FRAMES: usize = 60;

const LATENCY: Duration = Duration::from_millis(5);

/// The simulated time in which the session must end.
const LIMIT: Instant = Instant::from_secs(30);

const HEAP_SIZE: usize = 1 << 20;

#[global_allocator]
static HEAP: Heap = Heap::new();

#[entry]
fn main() -> ! {
    let memory = singleton!(: [MaybeUninit<u8>; HEAP_SIZE] = [MaybeUninit::uninit(); HEAP_SIZE]);
    HEAP.add(memory.unwrap_or_else(|| fail("the heap was used before")));
    let clip = clip();
    let mut camera = camera(clip.clone());
    let mut client = Session::new().unwrap_or_else(|error| fail(error));
    let mut recording = Writer::create();
    let (mut now, mut frames) = (Instant::ZERO, 0);
    let mut up = Vec::new();
    client.drain(|datagram| up.push(datagram.to_vec()), |_| {});
    while client.end().is_none() {
        let mut down = Vec::new();
        loop {
            match camera.poll_output() {
                Output::Transmit(datagram) => down.push(datagram.payload.to_vec()),
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        now += LATENCY;
        for mut datagram in up.drain(..) {
            camera.handle_datagram(now, CLIENT, &mut datagram);
        }
        camera.handle_timeout(now);
        let last = match frames {
            FRAMES.. => Input::Close,
            _ if now > LIMIT => fail("the session takes too long"),
            _ => Input::Timeout,
        };
        let datagrams = down.iter_mut().map(|datagram| Input::Datagram(datagram));
        for input in datagrams.chain([last]) {
            recording.input(now, &input);
            client.handle(now, input);
            client.drain(
                |datagram| up.push(datagram.to_vec()),
                |frame| {
                    let sent = clip.frames().iter().cycle().nth(frames);
                    if sent.is_none_or(|sent| sent.data != frame.data) {
                        fail("a frame differs from the one that was sent");
                    }
                    frames += 1;
                },
            );
        }
    }
    if let Some(Err(error)) = client.end() {
        fail(error);
    }
    recording.finish(now, client.digest());
    println!("session: {frames} frames, each equal to the one that was sent");
    process::exit(0)
}

/// One second of video: a key frame of 40 KB, and delta frames of 3 KB.
fn clip() -> Clip {
    let frames = (0..20_u8).map(|number| {
        let key = number == 0;
        let len = if key { 40_000 } else { 3_000 };
        let data = (0..len).map(|at: u32| number ^ at.wrapping_mul(31).to_le_bytes()[1]);
        ClipFrame {
            data: data.collect::<Vec<u8>>().into(),
            key,
        }
    });
    Clip::new(frames, Codec::H264, 20).unwrap_or_else(|error| fail(error))
}

fn camera(clip: Clip) -> Simulator {
    let credentials = credentials().unwrap_or_else(|error| fail(error));
    let mut config = SimulatorConfig::new(credentials, clip);
    config.dialects = vec![Dialect::TRANSCODE.into()];
    Simulator::new(config, CAMERA, [2; 32], epoch()).unwrap_or_else(|error| fail(error))
}
