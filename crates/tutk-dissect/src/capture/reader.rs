//! Reads pcap and pcapng files.

use std::io::Read;
use std::time::Duration;

use pcap_parser::traits::{PcapNGPacketBlock as _, PcapReaderIterator};
use pcap_parser::{Block as NgBlock, PcapBlockOwned, PcapError, SecretsType, create_reader};

use super::network::LinkType;
use crate::error::Error;

/// The longest block of a capture file in bytes. Captured packets have at most 256 KiB.
pub const MAX_BLOCK: usize = 4 << 20;

/// The largest number of interfaces in a section of a pcapng file.
pub const MAX_INTERFACES: usize = 1024;

/// The initial size of the buffer in bytes.
const BUFFER: usize = 128 << 10;

/// A packet of a capture. Its bytes are borrowed from the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured<'a> {
    /// The number of the packet in the file, from 1, as Wireshark counts.
    pub number: u64,
    /// The time since 1970, or zero if the file has none.
    pub time: Duration,
    /// The link type.
    pub link: LinkType,
    /// The packet from its link layer on.
    pub data: &'a [u8],
}

/// A part of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block<'a> {
    /// A packet.
    Packet(Captured<'a>),
    /// A key log in SSLKEYLOGFILE format: the content of a Decryption Secrets Block.
    KeyLog(&'a [u8]),
}

/// Reads a capture block by block. Memory does not grow with the file.
///
/// A file that was cut off, for example because the capturing program was terminated, is read up to
/// its last complete block: see [`is_cut_off`](Self::is_cut_off).
pub struct CaptureReader<'r> {
    blocks: Box<dyn PcapReaderIterator + Send + 'r>,
    sections: Sections,
    /// The bytes of the current packet or key log.
    bytes: Vec<u8>,
    cut_off: bool,
}

/// What blocks refer to.
#[derive(Debug, Default)]
struct Sections {
    interfaces: Vec<Interface>,
    /// The number of packets so far.
    packets: u64,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: LinkType,
    /// Units per second.
    resolution: u64,
    /// Seconds that are added to each time.
    offset: i64,
}

/// A block whose bytes are in the buffer.
enum Found {
    Packet { time: Duration, link: LinkType },
    KeyLog,
}

impl<'r> CaptureReader<'r> {
    /// Starts to read. The format is detected.
    ///
    /// # Errors
    /// [`Error::NotACapture`].
    pub fn new(file: impl Read + Send + 'r) -> Result<Self, Error> {
        let blocks = create_reader(BUFFER, file).map_err(|_| Error::NotACapture)?;
        Ok(Self {
            blocks,
            sections: Sections::default(),
            bytes: Vec::new(),
            cut_off: false,
        })
    }

    /// Returns the next packet or key log, or `None` at the end.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::BlockTooLong`], [`Error::TooManyInterfaces`], [`Error::Io`].
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, Error> {
        Ok(self.find_block()?.map(|found| match found {
            Found::Packet { time, link } => Block::Packet(self.packet(time, link)),
            Found::KeyLog => Block::KeyLog(&self.bytes),
        }))
    }

    /// Returns the next packet, or `None` at the end. Skips key logs: read them before with
    /// [`Keys::add_capture`](crate::Keys::add_capture).
    ///
    /// # Errors
    /// As for [`next_block`](Self::next_block).
    pub fn next_packet(&mut self) -> Result<Option<Captured<'_>>, Error> {
        loop {
            match self.find_block()? {
                Some(Found::Packet { time, link }) => return Ok(Some(self.packet(time, link))),
                Some(Found::KeyLog) => {}
                None => return Ok(None),
            }
        }
    }

    fn packet(&self, time: Duration, link: LinkType) -> Captured<'_> {
        Captured {
            number: self.sections.packets,
            time,
            link,
            data: &self.bytes,
        }
    }

    /// Returns `true` if the file ended in the middle of a block.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// Finds the next packet or key log, whose bytes are then in the buffer.
    fn find_block(&mut self) -> Result<Option<Found>, Error> {
        loop {
            let offset = u64::try_from(self.blocks.consumed()).unwrap_or(u64::MAX);
            match self.blocks.next() {
                Ok((len, block)) => {
                    let found = self.sections.handle(block, &mut self.bytes)?;
                    self.blocks.consume(len);
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::UnexpectedEof) => {
                    self.cut_off = true;
                    return Ok(None);
                }
                Err(PcapError::Incomplete(_) | PcapError::BufferTooSmall) => {
                    if !self.fill(offset)? {
                        self.cut_off = !self.blocks.data().is_empty();
                        return Ok(None);
                    }
                }
                Err(PcapError::ReadError) => {
                    return Err(std::io::Error::other("cannot read the capture").into());
                }
                Err(_) => return Err(Error::Damaged { offset }),
            }
        }
    }

    /// Reads more bytes into the buffer, which grows if it is full. Returns `false` at the end of
    /// the file.
    fn fill(&mut self, offset: u64) -> Result<bool, Error> {
        let before = self.blocks.data().len();
        let read = self.blocks.refill();
        read.map_err(|_| std::io::Error::other("cannot read the capture"))?;
        if self.blocks.data().len() > before {
            return Ok(true);
        }
        if self.blocks.reader_exhausted() {
            return Ok(false);
        }
        let larger = (before * 2).max(BUFFER * 2);
        if larger > MAX_BLOCK || !self.blocks.grow(larger) {
            return Err(Error::BlockTooLong {
                offset,
                max: MAX_BLOCK,
            });
        }
        Ok(true)
    }
}

