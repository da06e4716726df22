//! The `trak` of the audio. mp4-atom has no sample entries for G.711, so the containers around the
//! sample entry are written here.

use mp4_atom::esds::{DecoderConfig, DecoderSpecific, EsDescriptor};
use mp4_atom::{
    Atom, Audio, BufMut, Dinf, Dops, Dref, Encode, Esds, Flac, FourCC, Hdlr, Mdhd, Mdia, Minf,
    Mp4a, Opus, Result, Smhd, Sowt, Stbl, Stco, Stsc, Stsd, Stsz, Stts, Tkhd, Trak, Url,
};

use crate::AudioCodec;
use crate::adts::AacConfig;
use crate::audio_frame::AudioConfig;
use crate::flac::STREAM_INFO_BYTES;

/// `objectTypeIndication` (ISO/IEC 14496-1 table 5, and the registration authority's).
const MPEG4_AUDIO: u8 = 0x40;
const MPEG2_LAYER_3: u8 = 0x69;
const MPEG1_LAYER_3: u8 = 0x6b;

/// `streamType` of audio (ISO/IEC 14496-1 table 6).
const AUDIO_STREAM: u8 = 5;

/// The description of an audio track.
#[derive(Debug, Clone, Copy)]
pub(super) struct AudioEntry {
    pub(super) config: AudioConfig,
    /// The stream information, if the track is FLAC.
    pub(super) flac: Option<[u8; STREAM_INFO_BYTES]>,
}

impl AudioEntry {
    /// The codec as RFC 6381 names it.
    pub(super) fn codec_string(&self) -> Option<String> {
        match self.flac {
            Some(_) => Some("flac".to_owned()),
            None => self.config.codec_string(),
        }
    }
}

/// Writes the `trak` of the audio.
pub(super) fn write_track(out: &mut Vec<u8>, id: u32, entry: &AudioEntry) -> Result<()> {
    let config = &entry.config;
    out.encode_atom(Trak::KIND, |out| {
        Tkhd {
            track_id: id,
            enabled: true,
            in_movie: true,
            volume: 1.into(),
            ..Tkhd::default()
        }
        .encode(out)?;
        out.encode_atom(Mdia::KIND, |out| {
            Mdhd {
                timescale: config.timescale(),
                language: "und".into(),
                ..Mdhd::default()
            }
            .encode(out)?;
            Hdlr {
                handler: FourCC::new(b"soun"),
                name: "sound".into(),
            }
            .encode(out)?;
            out.encode_atom(Minf::KIND, |out| {
                Smhd::default().encode(out)?;
                Dinf {
                    dref: Dref {
                        entries: vec![Url::default().into()],
                    },
                }
                .encode(out)?;
                out.encode_atom(Stbl::KIND, |out| write_sample_table(out, entry))
            })
        })
    })
}

/// Writes the body of `stbl`: the sample entry, and no samples, which are all in fragments.
fn write_sample_table(out: &mut Vec<u8>, entry: &AudioEntry) -> Result<()> {
    out.encode_atom(Stsd::KIND, |out| {
        // Version and flags, and one entry.
        0_u32.encode(out)?;
        1_u32.encode(out)?;
        write_sample_entry(out, entry)
    })?;
    Stts::default().encode(out)?;
    Stsc::default().encode(out)?;
    Stsz::default().encode(out)?;
    Stco::default().encode(out)
}

/// | codec | sample entry |
/// |---|---|
/// | AAC, MP3 | `mp4a` with `esds` (ISO/IEC 14496-14) |
/// | Opus | `Opus` with `dOps` (the Opus in ISOBMFF encapsulation) |
/// | PCM | `sowt`, QuickTime's 16 bits little-endian |
/// | PCMU, PCMA | `ulaw`, `alaw`: QuickTime's, with the common fields only |
/// | FLAC | `fLaC` with `dfLa` (Encapsulation of FLAC in ISO Base Media File Format, 3.3) |
fn write_sample_entry(out: &mut Vec<u8>, entry: &AudioEntry) -> Result<()> {
    let config = &entry.config;
    let audio = Audio {
        data_reference_index: 1,
        channel_count: config.channels.into(),
        // 16 in all of these formats, independent of the encoded size.
        sample_size: 16,
        // Every accepted rate fits 16 bits.
        sample_rate: u16::try_from(config.timescale()).unwrap_or(0).into(),
    };
    if let Some(info) = &entry.flac {
        return out.encode_atom(Flac::KIND, |out| {
            audio.encode(out)?;
            out.encode_atom(FourCC::new(b"dfLa"), |out| {
                // Version and flags; the last metadata block, of type 0 (STREAMINFO), and its
                // length.
                0_u32.encode(out)?;
                let length = u32::try_from(STREAM_INFO_BYTES).unwrap_or(0);
                (0x8000_0000 | length).encode(out)?;
                out.append_slice(info);
                Ok(())
            })
        });
    }
    match config.codec {
        AudioCodec::Opus => Opus {
            audio,
            dops: Dops {
                output_channel_count: config.channels,
                // The stream was running before the file started.
                pre_skip: 0,
                input_sample_rate: config.rate,
                output_gain: 0,
                channel_mapping: None,
            },
            btrt: None,
        }
        .encode(out),
        AudioCodec::Pcm => Sowt {
            audio,
            pcmc: None,
            chnl: None,
            btrt: None,
        }
        .encode(out),
        AudioCodec::Pcmu => out.encode_atom(FourCC::new(b"ulaw"), |out| audio.encode(out)),
        AudioCodec::Pcma => out.encode_atom(FourCC::new(b"alaw"), |out| audio.encode(out)),
        _ => mpeg(config, audio).encode(out),
    }
}

fn mpeg(config: &AudioConfig, audio: Audio) -> Mp4a {
    let (object_type, specific) = match (config.codec, config.rate) {
        (AudioCodec::Mp3, ..=24_000) => (MPEG2_LAYER_3, None),
        (AudioCodec::Mp3, _) => (MPEG1_LAYER_3, None),
        _ => {
            // If there are raw bytes, the other fields are not written.
            let specific = DecoderSpecific {
                profile: 0,
                freq_index: 0,
                chan_conf: 0,
                raw: AacConfig::from(*config).to_bytes(),
            };
            (MPEG4_AUDIO, Some(specific))
        }
    };
    Mp4a {
        audio,
        esds: Esds {
            es_desc: EsDescriptor {
                dec_config: DecoderConfig {
                    object_type_indication: object_type,
                    stream_type: AUDIO_STREAM,
                    dec_specific: specific,
                    ..DecoderConfig::default()
                },
                ..EsDescriptor::default()
            },
        },
        btrt: None,
        taic: None,
    }
}
