//! Reads decrypted AV packets, each after its length in two bytes, and writes the H.264 stream.
//! Dependencies: video-reassembly

use std::io::{Read, Write, stdin, stdout};

use video_reassembly::tutk_frame::{AvPacket, MediaLayout, Slice};
use video_reassembly::{Event, Limits, Reassembler};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut reassembler = Reassembler::new(Limits::default());
    let mut len = [0; 2];
    while stdin().read_exact(&mut len).is_ok() {
        let mut packet = vec![0; u16::from_be_bytes(len).into()];
        stdin().read_exact(&mut packet)?;
        let packet = AvPacket::parse(&packet, MediaLayout::Slice)?;
        reassembler.handle_slice(&Slice::parse_body(packet.body)?.into());
        while let Some(event) = reassembler.poll_output() {
            match event {
                Event::Frame(frame) => stdout().write_all(&frame.data)?,
                Event::Lost(lost) => eprintln!("lost: {lost:?}"),
            }
        }
    }
    Ok(())
}
