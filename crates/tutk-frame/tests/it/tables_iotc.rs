//! IOTC and cc51 packets byte by byte (docs/protocol.md, sections 5 and 7 to 9).

use crate::table::*;
use tutk_frame::{
    AuthKey, Cc51, Cc51Discovery, Cc51Header, Cc51Keepalive, Close, DataHeader, Direction,
    DiscoveryAnswer, DiscoveryLayout, DiscoveryRequest, Error, Iotc, IotcHeader, IotcLayout,
    Keepalive, SessionAnswer, SessionId, SessionRequest, SessionStamp, SessionTrailer, Stage, Uid,
    WrapperLayout,
};

const SUMMARY: IotcLayout = IotcLayout {
    discovery: DiscoveryLayout::SessionAt52,
    session: SessionTrailer::Crc32,
    wrapper: WrapperLayout::Iotc30,
};
const TRANSCODE: IotcLayout = IotcLayout {
    discovery: DiscoveryLayout::SessionAt56,
    session: SessionTrailer::UnixSeconds,
    wrapper: WrapperLayout::Iotc28,
};
const SESSION: SessionId = SessionId([0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8]);

fn uid() -> Uid {
    "HSBJYB5HSETGCDWD111A".parse().unwrap()
}

/// An IOTC header with sequence 0.
fn header(mode: &str, length: &str, command: &str, flags: &str) -> String {
    format!("04 02 1a {mode} {length} 00 00 {command} {flags} {Z4}")
}

/// Checks that a packet is written as these bytes, and that they parse to it.
#[track_caller]
fn is_exact(packet: Iotc<'_>, layout: IotcLayout, bytes: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
    assert_eq!(written(write), bytes);
    assert_eq!(Iotc::parse(bytes, layout), Ok(packet));
}

fn tag() -> [u8; 20] {
    std::array::from_fn(|i| 0xc0 + u8::try_from(i).unwrap())
}

#[test]
fn iotc_header_matches_its_table() {
    let bytes = table(&[
        (0, "04 02"),
        (2, "1a"),
        (3, "0b"),
        (4, "34 12"),
        (6, "02 01"),
        (8, "08 04"),
        (10, "12 00"),
        (12, "a1 a2 00 01"),
    ]);
    let header = IotcHeader {
        generation: 0x1a,
        mode: 0x0b,
        length: 0x1234,
        sequence: 0x0102,
        command: 0x0408,
        flags: 0x0012,
        tail: [0xa1, 0xa2, 0x00, 0x01],
    };
    assert_eq!(IotcHeader::parse(&bytes), Ok((header, &[][..])));
    assert_eq!(written(|out| header.write(out)), bytes);
    // Other SDK generations are accepted.
    for generation in [0x12, 0x19, 0x1c] {
        let mut other = bytes.clone();
        other[2] = generation;
        assert_eq!(IotcHeader::parse(&other).unwrap().0.generation, generation);
    }
}

#[test]
fn discovery_request_of_summary_matches_its_table() {
    let bytes = table(&[
        (0, &header("02", "48 00", "01 06", "21 00")),
        (16, UID),
        (36, Z12),
        (48, "01 01 02 04"),
        (52, RANDOM_ID),
        (60, "01 00 00 00"),
        (64, Z8),
        (72, AUTH_KEY),
        (80, Z8),
    ]);
    assert_eq!(bytes.len(), 88);
    let request = DiscoveryRequest {
        uid: uid(),
        version: DiscoveryRequest::SDK_VERSION,
        session: SESSION,
        stage: Stage::Broadcast,
        auth_key: Some(AuthKey(*b"qZwi9FaB")),
    };
    is_exact(
        Iotc::DiscoveryRequest(request.clone()),
        SUMMARY,
        &bytes,
        |out| request.write(SUMMARY.discovery, out),
    );
}

#[test]
fn both_discovery_requests_of_transcode_match_their_tables() {
    for (stage, number, key, key_bytes) in [
        (
            Stage::Broadcast,
            "01 00 00 00",
            Some(AuthKey(*b"qZwi9FaB")),
            AUTH_KEY,
        ),
        (Stage::Direct, "02 00 00 00", None, Z8),
    ] {
        let bytes = table(&[
            (0, &header("02", "48 00", "01 06", "21 00")),
            (16, UID),
            (36, "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"),
            (52, "01 01 02 04"),
            (56, RANDOM_ID),
            (64, number),
            (68, Z6),
            (74, key_bytes),
            (82, Z6),
        ]);
        assert_eq!(bytes.len(), 88);
        let request = DiscoveryRequest {
            uid: uid(),
            version: DiscoveryRequest::SDK_VERSION,
            session: SESSION,
            stage,
            auth_key: key,
        };
        is_exact(
            Iotc::DiscoveryRequest(request.clone()),
            TRANSCODE,
            &bytes,
            |out| request.write(TRANSCODE.discovery, out),
        );
    }
}

