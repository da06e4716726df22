//! Prints the layout of each TUTK datagram that arrives at an address.
//! Dependencies: disco-cipher, tutk-frame

use tutk_frame::{Iotc, IotcLayout};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).ok_or("usage: sniff ADDRESS:PORT")?;
    let (socket, mut buffer) = (std::net::UdpSocket::bind(address)?, [0; 2048]);
    loop {
        let (len, from) = socket.recv_from(&mut buffer)?;
        let datagram = &mut buffer[..len];
        disco_cipher::transcode::descramble_datagram(datagram);
        println!("{from} {:?}", Iotc::parse(datagram, IotcLayout::TRANSCODE));
    }
}
