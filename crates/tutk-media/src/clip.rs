use bytes::Bytes;

use crate::{AccessUnit, Codec, Error, NalKind, SequenceParameters, access_units, nal_units};

/// A complete bare video stream, split into access units.
#[derive(Debug, Clone)]
pub struct Clip {
    parameters: SequenceParameters,
    units: Vec<AccessUnit>,
}

impl Clip {
    /// Detects the codec of a bare stream and splits it into access units. Nothing is copied.
    ///
    /// The first sequence parameter set that can be parsed decides the codec. No NAL unit is one of
    /// both codecs: the header byte of an H.264 set is odd and that of an H.265 set is even.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::Container`], [`Error::NoStartCode`], [`Error::NoParameterSets`],
    /// [`Error::NoPicture`]. If no sequence parameter set can be parsed, the error of the first
    /// one.
    pub fn parse(stream: Bytes) -> Result<Self, Error> {
        check_start(&stream)?;
        let parameters = find_parameters(&stream)?;
        let codec = parameters.codec;
        let units: Vec<_> = access_units(codec, stream).collect();
        if !units.iter().all(AccessUnit::has_picture) {
            return Err(Error::NoPicture { codec });
        }
        Ok(Self { parameters, units })
    }

    /// The codec of the stream.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.parameters.codec
    }

    /// The first sequence parameter set of the stream.
    #[must_use]
    pub const fn parameters(&self) -> &SequenceParameters {
        &self.parameters
    }

    /// The number of access units, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a clip is never empty")]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// The access unit number `index`.
    #[must_use]
    pub fn unit(&self, index: usize) -> Option<&AccessUnit> {
        self.units.get(index)
    }

    /// The access units in stream order. They share the memory of the stream.
    pub fn units(&self) -> impl ExactSizeIterator<Item = &AccessUnit> + Clone {
        self.units.iter()
    }
}

impl Codec {
    /// Detects the codec of a byte stream by its first sequence parameter set that can be parsed.
    #[must_use]
    pub fn detect(stream: &[u8]) -> Option<Self> {
        find_parameters(stream)
            .ok()
            .map(|parameters| parameters.codec)
    }
}

/// Checks that a stream starts with a start code. Zero bytes may precede it.
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

/// Recognises file formats that are not bare streams.
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

/// Finds the first sequence parameter set of either codec that can be parsed.
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
    fn other_formats_are_recognised() {
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
    fn clip_without_pictures_is_refused() {
        let sps = b"\0\0\x01\x67\x64\x00\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x5a\x80\x80\x80\xa0";
        assert_eq!(error(sps), Error::NoPicture { codec: Codec::H264 });
    }
}