#[test]
fn discovery_answer_of_summary_matches_its_table() {
    let bytes = table(&[
        (0, &header("02", "48 00", "02 06", "12 00")),
        (16, UID),
        (36, "c0 a8 01 2a"),
        (40, "39 30"),
        (42, Z10),
        (52, RANDOM_ID),
        (60, Z12),
        (72, Z8),
        (80, Z8),
    ]);
    let answer = DiscoveryAnswer {
        uid: uid(),
        session: Some(SESSION),
        address: Some("192.168.1.42:12345".parse().unwrap()),
    };
    is_exact(Iotc::DiscoveryAnswer(answer), SUMMARY, &bytes, |out| {
        answer.write(SUMMARY.discovery, out)
    });
}

#[test]
fn discovery_answer_of_transcode_matches_its_table() {
    let mut bytes = table(&[
        (0, &header("02", "b8 00", "02 06", "12 00")),
        (16, UID),
        (36, Z10),
        (46, Z10),
        (56, RANDOM_ID),
    ]);
    bytes.resize(200, 0);
    let answer = DiscoveryAnswer {
        uid: uid(),
        session: Some(SESSION),
        address: None,
    };
    is_exact(Iotc::DiscoveryAnswer(answer), TRANSCODE, &bytes, |out| {
        answer.write(TRANSCODE.discovery, out)
    });
    // Any length that includes the UID is accepted.
    bytes.truncate(36);
    bytes[4] = 20;
    let short = DiscoveryAnswer::parse(&bytes, TRANSCODE.discovery).unwrap();
    assert_eq!((short.uid, short.session), (uid(), None));
}

#[test]
fn session_request_of_summary_has_a_checked_crc() {
    let mut bytes = table(&[
        (0, &header("02", "24 00", "02 04", "33 00")),
        (16, UID),
        (36, RANDOM_ID),
        (44, Z4),
        // CRC-32/ISO-HDLC of the first 48 bytes, from Python's zlib.crc32.
        (48, "5c 50 59 da"),
    ]);
    assert_eq!(bytes.len(), 52);
    let request = SessionRequest {
        uid: uid(),
        session: SESSION,
        stamp: SessionStamp::Crc32,
    };
    is_exact(Iotc::SessionRequest(request), SUMMARY, &bytes, |out| {
        request.write(out)
    });
    bytes[20] ^= 1;
    assert!(matches!(
        Iotc::parse(&bytes, SUMMARY),
        Err(Error::Checksum { offset: 48, .. })
    ));
}

#[test]
fn session_request_of_transcode_has_the_unix_time() {
    let bytes = table(&[
        (0, &header("02", "24 00", "02 04", "33 00")),
        (16, UID),
        (36, RANDOM_ID),
        (44, Z4),
        (48, "78 56 34 12"),
    ]);
    let request = SessionRequest {
        uid: uid(),
        session: SESSION,
        stamp: SessionStamp::UnixSeconds(0x1234_5678),
    };
    is_exact(Iotc::SessionRequest(request), TRANSCODE, &bytes, |out| {
        request.write(out)
    });
}

#[test]
fn session_answer_may_have_no_body() {
    let bytes = table(&[
        (0, &header("02", "24 00", "04 04", "33 00")),
        (16, UID),
        (36, RANDOM_ID),
        (44, Z8),
    ]);
    let answer = SessionAnswer {
        uid: Some(uid()),
        session: Some(SESSION),
    };
    is_exact(Iotc::SessionAnswer(answer), TRANSCODE, &bytes, |out| {
        answer.write(out)
    });
    // The header alone is accepted.
    let header = table(&[(0, "04 02 1a 0a 00 00 00 00 04 04 33 00 00 00 00 00")]);
    let bare = SessionAnswer {
        uid: None,
        session: None,
    };
    assert_eq!(
        Iotc::parse(&header, TRANSCODE),
        Ok(Iotc::SessionAnswer(bare))
    );
}

#[test]
fn keepalive_and_answer_match_their_tables() {
    for (answer, command, flags) in [(false, "28 04", "12 00"), (true, "27 04", "21 00")] {
        let bytes = table(&[
            (0, &header("0a", "08 00", command, flags)),
            (16, "01 02 03 04 05 06 07 08"),
        ]);
        let keepalive = Keepalive {
            answer,
            body: [1, 2, 3, 4, 5, 6, 7, 8],
        };
        is_exact(Iotc::Keepalive(keepalive), TRANSCODE, &bytes, |out| {
            keepalive.write(out)
        });
        assert!(keepalive.acknowledge().answer);
    }
}

