//! MPEG transport streams (ISO/IEC 13818-1) of pictures and sound.

mod packet;
mod tables;

use std::time::Duration;

use self::packet::{MAX_PES_BYTES, PCR_LEAD, Packets, Pes, TICKS};
use self::tables::Pid;
use crate::adts::AdtsHeader;
use crate::annexb::LONG_START_CODE;
use crate::audio_frame::AudioFrame;
use crate::clock::{AudioClock, PictureClock};
use crate::{
    AccessUnit, AudioCodec, AudioConfig, AudioFormat, Codec, Error, NalKind, ParameterSets,
};

pub use self::packet::TS_PACKET_BYTES;

/// The tables that say what the stream is made of are there anew before each key frame, and at least
/// this often while pictures come.
pub const TS_TABLES_INTERVAL: Duration = Duration::from_millis(500);

/// Without pictures for this long, the program's clock is sent with the sound (ISO/IEC 13818-1
/// 2.7.2 has 100 ms).
const PCR_TICKS: u64 = TICKS / 10;

/// What the first picture is stamped with, in ticks: the program's clock, behind it, is not negative.
const BASE: u64 = TICKS;

/// Writes access units and frames of sound into an MPEG transport stream: each call returns the bytes
/// to append, whole packets of [`TS_PACKET_BYTES`], often none.
///
/// | what | PID | stream type | how |
/// |---|---|---|---|
/// | program association | 0 | | one program, number 1 |
/// | program map | 0x1000 | | a new version when sound comes that was not announced |
/// | H.264, H.265 | 0x100 | 0x1b, 0x24 | one access unit in each PES packet, with a delimiter; the clock (PCR) before each |
/// | AAC | 0x101 | 0x0f | one ADTS frame in each PES packet; raw AAC gets a header, and is taken to be LC |
/// | MP3 | 0x101 | 0x03, or 0x04 below 32 kHz | one MPEG frame in each |
/// | Opus | 0x101 | 0x06, described as `Opus` | one packet in each, behind its control header |
/// | everything else | | | refused: [`Error::AudioNotCarried`] says why |
///
/// The stream begins with the first key frame whose parameter sets are known. What comes before it
/// cannot be decoded, and is left out and counted. Later key frames that lack parameter sets are given
/// those that are known, so that a viewer can begin at any: the first packet of a key frame says that it
/// is one (`random_access_indicator`).
///
/// The first picture is stamped 1 s; the program's clock is 200 ms behind the picture. Both wrap after
/// 2^33 ticks of 1/90000 s, 26.5 hours, as they should. What holds for the times of pictures and sound in
/// [`Mp4Writer`](crate::Mp4Writer) holds here too: pictures in the order of showing, frames of sound one
/// behind the other while the clock agrees within [`AUDIO_TOLERANCE`](crate::AUDIO_TOLERANCE).
#[derive(Debug)]
pub struct TsWriter {
    sets: ParameterSets,
    clock: PictureClock,
    sound: Option<Sound>,
    /// The version of the program map: 5 bits.
    version: u8,
    packets: Packets,
    /// When the tables were written last, in ticks.
    tables: Option<u64>,
    /// The program's clock as it was written last.
    pcr: u64,
    frames: u64,
    skipped: u64,
    audio_frames: u64,
    audio_skipped: u64,
}

#[derive(Debug)]
struct Sound {
    config: AudioConfig,
    clock: AudioClock,
}

