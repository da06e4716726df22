//! Writes pcapng files (draft-ietf-opsawg-pcapng).

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use super::network::{LinkType, udp_packet};
use crate::error::Error;

/// Block types.
mod block {
    pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
    pub(super) const INTERFACE_STATISTICS: u32 = 5;
    pub(super) const ENHANCED_PACKET: u32 = 6;
    pub(super) const DECRYPTION_SECRETS: u32 = 10;
}

/// Option codes.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SECTION_APPLICATION: u16 = 4;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const INTERFACE_RESOLUTION: u16 = 9;
    pub(super) const RECEIVED: u16 = 4;
    pub(super) const DROPPED: u16 = 5;
}

/// The secrets type of a key log in SSLKEYLOGFILE format.
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// 10⁻⁹ s.
const NANOSECONDS: u8 = 9;

/// The properties of a capture.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions<'a> {
    /// The link type of all packets.
    pub link: LinkType,
    /// The name of the interface.
    pub interface: &'a str,
    /// A comment for the whole file, or an empty text.
    pub comment: &'a str,
}

/// Writes a pcapng file with one interface, with times in nanoseconds.
///
/// Each block is passed to the file in one `write_all`, so that a file that is cut off between two
/// calls is complete.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    file: W,
    bytes: u64,
    packets: u64,
    /// The block under construction.
    block: Vec<u8>,
}

impl Default for WriterOptions<'_> {
    /// Raw IP, without a comment.
    fn default() -> Self {
        Self {
            link: LinkType::RAW,
            interface: "tutk",
            comment: "",
        }
    }
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the headers of the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(file: W, options: WriterOptions<'_>) -> Result<Self, Error> {
        let mut writer = Self {
            file,
            bytes: 0,
            packets: 0,
            block: Vec::new(),
        };
        writer.begin(block::SECTION_HEADER);
        writer.put(&0x1a2b_3c4d_u32.to_le_bytes());
        // Version 1.0, and an unknown length of the section.
        writer.put(&[1, 0, 0, 0]);
        writer.put(&u64::MAX.to_le_bytes());
        writer.text(option::COMMENT, options.comment);
        writer.text(
            option::SECTION_APPLICATION,
            concat!("tutk ", env!("CARGO_PKG_VERSION")),
        );
        writer.end_options();
        writer.end()?;

        writer.begin(block::INTERFACE_DESCRIPTION);
        writer.put(&options.link.0.to_le_bytes());
        // Two reserved bytes, and no limit of the packet length.
        writer.put(&[0; 6]);
        writer.text(option::INTERFACE_NAME, options.interface);
        writer.option(option::INTERFACE_RESOLUTION, &[NANOSECONDS]);
        writer.end_options();
        writer.end()?;
        Ok(writer)
    }

    /// Writes a packet with its link layer. `comment` can be empty.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn packet(&mut self, time: Duration, packet: &[u8], comment: &str) -> Result<(), Error> {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        self.begin(block::ENHANCED_PACKET);
        self.put(&0_u32.to_le_bytes());
        self.time(nanos);
        self.put(&len.to_le_bytes());
        self.put(&len.to_le_bytes());
        self.padded(packet);
        if !comment.is_empty() {
            self.text(option::COMMENT, comment);
            self.end_options();
        }
        self.end()?;
        self.packets += 1;
        Ok(())
    }

    /// Writes a UDP datagram as a packet of [`LinkType::RAW`].
    ///
    /// # Errors
    /// [`Error::Io`], and the errors of [`udp_packet`].
    pub fn datagram(
        &mut self,
        time: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Result<(), Error> {
        let packet = udp_packet(source, destination, payload)?;
        self.packet(time, &packet, "")
    }

    /// Writes lines of a key log in SSLKEYLOGFILE format, with which the packets can be decrypted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn key_log(&mut self, lines: &str) -> Result<(), Error> {
        let len = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        self.begin(block::DECRYPTION_SECRETS);
        self.put(&TLS_KEY_LOG.to_le_bytes());
        self.put(&len.to_le_bytes());
        self.padded(lines.as_bytes());
        self.end()
    }

    /// Writes how many packets the interface received and dropped so far.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn statistics(&mut self, time: Duration, received: u64, dropped: u64) -> Result<(), Error> {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.begin(block::INTERFACE_STATISTICS);
        self.put(&0_u32.to_le_bytes());
        self.time(nanos);
        self.option(option::RECEIVED, &received.to_le_bytes());
        self.option(option::DROPPED, &dropped.to_le_bytes());
        self.end_options();
        self.end()
    }

    /// Passes buffered bytes on to the file's destination.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.file.flush()?)
    }

    /// Returns the number of bytes written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the number of packets written.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Returns the file.
    pub fn into_inner(self) -> W {
        self.file
    }

    fn begin(&mut self, block_type: u32) {
        self.block.clear();
        self.put(&block_type.to_le_bytes());
        // The length, which `end` fills in.
        self.put(&[0; 4]);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
    }

    /// Appends bytes, and zeros up to a multiple of four.
    fn padded(&mut self, bytes: &[u8]) {
        self.put(bytes);
        let len = self.block.len().next_multiple_of(4);
        self.block.resize(len, 0);
    }

    /// Appends a time as two words, the high one first.
    fn time(&mut self, nanos: u64) {
        let [a, b, c, d, high @ ..] = nanos.to_le_bytes();
        self.put(&high);
        self.put(&[a, b, c, d]);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.put(&code.to_le_bytes());
        self.put(&u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
        self.padded(value);
    }

    fn text(&mut self, code: u16, text: &str) {
        if !text.is_empty() {
            self.option(code, text.as_bytes());
        }
    }

    fn end_options(&mut self) {
        self.option(option::END, &[]);
    }

    fn end(&mut self) -> Result<(), Error> {
        let len = self.block.len() + 4;
        let field = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
        self.put(&field);
        if let Some(at) = self.block.get_mut(4..8) {
            at.copy_from_slice(&field);
        }
        self.file.write_all(&self.block)?;
        self.bytes += u64::try_from(len).unwrap_or(0);
        Ok(())
    }
}