#[test]
fn data_header_of_summary_matches_its_table() {
    for (direction, command) in [
        (Direction::ToCamera, "04 07"),
        (Direction::FromCamera, "08 04"),
    ] {
        let bytes = table(&[
            (0, "04 02"),
            (2, "1a 0b"),
            // 14 bytes of this header, 13 of the record header, 3 of the record's payload.
            (4, "1e 00"),
            (6, "07 00"),
            (8, command),
            (10, "21 00"),
            (12, "a1 a2"),
            (14, "01 00"),
            (16, "0c 00"),
            (18, Z4),
            (22, RANDOM_ID),
            // The DTLS record.
            (30, "16"),
            (31, "fe fd"),
            (33, "00 01"),
            (35, "00 00 00 00 00 05"),
            (41, "00 03"),
            (43, "aa bb cc"),
        ]);
        let header = DataHeader {
            layout: WrapperLayout::Iotc30,
            direction,
            channel: 0,
            sequence: 7,
            session: SESSION,
            payload_len: 16,
        };
        assert_eq!(written(|out| header.write(out)), bytes[..30]);
        assert_eq!(header.payload_range(), 30..46);
        assert_eq!(header.tag_range(), 46..46);
        let payload = &bytes[30..];
        let parsed = Iotc::parse(&bytes, SUMMARY);
        assert_eq!(parsed, Ok(Iotc::Data { header, payload }));
    }
}

#[test]
fn data_header_of_transcode_matches_its_table() {
    for (direction, command, flags) in [
        (Direction::ToCamera, "07 04", "21 00"),
        (Direction::FromCamera, "08 04", "12 00"),
    ] {
        let bytes = table(&[
            (0, "04 02 1a 0b"),
            (4, "0f 00"),
            (6, "07 00"),
            (8, command),
            (10, flags),
            (12, "a1 a2"),
            (14, "01"),
            (15, "01"),
            (16, "0c 00 00 00"),
            (20, RANDOM_ID),
            (28, "aa bb cc"),
        ]);
        let header = DataHeader {
            layout: WrapperLayout::Iotc28,
            direction,
            channel: 1,
            sequence: 7,
            session: SESSION,
            payload_len: 3,
        };
        assert_eq!(written(|out| header.write(out)), bytes[..28]);
        assert_eq!(header.payload_range(), 28..31);
        let payload = &bytes[28..];
        let parsed = Iotc::parse(&bytes, TRANSCODE);
        assert_eq!(parsed, Ok(Iotc::Data { header, payload }));
    }
}

#[test]
fn command_of_another_dialect_is_unknown() {
    let data = table(&[
        (0, "04 02 1a 0b 0c 00 00 00 04 07 21 00"),
        (12, "a1 a2 00 01 0c 00 00 00"),
        (20, RANDOM_ID),
    ]);
    assert_eq!(
        Iotc::parse(&data, TRANSCODE),
        Ok(Iotc::Unknown { command: 0x0704 })
    );
}

#[test]
fn cc51_discovery_matches_its_table() {
    let bytes = table(&[
        (0, "51 cc"),
        (2, "00 00"),
        (4, "02 10"),
        (6, "28 00"),
        (8, "ff ff"),
        (10, "00 00"),
        (12, "01 00"),
        (14, "cd ab"),
        (16, RANDOM_ID),
        (24, "00 08 03 04"),
        (28, "1d 00 00 00"),
        (32, TAG),
    ]);
    assert_eq!(bytes.len(), Cc51Discovery::LEN);
    let packet = Cc51Discovery {
        direction: Direction::FromCamera,
        sequence: 1,
        ticket: 0xabcd,
        session: SESSION,
        tag: tag(),
    };
    assert_eq!(written(|out| packet.write(out)), bytes);
    assert_eq!(Cc51::parse(&bytes), Ok(Cc51::Discovery(packet)));
}

#[test]
fn cc51_data_matches_its_table() {
    let bytes = table(&[
        (0, "51 cc"),
        (2, "00 00"),
        (4, "02 15"),
        // 16 + 3 + 20.
        (6, "27 00"),
        (8, "00 00"),
        (10, "00 00"),
        (12, "10 01"),
        (14, "cd ab"),
        (16, RANDOM_ID),
        (24, "01 00 00 00"),
        (28, "aa bb cc"),
        (31, TAG),
    ]);
    let header = DataHeader {
        layout: WrapperLayout::Cc51,
        direction: Direction::ToCamera,
        channel: 1,
        sequence: 0xabcd,
        session: SESSION,
        payload_len: 3,
    };
    assert_eq!(written(|out| header.write(out)), bytes[..28]);
    assert_eq!(header.tag_range(), 31..51);
    let payload = &bytes[28..31];
    let tag = &bytes[31..];
    let data = Cc51::Data {
        header,
        payload,
        tag,
    };
    assert_eq!(Cc51::parse(&bytes), Ok(data));
}

