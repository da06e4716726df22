use bytes::{BufMut as _, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::annexb::{LONG_START_CODE, nal_units};
use crate::{Codec, Error, NalKind};

/// The largest access unit in bytes that the writers of this crate accept. Cameras send hundreds of
/// kilobytes.
pub const MAX_UNIT_BYTES: usize = 8 << 20;

/// An access unit: one coded picture and everything that belongs to it, as an Annex B byte stream.
///
/// Its NAL units are located once, by [`new`](Self::new). Cloning shares the bytes.
///
/// ```
/// use tutk_media::{AccessUnit, Codec, NalKind};
///
/// let data = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68, 0xce, 0, 0, 1, 0x65, 0x88];
/// let unit = AccessUnit::new(Codec::H264, data.to_vec());
/// assert!(unit.is_key());
/// assert_eq!(unit.nals().nth(1), Some((NalKind::Pps, &[0x68, 0xce][..])));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AccessUnit {
    codec: Codec,
    data: Bytes,
    nals: SmallVec<[NalRange; 4]>,
    key: bool,
    picture: bool,
}

/// A NAL unit without its start code: bytes `start..end` of an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NalRange {
    pub(crate) kind: NalKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl AccessUnit {
    /// Locates the NAL units in the bytes of one access unit.
    #[must_use]
    pub fn new(codec: Codec, data: impl Into<Bytes>) -> Self {
        let data = data.into();
        let nals = nal_units(&data).map(|nal| NalRange {
            kind: codec.kind(nal.payload),
            start: nal.payload_start,
            end: nal.payload_start + nal.payload.len(),
        });
        let nals = nals.collect();
        Self::from_parts(codec, data, nals)
    }

    /// Puts NAL units together, each after a start code of four bytes.
    pub(crate) fn from_nals<'a>(
        codec: Codec,
        nals: impl Iterator<Item = (NalKind, &'a [u8])> + Clone,
    ) -> Self {
        let bytes = nals
            .clone()
            .map(|(_, nal)| LONG_START_CODE.len() + nal.len());
        let mut data = BytesMut::with_capacity(bytes.sum());
        let nals = nals.map(|(kind, nal)| {
            data.put_slice(&LONG_START_CODE);
            let start = data.len();
            data.put_slice(nal);
            NalRange {
                kind,
                start,
                end: data.len(),
            }
        });
        let nals = nals.collect();
        Self::from_parts(codec, data.freeze(), nals)
    }

    pub(crate) fn from_parts(codec: Codec, data: Bytes, nals: SmallVec<[NalRange; 4]>) -> Self {
        let slices = || nals.iter().filter(|nal| nal.kind.is_slice());
        let is_key = |nal: &NalRange| matches!(nal.kind, NalKind::Slice { key: true, .. });
        Self {
            codec,
            key: slices().any(is_key),
            picture: slices().next().is_some(),
            data,
            nals,
        }
    }

    /// Also counts as a key frame if `key` is `true`.
    ///
    /// For the key frame flag that cameras send beside a frame: it may mark a picture at which
    /// decoding can start although no slice is of an IDR or IRAP type.
    #[must_use]
    pub fn with_key_flag(mut self, key: bool) -> Self {
        self.key |= key;
        self
    }

    /// The codec.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The bytes, start codes included.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// Returns `true` if decoding can start here: an IDR picture in H.264, an IRAP picture in
    /// H.265, or a frame [marked](Self::with_key_flag) as a key frame.
    #[must_use]
    pub const fn is_key(&self) -> bool {
        self.key
    }

    /// Returns `true` if there is at least one slice of a picture.
    #[must_use]
    pub const fn has_picture(&self) -> bool {
        self.picture
    }

    /// The NAL units without start codes, in stream order. None is empty.
    pub fn nals(&self) -> impl ExactSizeIterator<Item = (NalKind, &[u8])> + Clone {
        self.nals.iter().map(|nal| (nal.kind, self.payload(nal)))
    }

    /// The payloads of the NAL units, sharing the memory of the access unit.
    pub(crate) fn shared_nals(&self) -> impl Iterator<Item = Bytes> {
        self.nals
            .iter()
            .map(|nal| self.data.slice(nal.start..nal.end))
    }

    /// Returns `true` if there is a NAL unit of this kind.
    pub(crate) fn has(&self, kind: NalKind) -> bool {
        self.nals.iter().any(|nal| nal.kind == kind)
    }

    /// Checks that a stream of this codec can continue with the access unit.
    ///
    /// # Errors
    ///
    /// [`Error::UnitTooLarge`], [`Error::VideoChanged`].
    pub(crate) fn check(&self, codec: Codec) -> Result<(), Error> {
        if self.codec != codec {
            return Err(Error::VideoChanged {
                expected: codec,
                found: self.codec,
            });
        }
        if self.data.len() > MAX_UNIT_BYTES {
            return Err(Error::UnitTooLarge {
                max: MAX_UNIT_BYTES,
                found: self.data.len(),
            });
        }
        Ok(())
    }

    fn payload(&self, nal: &NalRange) -> &[u8] {
        self.data.get(nal.start..nal.end).unwrap_or_default()
    }
}

impl std::fmt::Debug for AccessUnit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessUnit")
            .field("codec", &self.codec)
            .field("bytes", &self.data.len())
            .field("key", &self.key)
            .field("nals", &self.nals)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nal_units_are_located_once() {
        let data = [
            9, 0, 0, 0, 1, 0x09, 0xf0, 0, 0, 0, 1, 0x65, 0x88, 0, 0, 1, 0x0c,
        ];
        let unit = AccessUnit::new(Codec::H264, data.to_vec());
        let slice = NalKind::Slice {
            first: true,
            key: true,
        };
        let expected = [
            (NalKind::Delimiter, &[0x09, 0xf0][..]),
            (slice, &[0x65, 0x88]),
            (NalKind::Other, &[0x0c]),
        ];
        assert!(unit.nals().eq(expected));
        assert!(unit.is_key() && unit.has_picture() && unit.data()[..] == data);
        let copy = AccessUnit::from_nals(Codec::H264, unit.nals());
        assert!(copy.nals().eq(expected));
        assert_eq!(copy, AccessUnit::new(Codec::H264, copy.data().clone()));
    }

    #[test]
    fn camera_can_mark_a_key_frame() {
        let unit = AccessUnit::new(Codec::H264, vec![0, 0, 1, 0x41, 0x9a]);
        assert!(!unit.is_key() && !unit.clone().with_key_flag(false).is_key());
        assert!(unit.with_key_flag(true).is_key());
        let idr = AccessUnit::new(Codec::H264, vec![0, 0, 1, 0x65, 0x88]);
        assert!(idr.with_key_flag(false).is_key());
    }

    #[test]
    fn units_without_pictures_are_not_key_frames() {
        let sets = AccessUnit::new(Codec::H265, vec![0, 0, 1, 0x40, 0x01, 0x0c]);
        assert!(sets.has(NalKind::Vps) && !sets.has_picture() && !sets.is_key());
        assert_eq!(AccessUnit::new(Codec::H264, Bytes::new()).nals().len(), 0);
    }
}
