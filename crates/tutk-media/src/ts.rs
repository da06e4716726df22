//! MPEG transport streams (ISO/IEC 13818-1).

mod packet;
mod pid;
mod tables;

use std::time::Duration;

use bytes::Bytes;

use self::packet::{MAX_PES_BYTES, PCR_LEAD, Packets, Pes, TICKS};
use self::pid::Pid;
use crate::adts::AdtsHeader;
use crate::annexb::LONG_START_CODE;
use crate::audio_frame::AudioFrame;
use crate::clock::{AudioClock, PictureClock};
use crate::{
    AccessUnit, AudioCodec, AudioConfig, AudioFormat, Codec, Error, MuxerStats, NalKind,
    ParameterSets,
};

pub use self::packet::TS_PACKET_BYTES;

/// The longest time between the tables of a stream (PAT and PMT) while there are pictures. They are
/// also before each key frame.
pub const TS_TABLES_INTERVAL: Duration = Duration::from_millis(500);

/// Without pictures for this long, the program clock reference is sent with the audio (ISO/IEC
/// 13818-1 section 2.7.2: at least every 100 ms).
const PCR_TICKS: u64 = TICKS / 10;

/// The time stamp of the first picture, in ticks. The program clock, which is behind it, must not
/// be negative.
const BASE: u64 = TICKS;

/// Writes access units and audio frames as an MPEG transport stream. Each call returns the bytes to
/// append, whole packets of [`TS_PACKET_BYTES`], often none.
///
/// One writer serves all viewers of a camera: a viewer can join with the output of any key frame,
/// which starts with the tables.
///
/// - program association (PAT): PID 0; one program, number 1
/// - program map (PMT): PID 0x1000; a new version when audio comes that was not announced
/// - H.264, H.265: PID 0x100; stream type 0x1b, 0x24; one access unit in each PES packet, with a
///   delimiter; a clock reference (PCR) before each
/// - AAC: PID 0x101; stream type 0x0f; one ADTS frame in each PES packet; raw AAC gets a header,
///   and is assumed to be LC
/// - MP3: PID 0x101; stream type 0x03, or 0x04 below 32 kHz; one MPEG frame in each
/// - Opus: PID 0x101; stream type 0x06, described as `Opus`; one packet in each, after its control
///   header
/// - other codecs: refused with [`Error::AudioNotCarried`]
///
/// The stream starts with the first key frame whose parameter sets are known. Access units before
/// it cannot be decoded. They are skipped and counted. Later key frames without parameter sets get
/// the known ones. The first packet of a key frame has the `random_access_indicator`.
///
/// The first picture is at 1 s; the program clock is 200 ms behind the picture. Both wrap after
/// 2^33 ticks of 1/90000 s, 26.5 hours, as the standard defines. The times of pictures and audio
/// are handled as in [`Mp4Writer`](crate::Mp4Writer): pictures are in presentation order, and audio
/// frames follow each other while the clock agrees within
/// [`AUDIO_TOLERANCE`](crate::AUDIO_TOLERANCE).
///
/// ```
/// use std::time::Duration;
/// use tutk_media::{Clip, TS_PACKET_BYTES, TsWriter};
///
/// # let name = concat!(env!("CARGO_MANIFEST_DIR"), "/../tutk-cli/assets/clip.h265");
/// # let file = std::fs::read(name).unwrap();
/// let clip = Clip::parse(file.into())?;
/// let mut writer = TsWriter::new(clip.codec());
/// let mut stream = Vec::new();
/// let mut time = Duration::ZERO;
/// for unit in clip.units() {
///     stream.extend(writer.write(unit, time)?);
///     time += Duration::from_millis(50);
/// }
/// assert_eq!((stream[0], stream.len() % TS_PACKET_BYTES), (0x47, 0));
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug)]
pub struct TsWriter {
    sets: ParameterSets,
    clock: PictureClock,
    audio: Option<Audio>,
    /// The version of the program map, 5 bits.
    version: u8,
    packets: Packets,
    /// The time of the newest tables, in ticks.
    tables: Option<u64>,
    /// The newest program clock reference, in ticks.
    pcr: u64,
    stats: MuxerStats,
}

