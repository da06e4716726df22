//! Codec strings of MIME types (RFC 6381), which browsers use to tell if they can play a stream.

use crate::parameters::Profile;
use crate::{AudioCodec, AudioConfig, SequenceParameters};

impl SequenceParameters {
    /// The codec with profile and level, for example `avc1.640028` (RFC 6381 section 3.3) or
    /// `hvc1.1.6.L93.B0` (ISO/IEC 14496-15 annex E), as [`MediaSource.isTypeSupported`] expects it.
    ///
    /// [`MediaSource.isTypeSupported`]:
    /// https://www.w3.org/TR/media-source-2/#dom-mediasource-istypesupported
    #[must_use]
    pub fn codec_string(&self) -> String {
        match self.profile {
            Profile::H264 {
                profile_idc,
                constraints,
                level_idc,
            } => format!("avc1.{profile_idc:02X}{constraints:02X}{level_idc:02X}"),
            Profile::H265 {
                general,
                compatibility,
                constraints,
                level_idc,
                ..
            } => {
                let space = ["", "A", "B", "C"].get(usize::from(general >> 6));
                let tier = if general & 0x20 == 0 { 'L' } else { 'H' };
                // The last flag comes first, and trailing zero bytes of the constraints are
                // omitted.
                let compatibility = u32::from_be_bytes(compatibility).reverse_bits();
                let used = constraints.iter().rposition(|byte| *byte != 0);
                let used = used.map_or(0, |last| last + 1);
                let constraints: String = constraints
                    .iter()
                    .take(used)
                    .map(|byte| format!(".{byte:X}"))
                    .collect();
                format!(
                    "hvc1.{}{}.{compatibility:X}.{tier}{level_idc}{constraints}",
                    space.unwrap_or(&""),
                    general & 0x1f
                )
            }
        }
    }
}

impl AudioConfig {
    /// The codec in MP4, for example `mp4a.40.2` (AAC LC), `mp4a.6B` (MP3) or `opus`. Those of PCM
    /// and G.711 are from QuickTime, and no browser plays them. `None` if MP4 cannot hold the
    /// codec.
    #[must_use]
    pub fn codec_string(&self) -> Option<String> {
        Some(match self.codec {
            AudioCodec::Aac | AudioCodec::AacAdts => format!("mp4a.40.{}", self.object_type),
            AudioCodec::Mp3 if self.rate <= 24_000 => "mp4a.69".to_owned(),
            AudioCodec::Mp3 => "mp4a.6B".to_owned(),
            AudioCodec::Opus => "opus".to_owned(),
            AudioCodec::Pcm => "sowt".to_owned(),
            AudioCodec::Pcmu => "ulaw".to_owned(),
            AudioCodec::Pcma => "alaw".to_owned(),
            AudioCodec::AacLatm | AudioCodec::Adpcm | AudioCodec::Speex | AudioCodec::G726 => {
                return None;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AudioFormat, Codec};

    fn h265(general: u8, compatibility: [u8; 4], constraints: [u8; 6], level_idc: u8) -> String {
        let parameters = SequenceParameters {
            codec: Codec::H265,
            width: 16,
            height: 16,
            chroma_format: 1,
            luma_bits: 8,
            chroma_bits: 8,
            signal: None,
            profile: Profile::H265 {
                general,
                compatibility,
                constraints,
                level_idc,
                temporal_layers: 1,
                temporal_nesting: true,
            },
            coded_pixels: 256,
        };
        parameters.codec_string()
    }

    #[test]
    fn video_codec_strings_state_profile_and_level() {
        let sps = b"\x67\x64\0\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x5a\x80\x80\x80\xa0";
        let parameters = SequenceParameters::parse(Codec::H264, sps).unwrap();
        assert_eq!(parameters.codec_string(), "avc1.640028");
        // The examples of ISO/IEC 14496-15 annex E.3.
        assert_eq!(
            h265(1, [0x60, 0, 0, 0], [0xb0, 0, 0, 0, 0, 0], 93),
            "hvc1.1.6.L93.B0"
        );
        assert_eq!(h265(0x44, [0x08, 0, 0, 0], [0; 6], 93), "hvc1.A4.10.L93");
        assert_eq!(
            h265(0x22, [0x20, 0, 0, 0], [0x90, 0, 1, 0, 0, 0], 150),
            "hvc1.2.4.H150.90.0.1"
        );
    }

    #[test]
    fn audio_codec_strings_match_rfc_6381() {
        let string = |codec, rate| {
            let format = AudioFormat {
                codec,
                rate,
                channels: 1,
            };
            AudioConfig::new(format).unwrap().codec_string()
        };
        for (codec, rate, expected) in [
            (AudioCodec::AacAdts, 16_000, "mp4a.40.2"),
            (AudioCodec::Mp3, 16_000, "mp4a.69"),
            (AudioCodec::Mp3, 44_100, "mp4a.6B"),
            (AudioCodec::Opus, 16_000, "opus"),
            (AudioCodec::Pcma, 8_000, "alaw"),
        ] {
            assert_eq!(string(codec, rate).as_deref(), Some(expected));
        }
        assert_eq!(string(AudioCodec::G726, 8_000), None);
    }
}
