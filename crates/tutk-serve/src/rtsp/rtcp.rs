//! RTCP (RFC 3550 section 6): what the sender says, and what receivers say.

use std::time::SystemTime;

use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, RtcpPacketWriterExt as _, RtcpWriteError, Sdes,
    SdesChunk, SdesItem, SenderReport,
};

/// Room for any packet that is written here.
pub(super) const MAX_BYTES: usize = 128;

/// Seconds from the beginning of NTP's time to that of Unix.
const NTP_UNIX: u64 = 2_208_988_800;

/// What a sender report says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) ssrc: u32,
    /// One name for all streams that belong together.
    pub(super) name: &'a str,
    /// A time of day.
    pub(super) wall: SystemTime,
    /// The same time as the stream's timestamps have it.
    pub(super) rtp: u32,
    /// Packets that were sent.
    pub(super) packets: u32,
    /// Bytes of these, without headers.
    pub(super) octets: u32,
}

/// Writes a sender report, with `goodbye` as the last: how many bytes it has.
///
/// # Errors
/// Only if `out` has less than [`MAX_BYTES`], or the name more than 32.
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

/// What a receiver says of the streams: of the packets since it last said so, the largest share that is lost, in 256th.
/// `None` for what is no RTCP.
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

/// As NTP has a time of day: seconds since 1900 modulo 2^32, and 2^32nd of a second.
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
    fn reports_are_read_as_they_were_written() {
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
            panic!("a sender report comes first");
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
    fn what_receivers_say() {
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