#[derive(Debug)]
struct Audio {
    config: AudioConfig,
    clock: AudioClock,
}

impl TsWriter {
    /// Starts a stream with video of this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            sets: ParameterSets::new(codec),
            clock: PictureClock::default(),
            audio: None,
            version: 0,
            packets: Packets::default(),
            tables: None,
            pcr: 0,
            stats: MuxerStats::default(),
        }
    }

    /// Starts a stream with video and audio. Without this, audio is announced when it comes, which
    /// some players do not follow.
    ///
    /// # Errors
    ///
    /// [`Error::AudioNotCarried`] if a transport stream cannot carry the codec.
    pub fn with_audio(codec: Codec, config: AudioConfig) -> Result<Self, Error> {
        check(config.format())?;
        Ok(Self {
            audio: Some(Audio::new(config)),
            ..Self::new(codec)
        })
    }

    /// Writes the next access unit and returns the bytes to append.
    ///
    /// `time` counts from any origin. If it does not increase (a camera set its clock back), the
    /// picture follows the previous one after the interval before it.
    ///
    /// # Errors
    ///
    /// [`Error::UnitTooLarge`], [`Error::VideoChanged`]: the unit is skipped, and writing can
    /// continue.
    pub fn write(&mut self, unit: &AccessUnit, time: Duration) -> Result<Bytes, Error> {
        let codec = self.sets.codec();
        if let Err(error) = unit.check(codec) {
            self.stats.skipped += 1;
            return Err(error);
        }
        let key = unit.is_key();
        let unit = self.sets.complete(unit);
        let can_start = key && self.sets.parameters().is_some();
        if !unit.has_picture() || self.stats.frames == 0 && !can_start {
            self.stats.skipped += 1;
            return Ok(Bytes::new());
        }
        let mut out = Vec::new();
        self.clock.advance(time);
        let pts = BASE + self.clock.start();
        let due = |written| pts >= written + ticks(TS_TABLES_INTERVAL);
        if key || self.tables.is_none_or(due) {
            self.write_tables(&mut out, pts);
        }
        let mut pieces = Vec::with_capacity(2 * unit.nals().len() + 1);
        if unit.nals().next().map(|(kind, _)| kind) != Some(NalKind::Delimiter) {
            pieces.push(delimiter(codec));
        }
        pieces.extend(unit.nals().flat_map(|(_, nal)| [&LONG_START_CODE[..], nal]));
        self.pcr = self.pcr.max(pts - PCR_LEAD);
        let pes = Pes {
            pid: Pid::Video,
            stream: packet::VIDEO_STREAM,
            pts,
            pcr: Some(self.pcr),
            key,
        };
        self.packets.write(&mut out, pes, &pieces);
        self.stats.frames += 1;
        Ok(out.into())
    }

    /// Writes the next audio frame, as the camera sent it, and returns the bytes to append.
    ///
    /// `time` is on the clock of the pictures. Cameras state `format` with every frame; it must not
    /// change within a stream.
    ///
    /// # Errors
    ///
    /// The frame is skipped, and writing can continue: [`Error::AudioNotCarried`],
    /// [`Error::AudioFormat`], [`Error::AudioFrame`], [`Error::Adts`], [`Error::AudioChanged`].
    pub fn write_audio(
        &mut self,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<Bytes, Error> {
        let mut out = Vec::new();
        match self.append_audio(&mut out, format, frame, time) {
            Ok(true) => self.stats.audio_frames += 1,
            Ok(false) => self.stats.audio_skipped += 1,
            Err(error) => {
                self.stats.audio_skipped += 1;
                return Err(error);
            }
        }
        Ok(out.into())
    }

    /// Returns the counters.
    #[must_use]
    pub const fn stats(&self) -> MuxerStats {
        self.stats
    }

    /// Returns `false` if there is no room for the frame on the time line.
    fn append_audio(
        &mut self,
        out: &mut Vec<u8>,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<bool, Error> {
        check(format)?;
        let (config, read) = AudioConfig::read(format, frame)?;
        let header = header(config, read, frame)?;
        let known = self.audio.as_ref().map(|audio| audio.config);
        if let Some(known) = known.filter(|known| *known != config) {
            return Err(Error::AudioChanged {
                expected: known.format(),
                found: config.format(),
            });
        }
        let Some(place) = self.clock.place(time) else {
            return Ok(false);
        };
        let mut first = Audio::new(config);
        let audio = self.audio.as_mut().unwrap_or(&mut first);
        let Some(start) = audio.clock.advance(read, place) else {
            return Ok(false);
        };
        let pts = BASE + start * TICKS / u64::from(config.timescale());
        if self.audio.is_none() {
            self.audio = Some(first);
            self.version = (self.version + 1) % 32;
            self.write_tables(out, pts);
        }
        if pts >= self.pcr + PCR_LEAD + PCR_TICKS {
            self.pcr = pts - PCR_LEAD;
            self.packets.write_pcr(out, Pid::Video, self.pcr);
        }
        let pes = Pes {
            pid: Pid::Audio,
            stream: tables::stream_id(config.codec),
            pts,
            pcr: None,
            key: false,
        };
        self.packets.write(out, pes, &[&header, frame]);
        Ok(true)
    }

    fn write_tables(&mut self, out: &mut Vec<u8>, pts: u64) {
        let audio = self.audio.as_ref().map(|audio| audio.config);
        let codec = self.sets.codec();
        tables::write(out, &mut self.packets, codec, audio, self.version);
        self.tables = Some(pts);
    }
}

impl Audio {
    const fn new(config: AudioConfig) -> Self {
        Self {
            config,
            clock: AudioClock::new(config.timescale()),
        }
    }
}

/// Returns the header of an audio frame: an ADTS header for raw AAC, the control header of Opus.
///
/// # Errors
///
/// [`Error::Adts`] if ADTS has no code for the format, [`Error::AudioFrame`] if the frame exceeds a
/// PES packet.
fn header(config: AudioConfig, read: AudioFrame<'_>, frame: &[u8]) -> Result<Vec<u8>, Error> {
    let mut header = Vec::new();
    match config.codec {
        AudioCodec::Aac if read.data.len() == frame.len() => {
            header.extend(AdtsHeader::write(config.format(), frame.len())?);
        }
        AudioCodec::Opus => {
            // 11 bits of prefix, no trimming, and the size as a sum of bytes.
            header.extend([0x7f, 0xe0]);
            header.resize(2 + frame.len() / 255, 0xff);
            header.extend(u8::try_from(frame.len() % 255));
        }
        _ => {}
    }
    if header.len() + frame.len() > MAX_PES_BYTES {
        return Err(Error::AudioFrame {
            codec: config.codec,
            expected: "no more bytes than a PES packet holds",
            found: frame.len().to_string(),
        });
    }
    Ok(header)
}

/// Checks that a transport stream can carry a format.
fn check(format: AudioFormat) -> Result<(), Error> {
    let why = match format.codec {
        AudioCodec::Pcmu | AudioCodec::Pcma => "no stream type is defined for G.711",
        AudioCodec::Pcm => "PCM has stream types on discs only, each with its own layout",
        AudioCodec::AacLatm => "its frames are not byte-aligned and are not unpacked",
        AudioCodec::Adpcm | AudioCodec::Speex | AudioCodec::G726 => {
            "no stream type is defined for it"
        }
        AudioCodec::Aac | AudioCodec::AacAdts | AudioCodec::Mp3 | AudioCodec::Opus => return Ok(()),
    };
    Err(Error::AudioNotCarried {
        codec: format.codec,
        by: "an MPEG transport stream",
        why,
    })
}

/// An access unit delimiter for any picture type, with its start code.
const fn delimiter(codec: Codec) -> &'static [u8] {
    match codec {
        Codec::H264 => &[0, 0, 0, 1, 0x09, 0xf0],
        Codec::H265 => &[0, 0, 0, 1, 0x46, 0x01, 0x50],
    }
}

fn ticks(duration: Duration) -> u64 {
    crate::clock::to_ticks(duration).into()
}
