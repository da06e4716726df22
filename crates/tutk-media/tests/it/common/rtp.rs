//! RTP packets as one receiver gets them.

use bytes::Bytes;
use tutk_media::{
    AccessUnit, AudioConfig, Codec, Error, MediaDescription, ParameterSets, RtpPayloads, RtpStream,
    VIDEO_CLOCK_RATE,
};

/// The stream of one receiver.
pub(crate) struct Sender {
    source: Source,
    packet_bytes: usize,
    pub(crate) stream: RtpStream,
    pub(crate) skipped: usize,
}

enum Source {
    Video(ParameterSets),
    Audio(AudioConfig),
}

impl Sender {
    pub(crate) fn video(codec: Codec, packet_bytes: usize) -> Self {
        Self::new(Source::Video(ParameterSets::new(codec)), 96, packet_bytes)
    }

    pub(crate) fn audio(config: AudioConfig, packet_bytes: usize) -> Self {
        let media = MediaDescription::audio(config, 97).unwrap();
        Self::new(Source::Audio(config), media.payload_type, packet_bytes)
    }

    fn new(source: Source, payload_type: u8, packet_bytes: usize) -> Self {
        Self {
            source,
            packet_bytes,
            // Sequence numbers wrap within the stream.
            stream: RtpStream::new(payload_type, 0x1234_5678, 65_530).unwrap(),
            skipped: 0,
        }
    }

    pub(crate) fn clock_rate(&self) -> u32 {
        match &self.source {
            Source::Video(_) => VIDEO_CLOCK_RATE,
            Source::Audio(config) => MediaDescription::audio(*config, 97).unwrap().clock_rate,
        }
    }

    pub(crate) fn payloads(&mut self, frame: &[u8]) -> Result<RtpPayloads, Error> {
        match &mut self.source {
            Source::Video(sets) => {
                let unit = AccessUnit::new(sets.codec(), frame.to_vec());
                RtpPayloads::video(&sets.complete(&unit), self.packet_bytes)
            }
            Source::Audio(config) => {
                RtpPayloads::audio(*config, &Bytes::copy_from_slice(frame), self.packet_bytes)
            }
        }
    }

    pub(crate) fn packets(&mut self, frame: &[u8], timestamp: u32) -> Vec<Vec<u8>> {
        let payloads = self.payloads(frame).unwrap();
        self.skipped += payloads.skipped();
        let packet = |payload| {
            let mut packet = Vec::new();
            self.stream.write_packet(payload, timestamp, &mut packet);
            packet
        };
        payloads.iter().map(packet).collect()
    }
}
