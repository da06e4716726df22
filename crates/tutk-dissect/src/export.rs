//! Decrypted captures for Wireshark, as exported PDUs.
//!
//! Wireshark writes the same link type with "Export PDUs to File". Each packet begins with tags
//! (type and length in network byte order) that name the dissector and the addresses. The columns
//! "Protocol" and "Info" show this crate's names and summaries, and each packet has its summary as
//! a comment.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use crate::capture::{CaptureWriter, LinkType, WriterOptions};
use crate::error::Error;
use crate::layers::dtls::content;
use crate::packet::Packet;

/// Tags (`epan/exported_pdu.h` of Wireshark).
mod tag {
    pub(super) const END: u16 = 0;
    pub(super) const DISSECTOR_NAME: u16 = 12;
    pub(super) const IPV4_SOURCE: u16 = 20;
    pub(super) const IPV4_DESTINATION: u16 = 21;
    pub(super) const IPV6_SOURCE: u16 = 22;
    pub(super) const IPV6_DESTINATION: u16 = 23;
    pub(super) const PORT_TYPE: u16 = 24;
    pub(super) const SOURCE_PORT: u16 = 25;
    pub(super) const DESTINATION_PORT: u16 = 26;
    pub(super) const COLUMN_PROTOCOL: u16 = 33;
    pub(super) const COLUMN_INFO: u16 = 36;
}

/// The port type of UDP.
const UDP: u32 = 3;

/// Wireshark's dissector of bytes without a structure.
const DATA: &str = "data";
/// Wireshark's dissector of DTLS records.
const DTLS: &str = "dtls";

/// The longest comment and column in bytes.
const MAX_TEXT: usize = 1024;

/// Writes dissected packets to a capture of exported PDUs: the content of each application data
/// record, other DTLS records as they are, and datagrams without DTLS after descrambling.
///
/// ```
/// use tutk_dissect::capture::CaptureReader;
/// use tutk_dissect::{Dissector, Error, Exporter, Keys};
///
/// fn decrypt(capture: &[u8], keys: Keys) -> Result<Vec<u8>, Error> {
///     let (mut file, mut dissector) = (Vec::new(), Dissector::new(keys));
///     let mut exporter = Exporter::new(&mut file)?;
///     let mut capture = CaptureReader::new(capture)?;
///     while let Some(captured) = capture.next_packet()? {
///         if let Some(packet) = dissector.handle(&captured) {
///             exporter.packet(&packet)?;
///         }
///     }
///     Ok(file)
/// }
/// ```
#[derive(Debug)]
pub struct Exporter<W> {
    writer: CaptureWriter<W>,
    pdu: Vec<u8>,
}

impl<W: Write> Exporter<W> {
    /// Writes the headers of the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(file: W) -> Result<Self, Error> {
        let options = WriterOptions {
            link: LinkType::WIRESHARK_UPPER_PDU,
            interface: "tutk dissect",
            comment: "TUTK/IOTC packets without obfuscation and encryption",
        };
        Ok(Self {
            writer: CaptureWriter::new(file, options)?,
            pdu: Vec::new(),
        })
    }

    /// Writes a packet.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn packet(&mut self, packet: &Packet) -> Result<(), Error> {
        let opened = &packet.opened;
        if opened.records.is_empty() {
            return self.pdu(packet, DATA, &opened.datagram);
        }
        for record in &opened.records {
            match &record.content {
                Some(data) if record.header.content_type == content::APPLICATION_DATA => {
                    self.pdu(packet, DATA, data)?;
                }
                _ => {
                    let bytes = opened.datagram.get(record.range()).unwrap_or_default();
                    let dissector = if record.header.epoch == 0 { DTLS } else { DATA };
                    self.pdu(packet, dissector, bytes)?;
                }
            }
        }
        Ok(())
    }

    /// Completes the file and returns it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<W, Error> {
        self.writer.flush()?;
        Ok(self.writer.into_inner())
    }

    fn pdu(&mut self, packet: &Packet, dissector: &str, bytes: &[u8]) -> Result<(), Error> {
        let summary = shortened(&packet.summary);
        self.pdu.clear();
        self.tag(tag::DISSECTOR_NAME, dissector.as_bytes());
        if dissector == DATA {
            self.tag(tag::COLUMN_PROTOCOL, packet.protocol.as_bytes());
            self.tag(tag::COLUMN_INFO, summary.as_bytes());
        }
        self.address(packet.source, tag::IPV4_SOURCE, tag::IPV6_SOURCE);
        self.address(
            packet.destination,
            tag::IPV4_DESTINATION,
            tag::IPV6_DESTINATION,
        );
        self.tag(tag::PORT_TYPE, &UDP.to_be_bytes());
        let [source, destination] = [packet.source, packet.destination].map(|end| end.port());
        self.tag(tag::SOURCE_PORT, &u32::from(source).to_be_bytes());
        self.tag(tag::DESTINATION_PORT, &u32::from(destination).to_be_bytes());
        self.tag(tag::END, &[]);
        self.pdu.extend_from_slice(bytes);
        self.writer.packet(packet.time, &self.pdu, summary)
    }

    fn address(&mut self, address: SocketAddr, ipv4: u16, ipv6: u16) {
        match address.ip() {
            IpAddr::V4(ip) => self.tag(ipv4, &ip.octets()),
            IpAddr::V6(ip) => self.tag(ipv6, &ip.octets()),
        }
    }

    /// Appends a tag, padded to a multiple of four bytes. The length includes the padding, as
    /// Wireshark writes it.
    fn tag(&mut self, tag: u16, value: &[u8]) {
        let padded = value.len().next_multiple_of(4);
        let len = u16::try_from(padded).unwrap_or(0);
        self.pdu.extend_from_slice(&tag.to_be_bytes());
        self.pdu.extend_from_slice(&len.to_be_bytes());
        self.pdu.extend_from_slice(value);
        self.pdu.resize(self.pdu.len() + padded - value.len(), 0);
    }
}

/// Returns the first part of a text, up to a character's boundary.
fn shortened(text: &str) -> &str {
    let mut prefixes = (0..=MAX_TEXT.min(text.len())).rev();
    prefixes.find_map(|len| text.get(..len)).unwrap_or_default()
}
