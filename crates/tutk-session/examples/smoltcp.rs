//! A session on smoltcp, the IP stack of embassy-net, with limits for a microcontroller. A
//! simulated camera is on the other side of the loopback device. Prints how much of the heap the
//! client uses.
//!
//! ```sh
//! cargo run -p tutk-session --example smoltcp
//! ```

use std::alloc::System;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Loopback, Medium};
use smoltcp::socket::udp;
use smoltcp::time::Instant as StackInstant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tutk_session::{
    Client, ClientConfig, Codec, Credentials, Dialect, Epoch, Event, Instant, Limits, Output,
};
use tutk_simulator::{Clip, ClipFrame, Simulator, SimulatorConfig};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FRAMES: u32 = 60;
const KEY_FRAME: usize = 30_000;
const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 50_000);
const CAMERA: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 32_761);

fn main() -> Result<(), Box<dyn Error>> {
    // 1. A network: one device, and a socket for each side. A socket must hold a whole key frame,
    //    because the camera sends it at once.
    let mut device = Loopback::new(Medium::Ip);
    let start = StackInstant::from_micros(0);
    let mut network = Interface::new(Config::new(HardwareAddress::Ip), &mut device, start);
    network.update_ip_addrs(|addresses| {
        // The list is empty, so that there is space.
        let _ = addresses.push(IpCidr::new(IpAddress::v4(127, 0, 0, 1), 8));
    });
    let mut sockets = SocketSet::new(Vec::new());
    let here = socket(&mut sockets, CLIENT)?;
    let there = socket(&mut sockets, CAMERA)?;

    // 2. Both sides of the session. A microcontroller takes the seed from its generator.
    let mut now = Instant::ZERO;
    let epoch = Epoch {
        instant: now,
        unix: Duration::from_secs(1_760_000_000),
    };
    let mut camera = Simulator::new(camera()?, CAMERA.into(), [2; 32], epoch)?;
    let mut meter = Meter::default();
    let mut client = meter.count(|| client(epoch))?;

    let (mut frames, mut buffer) = (0, [0; 2048]);
    loop {
        // 3. Handle all output.
        let socket = sockets.get_mut::<udp::Socket>(here);
        let deadline = loop {
            match meter.count(|| client.poll_output()) {
                Output::Transmit(datagram) => send(socket, &datagram)?,
                Output::Event(Event::Frame(frame)) => {
                    frames += 1;
                    meter.count(|| drop(frame));
                }
                Output::Event(Event::Ended(result)) => {
                    println!("{frames} frames");
                    println!("heap of the client: {} bytes, with frames", meter.peak);
                    return Ok(result?);
                }
                Output::Event(event) => meter.count(|| drop(event)),
                Output::Timeout(deadline) => break deadline,
            }
        };
        let socket = sockets.get_mut::<udp::Socket>(there);
        let camera_deadline = loop {
            match camera.poll_output() {
                Output::Transmit(datagram) => send(socket, &datagram)?,
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        network.poll(stack_time(now), &mut device, &mut sockets);

        // 4. Feed one input.
        if frames >= FRAMES {
            meter.count(|| client.close(now));
        } else if let Some((from, datagram)) = receive(&mut sockets, here, &mut buffer) {
            meter.count(|| client.handle_datagram(now, from, datagram));
        } else if let Some((from, datagram)) = receive(&mut sockets, there, &mut buffer) {
            camera.handle_datagram(now, from, datagram);
        } else {
            now = now.max(deadline.min(camera_deadline));
            meter.count(|| client.handle_timeout(now));
            camera.handle_timeout(now);
        }
    }
}

/// Counts the bytes that remain allocated after calls of the client.
#[derive(Default)]
struct Meter {
    used: usize,
    peak: usize,
}

impl Meter {
    fn count<T>(&mut self, action: impl FnOnce() -> T) -> T {
        let region = Region::new(HEAP);
        let result = action();
        let change = region.change();
        self.used = (self.used + change.bytes_allocated).saturating_sub(change.bytes_deallocated);
        self.peak = self.peak.max(self.used);
        result
    }
}

fn client(epoch: Epoch) -> Result<Client, Box<dyn Error>> {
    let mut config = ClientConfig::new(CAMERA.into(), credentials()?);
    config.media.audio = false;
    config.limits = Limits {
        frames: 2,
        frame_bytes: 32 << 10,
        slices: 64,
        reorder_window: 1,
        events: 8,
        ..Limits::default()
    };
    Ok(Client::new(config, [1; 32], epoch))
}

fn camera() -> Result<SimulatorConfig, Box<dyn Error>> {
    let frames = (0..20).map(|index| ClipFrame {
        data: vec![0x65; if index == 0 { KEY_FRAME } else { 2_000 }].into(),
        key: index == 0,
    });
    let clip = Clip::new(frames, Codec::H264, 20)?;
    let mut config = SimulatorConfig::new(credentials()?, clip);
    config.dialects = vec![Dialect::TRANSCODE.into()];
    Ok(config)
}

fn credentials() -> Result<Credentials, Box<dyn Error>> {
    let credentials = Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF");
    Ok(credentials?)
}

/// Adds a UDP socket with space for a key frame.
fn socket(
    sockets: &mut SocketSet<'_>,
    address: SocketAddrV4,
) -> Result<SocketHandle, Box<dyn Error>> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 64 << 10]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(address).map_err(|error| error.to_string())?;
    Ok(sockets.add(socket))
}

fn send(socket: &mut udp::Socket<'_>, datagram: &tutk_session::Transmit<'_>) -> Result<(), String> {
    let SocketAddr::V4(to) = datagram.to else {
        return Err("the camera has no IPv4 address".into());
    };
    let sent = socket.send_slice(datagram.payload, smoltcp::wire::IpEndpoint::from(to));
    sent.map_err(|error| error.to_string())
}

/// Returns the next datagram and its source.
fn receive<'a>(
    sockets: &mut SocketSet<'_>,
    handle: SocketHandle,
    buffer: &'a mut [u8],
) -> Option<(SocketAddr, &'a mut [u8])> {
    let socket = sockets.get_mut::<udp::Socket>(handle);
    let (len, from) = socket.recv_slice(buffer).ok()?;
    let from = SocketAddr::new(from.endpoint.addr.into(), from.endpoint.port);
    Some((from, buffer.get_mut(..len)?))
}

/// The time of the session as that of smoltcp.
fn stack_time(now: Instant) -> StackInstant {
    StackInstant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}
