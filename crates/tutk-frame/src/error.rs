//! The one error of this crate.

/// Why bytes are not the packet that they were parsed as.
///
/// Offsets count from the start of the slice that was given to the parser. A parser that hands a
/// part of its input to another adds the part's own offset, see [`Error::at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Too few bytes, or a length field that does not fit the bytes that came.
    #[error("{what}: length at offset {offset}: expected {expected} bytes, got {actual}")]
    Length {
        /// The layout that was parsed.
        what: &'static str,
        /// Where the missing part begins, or where the length field stands.
        offset: usize,
        /// Bytes that the layout, or its length field, asks for.
        expected: usize,
        /// Bytes that there are.
        actual: usize,
    },
    /// The two bytes that tell packets apart are others.
    #[error(
        "{what}: magic at offset {offset}: expected {:02x} {:02x}, got {:02x} {:02x}",
        .expected[0], .expected[1], .actual[0], .actual[1]
    )]
    Magic {
        /// The layout that was parsed.
        what: &'static str,
        /// Where the magic stands.
        offset: usize,
        /// The bytes that the layout has there, as on the wire.
        expected: [u8; 2],
        /// The bytes that came.
        actual: [u8; 2],
    },
    /// A field has a value that it cannot have.
    #[error("{what}: {field} at offset {offset}: {value:#x} cannot be")]
    Field {
        /// The layout that was parsed.
        what: &'static str,
        /// The field's name.
        field: &'static str,
        /// Where the field stands.
        offset: usize,
        /// The value that came.
        value: u64,
    },
    /// A checksum does not fit the bytes before it.
    #[error("{what}: checksum at offset {offset}: expected {expected:#010x}, got {actual:#010x}")]
    Checksum {
        /// The layout that was parsed.
        what: &'static str,
        /// Where the checksum stands.
        offset: usize,
        /// The checksum of the bytes that came.
        expected: u32,
        /// The checksum that came.
        actual: u32,
    },
}

impl Error {
    /// The same error, for bytes that begin `base` bytes into a larger packet.
    #[must_use]
    pub fn at(mut self, base: usize) -> Self {
        let (Self::Length { offset, .. }
        | Self::Magic { offset, .. }
        | Self::Field { offset, .. }
        | Self::Checksum { offset, .. }) = &mut self;
        *offset = offset.saturating_add(base);
        self
    }

    /// Where in the bytes the error is.
    #[must_use]
    pub fn offset(&self) -> usize {
        match *self {
            Self::Length { offset, .. }
            | Self::Magic { offset, .. }
            | Self::Field { offset, .. }
            | Self::Checksum { offset, .. } => offset,
        }
    }

    /// The layout that was parsed.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match *self {
            Self::Length { what, .. }
            | Self::Magic { what, .. }
            | Self::Field { what, .. }
            | Self::Checksum { what, .. } => what,
        }
    }
}
