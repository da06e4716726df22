//! RTP payloads of H.264 (RFC 6184) and H.265 (RFC 7798).

use arrayvec::ArrayVec;
use bytes::{BufMut as _, Bytes, BytesMut};

use super::nal::{
    AGGREGATION, FRAGMENTATION, FU_A, FU_END, FU_START, STAP_A, can_be_sent, header, layer,
    nal_type,
};
use super::packet::payload_room;
use super::payload::{RtpPayload, RtpPayloads};
use crate::{AccessUnit, Codec, Error};

/// The size of the length before each NAL unit of an aggregation, in bytes.
const LENGTH: usize = 2;

impl RtpPayloads {
    /// Splits an access unit into payloads for packets of at most `packet_bytes`, header included.
    ///
    /// NAL units are sent unchanged. To let a receiver start at any key frame, call
    /// [`ParameterSets::complete`](crate::ParameterSets::complete) first.
    ///
    /// # Errors
    ///
    /// [`Error::RtpConfig`] if `packet_bytes` is not from
    /// [`MIN_RTP_PACKET_BYTES`](crate::MIN_RTP_PACKET_BYTES) to
    /// [`MAX_RTP_PACKET_BYTES`](crate::MAX_RTP_PACKET_BYTES); [`Error::UnitTooLarge`].
    pub fn video(unit: &AccessUnit, packet_bytes: usize) -> Result<Self, Error> {
        let room = payload_room(packet_bytes)?;
        let codec = unit.codec();
        unit.check(codec)?;
        let packets = unit.data().len() / room + unit.nals().len() + 1;
        let mut splitter = Splitter {
            codec,
            room,
            payloads: Vec::with_capacity(packets),
        };
        let mut skipped = 0;
        // NAL units in a row that fit one aggregation, and its size.
        let (mut batch, mut batch_bytes) = (ArrayVec::<Bytes, 16>::new(), 0);
        for nal in unit.shared_nals() {
            if !can_be_sent(codec, &nal) {
                skipped += 1;
                continue;
            }
            if batch.is_full() || batch_bytes + LENGTH + nal.len() > room {
                splitter.push_batch(&mut batch);
            }
            if nal.len() > room {
                splitter.push_fragments(&nal);
                continue;
            }
            if batch.is_empty() {
                batch_bytes = codec.header_bytes();
            }
            batch_bytes += LENGTH + nal.len();
            batch.push(nal);
        }
        splitter.push_batch(&mut batch);
        let mut payloads = splitter.payloads;
        if let Some(last) = payloads.last_mut() {
            last.marker = true;
        }
        Ok(Self { payloads, skipped })
    }
}

struct Splitter {
    codec: Codec,
    /// The largest payload in bytes.
    room: usize,
    payloads: Vec<RtpPayload>,
}

impl Splitter {
    fn push(&mut self, prefix: ArrayVec<u8, 4>, data: Bytes) {
        self.payloads.push(RtpPayload {
            prefix,
            data,
            ticks: 0,
            marker: false,
        });
    }

    /// Adds a payload of one NAL unit or an aggregation of several.
    fn push_batch(&mut self, batch: &mut ArrayVec<Bytes, 16>) {
        match &batch[..] {
            [] => {}
            [nal] => self.push(ArrayVec::new(), nal.clone()),
            nals => {
                let bytes = nals.iter().map(|nal| LENGTH + nal.len()).sum();
                let mut data = BytesMut::with_capacity(bytes);
                for nal in nals {
                    // An aggregation fits a packet.
                    data.put_u16(u16::try_from(nal.len()).unwrap_or(u16::MAX));
                    data.put_slice(nal);
                }
                self.push(self.aggregation_header(nals), data.freeze());
            }
        }
        batch.clear();
    }

    fn aggregation_header(&self, nals: &[Bytes]) -> ArrayVec<u8, 4> {
        let headers = || nals.iter().map(|nal| header(nal));
        let forbidden = headers().fold(0, |all, [first, _]| all | first & 0x80);
        let mut prefix = ArrayVec::new();
        match self.codec {
            Codec::H264 => {
                let importance = headers().map(|[first, _]| first & 0x60).max();
                prefix.push(forbidden | importance.unwrap_or(0) | STAP_A);
            }
            Codec::H265 => {
                let layer = headers().map(layer).min().unwrap_or(0);
                let temporal = headers().map(|[_, second]| second & 7).min();
                prefix.push(forbidden | AGGREGATION << 1 | layer >> 5);
                prefix.push(layer << 3 | temporal.unwrap_or(1));
            }
        }
        prefix
    }

    /// Adds the fragments of a NAL unit that exceeds a payload.
    fn push_fragments(&mut self, nal: &Bytes) {
        let [first, second] = header(nal);
        let from = self.codec.header_bytes();
        let room = self.room - from - 1;
        let mut start = from;
        while start < nal.len() {
            let end = (start + room).min(nal.len());
            let mut prefix = ArrayVec::new();
            match self.codec {
                Codec::H264 => prefix.push(first & 0xe0 | FU_A),
                Codec::H265 => prefix.extend([first & 0x81 | FRAGMENTATION << 1, second]),
            }
            let flag = |set, flag| if set { flag } else { 0 };
            let flags = flag(start == from, FU_START) | flag(end == nal.len(), FU_END);
            prefix.push(flags | nal_type(self.codec, nal));
            self.push(prefix, nal.slice(start..end));
            start = end;
        }
    }
}
