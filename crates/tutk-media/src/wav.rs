use crate::{AudioCodec, AudioFormat, Error, g711};

/// `fmt ` tags (RFC 2361): the codecs, and the one of a format that is in a GUID.
const PCM: u16 = 1;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const EXTENSIBLE: u16 = 0xfffe;

/// A size that is not known yet. Readers read to the end of the file.
const UNKNOWN: u32 = u32::MAX;

/// Audio in a WAV file as encoded there: 16-bit PCM, A-law or µ-law, mono or stereo.
///
/// | offset | size | field, in a file written by this crate |
/// |---|---|---|
/// | 0 | 4 | `RIFF` |
/// | 4 | 4 | bytes of the file − 8 |
/// | 8 | 4 | `WAVE` |
/// | 12 | 4 | `fmt ` |
/// | 16 | 4 | 16, or 18 for G.711 |
/// | 20 | 2 | 1: PCM; 6: A-law; 7: µ-law |
/// | 22 | 2 | channels |
/// | 24 | 4 | rate |
/// | 28 | 4 | bytes per second |
/// | 32 | 2 | bytes of one sample of all channels |
/// | 34 | 2 | bits per sample: 16, or 8 for G.711 |
/// | 36 | 14 | G.711 only: 0 (2 bytes); `fact`; 4; samples of one channel |
/// | 36 or 50 | 4 | `data` |
/// | 40 or 54 | 4 | bytes of samples |
/// | 44 or 58 | | the samples; a zero byte if their size is odd |
///
/// All fields are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WavFile<'a> {
    /// The format: [`AudioCodec::Pcm`], [`AudioCodec::Pcma`] or [`AudioCodec::Pcmu`].
    pub format: AudioFormat,
    /// The encoded samples, interleaved.
    pub data: &'a [u8],
}

/// Decoded audio of a WAV file: 16-bit linear samples, mono or stereo.
///
/// ```
/// // 16-bit mono at 8000 Hz with two samples.
/// let mut file = b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
/// file.extend(b"\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x04\0\0\0\x01\0\xff\xff");
/// let wav = tutk_media::Wav::parse(&file)?;
/// assert_eq!((wav.rate, wav.channels, wav.samples), (8_000, 1, vec![1, -1]));
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wav {
    /// The sample rate in hertz.
    pub rate: u32,
    /// The number of channels, 1 or 2.
    pub channels: u8,
    /// The samples, interleaved.
    pub samples: Vec<i16>,
}

impl<'a> WavFile<'a> {
    /// Parses a file. Chunks other than `fmt ` and the first `data` are skipped. A `data` chunk
    /// that states more bytes than the file has (programs that write to a pipe do that) ends at the
    /// last complete sample.
    ///
    /// # Errors
    ///
    /// [`Error::Wav`], which names what was found: another kind of file, codec or sample size, more
    /// than two channels, no `fmt ` or no `data`.
    pub fn parse(file: &'a [u8]) -> Result<Self, Error> {
        let mut chunks = Chunks::new(file)?;
        let mut format = None;
        while let Some((name, body)) = chunks.next() {
            match (name, format) {
                (b"fmt ", _) => format = Some(parse_format(body)?),
                (b"data", Some(format)) => {
                    let whole = body.len() - body.len() % frame_bytes(format);
                    return Ok(Self {
                        format,
                        data: body.get(..whole).unwrap_or_default(),
                    });
                }
                (b"data", None) => return error("a fmt chunk before the data chunk", "none"),
                _ => {}
            }
        }
        error("a data chunk", "the end of the file")
    }

