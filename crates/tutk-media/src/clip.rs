use bytes::Bytes;

use crate::{Codec, Error, NalKind, SequenceParameters, access_units, nal_units};

/// A whole bare video stream, cut into access units.
#[derive(Debug, Clone)]
pub struct Clip {
    parameters: SequenceParameters,
    /// Each unit's bytes, and whether it is a key frame.
    units: Vec<(Bytes, bool)>,
}

impl Clip {
    /// Tells the codec of a bare stream and cuts it into access units; copies nothing.
    ///
    /// The codec is told by the first sequence parameter set that can be read: a unit is never one
    /// of both codecs, as the header byte of an H.264 set is odd and that of an H.265 set even.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::Container`], [`Error::NoStartCode`],
    /// [`Error::NoParameterSets`], [`Error::NoPicture`]; and when there was a sequence parameter
    /// set but none that can be read, what is wrong with the first one.
    pub fn parse(stream: Bytes) -> Result<Self, Error> {
        check_start(&stream)?;
        let parameters = find_parameters(&stream)?;
        let mut units = Vec::new();
        for unit in access_units(parameters.codec, &stream) {
            if !unit.picture {
                return Err(Error::NoPicture {
                    codec: parameters.codec,
                });
            }
            units.push((stream.slice_ref(unit.data), unit.key));
        }
        Ok(Self { parameters, units })
    }

    /// The codec of the stream.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.parameters.codec
    }

    /// The first sequence parameter set of the stream: the picture's size, among others.
    #[must_use]
    pub const fn parameters(&self) -> &SequenceParameters {
        &self.parameters
    }

    /// How many access units there are: at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a clip is never empty")]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// The bytes of the access unit `index`, and whether it is a key frame. They share the memory
    /// of the whole stream.
    #[must_use]
    pub fn unit(&self, index: usize) -> Option<(&Bytes, bool)> {
        self.units.get(index).map(|(data, key)| (data, *key))
    }

    /// The access units in order: bytes, and whether it is a key frame.
    pub fn units(&self) -> impl ExactSizeIterator<Item = (&Bytes, bool)> {
        self.units.iter().map(|(data, key)| (data, *key))
    }
}

/// A stream begins with a start code; zero bytes may stand before it.
fn check_start(stream: &[u8]) -> Result<(), Error> {
    if stream.is_empty() {
        return Err(Error::Empty);
    }
    let zeros = stream.iter().take_while(|&&byte| byte == 0).count();
    if zeros >= 2 && stream.get(zeros) == Some(&1) {
        return Ok(());
    }
    if let Some(found) = container(stream) {
        return Err(Error::Container { found });
    }
    let first: Vec<String> = stream
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Err(Error::NoStartCode {
        found: first.join(" "),
    })
}

/// Names the file formats that people mistake for a bare stream.
fn container(stream: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(usize, &[u8], &str); 8] = [
        (4, b"ftyp", "an MP4 or MOV file"),
        (4, b"moov", "a MOV file"),
        (0, &[0x1a, 0x45, 0xdf, 0xa3], "a Matroska or WebM file"),
        (0, b"RIFF", "an AVI file"),
        (0, b"FLV", "a Flash video file"),
        (0, b"DKIF", "an IVF file"),
        (0, &[0xff, 0xd8, 0xff], "a JPEG file"),
        (0, b"\x89PNG", "a PNG file"),
    ];
    let known = SIGNATURES.iter().find(|(at, magic, _)| {
        stream
            .get(*at..)
            .is_some_and(|rest| rest.starts_with(magic))
    });
    // MPEG-TS: 0x47 every 188 bytes.
    let transport = || [0, 188].iter().all(|&at| stream.get(at) == Some(&0x47));
    known
        .map(|(_, _, name)| *name)
        .or_else(|| transport().then_some("an MPEG transport stream"))
}

/// Finds the first sequence parameter set of either codec that can be read.
fn find_parameters(stream: &[u8]) -> Result<SequenceParameters, Error> {
    let mut count = 0;
    let mut unreadable = None;
    for nal in nal_units(stream) {
        count += 1;
        for codec in [Codec::H264, Codec::H265] {
            if codec.kind(nal.payload) != NalKind::Sps {
                continue;
            }
            match SequenceParameters::parse(codec, nal.payload) {
                Ok(parameters) => return Ok(parameters),
                Err(error) => unreadable = unreadable.or(Some(error)),
            }
        }
    }
    Err(unreadable.unwrap_or(Error::NoParameterSets { nal_units: count }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &'static [u8]) -> Error {
        Clip::parse(Bytes::from_static(bytes)).unwrap_err()
    }

    #[test]
    fn what_is_neither_codec_is_named() {
        assert_eq!(error(b""), Error::Empty);
        assert_eq!(
            error(b"\0\0\0\x20ftypisom"),
            Error::Container {
                found: "an MP4 or MOV file"
            }
        );
        assert_eq!(
            error(b"hello, world"),
            Error::NoStartCode {
                found: "68 65 6c 6c 6f 2c 20 77".into()
            }
        );
        assert_eq!(
            error(&[0; 100]),
            Error::NoStartCode {
                found: "00 00 00 00 00 00 00 00".into()
            }
        );
        assert_eq!(
            error(&[0, 0, 1, 0x65, 0x88]),
            Error::NoParameterSets { nal_units: 1 }
        );
        assert!(matches!(
            error(&[0, 0, 1, 0x67, 0x64, 0]),
            Error::Truncated { .. }
        ));
    }

    #[test]
    fn a_clip_without_pictures_is_refused() {
        let sps = b"\0\0\x01\x67\x64\x00\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x5a\x80\x80\x80\xa0";
        assert_eq!(error(sps), Error::NoPicture { codec: Codec::H264 });
    }
}
