//! RTP round trips with packets of many sizes and with loss.

use crate::common::audio::{aac_clip, tone_clip};
use crate::common::rtp::Sender;
use crate::common::{H264, H265, clip, nals};
use bytes::Bytes;
use proptest::prelude::*;
use tutk_media::{
    AudioCodec, AudioConfig, AudioFormat, Codec, Error, MAX_RTP_PACKET_BYTES, MIN_RTP_PACKET_BYTES,
    RTP_HEADER_BYTES, RtpDepacketizer, RtpFrame, RtpPayloads, rtp_timestamp,
};

fn frames(rtp: &mut RtpDepacketizer, packets: &[Vec<u8>]) -> Vec<RtpFrame> {
    let mut frames = Vec::new();
    for packet in packets {
        rtp.handle_packet(packet).unwrap();
        frames.extend(std::iter::from_fn(|| rtp.poll()));
    }
    frames
}

fn unit(nals: &[Vec<u8>]) -> Vec<u8> {
    let nals = nals.iter().map(|nal| [&[0, 0, 0, 1], &nal[..]].concat());
    nals.collect::<Vec<_>>().concat()
}

fn sequence(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[2], packet[3]])
}

fn marker(packet: &[u8]) -> bool {
    packet[1] & 0x80 != 0
}

/// Sends and receives a stream and checks every packet.
fn round_trip(codec: Codec, units: &[Vec<u8>], packet_bytes: usize) {
    let mut rtp = Sender::video(codec, packet_bytes);
    let mut back = RtpDepacketizer::video(codec);
    let mut expected = rtp.stream.sequence();
    for (at, unit) in (0..).zip(units) {
        let sent = rtp.packets(unit, at * 3_000);
        let (last, before) = sent.split_last().unwrap();
        assert!(marker(last) && !before.iter().any(|packet| marker(packet)));
        for packet in &sent {
            assert!(packet.len() <= packet_bytes, "{}", packet.len());
            assert_eq!(sequence(packet), expected);
            expected = expected.wrapping_add(1);
        }
        let received = frames(&mut back, &sent);
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].timestamp, at * 3_000);
        assert!(nals(&received[0].data) == nals(unit));
    }
    assert_eq!(
        (rtp.skipped, back.lost(), back.late(), back.dropped()),
        (0, 0, 0, 0)
    );
}

/// NAL units of all types that RTP can carry.
fn nal(codec: Codec, lengths: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let types = match codec {
        Codec::H264 => 1..24_u8,
        Codec::H265 => 0..48,
    };
    let body = prop::collection::vec(1..=u8::MAX, lengths);
    (types, any::<[u8; 2]>(), body).prop_map(move |(nal_type, [first, second], body)| {
        let mut nal = match codec {
            Codec::H264 => vec![first & 0xe0 | nal_type],
            // The temporal id is never 0.
            Codec::H265 => vec![first & 0x81 | nal_type << 1, second | 1],
        };
        nal.extend(body);
        nal
    })
}

fn stream(lengths: std::ops::Range<usize>) -> impl Strategy<Value = (Codec, Vec<Vec<u8>>)> {
    prop_oneof![Just(Codec::H264), Just(Codec::H265)].prop_flat_map(move |codec| {
        let units = prop::collection::vec(nal(codec, lengths.clone()), 1..6);
        let units = units.prop_map(|nals| unit(&nals));
        (Just(codec), prop::collection::vec(units, 1..4))
    })
}

#[test]
fn clips_round_trip_in_packets_of_many_sizes() {
    for bytes in [H264, H265] {
        let clip = clip(bytes);
        let units: Vec<_> = clip.units().map(|unit| unit.data().to_vec()).collect();
        for packet_bytes in [
            MIN_RTP_PACKET_BYTES,
            65,
            576,
            1_452,
            9_000,
            MAX_RTP_PACKET_BYTES,
        ] {
            round_trip(clip.codec(), &units, packet_bytes);
        }
    }
}

