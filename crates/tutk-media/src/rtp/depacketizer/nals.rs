//! NAL units from RTP payloads.

use bytes::{BufMut, BytesMut};

use crate::annexb::LONG_START_CODE;
use crate::rtp::nal::{
    AGGREGATION, FRAGMENTATION, FU_A, FU_END, FU_START, STAP_A, can_be_sent, is_plain, nal_type,
};
use crate::{Codec, Error};

/// The state of an access unit after a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nals {
    Whole,
    /// A NAL unit continues in the next payload.
    InFragment,
    /// The start of a NAL unit is missing.
    MissingStart,
}

/// Appends the NAL units of a payload to an access unit: see the table in `rtp::nal`. With
/// `in_fragment`, a NAL unit continues.
pub(super) fn append_nals(
    codec: Codec,
    payload: &[u8],
    in_fragment: bool,
    out: &mut BytesMut,
) -> Result<Nals, Error> {
    let Some((header, rest)) = payload.split_at_checked(codec.header_bytes()) else {
        return error(
            "the header of a NAL unit",
            format!("{} bytes", payload.len()),
        );
    };
    let found = nal_type(codec, header);
    let fragment = match codec {
        Codec::H264 => found == FU_A,
        Codec::H265 => found == FRAGMENTATION,
    };
    if in_fragment && !(fragment && rest.first().is_some_and(|first| first & FU_START == 0)) {
        return error("the rest of a NAL unit", format!("type {found}"));
    }
    if fragment {
        let Some((fu_header, data)) = rest.split_first() else {
            return error("the header of a fragment", "none".into());
        };
        if fu_header & FU_START != 0 {
            out.put_slice(&LONG_START_CODE);
            append_header(codec, header, fu_header & 0x3f, out)?;
        } else if !in_fragment {
            return Ok(Nals::MissingStart);
        }
        out.put_slice(data);
        let end = fu_header & FU_END != 0;
        return Ok(if end { Nals::Whole } else { Nals::InFragment });
    }
    let aggregation = match codec {
        Codec::H264 => found == STAP_A,
        Codec::H265 => found == AGGREGATION,
    };
    if !aggregation {
        append_nal(codec, payload, out)?;
        return Ok(Nals::Whole);
    }
    let mut rest = rest;
    if rest.is_empty() {
        return error("a whole NAL unit in an aggregation", "none".into());
    }
    while !rest.is_empty() {
        let parts = rest
            .split_first_chunk()
            .and_then(|(size, rest)| rest.split_at_checked(u16::from_be_bytes(*size).into()));
        let Some((nal, behind)) = parts else {
            return error(
                "a whole NAL unit in an aggregation",
                "a truncated one".into(),
            );
        };
        append_nal(codec, nal, out)?;
        rest = behind;
    }
    Ok(Nals::Whole)
}

fn append_nal(codec: Codec, nal: &[u8], out: &mut BytesMut) -> Result<(), Error> {
    if !can_be_sent(codec, nal) {
        return unknown(nal_type(codec, nal));
    }
    out.put_slice(&LONG_START_CODE);
    out.put_slice(nal);
    Ok(())
}

/// Restores the header of a NAL unit from its first fragment.
fn append_header(
    codec: Codec,
    header: &[u8],
    fu_type: u8,
    out: &mut BytesMut,
) -> Result<(), Error> {
    let nal_type = match codec {
        Codec::H264 => fu_type & 0x1f,
        Codec::H265 => fu_type,
    };
    if !is_plain(codec, nal_type) {
        return unknown(nal_type);
    }
    match (codec, header) {
        (Codec::H264, [first, ..]) => out.put_u8(first & 0xe0 | nal_type),
        (Codec::H265, [first, second, ..]) => {
            out.put_slice(&[first & 0x81 | nal_type << 1, *second]);
        }
        _ => {}
    }
    Ok(())
}

fn unknown<T>(nal_type: u8) -> Result<T, Error> {
    error(
        "a NAL unit, an aggregation or a fragment",
        format!("type {nal_type}"),
    )
}

pub(super) fn error<T>(expected: &'static str, found: String) -> Result<T, Error> {
    Err(Error::RtpPacket { expected, found })
}
