//! Prints the layout of each TUTK datagram that arrives at an address.
//! Dependencies: disco-cipher, tutk-frame

use disco_cipher::transcode;
use tutk_frame::{Iotc, IotcLayout};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("usage: sniff ADDRESS:PORT")?;
    let socket = std::net::UdpSocket::bind(address)?;
    let mut buffer = [0; 2048];
    loop {
        let (len, from) = socket.recv_from(&mut buffer)?;
        transcode::descramble_datagram(&mut buffer[..len]);
        println!(
            "{from} {:?}",
            Iotc::parse(&buffer[..len], IotcLayout::TRANSCODE)
        );
    }
}
