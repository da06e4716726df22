//! MPEG transport streams, checked packet by packet with mpeg2ts.

use std::collections::HashMap;
use std::time::Duration;

use crate::common::audio::{aac_clip, frames, interleaved, write_ts};
use crate::common::{FRAME, H264, H265, clip, nals};
use bytes::Bytes;
use mpeg2ts::es::StreamType;
use mpeg2ts::pes::{PesPacketReader, ReadPesPacket as _};
use mpeg2ts::ts::{ReadTsPacket as _, TsPacketReader, TsPayload};
use proptest::prelude::*;
use tutk_media::{
    AccessUnit, AudioCodec, AudioConfig, AudioFormat, Clip, Codec, Error, NalKind, TS_PACKET_BYTES,
    TS_TABLES_INTERVAL, TsWriter,
};

const VIDEO: u16 = 0x100;
/// Time stamps are modulo this.
const WRAP: u64 = 1 << 33;

/// A PES packet.
struct Unit {
    pts: u64,
    data: Vec<u8>,
}

/// The contents of a valid stream.
struct Stream {
    video: Vec<Unit>,
    audio: Vec<Unit>,
    /// The stream types of each version of the program map.
    maps: Vec<Vec<StreamType>>,
    /// The clock references.
    clocks: Vec<u64>,
    /// The random access indicator of each picture.
    keys: Vec<bool>,
}