#[test]
fn unsupported_nal_units_are_skipped_and_counted() {
    let mut rtp = Sender::video(Codec::H264, 1_200);
    let unsupported = unit(&[vec![0x78, 1, 2], vec![0x60], vec![0x7f, 3]]);
    assert!(rtp.packets(&unsupported, 0).is_empty());
    assert_eq!(rtp.skipped, 3);
    let mut rtp = Sender::video(Codec::H265, 1_200);
    let unsupported = unit(&[
        vec![0x60, 1, 2],
        vec![0x02],
        vec![0x7e, 1, 1],
        vec![2, 1, 0xd0],
    ]);
    let sent = rtp.packets(&unsupported, 0);
    assert_eq!((sent.len(), rtp.skipped), (1, 3));
    assert!(rtp.packets(b"no start code", 0).is_empty());
    assert!(marker(&sent[0]) && sent[0][RTP_HEADER_BYTES..] == [2, 1, 0xd0]);
}

/// Sends and receives the frames of a clip. PCM and G.711 are compared joined, because they can be
/// split.
fn audio_round_trip(clip: &tutk_media::AudioClip, packet_bytes: usize) {
    let audio = AudioConfig::of_frame(clip.format(), clip.frame(0).unwrap().0).unwrap();
    let mut rtp = Sender::audio(audio, packet_bytes);
    let mut back = RtpDepacketizer::audio(audio).unwrap();
    let plain = clip.clone().without_adts();
    let (mut expected, mut received) = (Vec::new(), Vec::new());
    for ((frame, time), (plain, _)) in clip.frames().zip(plain.frames()) {
        let timestamp = rtp_timestamp(time, rtp.clock_rate());
        let sent = rtp.packets(frame, timestamp);
        assert!(sent.iter().all(|packet| packet.len() <= packet_bytes));
        let mut at = timestamp;
        for frame in frames(&mut back, &sent) {
            assert_eq!(frame.timestamp, at);
            let bytes = usize::from(audio.format().channels)
                * if audio.format().codec == AudioCodec::Pcm {
                    2
                } else {
                    1
                };
            at += u32::try_from(frame.data.len() / bytes).unwrap();
            received.extend(frame.data);
        }
        expected.extend_from_slice(plain);
    }
    assert!(received == expected);
}

#[test]
fn audio_round_trips_in_packets_of_many_sizes() {
    for packet_bytes in [MIN_RTP_PACKET_BYTES, 65, 67, 300, 1_452] {
        audio_round_trip(&aac_clip(), packet_bytes);
        audio_round_trip(&aac_clip().without_adts(), packet_bytes);
        for (codec, channels) in [
            (AudioCodec::Pcmu, 1),
            (AudioCodec::Pcma, 2),
            (AudioCodec::Pcm, 1),
            (AudioCodec::Pcm, 2),
        ] {
            audio_round_trip(&tone_clip(codec, 16_000, channels, 500), packet_bytes);
        }
    }
}

#[test]
fn unsupported_audio_is_refused() {
    let format = |codec| AudioFormat {
        codec,
        rate: 16_000,
        channels: 1,
    };
    let payloads = |format, frame: &[u8]| {
        let config = AudioConfig::new(format).unwrap();
        RtpPayloads::audio(config, &Bytes::copy_from_slice(frame), 100)
    };
    for codec in [
        AudioCodec::AacLatm,
        AudioCodec::Adpcm,
        AudioCodec::Speex,
        AudioCodec::G726,
    ] {
        let error = payloads(format(codec), &[0; 10]).unwrap_err();
        assert!(matches!(error, Error::AudioNotCarried { .. }));
    }
    let error = |codec, frame: &[u8]| payloads(format(codec), frame).unwrap_err().to_string();
    assert_eq!(
        error(AudioCodec::Opus, &[0x08; 89]),
        "expected a frame of Opus with no more bytes than an RTP packet holds, found 89"
    );
    assert_eq!(
        error(AudioCodec::Aac, &[0x21; 8_192]),
        "expected a frame of AAC with at most 8191 bytes, found 8192"
    );
    assert!(payloads(format(AudioCodec::Opus), &[0x08; 88]).is_ok());
    let eight = AudioFormat {
        rate: 8_000,
        ..format(AudioCodec::Aac)
    };
    let changed = payloads(eight, aac_clip().frame(0).unwrap().0);
    assert!(matches!(changed, Err(Error::AudioChanged { .. })));
}

