//! The error type of this crate.

/// The reason why bytes could not be parsed, or a packet could not be written.
///
/// Offsets count from the start of the slice that the caller passed to the parser. A parser that
/// passes a part of its input to another one adds the part's offset, see [`Error::at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are too few bytes, or a length field does not match the number of bytes.
    #[error("{what}: length at offset {offset}: expected {expected} bytes, got {actual}")]
    Length {
        /// The layout that was parsed.
        what: &'static str,
        /// The offset of the missing part or of the length field.
        offset: usize,
        /// The number of bytes that the layout or its length field requires.
        expected: usize,
        /// The number of bytes received.
        actual: usize,
    },
    /// The two bytes that tell packets apart have another value.
    #[error(
        "{what}: magic at offset {offset}: expected {:02x} {:02x}, got {:02x} {:02x}",
        .expected[0], .expected[1], .actual[0], .actual[1]
    )]
    Magic {
        /// The layout that was parsed.
        what: &'static str,
        /// The offset of the magic.
        offset: usize,
        /// The bytes that the layout requires, in wire order.
        expected: [u8; 2],
        /// The bytes received.
        actual: [u8; 2],
    },
    /// A field has an invalid value.
    #[error("{what}: {field} at offset {offset}: invalid value {value:#x}")]
    Field {
        /// The layout that was parsed.
        what: &'static str,
        /// The field's name.
        field: &'static str,
        /// The offset of the field.
        offset: usize,
        /// The value received.
        value: u64,
    },
    /// A checksum does not match the bytes before it.
    #[error("{what}: checksum at offset {offset}: expected {expected:#010x}, got {actual:#010x}")]
    Checksum {
        /// The layout that was parsed.
        what: &'static str,
        /// The offset of the checksum.
        offset: usize,
        /// The checksum of the bytes received.
        expected: u32,
        /// The checksum received.
        actual: u32,
    },
    /// A packet does not fit into the slice that it is written to.
    #[error("{needed} bytes do not fit into a buffer of {available} bytes")]
    BufferFull {
        /// The number of bytes to write.
        needed: usize,
        /// The length of the slice.
        available: usize,
    },
}

impl Error {
    /// Returns the same error for bytes that begin `base` bytes into a larger packet.
    #[must_use]
    pub fn at(mut self, base: usize) -> Self {
        if let Self::Length { offset, .. }
        | Self::Magic { offset, .. }
        | Self::Field { offset, .. }
        | Self::Checksum { offset, .. } = &mut self
        {
            *offset = offset.saturating_add(base);
        }
        self
    }

    /// Returns the offset of the error. For [`Error::BufferFull`] it is the end of the buffer.
    #[must_use]
    pub fn offset(&self) -> usize {
        match *self {
            Self::Length { offset, .. }
            | Self::Magic { offset, .. }
            | Self::Field { offset, .. }
            | Self::Checksum { offset, .. } => offset,
            Self::BufferFull { available, .. } => available,
        }
    }

    /// Returns the name of the layout that was parsed, or `buffer`.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match *self {
            Self::Length { what, .. }
            | Self::Magic { what, .. }
            | Self::Field { what, .. }
            | Self::Checksum { what, .. } => what,
            Self::BufferFull { .. } => "buffer",
        }
    }
}