impl Sections {
    /// Handles a block and copies the bytes of a packet or key log.
    fn handle(
        &mut self,
        block: PcapBlockOwned<'_>,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Found>, Error> {
        let mut copy = |data: &[u8]| {
            bytes.clear();
            bytes.extend_from_slice(data);
        };
        Ok(match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution = match header.is_nanosecond_precision() {
                    true => 1_000_000_000,
                    false => 1_000_000,
                };
                self.interfaces = vec![Interface {
                    link: link_type(header.network.0),
                    resolution,
                    offset: 0,
                }];
                None
            }
            PcapBlockOwned::Legacy(packet) => {
                let interface = self.interface(0);
                copy(packet.data);
                let resolution = interface.resolution;
                let units = u64::from(packet.ts_sec) * resolution + u64::from(packet.ts_usec);
                self.packet(interface, units)
            }
            PcapBlockOwned::NG(NgBlock::SectionHeader(_)) => {
                self.interfaces.clear();
                None
            }
            PcapBlockOwned::NG(NgBlock::InterfaceDescription(interface)) => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(Error::TooManyInterfaces {
                        max: MAX_INTERFACES,
                    });
                }
                let resolution = interface.ts_resolution().filter(|units| *units > 0);
                self.interfaces.push(Interface {
                    link: link_type(interface.linktype.0),
                    resolution: resolution.unwrap_or(1_000_000),
                    offset: interface.ts_offset(),
                });
                None
            }
            PcapBlockOwned::NG(NgBlock::EnhancedPacket(packet)) => {
                let interface = self.interface(packet.if_id);
                copy(packet.packet_data());
                let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                self.packet(interface, units)
            }
            PcapBlockOwned::NG(NgBlock::SimplePacket(packet)) => {
                let interface = self.interface(0);
                copy(packet.packet_data());
                self.packet(interface, 0)
            }
            PcapBlockOwned::NG(NgBlock::DecryptionSecrets(secrets))
                if secrets.secrets_type == SecretsType::TlsKeyLog =>
            {
                let len = usize::try_from(secrets.secrets_len).unwrap_or(usize::MAX);
                copy(secrets.data.get(..len).unwrap_or(secrets.data));
                Some(Found::KeyLog)
            }
            PcapBlockOwned::NG(_) => None,
        })
    }

    fn packet(&mut self, interface: Interface, units: u64) -> Option<Found> {
        self.packets += 1;
        Some(Found::Packet {
            time: interface.time(units),
            link: interface.link,
        })
    }

    /// Returns an interface. A file that does not describe it is read as Ethernet.
    fn interface(&self, index: u32) -> Interface {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let interface = self.interfaces.get(index).copied();
        interface.unwrap_or(Interface {
            link: LinkType::ETHERNET,
            resolution: 1_000_000,
            offset: 0,
        })
    }
}

impl Interface {
    fn time(&self, units: u64) -> Duration {
        let seconds = (units / self.resolution).saturating_add_signed(self.offset);
        let rest = u128::from(units % self.resolution) * 1_000_000_000;
        // Less than a second, because `rest` is less than 10⁹ · resolution.
        let nanos = u64::try_from(rest / u128::from(self.resolution)).unwrap_or(0);
        Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos))
    }
}

fn link_type(number: i32) -> LinkType {
    // The upper bits of the field are flags.
    let [low, high, ..] = number.to_le_bytes();
    LinkType(u16::from_le_bytes([low, high]))
}