#[test]
fn opus_packets_of_any_length_round_trip() {
    let audio = AudioConfig::new(AudioFormat {
        codec: AudioCodec::Opus,
        rate: 48_000,
        channels: 2,
    })
    .unwrap();
    let mut rtp = Sender::audio(audio, 100);
    let mut back = RtpDepacketizer::audio(audio).unwrap();
    for bytes in 1..=88 {
        let frame = vec![0xfc; bytes];
        let received = frames(&mut back, &rtp.packets(&frame, 0));
        assert_eq!((received.len(), &received[0].data[..]), (1, &frame[..]));
    }
}

/// Other senders put several AAC frames in one packet (RFC 3640 section 3.3.6).
#[test]
fn receives_several_aac_frames_in_one_packet() {
    let format = AudioFormat {
        codec: AudioCodec::Aac,
        rate: 16_000,
        channels: 1,
    };
    let mut back = RtpDepacketizer::audio(AudioConfig::new(format).unwrap()).unwrap();
    let head = [0x80, 0xe0, 0, 7, 0, 0, 0, 100, 0, 0, 0, 1];
    let packet = |payload: &[u8]| [&head, payload].concat();
    back.handle_packet(&packet(&[0, 32, 0, 3 << 3, 0, 2 << 3, 1, 2, 3, 4, 5]))
        .unwrap();
    let received: Vec<_> = std::iter::from_fn(|| back.poll())
        .map(|frame| (frame.data.to_vec(), frame.timestamp))
        .collect();
    assert_eq!(received, [(vec![1, 2, 3], 100), (vec![4, 5], 1_124)]);
    for wrong in [
        &[][..],
        &[0, 16, 0],
        &[0, 0, 1],
        &[0, 12, 0, 8, 1],
        &[0, 16, 0, 0, 1],
        &[0, 16, 0, 9, 1],
        &[0, 32, 0, 8, 0, 16, 1, 2],
    ] {
        let mut back = RtpDepacketizer::audio(AudioConfig::new(format).unwrap()).unwrap();
        let error = back.handle_packet(&packet(wrong)).unwrap_err();
        assert!(matches!(error, Error::RtpPacket { .. }), "{wrong:?}");
    }
}

#[test]
fn invalid_packets_are_refused() {
    let mut back = RtpDepacketizer::video(Codec::H264);
    let mut error = |packet: &[u8]| back.handle_packet(packet).unwrap_err().to_string();
    assert!(error(&[0x80; 11]).starts_with("RTP packet: expected a whole RTP packet, found "));
    let head = [0x80, 0x60, 0, 7, 0, 0, 0, 100, 0, 0, 0, 1];
    let mut sequence = 7;
    let mut error = |payload: &[u8]| {
        let mut packet = [&head, payload].concat();
        packet[3] = sequence;
        sequence += 1;
        error(&packet)
    };
    assert!(error(&[0x79, 0, 1]).ends_with("an aggregation or a fragment, found type 25"));
    // Later packets of the same access unit are dropped silently.
    let mut back = RtpDepacketizer::video(Codec::H264);
    let mut error = |payload: &[u8]| {
        back = RtpDepacketizer::video(Codec::H264);
        back.handle_packet(&[&head, payload].concat())
            .unwrap_err()
            .to_string()
    };
    assert!(error(&[0x78, 0, 2, 0x65]).ends_with("in an aggregation, found a truncated one"));
    assert!(error(&[0x7c]).ends_with("the header of a fragment, found none"));
    assert!(error(&[]).ends_with("the header of a NAL unit, found 0 bytes"));
    assert!(error(&[0x7c, 0x9c, 1]).ends_with("found type 28"));
    assert_eq!(back.dropped(), 1);
    // A receiver that joins within a NAL unit waits for the next access unit.
    let mut back = RtpDepacketizer::video(Codec::H264);
    let packet = [&head[..], &[0x7c, 0x45, 1]].concat();
    assert_eq!(back.handle_packet(&packet), Ok(()));
    assert_eq!((back.poll(), back.dropped()), (None, 1));
}

/// Access units with different contents.
fn numbered(count: u8) -> Vec<Vec<u8>> {
    let bodies = (1..=count).map(|at| vec![at; 300 * usize::from(at % 3 + 1)]);
    bodies
        .map(|body| unit(&[[&[0x41][..], &body].concat()]))
        .collect()
}