    /// Encodes the bytes before the samples: 44 for PCM, 58 for G.711.
    ///
    /// To write samples one by one, start with the header for `None`: readers then read to the
    /// end of the file. At the end, append a zero byte if the size is odd, and overwrite the header
    /// with that for the known size, which has the same length.
    ///
    /// # Errors
    ///
    /// [`Error::Wav`] for codecs other than PCM, PCMA and PCMU, and for more than the 4 GiB that a
    /// WAV file can hold.
    pub fn header(format: AudioFormat, data_bytes: Option<u64>) -> Result<Vec<u8>, Error> {
        let (tag, sample_bytes) = match format.codec {
            AudioCodec::Pcm => (PCM, 2_u16),
            AudioCodec::Pcma => (A_LAW, 1),
            AudioCodec::Pcmu => (MU_LAW, 1),
            codec => return error("PCM, PCMA or PCMU for a WAV file", codec.to_string()),
        };
        let frame = sample_bytes * u16::from(format.channels);
        let mut file = Vec::with_capacity(58);
        file.extend_from_slice(b"RIFF");
        file.extend_from_slice(&UNKNOWN.to_le_bytes());
        file.extend_from_slice(b"WAVEfmt ");
        let fmt_bytes: u32 = if tag == PCM { 16 } else { 18 };
        file.extend_from_slice(&fmt_bytes.to_le_bytes());
        file.extend_from_slice(&tag.to_le_bytes());
        file.extend_from_slice(&u16::from(format.channels).to_le_bytes());
        file.extend_from_slice(&format.rate.to_le_bytes());
        file.extend_from_slice(&format.rate.saturating_mul(frame.into()).to_le_bytes());
        file.extend_from_slice(&frame.to_le_bytes());
        file.extend_from_slice(&(sample_bytes * 8).to_le_bytes());
        if tag != PCM {
            // Formats other than PCM have the size of an extension, and the number of samples.
            file.extend_from_slice(&0_u16.to_le_bytes());
            file.extend_from_slice(b"fact");
            file.extend_from_slice(&4_u32.to_le_bytes());
            let samples = data_bytes.unwrap_or(0) / u64::from(frame.max(1));
            let samples = u32::try_from(samples).unwrap_or(0);
            file.extend_from_slice(&samples.to_le_bytes());
        }
        file.extend_from_slice(b"data");
        let Some(data_bytes) = data_bytes else {
            file.extend_from_slice(&UNKNOWN.to_le_bytes());
            return Ok(file);
        };
        let behind_size = file.len() as u64 + 4 - 8;
        let riff_bytes = data_bytes
            .checked_next_multiple_of(2)
            .and_then(|even| even.checked_add(behind_size));
        match (riff_bytes.map(u32::try_from), u32::try_from(data_bytes)) {
            (Some(Ok(riff)), Ok(data)) if riff != UNKNOWN => {
                if let Some(size) = file.get_mut(4..8) {
                    size.copy_from_slice(&riff.to_le_bytes());
                }
                file.extend_from_slice(&data.to_le_bytes());
                Ok(file)
            }
            _ => error("less than 4 GiB of samples", data_bytes.to_string()),
        }
    }

    /// Encodes the file.
    ///
    /// # Errors
    ///
    /// See [`header`](Self::header).
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut file = Self::header(self.format, Some(self.data.len() as u64))?;
        file.reserve_exact(self.data.len() + 1);
        file.extend_from_slice(self.data);
        if self.data.len() % 2 == 1 {
            file.push(0);
        }
        Ok(file)
    }
}

impl Wav {
    /// Parses a file and decodes A-law and µ-law.
    ///
    /// # Errors
    ///
    /// See [`WavFile::parse`].
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        let WavFile { format, data } = WavFile::parse(file)?;
        let samples = match format.codec {
            AudioCodec::Pcma => data.iter().map(|code| g711::decode_pcma(*code)).collect(),
            AudioCodec::Pcmu => data.iter().map(|code| g711::decode_pcmu(*code)).collect(),
            _ => {
                let pairs = data.as_chunks::<2>().0;
                pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
            }
        };
        Ok(Self {
            rate: format.rate,
            channels: format.channels,
            samples,
        })
    }

    /// Encodes a file of 16-bit PCM.
    ///
    /// # Errors
    ///
    /// [`Error::Wav`] for more than the 4 GiB that a WAV file can hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let format = AudioFormat {
            codec: AudioCodec::Pcm,
            rate: self.rate,
            channels: self.channels,
        };
        let bytes = self.samples.len() as u64 * 2;
        let mut file = WavFile::header(format, Some(bytes))?;
        file.reserve_exact(self.samples.len() * 2);
        file.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        Ok(file)
    }
}

/// The size of one sample of all channels in bytes, never 0.
fn frame_bytes(format: AudioFormat) -> usize {
    (format.codec.sample_bytes().unwrap_or(1) * usize::from(format.channels)).max(1)
}

/// Parses a `fmt ` chunk.
fn parse_format(body: &[u8]) -> Result<AudioFormat, Error> {
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
    let codec = match (tag, bits) {
        (PCM, 16) => AudioCodec::Pcm,
        (A_LAW, 8) => AudioCodec::Pcma,
        (MU_LAW, 8) => AudioCodec::Pcmu,
        (PCM, bits) => return error("linear PCM of 16 bits", format!("{bits} bits")),
        (A_LAW | MU_LAW, bits) => return error("G.711 of 8 bits", format!("{bits} bits")),
        (tag, _) => return error("linear PCM or G.711", codec_name(tag)),
    };
    let channels = match u8::try_from(channels) {
        Ok(channels @ 1..=2) => channels,
        _ => return error("one or two channels", channels.to_string()),
    };
    let rate = u32::from_le_bytes([r0, r1, r2, r3]);
    if rate == 0 {
        return error("a sample rate", "0 Hz");
    }
    Ok(AudioFormat {
        codec,
        rate,
        channels,
    })
}