impl TsWriter {
    /// Begins a stream with pictures of this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            sets: ParameterSets::new(codec),
            clock: PictureClock::default(),
            sound: None,
            version: 0,
            packets: Packets::default(),
            tables: None,
            pcr: 0,
            frames: 0,
            skipped: 0,
            audio_frames: 0,
            audio_skipped: 0,
        }
    }

    /// Announces sound from the beginning. Without that, it is announced when it comes, which not
    /// every player follows.
    ///
    /// # Errors
    ///
    /// [`Error::AudioNotCarried`] names what a transport stream has no place for.
    pub fn with_audio(mut self, config: AudioConfig) -> Result<Self, Error> {
        check(config.format())?;
        self.sound = Some(Sound::new(config));
        Ok(self)
    }

    /// Writes the next access unit and returns the bytes to append.
    ///
    /// `time` counts from any origin. If it does not increase (a camera set its clock back), the picture
    /// follows the previous one after the interval before it.
    ///
    /// # Errors
    ///
    /// [`Error::UnitTooLarge`], [`Error::VideoChanged`]: the unit is skipped, and writing can continue.
    pub fn write(&mut self, unit: &AccessUnit, time: Duration) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let codec = self.sets.codec();
        if let Err(error) = unit.check(codec) {
            self.skipped += 1;
            return Err(error);
        }
        let key = unit.is_key();
        let unit = self.sets.complete(unit);
        let can_start = key && self.sets.parameters().is_some();
        if !unit.has_picture() || self.frames == 0 && !can_start {
            self.skipped += 1;
            return Ok(out);
        }
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
        self.frames += 1;
        Ok(out)
    }

    /// Takes the next frame of sound, as the camera sent it, and returns the bytes to append.
    ///
    /// `time` is on the clock of the pictures' times. `format` may be told anew with every frame, as
    /// cameras do; one stream has one format.
    ///
    /// # Errors
    ///
    /// The frame was left out, and more may be written: [`Error::AudioNotCarried`],
    /// [`Error::AudioFormat`], [`Error::AudioFrame`], [`Error::Adts`], [`Error::AudioChanged`].
    pub fn write_audio(
        &mut self,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        match self.append_audio(&mut out, format, frame, time) {
            Ok(true) => self.audio_frames += 1,
            Ok(false) => self.audio_skipped += 1,
            Err(error) => {
                self.audio_skipped += 1;
                return Err(error);
            }
        }
        Ok(out)
    }

    /// Frames of the picture written so far.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Access units left out so far: before the first key frame, without a picture, or too large.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Frames of sound written so far.
    #[must_use]
    pub const fn audio_frames(&self) -> u64 {
        self.audio_frames
    }

    /// Frames of sound left out so far: before the first picture, behind the sound that there is
    /// already, or refused with an error.
    #[must_use]
    pub const fn audio_skipped(&self) -> u64 {
        self.audio_skipped
    }

    /// Returns whether there is a place for it.
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
        let known = self.sound.as_ref().map(|sound| sound.config);
        if let Some(known) = known.filter(|known| *known != config) {
            return Err(Error::AudioChanged {
                expected: known.format(),
                found: config.format(),
            });
        }
        let Some(place) = self.clock.place(time) else {
            return Ok(false);
        };
        let mut first = Sound::new(config);
        let sound = self.sound.as_mut().unwrap_or(&mut first);
        let Some(start) = sound.clock.advance(read, place) else {
            return Ok(false);
        };
        let pts = BASE + start * TICKS / u64::from(config.timescale());
        if self.sound.is_none() {
            self.sound = Some(first);
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
        let sound = self.sound.as_ref().map(|sound| sound.config);
        let codec = self.sets.codec();
        tables::write(out, &mut self.packets, codec, sound, self.version);
        self.tables = Some(pts);
    }
}

impl Sound {
    const fn new(config: AudioConfig) -> Self {
        Self {
            config,
            clock: AudioClock::new(config.timescale()),
        }
    }
}

/// What goes before a frame of sound as it came.
///
/// # Errors
///
/// [`Error::Adts`] where raw AAC is none that ADTS has codes for; [`Error::AudioFrame`] where the frame
/// is longer than a PES packet.
fn header(config: AudioConfig, read: AudioFrame<'_>, frame: &[u8]) -> Result<Vec<u8>, Error> {
    let mut header = Vec::new();
    match config.codec {
        AudioCodec::Aac if read.data.len() == frame.len() => {
            header.extend(AdtsHeader::write(config.format(), frame.len())?);
        }
        AudioCodec::Opus => {
            // 11 bits of prefix; nothing is trimmed; and the size, as far as it goes in parts of 255.
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

/// What a transport stream has a place for.
fn check(format: AudioFormat) -> Result<(), Error> {
    let why = match format.codec {
        AudioCodec::Pcmu | AudioCodec::Pcma => "no stream type is defined for G.711",
        AudioCodec::Pcm => "PCM has stream types only on discs, each with a layout of its own",
        AudioCodec::AacLatm => "its frames do not stand at whole bytes, and are not unpacked here",
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

/// An access unit delimiter for any kind of picture, with its start code.
const fn delimiter(codec: Codec) -> &'static [u8] {
    match codec {
        Codec::H264 => &[0, 0, 0, 1, 0x09, 0xf0],
        Codec::H265 => &[0, 0, 0, 1, 0x46, 0x01, 0x50],
    }
}

fn ticks(duration: Duration) -> u64 {
    crate::clock::to_ticks(duration).into()
}
