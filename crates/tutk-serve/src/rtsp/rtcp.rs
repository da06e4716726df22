//! RTCP sender and receiver reports (RFC 3550 section 6).

use std::time::SystemTime;

use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, RtcpPacketWriterExt as _, RtcpWriteError, Sdes,
    SdesChunk, SdesItem, SenderReport,
};

/// The maximum size of a packet that is written here.
pub(super) const MAX_BYTES: usize = 128;

/// Seconds from the NTP epoch to the Unix epoch.
const NTP_UNIX: u64 = 2_208_988_800;

/// The contents of a sender report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) ssrc: u32,
    /// The canonical name. All streams of a session have the same one.
    pub(super) name: &'a str,
    /// The time of day.
    pub(super) wall: SystemTime,
    /// The RTP timestamp of the same time.
    pub(super) rtp: u32,
    /// The number of sent packets.
    pub(super) packets: u32,
    /// The number of sent payload bytes.
    pub(super) octets: u32,
}

/// Writes a sender report, followed by a goodbye if `goodbye` is set. Returns the size.
///
/// # Errors
/// `out` is shorter than [`MAX_BYTES`], or the name is longer than 32 bytes.
pub(super) fn write(
    report: Report<'_>,
    goodbye: bool,
    out: &mut [u8],
) -> Result<usize, RtcpWriteError> {
    let sender = SenderReport::builder(report.ssrc)
        .ntp_timestamp(ntp(report.wall))
        .rtp_timestamp(report.rtp)
        .packet_count(report.packets)
        .octet_count(report.octets);
    let name = SdesItem::builder(SdesItem::CNAME, report.name);
    let chunk = SdesChunk::builder(report.ssrc).add_item(name);
    let source = Sdes::builder().add_chunk(chunk);
    let compound = Compound::builder().add_packet(sender).add_packet(source);
    match goodbye {
        true => compound.add_packet(Bye::builder().add_source(report.ssrc)),
        false => compound,
    }
    .write_into(out)
}

/// Returns the largest fraction of lost packets in the receiver reports of a packet, in units of
/// 1/256. Returns `None` for invalid RTCP.
pub(super) fn read(packet: &[u8]) -> Option<u8> {
    let compound = Compound::parse(packet).ok()?;
    let mut lost = 0;
    for part in compound {
        let Packet::Rr(report) = part.ok()? else {
            continue;
        };
        let worst = ReceiverReport::report_blocks(&report).map(|block| block.fraction_lost());
        lost = worst.fold(lost, u8::max);
    }
    Some(lost)
}

/// Returns an NTP timestamp: seconds since 1900 modulo 2^32, and fractions in units of 2^-32 s.
fn ntp(wall: SystemTime) -> u64 {
    let since = wall
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since.as_secs().wrapping_add(NTP_UNIX) << 32;
    let part = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    seconds | part
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sender_reports_round_trip() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        let report = Report {
            ssrc: 7,
            name: "0123456789abcdef0123456789abcdef",
            wall,
            rtp: 90_000,
            packets: 3,
            octets: 1_000,
        };
        let mut out = [0; MAX_BYTES];
        let len = write(report, true, &mut out).unwrap();
        let mut parts = Compound::parse(&out[..len]).unwrap();
        let Some(Ok(Packet::Sr(sender))) = parts.next() else {
            panic!("the first packet is a sender report");
        };
        assert_eq!(sender.ntp_timestamp(), (NTP_UNIX + 1) << 32 | 1 << 31);
        assert_eq!((sender.rtp_timestamp(), sender.packet_count()), (90_000, 3));
        assert_eq!(sender.octet_count(), 1_000);
        assert!(matches!(parts.next(), Some(Ok(Packet::Sdes(_)))));
        assert!(matches!(parts.next(), Some(Ok(Packet::Bye(_)))));
        assert!(parts.next().is_none());
        assert!(write(report, false, &mut out).unwrap() < len);
    }

    #[test]
    fn parses_receiver_reports() {
        let block = |lost| rtcp_types::ReportBlock::builder(7).fraction_lost(lost);
        let report = ReceiverReport::builder(1)
            .add_report_block(block(3))
            .add_report_block(block(64));
        let mut out = [0; MAX_BYTES];
        let len = Compound::builder()
            .add_packet(report)
            .write_into(&mut out)
            .unwrap();
        assert_eq!(read(&out[..len]), Some(64));
        for cut in 1..len {
            assert_eq!(read(&out[..cut]), None);
        }
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0x80, 0xc9, 0xff, 0xff, 0, 0, 0, 1]), None);
    }
}