/// The chunks of a RIFF file of type WAVE.
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
        // Chunks start at even offsets.
        self.rest = rest
            .get(size.saturating_add(size % 2)..)
            .unwrap_or_default();
        Some((name, body))
    }
}

/// Names the format of a file that is not a WAV file.
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

/// Names a format tag (RFC 2361, and Microsoft's list).
fn codec_name(tag: u16) -> String {
    let known = match tag {
        0x0002 | 0x0011 => "ADPCM",
        0x0003 => "floating-point samples",
        0x0055 => "MP3",
        0x00ff | 0x1600 | 0x1610 => "AAC",
        _ => return format!("codec 0x{tag:04x}"),
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

    /// A chunk, padded to an even size.
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
    fn written_file_parses_back() {
        let file = stereo().to_bytes().unwrap();
        assert_eq!(file.len(), 44 + 12);
        assert_eq!(Wav::parse(&file), Ok(stereo()));
    }

    fn g711(codec: AudioCodec, channels: u8) -> AudioFormat {
        AudioFormat {
            codec,
            rate: 8_000,
            channels,
        }
    }

    #[test]
    fn g711_bytes_are_kept() {
        let codes: Vec<u8> = (0..=254).collect();
        for (codec, decode) in [
            (AudioCodec::Pcma, g711::decode_pcma as fn(u8) -> i16),
            (AudioCodec::Pcmu, g711::decode_pcmu),
        ] {
            let wav = WavFile {
                format: g711(codec, 1),
                data: &codes,
            };
            let file = wav.to_bytes().unwrap();
            // 255 bytes, and one more for an even number.
            assert_eq!(file.len(), 58 + 256);
            assert_eq!(WavFile::parse(&file), Ok(wav));
            let samples: Vec<i16> = codes.iter().map(|code| decode(*code)).collect();
            assert_eq!(Wav::parse(&file).unwrap().samples, samples);
        }
        // Of stereo, a lone last code is no sample.
        let wav = WavFile {
            format: g711(AudioCodec::Pcma, 2),
            data: &codes,
        };
        let file = wav.to_bytes().unwrap();
        assert_eq!(WavFile::parse(&file).unwrap().data, &codes[..254]);
    }

    #[test]
    fn header_can_be_overwritten() {
        for (codec, length) in [(AudioCodec::Pcm, 44), (AudioCodec::Pcmu, 58)] {
            let format = g711(codec, 1);
            let mut file = WavFile::header(format, None).unwrap();
            assert_eq!(file.len(), length);
            file.extend_from_slice(&[1, 2, 3, 4]);
            let wav = WavFile {
                format,
                data: &[1, 2, 3, 4],
            };
            assert_eq!(WavFile::parse(&file), Ok(wav));
            let header = WavFile::header(format, Some(4)).unwrap();
            file[..length].copy_from_slice(&header);
            assert_eq!(Ok(file), wav.to_bytes());
        }
    }

    #[test]
    fn unsupported_codecs_and_sizes_are_refused() {
        let error = |codec, bytes| {
            let header = WavFile::header(g711(codec, 1), bytes);
            header.unwrap_err().to_string()
        };
        assert_eq!(
            error(AudioCodec::Opus, None),
            "expected PCM, PCMA or PCMU for a WAV file, found Opus"
        );
        for bytes in [u64::MAX, 1 << 32, u32::MAX.into(), (1 << 32) - 36] {
            assert_eq!(
                error(AudioCodec::Pcm, Some(bytes)),
                format!("expected less than 4 GiB of samples, found {bytes}")
            );
        }
        assert!(WavFile::header(g711(AudioCodec::Pcm, 1), Some((1 << 32) - 38)).is_ok());
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
    fn parses_files_of_unknown_or_truncated_length() {
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
    fn extensible_files_are_parsed() {
        let plain = stereo().to_bytes().unwrap();
        let mut body = plain[20..36].to_vec();
        body[..2].copy_from_slice(&EXTENSIBLE.to_le_bytes());
        body.extend([22, 0, 16, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0]);
        body.extend([0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
        let file = [&plain[..12], &chunk(b"fmt ", &body), &plain[36..]].concat();
        assert_eq!(Wav::parse(&file), Ok(stereo()));
    }

    #[test]
    fn unsupported_files_are_refused() {
        let file = stereo().to_bytes().unwrap();
        let with = |at: usize, byte: u8| {
            let mut file = file.clone();
            file[at] = byte;
            found(&file)
        };
        assert_eq!(with(20, 7), "expected G.711 of 8 bits, found 16 bits");
        assert_eq!(with(20, 2), "expected linear PCM or G.711, found ADPCM");
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
