use crate::Error;

/// `fmt ` tags: PCM, and the one that says that the format stands in a GUID behind.
const PCM: u16 = 1;
const EXTENSIBLE: u16 = 0xfffe;

/// Sound from a WAV file: linear PCM of 16 bits, mono or stereo.
///
/// | at | size | what, in a file that this crate wrote |
/// |---|---|---|
/// | 0 | 4 | `RIFF` |
/// | 4 | 4 | bytes of the file − 8 |
/// | 8 | 4 | `WAVE` |
/// | 12 | 4 | `fmt ` |
/// | 16 | 4 | 16 |
/// | 20 | 2 | 1: PCM |
/// | 22 | 2 | channels |
/// | 24 | 4 | rate |
/// | 28 | 4 | bytes a second |
/// | 32 | 2 | bytes of all channels' samples of one time |
/// | 34 | 2 | bits of a sample: 16 |
/// | 36 | 4 | `data` |
/// | 40 | 4 | bytes of samples |
/// | 44 | | the samples |
///
/// All of it little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// Sampling rate in hertz.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// The samples, those of the channels in turn.
    pub samples: Vec<i16>,
}

/// What a `fmt ` chunk says.
struct Format {
    rate: u32,
    channels: u8,
}

impl Wav {
    /// Reads a file. Other chunks than `fmt ` and the first `data` are skipped; a `data` chunk that
    /// says that it is longer than the file (as programs write that cannot go back to its size) is
    /// taken as far as the file goes, without a last part of a sample.
    ///
    /// # Errors
    ///
    /// [`Error::Wav`], naming what it is instead: no RIFF file, or another one than WAVE; another
    /// codec than PCM, another size than 16 bits, more than two channels; no `fmt ` or no `data`.
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        let mut chunks = Chunks::new(file)?;
        let mut format = None;
        while let Some((name, body)) = chunks.next() {
            match (name, &format) {
                (b"fmt ", _) => format = Some(Format::parse(body)?),
                (b"data", Some(Format { rate, channels })) => {
                    let frame = 2 * usize::from(*channels);
                    let whole = body.chunks_exact(frame).flatten();
                    return Ok(Self {
                        rate: *rate,
                        channels: *channels,
                        samples: samples(&whole.copied().collect::<Vec<u8>>()),
                    });
                }
                (b"data", None) => return error("a fmt chunk before the data chunk", "none"),
                _ => {}
            }
        }
        error("a data chunk", "the end of the file")
    }

    /// Writes a file.
    ///
    /// # Errors
    ///
    /// [`Error::Wav`] when the samples take more than the 4 GiB that a WAV file can have.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let bytes = self.samples.len().saturating_mul(2);
        let size = match u32::try_from(bytes) {
            Ok(size) if size <= u32::MAX - 36 => size,
            _ => return error("less than 4 GiB of samples", bytes.to_string()),
        };
        let frame = u16::from(self.channels) * 2;
        let mut file = Vec::with_capacity(44 + bytes);
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&(36 + size).to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        file.extend_from_slice(&16_u32.to_le_bytes());
        file.extend_from_slice(&PCM.to_le_bytes());
        file.extend_from_slice(&u16::from(self.channels).to_le_bytes());
        file.extend_from_slice(&self.rate.to_le_bytes());
        file.extend_from_slice(&self.rate.saturating_mul(frame.into()).to_le_bytes());
        file.extend_from_slice(&frame.to_le_bytes());
        file.extend_from_slice(&16_u16.to_le_bytes());
        file.extend_from_slice(b"data");
        file.extend_from_slice(&size.to_le_bytes());
        file.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        Ok(file)
    }
}

/// Linear samples of 16 bits from their bytes, little-endian.
fn samples(bytes: &[u8]) -> Vec<i16> {
    let pairs = bytes.as_chunks::<2>().0;
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

impl Format {
    fn parse(body: &[u8]) -> Result<Self, Error> {
        let Some(&[t0, t1, c0, c1, r0, r1, r2, r3, .., b0, b1]) = body.first_chunk::<16>() else {
            return error("a fmt chunk of 16 bytes or more", format!("{}", body.len()));
        };
        let mut tag = u16::from_le_bytes([t0, t1]);
        if tag == EXTENSIBLE
            && let Some(&[g0, g1]) = body.get(24..).and_then(|guid| guid.first_chunk())
        {
            tag = u16::from_le_bytes([g0, g1]);
        }
        let channels = u16::from_le_bytes([c0, c1]);
        let bits = u16::from_le_bytes([b0, b1]);
        let expected = "linear PCM of 16 bits";
        match (tag, bits) {
            (PCM, 16) => {}
            (PCM, bits) => return error(expected, format!("{bits} bits")),
            (tag, _) => return error(expected, codec_name(tag)),
        }
        let channels = match u8::try_from(channels) {
            Ok(channels @ 1..=2) => channels,
            _ => return error("one or two channels", channels.to_string()),
        };
        let rate = u32::from_le_bytes([r0, r1, r2, r3]);
        if rate == 0 {
            return error("a sampling rate", "0 Hz");
        }
        Ok(Self { rate, channels })
    }
}

/// The chunks of a RIFF file of kind WAVE.
struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    fn new(file: &'a [u8]) -> Result<Self, Error> {
        match file.first_chunk::<12>() {
            Some([b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E']) => Ok(Self {
                rest: file.get(12..).unwrap_or_default(),
            }),
            _ => error("a WAV file", file_name(file)),
        }
    }

    fn next(&mut self) -> Option<(&'a [u8; 4], &'a [u8])> {
        let (name, rest) = self.rest.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
        let body = rest.get(..size).unwrap_or(rest);
        // Chunks begin at even places.
        self.rest = rest
            .get(size.saturating_add(size % 2)..)
            .unwrap_or_default();
        Some((name, body))
    }
}

