//! Accepts every AV login that arrives at an address, and prints its user and password.
//! Dependencies: av-login

use av_login::{CameraConfig, CameraLogin, CameraOutput, LoginPacket};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("usage: honeypot ADDRESS:PORT")?;
    let socket = std::net::UdpSocket::bind(address)?;
    let (mut buffer, mut logins) = ([0; 2048], std::collections::HashMap::new());
    loop {
        let (len, from) = socket.recv_from(&mut buffer)?;
        let Ok(LoginPacket { user, password, .. }) = LoginPacket::parse(&buffer[..len]) else {
            continue;
        };
        let shown = String::from_utf8_lossy(password.as_bytes()).into_owned();
        println!(
            "{from} {} {shown}",
            String::from_utf8_lossy(user.as_bytes())
        );
        let new = || CameraLogin::new(CameraConfig::new(user, password));
        let login = logins.entry(from).or_insert_with(new);
        login.handle_packet(&buffer[..len]);
        while let Some(output) = login.poll_output() {
            if let CameraOutput::Transmit(answer) = output {
                socket.send_to(&answer, from)?;
            }
        }
    }
}
