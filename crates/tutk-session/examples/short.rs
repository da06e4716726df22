//! The shortest program that records a camera's video. It does not reconnect: see `blocking`.
//! Dependencies: tutk-session, getrandom
//!
//! ```sh
//! cargo run -p tutk-session --example short -- 'wyze://HOST?uid=…&enr=…&mac=…' 100 out.h264
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example owns the socket, the clocks and the file"
)]

use std::net::{ToSocketAddrs as _, UdpSocket};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, error::Error, fs::File, io::Write as _};
use tutk_session::{CameraUrl, Client, ClientConfig, Epoch, Event, Output};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let mut arg = || args.next().ok_or("usage: short URL FRAMES FILE");
    let (url, mut left): (CameraUrl, u32) = (arg()?.parse()?, arg()?.parse()?);
    let (mut file, mut seed, mut buffer) = (File::create(arg()?)?, [0; 32], [0; 2048]);
    let host = (url.host.as_deref().unwrap_or_default(), url.port);
    let camera = host.to_socket_addrs()?.next().ok_or("no address")?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    getrandom::fill(&mut seed)?;
    let (instant, unix) = (
        Instant::now().into(),
        SystemTime::now().duration_since(UNIX_EPOCH)?,
    );
    let config = ClientConfig::for_url(camera, url);
    let mut client = Client::new(config, seed, Epoch { instant, unix });
    loop {
        let now = Instant::now().into();
        match client.poll_output() {
            Output::Transmit(datagram) => _ = socket.send_to(datagram.payload, datagram.to)?,
            Output::Event(Event::Frame(frame)) if left > 0 && frame.kind.is_video() => {
                file.write_all(&frame.data)?;
                left -= 1;
            }
            Output::Event(Event::Ended(result)) => return Ok(result?),
            Output::Event(_) => {}
            Output::Timeout(_) if left == 0 => client.close(now),
            Output::Timeout(at) if at <= now => client.handle_timeout(now),
            Output::Timeout(at) => {
                socket.set_read_timeout(Some(at - now))?;
                if let Ok((len, from)) = socket.recv_from(&mut buffer) {
                    let datagram = buffer.get_mut(..len).unwrap_or_default();
                    client.handle_datagram(Instant::now().into(), from, datagram);
                }
            }
        }
    }
}
