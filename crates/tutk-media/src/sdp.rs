use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::adts::AacConfig;
use crate::rtp::{VIDEO_CLOCK_RATE, check_audio, clock_rate};
use crate::{AudioCodec, AudioConfig, Codec, Error, ParameterSets};

/// The media description of an RTP stream in SDP (RFC 8866).
///
/// `Display` formats its lines, each with CRLF, with port 0, which is chosen by RTSP's `SETUP`:
///
/// ```
/// use tutk_media::{AudioCodec, AudioConfig, AudioFormat, MediaDescription};
///
/// let format = AudioFormat { codec: AudioCodec::Pcmu, rate: 16_000, channels: 1 };
/// let media = MediaDescription::audio(AudioConfig::new(format)?, 97)?;
/// assert_eq!(media.to_string(), "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 PCMU/16000\r\n");
/// # Ok::<(), tutk_media::Error>(())
/// ```
///
/// - H.264 (RFC 6184 section 8): `rtpmap` `H264/90000`; `fmtp` `packetization-mode`,
///   `profile-level-id`, `sprop-parameter-sets`
/// - H.265 (RFC 7798 section 7): `rtpmap` `H265/90000`; `fmtp` `sprop-vps`, `sprop-sps`,
///   `sprop-pps`
/// - AAC (RFC 3640 section 4): `rtpmap` `mpeg4-generic/RATE/CHANNELS`; `fmtp` mode `AAC-hbr`, and
///   `config`
/// - PCMU, PCMA (RFC 3551): `rtpmap` `PCMU/RATE`, `PCMA/RATE`
/// - PCM (RFC 3551): `rtpmap` `L16/RATE`
/// - Opus (RFC 7587): `rtpmap` `opus/48000/2`; `fmtp` `sprop-stereo`
/// - MP3 (RFC 3551): `rtpmap` `MPA/90000`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// `video` or `audio`.
    pub media: &'static str,
    /// The payload type.
    pub payload_type: u8,
    /// The clock rate of its timestamps in hertz.
    pub clock_rate: u32,
    /// The value of `a=rtpmap:` after the payload type.
    pub rtpmap: String,
    /// The value of `a=fmtp:` after the payload type, if there is one.
    pub fmtp: Option<String>,
}

impl MediaDescription {
    /// Describes a video stream. `payload_type` is a dynamic one, 96 to 127. If parameter sets are
    /// not known yet, most players wait for those in the stream.
    #[must_use]
    pub fn video(sets: &ParameterSets, payload_type: u8) -> Self {
        let mut fmtp = Vec::new();
        let rtpmap = match sets.codec() {
            Codec::H264 => {
                fmtp.push("packetization-mode=1".to_owned());
                if let Some([_, profile, constraints, level, ..]) =
                    sets.sps().first().map(Vec::as_slice)
                {
                    let id = format!("{profile:02X}{constraints:02X}{level:02X}");
                    fmtp.push(format!("profile-level-id={id}"));
                }
                if !sets.sps().is_empty() && !sets.pps().is_empty() {
                    let all = base64(sets.sps().iter().chain(sets.pps()));
                    fmtp.push(format!("sprop-parameter-sets={all}"));
                }
                "H264/90000"
            }
            Codec::H265 => {
                for (name, sets) in [
                    ("sprop-vps", sets.vps()),
                    ("sprop-sps", sets.sps()),
                    ("sprop-pps", sets.pps()),
                ] {
                    if !sets.is_empty() {
                        fmtp.push(format!("{name}={}", base64(sets.iter())));
                    }
                }
                "H265/90000"
            }
        };
        Self {
            media: "video",
            payload_type,
            clock_rate: VIDEO_CLOCK_RATE,
            rtpmap: rtpmap.to_owned(),
            fmtp: (!fmtp.is_empty()).then(|| fmtp.join(";")),
        }
    }

    /// Describes an audio stream. `payload_type` is a dynamic one, 96 to 127. Formats with a static
    /// payload type (RFC 3551 table 4) use that.
    ///
    /// # Errors
    ///
    /// [`Error::AudioNotCarried`] if RTP cannot carry the codec.
    pub fn audio(config: AudioConfig, payload_type: u8) -> Result<Self, Error> {
        let format = config.format();
        check_audio(format)?;
        let (rate, channels) = (format.rate, format.channels);
        let named = |name: &str| match channels {
            1 => format!("{name}/{rate}"),
            _ => format!("{name}/{rate}/{channels}"),
        };
        let (rtpmap, fmtp) = match format.codec {
            AudioCodec::Pcmu => (named("PCMU"), None),
            AudioCodec::Pcma => (named("PCMA"), None),
            AudioCodec::Pcm => (named("L16"), None),
            AudioCodec::Mp3 => ("MPA/90000".to_owned(), None),
            AudioCodec::Opus => {
                let stereo = (channels > 1).then(|| "sprop-stereo=1".to_owned());
                ("opus/48000/2".to_owned(), stereo)
            }
            _ => {
                let config = AacConfig::from(config).to_bytes();
                let config: String = config.iter().map(|byte| format!("{byte:02x}")).collect();
                // Receivers use `config`. The profile level is the value that other servers send.
                let fmtp = format!(
                    "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;\
                     indexdeltalength=3;config={config}"
                );
                (format!("mpeg4-generic/{rate}/{channels}"), Some(fmtp))
            }
        };
        let payload_type = match (format.codec, rate, channels) {
            (AudioCodec::Pcmu, 8_000, 1) => 0,
            (AudioCodec::Pcma, 8_000, 1) => 8,
            (AudioCodec::Pcm, 44_100, 2) => 10,
            (AudioCodec::Pcm, 44_100, 1) => 11,
            (AudioCodec::Mp3, ..) => 14,
            _ => payload_type,
        };
        Ok(Self {
            media: "audio",
            payload_type,
            clock_rate: clock_rate(config),
            rtpmap,
            fmtp,
        })
    }
}

