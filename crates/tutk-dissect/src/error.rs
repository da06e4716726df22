//! The error type of this crate.

use std::io;

/// Why a capture cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file is neither pcap nor pcapng.
    #[error("expected a pcap or pcapng file")]
    NotACapture,
    /// A block is damaged.
    #[error("damaged block after {offset} bytes")]
    Damaged {
        /// The offset of the block in the file.
        offset: u64,
    },
    /// A block is longer than [`MAX_BLOCK`](crate::capture::MAX_BLOCK).
    #[error("block of more than {max} bytes at offset {offset}")]
    BlockTooLong {
        /// The offset of the block in the file.
        offset: u64,
        /// The limit.
        max: usize,
    },
    /// The file has more interfaces than
    /// [`MAX_INTERFACES`](crate::capture::MAX_INTERFACES).
    #[error("more than {max} interfaces")]
    TooManyInterfaces {
        /// The limit.
        max: usize,
    },
    /// A datagram does not fit into an IP packet.
    #[error("datagram of {got} bytes; at most {max} are possible")]
    DatagramTooLong {
        /// The limit.
        max: usize,
        /// The length of the datagram.
        got: usize,
    },
    /// Source and destination are not of the same IP version.
    #[error("source and destination have different IP versions")]
    MixedAddresses,
    /// A line of a key log is malformed. The line is secret and not quoted.
    #[error("line {line} of the key log: expected CLIENT_RANDOM, 64 and 96 hex digits")]
    KeyLog {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A file is not a report of `tutk doctor`.
    #[error("expected a report of `tutk doctor`: a ZIP file that contains capture.pcapng")]
    NotAReport,
    /// A file in a report is too long.
    #[error("{name} in the report has more than {max} bytes")]
    ReportTooLong {
        /// The name of the file.
        name: &'static str,
        /// The limit.
        max: u64,
    },
    /// The credentials of the camera cannot be used.
    #[error("{0}")]
    Credentials(#[from] tutk_session::CredentialsError),
    /// The cryptography does not work.
    #[error("DTLS: {0}")]
    Dtls(#[from] dtls_psk::Error),
}
