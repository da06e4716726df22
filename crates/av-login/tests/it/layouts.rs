//! Login packets and answers byte by byte (docs/protocol.md, sections 11 and 16).

use av_login::{
    AuthType, Capabilities, Error, LoginAnswer, LoginLayout, LoginPacket, MAX_PACKET_LEN,
    MAX_TEXT_LEN, Nonce, Part, Password, Status, User,
};
use proptest::prelude::*;

const ENR: &[u8] = b"aKzdqckqZ8HUHFe5";

fn login(layout: LoginLayout, part: Part, password: &[u8]) -> LoginPacket {
    LoginPacket {
        layout,
        part,
        version: layout.version(),
        nonce: Nonce([0xa1, 0xb2, 0xc3, 0xd4]),
        user: User::admin(),
        password: Password::new(password).unwrap(),
        resend: true,
        auth_type: AuthType::SDK,
        capabilities: Capabilities::WYZE_SDK,
    }
}

/// Makes `len` zero bytes with these runs.
fn with_runs(len: usize, runs: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for (at, run) in runs {
        bytes[*at..*at + run.len()].copy_from_slice(run);
    }
    bytes
}

#[test]
fn packet_1_with_auth_at_550_matches_its_table() {
    let expected = with_runs(
        570,
        &[
            (0, &[0x00, 0x00]),              // packet 1
            (2, &[0x0b, 0x00]),              // version
            (16, &[0x22, 0x02]),             // size 546
            (18, &[0x01, 0x00]),             // packet 1
            (20, &[0xa1, 0xb2, 0xc3, 0xd4]), // nonce
            (24, b"admin"),
            (280, b"888888"),
            (546, &[1, 0, 0, 0]),             // resend
            (550, &[4, 0, 0, 0]),             // authentication type
            (554, &[0xfb, 0x07, 0x1f, 0x00]), // capabilities
            (566, &[3, 0]),                   // channels
        ],
    );
    let packet = login(LoginLayout::AuthAt550, Part::First, b"888888");
    assert_eq!(&packet.to_bytes()[..], expected);
}

#[test]
fn packet_2_with_auth_at_550_matches_its_table() {
    let expected = with_runs(
        570,
        &[
            (0, &[0x00, 0x20]), // packet 2
            (2, &[0x0b, 0x00]),
            (16, &[0x22, 0x02]),
            (18, &[0x00, 0x00]),
            (20, &[0xa1, 0xb2, 0xc3, 0xd4]),
            (24, b"admin"),
            (280, b"888888"),
            (546, &[1, 0, 0, 0]),
            (550, &[4, 0, 0, 0]),
            (554, &[0xfb, 0x07, 0x1f, 0x00]),
            (566, &[3, 0]),
        ],
    );
    let packet = login(LoginLayout::AuthAt550, Part::Second, b"888888");
    assert_eq!(&packet.to_bytes()[..], expected);
}

#[test]
fn packets_with_auth_at_540_match_their_tables() {
    let mut runs: Vec<(usize, &[u8])> = vec![
        (0, &[0x00, 0x00]),
        (2, &[0x0c, 0x00]),
        (16, &[0x22, 0x02]),
        (18, &[0x01, 0x00]),
        (20, &[0xa1, 0xb2, 0xc3, 0xd4]),
        (24, b"admin"),
        (280, ENR),
        (538, &[1]),
        (540, &[4, 0, 0, 0]),
        (552, &[0xfb, 0x07, 0x1f, 0x00]),
    ];
    let first = login(LoginLayout::AuthAt540, Part::First, ENR);
    assert_eq!(&first.to_bytes()[..], with_runs(570, &runs));

    runs[0].1 = &[0x00, 0x20];
    runs[2].1 = &[0x24, 0x02]; // 572 - 24
    runs[3].1 = &[0x00, 0x00];
    let second = login(LoginLayout::AuthAt540, Part::Second, ENR);
    assert_eq!(&second.to_bytes()[..], with_runs(572, &runs));
}