/// What a file is that is no WAV file.
fn file_name(file: &[u8]) -> String {
    let known = match file {
        [] => "an empty file",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', ..] => "an AVI file",
        [b'R', b'I', b'F', b'F', ..] => "another RIFF file",
        [b'R', b'I', b'F', b'X', ..] => "a big-endian WAV file (RIFX)",
        [b'R', b'F', b'6', b'4', ..] => "a WAV file of 64 bits (RF64)",
        [b'F', b'O', b'R', b'M', ..] => "an AIFF file",
        [b'.', b's', b'n', b'd', ..] => "an AU file",
        [b'f', b'L', b'a', b'C', ..] => "a FLAC file",
        [b'O', b'g', b'g', b'S', ..] => "an Ogg file",
        [b'I', b'D', b'3', ..] => "an MP3 file",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "an MP4 file",
        [0xff, second, ..] if second & 0xf6 == 0xf0 => "an AAC file (ADTS)",
        [0xff, second, ..] if second & 0xe6 == 0xe2 => "an MP3 file",
        _ => {
            let first = file.iter().take(8).map(|byte| format!("{byte:02x}"));
            return first.collect::<Vec<_>>().join(" ");
        }
    };
    known.into()
}

/// What a format tag stands for (RFC 2361, and Microsoft's own list).
fn codec_name(tag: u16) -> String {
    let known = match tag {
        0x0002 | 0x0011 => "ADPCM",
        0x0003 => "floating-point samples",
        0x0006 => "A-law",
        0x0007 => "µ-law",
        0x0055 => "MP3",
        0x00ff | 0x1600 | 0x1610 => "AAC",
        _ => return format!("a codec with the number 0x{tag:04x}"),
    };
    known.into()
}

fn error<T>(expected: &'static str, found: impl Into<String>) -> Result<T, Error> {
    Err(Error::Wav {
        expected,
        found: found.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stereo() -> Wav {
        Wav {
            rate: 44_100,
            channels: 2,
            samples: vec![0, 1, -1, i16::MAX, i16::MIN, 300],
        }
    }

    /// A chunk, and the byte that brings the next one to an even place.
    fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len()).unwrap().to_le_bytes();
        let mut chunk = [name, &size[..], body].concat();
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    }

    fn found(file: &[u8]) -> String {
        Wav::parse(file).unwrap_err().to_string()
    }

    #[test]
    fn a_file_is_read_as_written() {
        let file = stereo().to_bytes().unwrap();
        assert_eq!(file.len(), 44 + 12);
        assert_eq!(Wav::parse(&file), Ok(stereo()));
    }

    #[test]
    fn other_chunks_are_skipped() {
        let file = stereo().to_bytes().unwrap();
        let (head, data) = file.split_at(36);
        let list = chunk(b"LIST", b"INFOISFT\x05\0\0\0tutk");
        let fact = chunk(b"fact", &[1, 2, 3]);
        assert!(list.len().is_multiple_of(2) && fact.len() == 12);
        let file = [&head[..12], &list, &head[12..], &fact, data, &list].concat();
        assert_eq!(Wav::parse(&file), Ok(stereo()));
    }

    #[test]
    fn an_unknown_length_and_a_cut_file() {
        let mut file = stereo().to_bytes().unwrap();
        file[40..44].fill(0xff);
        assert_eq!(Wav::parse(&file), Ok(stereo()));
        // Three bytes less: a frame of four bytes less.
        file.truncate(file.len() - 3);
        let mut expected = stereo();
        expected.samples.truncate(4);
        assert_eq!(Wav::parse(&file), Ok(expected));
    }

    #[test]
    fn extensible_files_are_read() {
        let plain = stereo().to_bytes().unwrap();
        let mut body = plain[20..36].to_vec();
        body[..2].copy_from_slice(&EXTENSIBLE.to_le_bytes());
        body.extend([22, 0, 16, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0]);
        body.extend([0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
        let file = [&plain[..12], &chunk(b"fmt ", &body), &plain[36..]].concat();
        assert_eq!(Wav::parse(&file), Ok(stereo()));
    }

    #[test]
    fn what_cannot_be_taken_is_named() {
        let file = stereo().to_bytes().unwrap();
        let with = |at: usize, byte: u8| {
            let mut file = file.clone();
            file[at] = byte;
            found(&file)
        };
        assert_eq!(with(20, 7), "expected linear PCM of 16 bits, found µ-law");
        assert_eq!(
            with(34, 24),
            "expected linear PCM of 16 bits, found 24 bits"
        );
        assert_eq!(with(22, 6), "expected one or two channels, found 6");
        assert_eq!(
            with(3, b'X'),
            "expected a WAV file, found a big-endian WAV file (RIFX)"
        );
        assert_eq!(
            with(8, b'w'),
            "expected a WAV file, found another RIFF file"
        );
        assert_eq!(
            with(36, b'D'),
            "expected a data chunk, found the end of the file"
        );
        assert_eq!(
            with(12, b'F'),
            "expected a fmt chunk before the data chunk, found none"
        );
        assert_eq!(found(b""), "expected a WAV file, found an empty file");
        assert_eq!(
            found(&[0xff, 0xf1, 0x60, 0x40]),
            "expected a WAV file, found an AAC file (ADTS)"
        );
        assert_eq!(found(b"hi"), "expected a WAV file, found 68 69");
        assert_eq!(
            found(&file[..30]),
            "expected a fmt chunk of 16 bytes or more, found 10"
        );
    }
}