#[test]
fn cc51_keepalive_matches_its_table() {
    let bytes = table(&[
        (0, "51 cc"),
        (2, "00 00"),
        (4, "02 12"),
        (6, "24 00"),
        (8, "00 00"),
        (10, "00 00"),
        (12, "03 00"),
        (14, "cd ab"),
        (16, "04 00 00 00"),
        (20, RANDOM_ID),
        (28, TAG),
    ]);
    assert_eq!(bytes.len(), Cc51Keepalive::LEN);
    let packet = Cc51Keepalive {
        direction: Direction::ToCamera,
        sequence: 3,
        ticket: 0xabcd,
        counter: 4,
        session: SESSION,
        tag: tag(),
    };
    assert_eq!(written(|out| packet.write(out)), bytes);
    assert_eq!(Cc51::parse(&bytes), Ok(Cc51::Keepalive(packet)));
}

#[test]
fn errors_name_the_offset() {
    let request = SessionRequest {
        uid: uid(),
        session: SESSION,
        stamp: SessionStamp::UnixSeconds(0),
    };
    let good = written(|out| request.write(out));
    let error = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        SessionRequest::parse(&bytes, SessionTrailer::UnixSeconds).unwrap_err()
    };
    let (what, offset) = ("IOTC header", 0);
    assert_eq!(
        error(&|b| b[1] = 3),
        Error::Magic {
            what,
            offset,
            expected: [4, 2],
            actual: [4, 3]
        }
    );
    let short = error(&|b| b.truncate(50));
    assert_eq!(
        short,
        Error::Length {
            what: "session request",
            offset: 50,
            expected: 52,
            actual: 50
        }
    );
    assert_eq!(
        error(&|b| b[8] = 4),
        Error::Magic {
            what: "session request",
            offset: 8,
            expected: [2, 4],
            actual: [4, 4]
        }
    );
    assert_eq!(
        error(&|b| b[1] = 3).to_string(),
        "IOTC header: magic at offset 0: expected 04 02, got 04 03"
    );
    let stage = DiscoveryRequest {
        uid: uid(),
        version: DiscoveryRequest::SDK_VERSION,
        session: SESSION,
        stage: Stage::Direct,
        auth_key: None,
    };
    for (layout, offset) in [
        (DiscoveryLayout::SessionAt52, 60),
        (DiscoveryLayout::SessionAt56, 64),
    ] {
        let mut bytes = written(|out| stage.write(layout, out));
        bytes[offset] = 3;
        assert_eq!(
            DiscoveryRequest::parse(&bytes, layout),
            Err(Error::Field {
                what: "discovery request",
                field: "stage",
                offset,
                value: 3
            })
        );
    }
}

/// Real cameras' length fields may be wrong (docs/protocol.md, section 22).
#[test]
fn length_fields_are_ignored_and_can_be_checked() {
    let request = SessionRequest {
        uid: uid(),
        session: SESSION,
        stamp: SessionStamp::UnixSeconds(0),
    };
    let exact = written(|out| request.write(out));
    assert!(IotcHeader::has_exact_length(&exact));
    let mut smaller = exact.clone();
    smaller[4] = 3;
    let mut larger = exact.clone();
    larger[5] = 1;
    let longer = [&exact[..], &[0; 3]].concat();
    for other in [smaller, larger, longer] {
        assert!(!IotcHeader::has_exact_length(&other));
        let parsed = SessionRequest::parse(&other, SessionTrailer::UnixSeconds);
        assert_eq!(parsed, Ok(request));
    }
    assert!(!IotcHeader::has_exact_length(&exact[..15]));

    let packet = Cc51Discovery {
        direction: Direction::FromCamera,
        sequence: 1,
        ticket: 0xabcd,
        session: SESSION,
        tag: tag(),
    };
    let exact = written(|out| packet.write(out));
    assert!(Cc51Header::has_exact_length(&exact));
    let mut other = exact.clone();
    other[6] = 0;
    other.push(0);
    assert!(!Cc51Header::has_exact_length(&other));
    assert_eq!(Cc51Discovery::parse(&other), Ok(packet));
    assert!(!Cc51Header::has_exact_length(&exact[..7]));
}

#[test]
fn close_matches_its_table() {
    let bytes = table(&[
        (0, "04 02 1a 0a 08 00 00 00 17 04 21 00"),
        (12, Z4),
        (16, RANDOM_ID),
    ]);
    let close = Close { session: SESSION };
    assert_eq!(bytes.len(), Close::LEN);
    assert_eq!(written(|out| close.write(out)), bytes);
    assert_eq!(Close::parse(&bytes), Ok(close));
    assert_eq!(Iotc::parse(&bytes, TRANSCODE), Ok(Iotc::Close(close)));
}
