//! Capture files: pcap and pcapng.

mod network;
mod pcapng;
mod reader;

pub use self::network::{Datagram, LinkType, MAX_PAYLOAD, NotUdp, udp_packet};
pub use self::pcapng::{CaptureWriter, WriterOptions};
pub use self::reader::{Block, CaptureReader, Captured, MAX_BLOCK, MAX_INTERFACES};