fn read(stream: &[u8]) -> Stream {
    assert!(stream.len().is_multiple_of(TS_PACKET_BYTES));
    let mut counters = HashMap::new();
    let (mut maps, mut clocks, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let (mut tables, mut first) = (false, true);
    let mut packets = TsPacketReader::new(stream);
    while let Some(packet) = packets.read_ts_packet().unwrap() {
        let pid = packet.header.pid.as_u16();
        let counter = packet.header.continuity_counter.as_u8();
        let before = counters.insert(pid, counter);
        let step = u8::from(packet.payload.is_some());
        assert!(
            before.is_none_or(|before| (before + step) % 16 == counter),
            "{pid}"
        );
        let field = packet.adaptation_field;
        if let Some(pcr) = field.as_ref().and_then(|field| field.pcr) {
            assert_eq!((pid, pcr.as_u64() % 300), (VIDEO, 0));
            clocks.push(pcr.as_u64() / 300);
        }
        match packet.payload {
            Some(TsPayload::Pat(_)) => tables = true,
            Some(TsPayload::Pmt(pmt)) => {
                assert!(tables && pmt.pcr_pid.unwrap().as_u16() == VIDEO);
                let types = pmt.es_info.iter().map(|es| es.stream_type).collect();
                if maps.last() != Some(&types) {
                    assert_eq!(usize::from(pmt.version_number.as_u8()), maps.len());
                    maps.push(types);
                }
            }
            Some(TsPayload::PesStart(pes)) if pid == VIDEO => {
                assert!(pes.data.starts_with(&[0, 0, 0, 1]));
                let key = field.is_some_and(|field| field.random_access_indicator);
                // Tables come before each key frame.
                assert!(!key || tables);
                keys.push(key);
                tables = false;
            }
            _ => assert!(!first),
        }
        first = false;
    }
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    let mut reader = PesPacketReader::new(TsPacketReader::new(stream));
    while let Some(pes) = reader.read_pes_packet().unwrap() {
        let unit = Unit {
            pts: pes.header.pts.unwrap().as_u64(),
            data: pes.data,
        };
        assert!(pes.header.data_alignment_indicator && pes.header.dts.is_none());
        if pes.header.stream_id.is_video() {
            video.push(unit);
        } else {
            audio.push(unit);
        }
    }
    Stream {
        video,
        audio,
        maps,
        clocks,
        keys,
    }
}

/// The NAL units after the delimiter, which must be first.
fn undelimited(codec: Codec, unit: &[u8]) -> Vec<&[u8]> {
    let mut nals = nals(unit);
    assert_eq!(codec.kind(nals.remove(0)), NalKind::Delimiter);
    nals
}

fn write(clip: &Clip, writer: &mut TsWriter, start: Duration) -> Vec<u8> {
    let mut stream = Vec::new();
    for (at, unit) in (0..).zip(clip.units()) {
        let bytes = writer.write(unit, start + FRAME * at).unwrap();
        assert!(bytes.len().is_multiple_of(TS_PACKET_BYTES));
        stream.extend(bytes);
    }
    stream
}

#[test]
fn video_round_trips() {
    for (bytes, stream_type) in [(H264, StreamType::H264), (H265, StreamType::H265)] {
        let clip = clip(bytes);
        let mut writer = TsWriter::new(clip.codec());
        let stream = read(&write(
            &clip,
            &mut writer,
            Duration::from_secs(1_700_000_000),
        ));
        assert_eq!(
            (writer.stats().frames, writer.stats().skipped),
            (clip.len() as u64, 0)
        );
        assert_eq!(stream.maps, [[stream_type]]);
        assert_eq!(stream.video.len(), clip.len());
        for (at, (found, unit)) in (0..).zip(stream.video.iter().zip(clip.units())) {
            assert!(undelimited(clip.codec(), &found.data) == nals(unit.data()));
            assert_eq!(found.pts, 90_000 + at * 4_500);
            assert_eq!(
                stream.clocks[usize::try_from(at).unwrap()],
                found.pts - 18_000
            );
        }
        let keys: Vec<_> = clip.units().map(AccessUnit::is_key).collect();
        assert_eq!(stream.keys, keys);
    }
}

#[test]
fn tables_precede_key_frames_and_repeat_at_the_interval() {
    let clip = clip(H264);
    let mut writer = TsWriter::new(clip.codec());
    let (mut since, mut count) = (Duration::ZERO, 0);
    for (at, unit) in (0..).zip(clip.units()) {
        let key = unit.is_key();
        let bytes = writer.write(unit, FRAME * at).unwrap();
        let has_tables = bytes[1] & 0x1f == 0 && bytes[2] == 0;
        assert_eq!(has_tables, key || FRAME * at - since >= TS_TABLES_INTERVAL);
        if has_tables {
            (since, count) = (FRAME * at, count + 1);
        }
    }
    assert_eq!(count, 10);
}

#[test]
fn key_frames_get_missing_parameter_sets() {
    for bytes in [H264, H265] {
        let clip = clip(bytes);
        let codec = clip.codec();
        let whole = clip.unit(0).unwrap();
        let key = whole.data();
        let is_slice = |nal: &&[u8]| matches!(codec.kind(nal), NalKind::Slice { .. });
        let slices: Vec<_> = nals(key).into_iter().filter(is_slice).collect();
        let bare: Vec<u8> = slices
            .iter()
            .flat_map(|nal| [&[0, 0, 1], *nal].concat())
            .collect();
        let bare = AccessUnit::new(codec, bare);
        let mut writer = TsWriter::new(codec);
        // The stream cannot start yet.
        assert!(writer.write(&bare, Duration::ZERO).unwrap().is_empty());
        assert!(
            writer
                .write(clip.unit(1).unwrap(), FRAME)
                .unwrap()
                .is_empty()
        );
        let mut stream = writer.write(whole, FRAME * 2).unwrap().to_vec();
        stream.extend(writer.write(&bare, FRAME * 3).unwrap());
        assert_eq!((writer.stats().frames, writer.stats().skipped), (2, 2));
        let stream = read(&stream);
        let [first, second] = &stream.video[..] else {
            unreachable!("two pictures");
        };
        let sets = nals(key).into_iter().take_while(|nal| {
            matches!(codec.kind(nal), NalKind::Vps | NalKind::Sps | NalKind::Pps)
        });
        let expected: Vec<_> = sets.chain(slices.iter().copied()).collect();
        assert_eq!(undelimited(codec, &second.data), expected);
        assert_eq!(first.pts, 90_000);
    }
}

#[test]
fn audio_round_trips() {
    let clip = clip(H265);
    let aac = aac_clip();
    // With headers and without, announced and not.
    for (sound, announced) in [
        (aac.clone(), true),
        (aac.clone(), false),
        (aac.clone().without_adts(), true),
    ] {
        let config = AudioConfig::new(sound.format()).unwrap();
        let mut writer = match announced {
            true => TsWriter::with_audio(clip.codec(), config).unwrap(),
            false => TsWriter::new(clip.codec()),
        };
        let items = interleaved(&clip, FRAME, frames(&sound, Duration::ZERO));
        let stream = write_ts(&mut writer, items);
        let counts = (writer.stats().audio_frames, writer.stats().audio_skipped);
        assert_eq!(counts, (aac.len() as u64, 0));
        let stream = read(&stream);
        let types = vec![StreamType::H265, StreamType::AdtsAac];
        if announced {
            assert_eq!(stream.maps, [types]);
        } else {
            assert_eq!(stream.maps, [vec![StreamType::H265], types]);
        }
        for (at, (found, (frame, _))) in (0..).zip(stream.audio.iter().zip(aac.frames())) {
            // Written headers differ from those of ffmpeg in the buffer fullness only.
            assert_eq!(found.data[..5], frame[..5]);
            assert_eq!(found.data[7..], frame[7..]);
            assert_eq!(found.pts, 90_000 + at * 1_024 * 90_000 / 16_000);
        }
    }
}

#[test]
fn clock_references_continue_with_audio_only() {
    let clip = clip(H264);
    let aac = aac_clip();
    let mut writer = TsWriter::new(clip.codec());
    let unit = clip.unit(0).unwrap();
    let mut stream = writer.write(unit, Duration::ZERO).unwrap().to_vec();
    for (frame, time) in aac.frames() {
        stream.extend(writer.write_audio(aac.format(), frame, time).unwrap());
    }
    let stream = read(&stream);
    assert_eq!((stream.video.len(), stream.audio.len()), (1, aac.len()));
    // Every second frame of 64 ms has a clock reference.
    assert_eq!(stream.clocks.len(), aac.len().div_ceil(2));
    assert!(
        stream
            .clocks
            .windows(2)
            .all(|pair| pair[1] - pair[0] == 2 * 5_760)
    );
}

#[test]
fn opus_packets_have_a_control_header() {
    let clip = clip(H264);
    let format = AudioFormat {
        codec: AudioCodec::Opus,
        rate: 16_000,
        channels: 1,
    };
    let mut writer = TsWriter::new(clip.codec());
    let unit = clip.unit(0).unwrap();
    let mut stream = writer.write(unit, Duration::ZERO).unwrap().to_vec();
    for (at, (bytes, header)) in (0..).zip([
        (100, &[0x7f, 0xe0, 100][..]),
        (254, &[0x7f, 0xe0, 254]),
        (255, &[0x7f, 0xe0, 255, 0]),
        (700, &[0x7f, 0xe0, 255, 255, 190]),
    ]) {
        let mut packet = vec![0x5a; bytes];
        packet[0] = 0x08;
        let written = writer.write_audio(format, &packet, FRAME * at).unwrap();
        let whole = [&stream[..], &written].concat();
        let found = read(&whole);
        assert_eq!(found.audio.last().unwrap().data, [header, &packet].concat());
        stream.extend(written);
    }
}

#[test]
fn unsupported_audio_is_refused() {
    let clip = clip(H264);
    let format = |codec| AudioFormat {
        codec,
        rate: 8_000,
        channels: 1,
    };
    for codec in AudioCodec::ALL {
        let holds = matches!(
            codec,
            AudioCodec::Aac | AudioCodec::AacAdts | AudioCodec::Mp3 | AudioCodec::Opus
        );
        let config = AudioConfig::new(format(codec)).unwrap();
        let writer = TsWriter::with_audio(clip.codec(), config);
        assert_eq!(writer.is_ok(), holds, "{codec}");
    }
    let mut writer = TsWriter::new(clip.codec());
    let error = writer
        .write_audio(format(AudioCodec::Pcmu), &[0; 160], FRAME)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "PCMU cannot be carried by an MPEG transport stream: no stream type is defined for G.711"
    );
    let long = [0x08; 65_536];
    let error = writer
        .write_audio(format(AudioCodec::Opus), &long, FRAME)
        .unwrap_err();
    assert!(matches!(error, Error::AudioFrame { .. }), "{error}");
    // Audio before the first picture is skipped.
    assert_eq!(
        writer.write_audio(format(AudioCodec::Opus), &[0x08], FRAME),
        Ok(Bytes::new())
    );
    assert_eq!(
        (writer.stats().audio_frames, writer.stats().audio_skipped),
        (0, 3)
    );
    let unit = clip.unit(0).unwrap();
    writer.write(unit, Duration::ZERO).unwrap();
    assert!(
        !writer
            .write_audio(format(AudioCodec::Opus), &[0x08], FRAME)
            .unwrap()
            .is_empty()
    );
    let error = writer
        .write_audio(format(AudioCodec::Aac), &[0x21], FRAME)
        .unwrap_err();
    assert!(matches!(error, Error::AudioChanged { .. }), "{error}");
}

