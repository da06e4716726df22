//! The `Transport` header of `SETUP` (RFC 2326 section 12.39).

use super::ports::Ports;

/// The maximum number of transports that are parsed in one header.
const MAX_TRANSPORTS: usize = 8;

/// A supported transport that a client offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// Interleaved, on these channels if they are free.
    Interleaved(Option<(u8, u8)>),
    /// UDP to these ports.
    Udp(Ports),
}

/// Returns the supported transports of a header, in the client's order.
pub(super) fn offers(header: &str, udp: bool) -> impl Iterator<Item = Offer> {
    let transports = header.split(',').take(MAX_TRANSPORTS);
    transports
        .filter_map(offer)
        .filter(move |offer| udp || matches!(offer, Offer::Interleaved(_)))
}

/// Parses one transport. Returns `None` for other protocols, multicast, recording, and invalid
/// text.
fn offer(text: &str) -> Option<Offer> {
    let mut parts = text.split(';').map(str::trim);
    let is = |this: &str, that| this.eq_ignore_ascii_case(that);
    let tcp = match parts.next()? {
        spec if is(spec, "RTP/AVP/TCP") => true,
        spec if is(spec, "RTP/AVP") || is(spec, "RTP/AVP/UDP") => false,
        _ => return None,
    };
    let (mut channels, mut ports) = (None, None);
    for part in parts {
        match part.split_once('=') {
            None if is(part, "multicast") => return None,
            Some((name, value)) if is(name, "mode") && !is(value.trim_matches('"'), "PLAY") => {
                return None;
            }
            Some((name, value)) if is(name, "interleaved") => channels = Some(pair(value)?),
            Some((name, value)) if is(name, "client_port") => ports = Some(pair(value)?),
            // Other parameters are ignored. `destination` must be: a client could send a stream to
            // another host.
            _ => {}
        }
    }
    if tcp {
        let channel = |channel: u16| u8::try_from(channel).ok();
        let channels = match channels {
            Some((rtp, rtcp)) => Some((channel(rtp)?, channel(rtcp)?)),
            None => None,
        };
        return Some(Offer::Interleaved(channels));
    }
    let (rtp, rtcp) = ports?;
    (rtp != 0 && rtcp != 0).then_some(Offer::Udp(Ports { rtp, rtcp }))
}

/// Parses `4-5`, or `4` for a port and the next one. The numbers must differ.
fn pair(text: &str) -> Option<(u16, u16)> {
    let (first, second) = match text.split_once('-') {
        Some((first, second)) => (first.parse().ok()?, second.parse().ok()?),
        None => {
            let first: u16 = text.parse().ok()?;
            (first, first.checked_add(1)?)
        }
    };
    (first != second).then_some((first, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(header: &str) -> Option<Offer> {
        offers(header, true).next()
    }

    #[test]
    fn parses_offers_of_common_clients() {
        let udp = |rtp, rtcp| Some(Offer::Udp(Ports { rtp, rtcp }));
        // ffmpeg, live555 (VLC), GStreamer, and minimal forms.
        for (header, offer) in [
            ("RTP/AVP/UDP;unicast;client_port=5000-5001", udp(5000, 5001)),
            ("RTP/AVP;unicast;client_port=6970-6971", udp(6970, 6971)),
            ("rtp/avp; unicast; client_port=7; mode=play", udp(7, 8)),
            (
                "RTP/AVP/TCP;unicast;interleaved=2-3;mode=\"PLAY\"",
                Some(Offer::Interleaved(Some((2, 3)))),
            ),
            ("RTP/AVP/TCP", Some(Offer::Interleaved(None))),
            (
                "RTP/AVPF;unicast;client_port=1-2,RTP/SAVP;unicast;client_port=1-2,\
                 RTP/AVP/TCP;unicast;interleaved=0-1",
                Some(Offer::Interleaved(Some((0, 1)))),
            ),
        ] {
            assert_eq!(first(header), offer, "{header}");
        }
        let both = "RTP/AVP;unicast;client_port=6-7,RTP/AVP/TCP;interleaved=4-5";
        assert_eq!(offers(both, true).count(), 2);
        let tcp: Vec<_> = offers(both, false).collect();
        assert_eq!(tcp, [Offer::Interleaved(Some((4, 5)))]);
    }

    #[test]
    fn ignores_unsupported_and_invalid_offers() {
        for header in [
            "",
            ",;=",
            "RTP/AVP;multicast;client_port=5000-5001",
            "RTP/AVP;unicast",
            "RTP/AVP;client_port=0-1",
            "RTP/AVP;client_port=65535",
            "RTP/AVP;client_port=65536-65537",
            "RTP/AVP;client_port=5-5",
            "RTP/AVP/TCP;interleaved=256-257",
            "RTP/AVP/TCP;interleaved=\"",
            "RTP/AVP/TCP;interleaved=1-2;mode=\"",
            "RTP/AVP/TCP;interleaved=1-2;mode=RECORD",
            "RAW/RAW/UDP;unicast;client_port=1-2",
        ] {
            assert_eq!(first(header), None, "{header}");
        }
        let many = "RTP/X,".repeat(MAX_TRANSPORTS) + "RTP/AVP/TCP";
        assert_eq!(first(&many), None);
    }
}