proptest! {
    #[test]
    fn any_nal_units_round_trip(
        (codec, units) in stream(1..3_000),
        packet_bytes in prop_oneof![64..100_usize, 100..2_000_usize, Just(65_535)],
    ) {
        // Key frames without parameter sets are sent after the known ones: see the test of short
        // units.
        let has_set = |unit: &Vec<u8>| nals(unit).iter().any(|nal| {
            use tutk_media::NalKind::{Pps, Sps, Vps};
            matches!(codec.kind(nal), Vps | Sps | Pps)
        });
        let units: Vec<_> = units.into_iter().filter(|unit| !has_set(unit)).collect();
        round_trip(codec, &units, packet_bytes);
    }

    #[test]
    fn receives_short_nal_units((codec, units) in stream(1..20), packet_bytes in 64..100_usize) {
        let mut rtp = Sender::video(codec, packet_bytes);
        let mut back = RtpDepacketizer::video(codec);
        for (at, unit) in (0..).zip(&units) {
            let received = frames(&mut back, &rtp.packets(unit, at));
            prop_assert_eq!(received.len(), 1);
            // Known parameter sets may be added before key frames.
            let received = nals(&received[0].data);
            prop_assert!(nals(unit).iter().all(|nal| received.contains(nal)));
        }
    }

    /// Frames without a lost packet are received, and no others. Duplicates are dropped.
    #[test]
    fn loss_drops_only_the_affected_frames(
        lost in prop::collection::btree_set(0..120_usize, 0..30),
        twice in prop::collection::btree_set(0..120_usize, 0..10),
    ) {
        let units = numbered(40);
        let mut rtp = Sender::video(Codec::H264, 300);
        let mut back = RtpDepacketizer::video(Codec::H264);
        let (mut number, mut received, mut whole) = (0, Vec::new(), Vec::new());
        let (mut gap, mut started) = (false, false);
        for (at, unit) in (0..).zip(&units) {
            let mut touched = false;
            for packet in rtp.packets(unit, at) {
                if lost.contains(&number) {
                    (gap, touched) = (started, true);
                } else {
                    touched |= gap;
                    (gap, started) = (false, true);
                    back.handle_packet(&packet).unwrap();
                    if twice.contains(&number) {
                        back.handle_packet(&packet).unwrap();
                    }
                }
                number += 1;
            }
            if !touched {
                whole.push(at);
            }
            received.extend(std::iter::from_fn(|| back.poll()));
        }
        let timestamps: Vec<_> = received.iter().map(|frame| frame.timestamp).collect();
        prop_assert_eq!(timestamps, whole);
        for frame in &received {
            let unit = &units[usize::try_from(frame.timestamp).unwrap()];
            prop_assert_eq!(&frame.data, unit);
        }
        let late = twice.iter().filter(|at| !lost.contains(at) && **at < number).count();
        prop_assert_eq!(back.late(), late as u64);
    }

    #[test]
    fn any_packets_do_not_panic(
        packets in prop::collection::vec(
            (any::<[u8; 2]>(), prop::collection::vec(any::<u8>(), 0..60), 0..3_u8, 0..3_u8),
            1..40,
        ),
    ) {
        let format = |codec| AudioFormat { codec, rate: 16_000, channels: 2 };
        let mut receivers: Vec<_> = [AudioCodec::Aac, AudioCodec::Pcm, AudioCodec::Opus]
            .into_iter()
            .map(|codec| RtpDepacketizer::audio(AudioConfig::new(format(codec)).unwrap()).unwrap())
            .chain([Codec::H264, Codec::H265].map(RtpDepacketizer::video))
            .collect();
        let mut number = 0_u8;
        for ([first, second], body, skip, timestamp) in packets {
            number = number.wrapping_add(skip);
            let head = [first & 0x3f | 0x80, second, 0, number, 0, 0, 0, timestamp, 0, 0, 0, 1];
            let packet = [&head, &body[..]].concat();
            for receiver in &mut receivers {
                let _ = receiver.handle_packet(&packet);
                while let Some(frame) = receiver.poll() {
                    prop_assert!(!frame.data.is_empty());
                }
            }
        }
    }
}