#[test]
fn time_stamps_wrap() {
    let clip = clip(H264);
    let mut writer = TsWriter::new(clip.codec());
    let mut time = Duration::ZERO;
    let (mut expected, mut stamps) = (Vec::new(), Vec::new());
    // Thirty hours, a key frame every ten minutes.
    for at in 0..180_u64 {
        let bytes = writer.write(clip.unit(0).unwrap(), time).unwrap();
        let stream = read(&bytes);
        stamps.push((stream.video[0].pts, stream.clocks[0]));
        let pts = 90_000 + at * 600 * 90_000;
        expected.push((pts % WRAP, (pts - 18_000) % WRAP));
        time += Duration::from_secs(600);
    }
    assert_eq!(stamps, expected);
    assert!(stamps.windows(2).any(|pair| pair[1].0 < pair[0].0));
}

proptest! {
    /// With any clock, packets are valid, all skipped frames are counted, and time stamps never go
    /// back.
    #[test]
    fn audio_and_video_at_any_time(
        times in prop::collection::vec((any::<bool>(), 0..4_000_u64, 0..200_u8), 1..80),
    ) {
        let clip = clip(H265);
        let aac = aac_clip();
        let mut writer = TsWriter::new(clip.codec());
        let (mut stream, mut units, mut sent) = (Vec::new(), 0, 0);
        for (at, (picture, time, jump)) in times.into_iter().enumerate() {
            // Mostly 20 ms later, sometimes anywhere.
            let time = if jump == 0 { time * 1_000 } else { time % 50 + 20 * at as u64 };
            let time = Duration::from_millis(time);
            if picture {
                let unit = clip.unit(units % clip.len()).unwrap();
                stream.extend(writer.write(unit, time).unwrap());
                units += 1;
            } else {
                let (frame, _) = aac.frame(sent % aac.len()).unwrap();
                stream.extend(writer.write_audio(aac.format(), frame, time).unwrap());
                sent += 1;
            }
        }
        prop_assert_eq!(writer.stats().frames + writer.stats().skipped, units as u64);
        prop_assert_eq!(writer.stats().audio_frames + writer.stats().audio_skipped, sent as u64);
        let found = read(&stream);
        prop_assert_eq!(found.video.len() as u64, writer.stats().frames);
        prop_assert_eq!(found.audio.len() as u64, writer.stats().audio_frames);
        // Modulo 2^33, as they wrap.
        let forward = |from: u64, to: u64| to.wrapping_sub(from) % WRAP < WRAP / 2;
        prop_assert!(found.clocks.windows(2).all(|pair| forward(pair[0], pair[1])));
        for units in [&found.video, &found.audio] {
            prop_assert!(units.windows(2).all(|pair| forward(pair[0].pts + 1, pair[1].pts)));
        }
    }
}
