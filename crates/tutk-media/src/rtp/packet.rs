use std::time::Duration;

use bytes::BufMut;
use rtp_types::{RtpPacket, RtpPacketBuilder};

use super::payload::RtpPayload;
use crate::Error;

/// The clock rate of video in hertz (RFC 6184 section 8.2.1, RFC 7798 section 7.1).
pub const VIDEO_CLOCK_RATE: u32 = 90_000;

/// The size of an RTP header in bytes, without contributing sources and extensions.
pub const RTP_HEADER_BYTES: usize = RtpPacket::MIN_RTP_PACKET_LEN;

/// The smallest packet size limit in bytes.
pub const MIN_RTP_PACKET_BYTES: usize = 64;

/// The largest packet size limit in bytes: the length fields of UDP and of RTSP's interleaved
/// frames have 16 bits.
pub const MAX_RTP_PACKET_BYTES: usize = 65_535;

/// A packet size limit for most networks: Ethernet's 1500 bytes without the headers of IPv6 and
/// UDP.
pub const RTP_PACKET_BYTES: usize = 1_452;

/// The RTP headers of one receiver's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpStream {
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
}

impl RtpStream {
    /// Starts a stream.
    ///
    /// `payload_type` is that of the session description
    /// ([`MediaDescription`](crate::MediaDescription)), `ssrc` must be unique in the session, and
    /// `sequence`, the sequence number of the first packet, should be random (RFC 3550 section
    /// 5.1).
    ///
    /// # Errors
    ///
    /// [`Error::RtpConfig`] if `payload_type` is larger than 127.
    pub fn new(payload_type: u8, ssrc: u32, sequence: u16) -> Result<Self, Error> {
        check_range("payload type", payload_type.into(), 0, 127)?;
        Ok(Self {
            payload_type,
            ssrc,
            sequence,
        })
    }

    /// The synchronization source.
    #[must_use]
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The sequence number of the next packet.
    #[must_use]
    pub const fn sequence(&self) -> u16 {
        self.sequence
    }

    /// Appends the next packet to `out`: a header and a payload. Nothing is allocated if `out` has
    /// room for [`RTP_HEADER_BYTES`] and the [length](RtpPayload::len) of the payload.
    ///
    /// `timestamp` is that of the frame ([`rtp_timestamp`]).
    ///
    /// # Panics
    /// If `out` is a fixed-size buffer with too little room.
    pub fn write_packet(&mut self, payload: &RtpPayload, timestamp: u32, out: &mut impl BufMut) {
        out.put_slice(&self.next_header(payload, timestamp));
        for part in payload.parts() {
            out.put_slice(part);
        }
    }

    /// Returns the header of the next packet, whose payload is [`parts`](RtpPayload::parts), for
    /// vectored writes.
    pub fn next_header(&mut self, payload: &RtpPayload, timestamp: u32) -> [u8; RTP_HEADER_BYTES] {
        let builder: RtpPacketBuilder<&[u8], &[u8]> = RtpPacketBuilder::new()
            .payload_type(self.payload_type)
            .marker_bit(payload.marker())
            .sequence_number(self.sequence)
            .timestamp(timestamp.wrapping_add(payload.ticks()))
            .ssrc(self.ssrc);
        let mut header = [0; RTP_HEADER_BYTES];
        builder.write_into_unchecked(&mut header);
        self.sequence = self.sequence.wrapping_add(1);
        header
    }
}

/// Converts a time to an RTP timestamp: ticks of the clock, rounded to the nearest, modulo 2^32.
///
/// The random offset of a stream (RFC 3550 section 5.1) is for the caller to add.
#[must_use]
pub fn rtp_timestamp(time: Duration, clock_rate: u32) -> u32 {
    let rate = u64::from(clock_rate);
    // Seconds wrap as timestamps do, and 10^9 times 2^32 fits.
    let whole = time.as_secs().wrapping_mul(rate);
    let part = (u64::from(time.subsec_nanos()) * rate + 500_000_000) / 1_000_000_000;
    let [_, _, _, _, low @ ..] = whole.wrapping_add(part).to_be_bytes();
    u32::from_be_bytes(low)
}

/// Returns the number of payload bytes that fit in a packet.
///
/// # Errors
///
/// [`Error::RtpConfig`] if the packet size is out of range.
pub(super) fn payload_room(packet_bytes: usize) -> Result<usize, Error> {
    let (min, max) = (MIN_RTP_PACKET_BYTES, MAX_RTP_PACKET_BYTES);
    check_range("packet size in bytes", packet_bytes, min, max)?;
    Ok(packet_bytes - RTP_HEADER_BYTES)
}

fn check_range(field: &'static str, found: usize, min: usize, max: usize) -> Result<(), Error> {
    if (min..=max).contains(&found) {
        return Ok(());
    }
    Err(Error::RtpConfig {
        field,
        min,
        max,
        found,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rounded_and_wrap() {
        assert_eq!(rtp_timestamp(Duration::from_millis(50), 90_000), 4_500);
        assert_eq!(
            rtp_timestamp(Duration::from_nanos(33_366_667), 90_000),
            3_003
        );
        // 47722 s are 2^32 + 12704 ticks.
        assert_eq!(rtp_timestamp(Duration::from_secs(47_722), 90_000), 12_704);
        let _ = rtp_timestamp(Duration::MAX, u32::MAX);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        assert_eq!(
            RtpStream::new(128, 1, 2).unwrap_err().to_string(),
            "RTP: expected a payload type from 0 to 127, found 128"
        );
        assert_eq!(
            payload_room(63).unwrap_err().to_string(),
            "RTP: expected a packet size in bytes from 64 to 65535, found 63"
        );
    }
}