#[test]
fn packet_1_with_auth_at_542_matches_its_table() {
    let expected = with_runs(
        570,
        &[
            (2, &[0x0c, 0x00]),
            (16, &[0x22, 0x02]),
            (18, &[0x01, 0x00]),
            (20, &[0xa1, 0xb2, 0xc3, 0xd4]),
            (24, b"admin"),
            (281, ENR),
            (538, &[1, 0, 0, 0]),
            (542, &[4, 0, 0, 0]),
            (546, &[0xfb, 0x07, 0x1f, 0x00]),
            (561, &[3]),
            (567, &[1]),
        ],
    );
    let packet = login(LoginLayout::AuthAt542, Part::First, ENR);
    assert_eq!(&packet.to_bytes()[..], expected);
}

/// Bytes seen on a real wire (docs/protocol.md, section 11), from 538 on.
#[test]
fn capability_words_of_the_sdk_are_recognised() {
    let words = [
        0x01, 0, 0, 0, 0x04, 0, 0, 0, 0xfb, 0x07, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x03,
        0, 0, 0, 0, 0, 0x01, 0, 0, 0,
    ];
    let seen = with_runs(
        538 + words.len(),
        &[(24, b"admin"), (281, ENR), (538, &words)],
    );
    let packet = LoginPacket::parse(&seen).unwrap();
    assert_eq!(packet.layout, LoginLayout::AuthAt542);
    assert_eq!(packet.password, Password::new(ENR).unwrap());
    assert!(packet.resend);
    assert_eq!(packet.capabilities, Capabilities::WYZE_SDK);
    // Of these bytes, the last one is beyond the packet that this crate writes.
    let written = login(LoginLayout::AuthAt542, Part::First, ENR).to_bytes();
    assert_eq!(written[538..], words[..32]);
}

#[test]
fn answer_of_the_backchannel_matches_its_table() {
    let expected = with_runs(
        60,
        &[
            (0, &[0x00, 0x21]),
            (2, &[0x0c, 0x00]),
            (4, &[0x10]),
            (16, &[0x24, 0, 0, 0]),
            (20, &[0xa1, 0xb2, 0xc3, 0xd4]),
            (29, &[1]),
            (31, &[1]),
            (36, &[4, 0, 0, 0]),
            (40, &[0xfb, 0x07, 0x1f, 0x00]),
            (54, &[3, 0]),
            (56, &[2, 0]),
        ],
    );
    let answer = LoginAnswer {
        version: 0x000c,
        status: Status::SUCCESS,
        nonce: Nonce([0xa1, 0xb2, 0xc3, 0xd4]),
        two_way_audio: true,
        auth_type: AuthType::SDK,
        capabilities: Capabilities::WYZE_SDK,
    };
    assert_eq!(&answer.to_bytes()[..], expected);

    // Any user, password and layout are accepted.
    for flags in [0x00, 0x20] {
        let login = with_runs(570, &[(1, &[flags]), (20, &[0xa1, 0xb2, 0xc3, 0xd4])]);
        assert_eq!(LoginAnswer::accept(&login), Ok(answer));
        assert_eq!(LoginAnswer::accept(&login[..24]), Ok(answer));
        assert!(LoginAnswer::accept(&login[..23]).is_err());
    }
    let error = LoginAnswer::accept(&expected).unwrap_err();
    assert!(matches!(error, Error::WrongType { flags: 0x21, .. }));
}

#[test]
fn missing_fields_of_a_short_answer_are_zero() {
    let whole = with_runs(24, &[(1, &[0x21]), (4, &[0x10]), (20, &[1, 2, 3, 4])]);
    let answer = LoginAnswer::parse(&whole).unwrap();
    assert!(answer.status.is_success());
    assert_eq!(answer.nonce, Nonce([1, 2, 3, 4]));
    assert!(!answer.two_way_audio);
    assert_eq!(answer.capabilities, Capabilities(0));
    assert_eq!(
        LoginAnswer::parse(&whole[..23]),
        Err(Error::TooShort {
            what: "login answer",
            expected: 24,
            got: 23
        })
    );
}

