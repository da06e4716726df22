//! Prints one line for each packet of a capture that `tutk record --capture` wrote.
//! Dependencies: tutk-dissect

use tutk_dissect::capture::{Block, CaptureReader};
use tutk_dissect::{Dissector, Keys};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::fs::read(std::env::args().nth(1).ok_or("usage: dissect FILE")?)?;
    let mut keys = Keys::new();
    keys.add_capture(&mut CaptureReader::new(&file[..])?)?;
    let mut dissector = Dissector::new(keys);
    let mut capture = CaptureReader::new(&file[..])?;
    while let Some(block) = capture.next_block()? {
        let Block::Packet(captured) = block else {
            continue;
        };
        dissector
            .handle(&captured)
            .inspect(|packet| println!("{}", packet.line(packet.time)));
    }
    Ok(())
}
