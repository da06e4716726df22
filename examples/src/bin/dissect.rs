//! Prints one line for each packet of a capture that `tutk record --capture` wrote.
//! Dependencies: tutk-dissect

use tutk_dissect::{Dissector, Keys, capture::CaptureReader};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::fs::read(std::env::args().nth(1).ok_or("usage: dissect FILE")?)?;
    let mut keys = Keys::new();
    keys.add_capture(&mut CaptureReader::new(&file[..])?)?;
    let (mut dissector, mut capture) = (Dissector::new(keys), CaptureReader::new(&file[..])?);
    while let Some(captured) = capture.next_packet()? {
        if let Some(packet) = dissector.handle(&captured) {
            println!("{}", packet.line(packet.time));
        }
    }
    Ok(())
}