#[test]
fn errors_name_the_received_bytes() {
    let good = login(LoginLayout::AuthAt540, Part::First, ENR).to_bytes();
    assert_eq!(
        LoginPacket::parse(&good[..569]),
        Err(Error::TooShort {
            what: "login packet",
            expected: 570,
            got: 569
        })
    );

    let mut other_type = good.to_vec();
    other_type[1] = 0x70;
    assert_eq!(
        LoginPacket::parse(&other_type),
        Err(Error::WrongType {
            expected: "login packet",
            packet_type: 0,
            flags: 0x70
        })
    );

    let mut no_layout = good.to_vec();
    no_layout[540] = 5;
    assert_eq!(
        LoginPacket::parse(&no_layout),
        Err(Error::UnknownLayout {
            at_540: 5,
            at_542: 0,
            // The high half is the low half of the capability word at 552.
            at_550: 0x07fb_0000
        })
    );

    let mut endless = good.to_vec();
    endless[280..536].fill(b'x');
    assert_eq!(
        LoginPacket::parse(&endless),
        Err(Error::Unterminated {
            field: "password",
            at: 280,
            len: 256
        })
    );
}

fn any_packet() -> impl Strategy<Value = LoginPacket> {
    let text = || proptest::collection::vec(1..=255_u8, 0..=MAX_TEXT_LEN);
    let layout = prop_oneof![
        Just(LoginLayout::AuthAt550),
        Just(LoginLayout::AuthAt540),
        Just(LoginLayout::AuthAt542)
    ];
    let part = prop_oneof![Just(Part::First), Just(Part::Second)];
    // Both halves of the capability word are nonzero, as in every capture.
    let capabilities = (1..=u16::MAX, 1..=u16::MAX);
    let rest = (any::<u16>(), any::<[u8; 4]>(), any::<bool>(), capabilities);
    (layout, part, text(), text(), rest).prop_map(
        |(layout, part, user, password, (version, nonce, resend, (low, high)))| LoginPacket {
            layout,
            part,
            version,
            nonce: Nonce(nonce),
            user: User::new(&user).unwrap(),
            password: Password::new(&password).unwrap(),
            resend,
            auth_type: AuthType::SDK,
            capabilities: Capabilities(u32::from(low) | u32::from(high) << 16),
        },
    )
}

proptest! {
    #[test]
    fn packet_survives_writing_and_parsing(packet in any_packet()) {
        let bytes = packet.to_bytes();
        prop_assert_eq!(bytes.len(), packet.layout.packet_len(packet.part));
        prop_assert_eq!(LoginPacket::parse(&bytes), Ok(packet));
    }

    #[test]
    fn answer_survives_writing_and_parsing(
        version: u16, status: u8, nonce: [u8; 4], two_way_audio: bool, auth: u32, capabilities: u32,
    ) {
        let answer = LoginAnswer {
            version,
            status: Status(status),
            nonce: Nonce(nonce),
            two_way_audio,
            auth_type: AuthType(auth),
            capabilities: Capabilities(capabilities),
        };
        prop_assert_eq!(LoginAnswer::parse(&answer.to_bytes()), Ok(answer));
    }

    #[test]
    fn noise_never_panics(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..MAX_PACKET_LEN + 40),
        looks_like in any::<Option<bool>>(),
    ) {
        if let (Some(second), Some(head)) = (looks_like, bytes.first_chunk_mut::<2>()) {
            *head = [0, if second { 0x20 } else { 0x21 }];
        }
        let _ = LoginPacket::parse(&bytes);
        let _ = LoginAnswer::parse(&bytes);
    }
}
