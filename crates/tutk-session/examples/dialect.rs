//! A dialect of your own: a simulated camera that speaks it, and a client that watches it, in
//! memory.
//! Dependencies: tutk-session, tutk-simulator
//!
//! ```sh
//! cargo run --example dialect -- PASSWORD
//! ```
#![allow(clippy::print_stdout, reason = "it prints what the client reports")]

use std::sync::Arc;
use std::time::Duration;

use tutk_session::av_login::LoginLayout;
use tutk_session::disco_cipher::xor::XorKey;
use tutk_session::tutk_frame::IotcLayout;
use tutk_session::{
    Cipher, Client, ClientConfig, Codec, Credentials, Dialect, Epoch, Event, Instant,
    IotcTransport, Output, PasswordRule, Transport,
};
use tutk_simulator::{Clip, ClipFrame, Simulator, SimulatorConfig};

/// Fields that are not set here are as in [`Dialect::TRANSCODE`].
fn dialect(password: String) -> Dialect {
    let mut dialect = Dialect::TRANSCODE;
    dialect.name = format!("transcode with {password}").into();
    dialect.transport = Transport::Iotc(IotcTransport {
        cipher: Cipher::Xor(XorKey::new(*b"a key of this firmware, 32 bytes")),
        layout: IotcLayout::TRANSCODE,
    });
    dialect.control_version = 0x000d;
    dialect.login = LoginLayout::AuthAt542;
    dialect.password = PasswordRule::Fixed(password.into());
    dialect
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let password = std::env::args().nth(1).ok_or("usage: dialect PASSWORD")?;
    let dialects = vec![Arc::new(dialect(password))];
    let credentials = Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF")?;
    let (here, there) = ("192.0.2.2:50000".parse()?, "192.0.2.1:32761".parse()?);
    let data = vec![0, 0, 0, 1, 0x65, 0x88].into();
    let clip = Clip::new([ClipFrame { data, key: true }], Codec::H264, 20)?;

    let mut client = ClientConfig::new(there, credentials.clone());
    client.dialects.clone_from(&dialects);
    let mut camera = SimulatorConfig::new(credentials, clip);
    camera.dialects = dialects;
    let mut now = Instant::ZERO;
    let unix = Duration::from_secs(1_760_000_000);
    let epoch = Epoch { instant: now, unix };
    // The seeds are random bytes in production.
    let mut client = Client::new(client, [1; 32], epoch);
    let mut camera = Simulator::new(camera, there, [2; 32], epoch)?;

    let mut frames = 0;
    loop {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        loop {
            match client.poll_output() {
                Output::Transmit(datagram) => up.push(datagram.payload.to_vec()),
                Output::Event(Event::Found { dialect, .. }) => println!("dialect: {dialect}"),
                Output::Event(Event::Frame(_)) => frames += 1,
                Output::Event(Event::Ended(result)) => {
                    println!("frames: {frames}");
                    return Ok(result?);
                }
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        loop {
            match camera.poll_output() {
                Output::Transmit(datagram) => down.push(datagram.payload.to_vec()),
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        if frames >= 10 {
            client.close(now);
            continue;
        }
        now += Duration::from_millis(5);
        for datagram in &mut up {
            camera.handle_datagram(now, here, datagram);
        }
        for datagram in &mut down {
            client.handle_datagram(now, there, datagram);
        }
        client.handle_timeout(now);
        camera.handle_timeout(now);
    }
}
