//! The buffers that packets are written to.

use alloc::vec::Vec;

use bytes::{BufMut as _, BytesMut};

use crate::error::Error;

/// A buffer that grows, so that writing to it cannot fail. Every `write` of this crate takes one.
///
/// A slice does not grow: see [`write_to_slice`].
pub trait Buffer {
    /// Appends bytes. An implementation must accept all of them.
    fn put_slice(&mut self, bytes: &[u8]);

    /// Appends a byte.
    fn put_u8(&mut self, number: u8) {
        self.put_slice(&[number]);
    }

    /// Appends a little-endian number of 16 bits.
    fn put_u16_le(&mut self, number: u16) {
        self.put_slice(&number.to_le_bytes());
    }

    /// Appends a little-endian number of 32 bits.
    fn put_u32_le(&mut self, number: u32) {
        self.put_slice(&number.to_le_bytes());
    }

    /// Appends `count` zero bytes.
    fn put_zeros(&mut self, count: usize) {
        for _ in 0..count {
            self.put_u8(0);
        }
    }
}

impl Buffer for Vec<u8> {
    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_zeros(&mut self, count: usize) {
        self.resize(self.len().saturating_add(count), 0);
    }
}

impl Buffer for BytesMut {
    fn put_slice(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_zeros(&mut self, count: usize) {
        self.put_bytes(0, count);
    }
}

/// A slice as a [`Buffer`], for [`write_to_slice`]. Counts the bytes that do not fit.
#[derive(Debug)]
pub struct SliceBuffer<'a> {
    bytes: &'a mut [u8],
    written: usize,
}

impl Buffer for SliceBuffer<'_> {
    fn put_slice(&mut self, bytes: &[u8]) {
        let end = self.written.saturating_add(bytes.len());
        if let Some(place) = self.bytes.get_mut(self.written..end) {
            place.copy_from_slice(bytes);
        }
        self.written = end;
    }
}

/// Writes one or more packets or parts of a packet to a slice, without allocation. Returns the
/// written bytes.
///
/// ```
/// use tutk_frame::{AvStamp, LinkClock, Probe, write_to_slice};
///
/// let probe = Probe { stamp: AvStamp::default(), clock: LinkClock::default() };
/// let mut packet = [0; 64];
/// assert_eq!(write_to_slice(&mut packet, |out| probe.write(out))?.len(), 16);
///
/// let error = write_to_slice(&mut packet[..15], |out| probe.write(out)).unwrap_err();
/// assert_eq!(error.to_string(), "16 bytes do not fit into a buffer of 15 bytes");
/// # Ok::<(), tutk_frame::Error>(())
/// ```
///
/// # Errors
/// [`Error::BufferFull`]. The content of the slice is unspecified then.
pub fn write_to_slice(
    bytes: &mut [u8],
    write: impl FnOnce(&mut SliceBuffer<'_>),
) -> Result<&mut [u8], Error> {
    let available = bytes.len();
    let mut buffer = SliceBuffer { bytes, written: 0 };
    write(&mut buffer);
    let SliceBuffer { bytes, written } = buffer;
    bytes.get_mut(..written).ok_or(Error::BufferFull {
        needed: written,
        available,
    })
}