fn base64<'a>(sets: impl Iterator<Item = &'a Vec<u8>>) -> String {
    let sets: Vec<_> = sets.map(|set| BASE64_STANDARD.encode(set)).collect();
    sets.join(",")
}

impl fmt::Display for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            media,
            payload_type,
            rtpmap,
            fmtp,
            ..
        } = self;
        write!(f, "m={media} 0 RTP/AVP {payload_type}\r\n")?;
        write!(f, "a=rtpmap:{payload_type} {rtpmap}\r\n")?;
        match fmtp {
            Some(fmtp) => write!(f, "a=fmtp:{payload_type} {fmtp}\r\n"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessUnit, AdtsHeader, AudioFormat};

    #[test]
    fn video_is_described() {
        let sets = ParameterSets::new(Codec::H264);
        let media = MediaDescription::video(&sets, 96);
        assert_eq!(media.fmtp.as_deref(), Some("packetization-mode=1"));
        let sets = [
            0, 0, 1, 0x67, 0x64, 0, 0x28, 0xac, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80,
        ];
        let sets = ParameterSets::of(&AccessUnit::new(Codec::H264, sets.to_vec()));
        assert_eq!(
            MediaDescription::video(&sets, 96).to_string(),
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1;profile-level-id=640028;\
             sprop-parameter-sets=Z2QAKKw=,aM48gA==\r\n"
        );
        let sets = ParameterSets::new(Codec::H265);
        assert_eq!(MediaDescription::video(&sets, 97).fmtp, None);
        let sets = [
            0, 0, 1, 0x40, 1, 12, 0, 0, 1, 0x42, 1, 1, 0, 0, 1, 0x44, 1, 0xc1,
        ];
        let sets = ParameterSets::of(&AccessUnit::new(Codec::H265, sets.to_vec()));
        assert_eq!(
            MediaDescription::video(&sets, 97).to_string(),
            "m=video 0 RTP/AVP 97\r\na=rtpmap:97 H265/90000\r\n\
             a=fmtp:97 sprop-vps=QAEM;sprop-sps=QgEB;sprop-pps=RAHB\r\n"
        );
    }

    #[test]
    fn audio_is_described() {
        let describe = |codec, rate, channels| {
            let format = AudioFormat {
                codec,
                rate,
                channels,
            };
            let media = MediaDescription::audio(AudioConfig::new(format).unwrap(), 98).unwrap();
            (media.payload_type, media.rtpmap, media.fmtp)
        };
        let plain = |payload_type, rtpmap: &str| (payload_type, rtpmap.to_owned(), None);
        assert_eq!(describe(AudioCodec::Pcmu, 8_000, 1), plain(0, "PCMU/8000"));
        assert_eq!(describe(AudioCodec::Pcma, 8_000, 1), plain(8, "PCMA/8000"));
        assert_eq!(
            describe(AudioCodec::Pcma, 8_000, 2),
            plain(98, "PCMA/8000/2")
        );
        assert_eq!(describe(AudioCodec::Pcm, 16_000, 1), plain(98, "L16/16000"));
        assert_eq!(
            describe(AudioCodec::Pcm, 44_100, 2),
            plain(10, "L16/44100/2")
        );
        assert_eq!(describe(AudioCodec::Mp3, 16_000, 1), plain(14, "MPA/90000"));
        assert_eq!(
            describe(AudioCodec::Opus, 16_000, 1),
            plain(98, "opus/48000/2")
        );
        let (_, _, fmtp) = describe(AudioCodec::Opus, 16_000, 2);
        assert_eq!(fmtp.as_deref(), Some("sprop-stereo=1"));
        let (_, rtpmap, fmtp) = describe(AudioCodec::AacAdts, 16_000, 1);
        assert_eq!(rtpmap, "mpeg4-generic/16000/1");
        assert!(fmtp.unwrap().ends_with(";config=1408"));
    }

    #[test]
    fn aac_is_described_by_its_frame_headers() {
        let format = AudioFormat {
            codec: AudioCodec::AacAdts,
            rate: 8_000,
            channels: 1,
        };
        // The frame states another format than the camera.
        let stated = AudioFormat {
            rate: 48_000,
            channels: 2,
            ..format
        };
        let frame = [&AdtsHeader::write(stated, 1).unwrap()[..], &[1]].concat();
        let config = AudioConfig::of_frame(format, &frame).unwrap();
        let media = MediaDescription::audio(config, 97).unwrap();
        assert!(media.to_string().ends_with("config=1190\r\n"), "{media}");
        assert!(media.to_string().contains("generic/48000/2\r\n"));
    }

    #[test]
    fn unsupported_audio_is_refused() {
        let format = AudioFormat {
            codec: AudioCodec::Adpcm,
            rate: 8_000,
            channels: 1,
        };
        let error = MediaDescription::audio(AudioConfig::new(format).unwrap(), 97);
        assert_eq!(
            error.unwrap_err().to_string(),
            "ADPCM cannot be carried by RTP: RFC 3551 defines ADPCM only in blocks of another layout"
        );
    }
}
