use arrayvec::ArrayVec;
use bytes::Bytes;

/// The largest prefix in bytes: the AU header section of RFC 3640 with one header, and the MPEG
/// audio header of RFC 2250.
const MAX_PREFIX: usize = 4;

/// The RTP payloads of one access unit or one audio frame, made once for all receivers.
///
/// [`RtpStream::write_packet`](crate::RtpStream::write_packet) adds the header of a receiver's
/// packet.
///
/// - H.264: RFC 6184, `packetization-mode` 1: single NAL units, STAP-A, FU-A; clock rate 90000;
///   marker last packet of the access unit
/// - H.265: RFC 7798 without DONL: single NAL units, aggregation packets, fragmentation units;
///   clock rate 90000; marker last packet of the access unit
/// - AAC: RFC 3640, mode `AAC-hbr`: one frame in a packet, or a fragment of one; clock rate the
///   sample rate; marker last packet of the frame
/// - PCMU, PCMA, PCM: RFC 3551: the samples, those of PCM big-endian (L16), split between samples;
///   clock rate the sample rate; marker never
/// - Opus: RFC 7587: one packet in each; clock rate 48000; marker never
/// - MP3: RFC 2250: one frame in a packet, or a fragment of one; clock rate 90000; marker never
/// - AAC in LATM, ADPCM, Speex, G.726: [`Error::AudioNotCarried`](crate::Error::AudioNotCarried)
///
/// ```
/// use tutk_media::{AccessUnit, Codec, RTP_PACKET_BYTES, RtpPayloads, RtpStream};
///
/// let unit = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68, 0xce, 0, 0, 1, 0x65, 0x88];
/// let unit = AccessUnit::new(Codec::H264, unit.to_vec());
/// let payloads = RtpPayloads::video(&unit, RTP_PACKET_BYTES)?;
///
/// let mut stream = RtpStream::new(96, 7, 0)?;
/// let mut packet = Vec::new();
/// for payload in &payloads {
///     stream.write_packet(payload, 90_000, &mut packet);
///     assert_eq!(packet.len(), 12 + 1 + 3 * (2 + 2));
///     packet.clear();
/// }
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPayloads {
    pub(super) payloads: Vec<RtpPayload>,
    pub(super) skipped: usize,
}

impl RtpPayloads {
    /// The payloads in the order of their packets.
    pub fn iter(&self) -> std::slice::Iter<'_, RtpPayload> {
        self.payloads.iter()
    }

    /// The number of payloads.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.payloads.len()
    }

    /// Returns `true` if there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// The number of NAL units that RTP cannot carry and that are left out: NAL units of a type
    /// that the payload format uses itself (H.264 0 and 24 to 31, H.265 48 to 63) or shorter than
    /// their header.
    #[must_use]
    pub const fn skipped(&self) -> usize {
        self.skipped
    }
}

impl<'a> IntoIterator for &'a RtpPayloads {
    type Item = &'a RtpPayload;
    type IntoIter = std::slice::Iter<'a, RtpPayload>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The payload of one RTP packet. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPayload {
    pub(super) prefix: ArrayVec<u8, MAX_PREFIX>,
    pub(super) data: Bytes,
    pub(super) ticks: u32,
    pub(super) marker: bool,
}

impl RtpPayload {
    /// The bytes in two parts: a payload header of a few bytes, which may be empty, and data.
    #[must_use]
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.prefix, &self.data]
    }

    /// The second of the [parts](Self::parts), to share it.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The size in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a payload is never empty")]
    pub fn len(&self) -> usize {
        self.prefix.len() + self.data.len()
    }

    /// The marker bit of the packet.
    #[must_use]
    pub const fn marker(&self) -> bool {
        self.marker
    }

    /// The offset of the packet's timestamp from that of the frame, in ticks of the clock.
    #[must_use]
    pub const fn ticks(&self) -> u32 {
        self.ticks
    }
}
