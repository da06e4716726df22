//! Writes `fuzz/seeds/TARGET/*`: small inputs with valid packets, which reach deep code. Run it
//! with `cargo xtask seeds`. The seeds are part of the repository.
//!
//! Targets with structured input (`Arbitrary`) get random bytes. The targets `client` and `camera`
//! need more, because random inputs rarely get far in a session.

mod captures;
mod servers;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use av_login::{
    AuthType, Capabilities, LoginAnswer, LoginLayout, LoginPacket, Nonce, Part, Password, Status,
    User,
};
use bytes::Bytes;
use dtls_psk::{Config, Connection, Output, Psk};
use hl_ioctl::commands::{
    AUDIO_ENCODER_LIST, Challenge, ConnectAuth, ConnectRequest, Media, MediaControl,
    ReadParameters, SetAnswer, Switch,
};
use hl_ioctl::{ChallengeStatus, Command, ConnectResult, Request};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};
use tutk_frame::{
    AvPacket, AvStamp, DataHeader, Direction, FrameInfo, GroupHeader, IoctlMessage, IoctlRequest,
    LinkClock, MediaAck, MediaAckLayout, MediaKind, MediaLayout, SessionId, WrapperLayout,
};
use tutk_media::{AudioCodec, AudioFormat, Codec, RtpPayloads, WavFile, access_units, nal_units};
use tutk_time::Instant;
use video_reassembly::{ResendConfig, Slicer, SlicerConfig};

const CLIPS: [(&str, &[u8]); 2] = [
    (
        "h264",
        include_bytes!("../../../crates/tutk-cli/assets/clip.h264"),
    ),
    (
        "h265",
        include_bytes!("../../../crates/tutk-cli/assets/clip.h265"),
    ),
];

fn main() {
    frames();
    resend();
    hl_messages();
    logins();
    clips();
    datagrams();
    handshakes();
    adversaries();
    rtsp();
    captures::save_all();
    servers::save_all();
}

fn save(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    fs::create_dir_all(&folder).expect("a new directory");
    fs::write(folder.join(name), bytes).expect("a new file");
}

/// Joins the parts. Each follows two bytes of length.
fn parts(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let length = u16::try_from(part.len()).expect("a short part");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// Packets of IOTC, cc51 and AV.
fn frames() {
    let save = |name: &str, bytes: &[u8]| save("tutk_frame", name, bytes);
    let mut discovery = vec![0; 88];
    discovery[..12].copy_from_slice(b"\x04\x02\x1a\x02\x48\0\0\0\x01\x06\x21\0");
    discovery[16..36].copy_from_slice(b"HSBJYB5HSETGCDWD111A");
    let mut summary = discovery.clone();
    summary[48..52].copy_from_slice(&[1, 1, 2, 4]);
    summary[60] = 1;
    save("discovery-summary", &summary);
    discovery[52..56].copy_from_slice(&[1, 1, 2, 4]);
    discovery[64] = 1;
    save("discovery-transcode", &discovery);
    let mut session = vec![0; 52];
    session[..12].copy_from_slice(b"\x04\x02\x1a\x02\x24\0\0\0\x02\x04\x33\0");
    session[16..36].copy_from_slice(b"HSBJYB5HSETGCDWD111A");
    save("session-request", &session);

    let session = SessionId([1, 2, 3, 4, 5, 6, 7, 8]);
    for (name, layout) in [
        ("data-summary", WrapperLayout::Iotc30),
        ("data-transcode", WrapperLayout::Iotc28),
        ("data-cc51", WrapperLayout::Cc51),
    ] {
        let header = DataHeader {
            layout,
            direction: Direction::ToCamera,
            channel: 0,
            sequence: 7,
            session,
            payload_len: 13,
        };
        let mut out = Vec::new();
        header.write(&mut out);
        out.resize(header.tag_range().end.max(header.payload_range().end), 0x16);
        save(name, &out);
    }
    for zeros in [8, 16, 20, 24, 28, 32, 36, 40, 48, 52, 64] {
        save(&format!("zeros-{zeros}"), &vec![0; zeros]);
    }

    let stamp = AvStamp::from_sequence(0x000c, 1);
    let mut packet = Vec::new();
    IoctlRequest {
        stamp,
        index: 1,
        hl: b"HL\x05\0",
    }
    .write(&mut packet);
    save("ioctl-request", &packet);
    packet.clear();
    IoctlMessage {
        stamp,
        id: 0,
        hl: b"HL\x25\0",
    }
    .write(&mut packet);
    save("ioctl-message", &packet);

    for (name, layout) in [
        ("summary", MediaLayout::Fragment),
        ("transcode", MediaLayout::Slice),
    ] {
        let mut config = SlicerConfig::new(layout);
        config.slice_bytes = 100;
        let mut slicer = Slicer::new(config).expect("100 bytes are enough");
        let info = FrameInfo::parse(&[0; 40]).expect("40 bytes are a frame info");
        let frame = Bytes::from_static(&[0x65; 250]);
        let mut slices = slicer
            .slice(MediaKind::Key, info, frame)
            .expect("few slices");
        let (mut packet, mut index) = (Vec::new(), 0);
        while slicer.write_next(&mut slices, LinkClock::default(), &mut packet) {
            save(&format!("media-{name}-{index}"), &packet);
            if let Ok(parsed) = AvPacket::parse(&packet, layout) {
                save(&format!("slice-{name}-{index}"), parsed.body);
            }
            packet.clear();
            index += 1;
        }
    }
    save("frame-info", &[0x4e; 40]);
}

/// Packets of resend mode: groups from their header on, parity, and an acknowledgement. Also a
/// group as input of the target `parity`.
fn resend() {
    const GROUP_SIZE: u8 = 3;
    let save = |name: &str, bytes: &[u8]| save("tutk_frame", name, bytes);
    let mut config = SlicerConfig::new(MediaLayout::Slice);
    config.slice_bytes = 100;
    config.resend = Some(ResendConfig {
        group_size: GROUP_SIZE,
        ..ResendConfig::default()
    });
    let mut slicer = Slicer::new(config).expect("100 bytes are enough");
    let info = FrameInfo::parse(&[0; 40]).expect("40 bytes are a frame info");
    let frame = Bytes::from_static(&[0x65; 250]);
    let mut slices = slicer
        .slice(MediaKind::Key, info, frame)
        .expect("few slices");
    let (mut packet, clock) = (Vec::new(), LinkClock::default());
    let mut whole_group = vec![GROUP_SIZE, 1, 20, 0];
    while slicer.write_next(&mut slices, clock, &mut packet)
        || slicer.write_repair(clock, &mut packet).is_some()
    {
        let parsed = AvPacket::parse(&packet, MediaLayout::Slice).expect("as written");
        let group = parsed.group.expect("a group");
        let at = parsed.body_offset() - GroupHeader::LEN;
        save(&format!("group-{}", group.index), &packet[at..]);
        // The first slice is lost.
        if group.index > 0 {
            whole_group.push(u8::try_from(parsed.body.len()).expect("a short body"));
            whole_group.extend_from_slice(&packet[at..]);
        }
        if group.is_parity() {
            save("parity", parsed.body);
        }
        packet.clear();
    }
    self::save("parity", "one-lost", &whole_group);
    let ack = MediaAck {
        stamp: AvStamp::from_sequence(0x000c, 0),
        base: 0xfffe,
        highest: 16,
        commands: 2,
        heartbeats: 3,
        clock: 0,
    };
    ack.write(&[0xfffe, 1, 14], &MediaAckLayout::LIKELY, &mut packet);
    save("media-ack", &packet);
}

fn hl_messages() {
    let request = Request::from(&ConnectRequest {
        payload: AUDIO_ENCODER_LIST.to_vec(),
    });
    let request = request.to_hl().expect("short");
    let challenge = |status| {
        ConnectRequest::answer_to_hl(&Challenge {
            status: ChallengeStatus::from_byte(status),
            challenge: [0x5a; 16],
        })
        .expect("short")
    };
    let accept = ConnectAuth::answer_to_hl(&ConnectResult::accept(None, None)).expect("short");
    let refuse = ConnectAuth::answer_to_hl(&ConnectResult::refuse()).expect("short");
    for (name, settings) in [
        ("summary", 0x06),
        ("transcode-3", 0x07),
        ("transcode-6", 0x1d),
    ] {
        let status = settings >> 1 & 7;
        let all = parts(&[&request, &challenge(status), &accept, &refuse]);
        save("hl_ioctl", name, &[&[settings], &all[..]].concat());
    }
    let control = Request::from(&MediaControl {
        media: Media::Video,
        switch: Switch::On,
    });
    let control = control.to_hl().expect("short");
    let done = MediaControl::answer_to_hl(&SetAnswer::Done).expect("short");
    let read = Request::from(&ReadParameters::new([1, 2, 3]).expect("few"));
    let read = read.to_hl().expect("short");
    let all = parts(&[&control, &done, &read]);
    save("hl_ioctl", "commands", &[&[0], &all[..]].concat());
}

fn logins() {
    for (name, layout) in [
        ("summary", LoginLayout::AuthAt550),
        ("transcode", LoginLayout::AuthAt540),
        ("sdk", LoginLayout::AuthAt542),
    ] {
        let nonce = Nonce([1, 2, 3, 4]);
        let packet = |part, nonce| LoginPacket {
            layout,
            part,
            version: layout.version(),
            nonce,
            user: User::admin(),
            password: Password::fixed(),
            resend: true,
            auth_type: AuthType::SDK,
            capabilities: Capabilities::WYZE_SDK,
        };
        let first = packet(Part::First, nonce).to_bytes();
        let second = packet(Part::Second, layout.second_nonce(nonce)).to_bytes();
        let answer = LoginAnswer {
            version: layout.version(),
            status: Status(0x10),
            nonce,
            two_way_audio: true,
            auth_type: AuthType::SDK,
            capabilities: Capabilities::WYZE_SDK,
        };
        save(
            "av_login",
            name,
            &parts(&[&[], &first, &second, &answer.to_bytes(), &second]),
        );
    }
}

/// The first pictures of the clips with truncated slices.
fn clips() {
    for (name, clip) in CLIPS {
        let mut out = Vec::new();
        for nal in nal_units(clip).take(12) {
            out.extend_from_slice(&[0, 0, 0, 1]);
            out.extend_from_slice(&nal.payload[..nal.payload.len().min(60)]);
            save("tutk_media", &format!("{name}-{}", out.len()), &out);
        }
        rtp_packets(name, clip);
    }
    for codec in [AudioCodec::Pcm, AudioCodec::Pcmu, AudioCodec::Pcma] {
        let format = AudioFormat {
            codec,
            rate: 8_000,
            channels: 1,
        };
        let data = &[0xff, 0x7f, 0, 0x80, 0xd5, 0x55];
        let wav = WavFile { format, data }.to_bytes().expect("a short file");
        save("tutk_media", &format!("wav-{codec}"), &wav);
    }
}

/// The RTP payloads of the first picture, as input of the target `tutk_media`.
fn rtp_packets(name: &str, clip: &[u8]) {
    let codec = if name == "h264" {
        Codec::H264
    } else {
        Codec::H265
    };
    let unit = access_units(codec, clip.to_vec())
        .next()
        .expect("a picture");
    for packet_bytes in [64, 150, 255] {
        let payloads = RtpPayloads::video(&unit, packet_bytes).expect("a packet size in range");
        let mut seed = Vec::new();
        for payload in &payloads {
            if seed.len() >= 1_000 {
                break;
            }
            seed.extend([1, u8::try_from(payload.len()).expect("a short packet")]);
            seed.extend(payload.parts().concat());
        }
        save("tutk_media", &format!("rtp-{name}-{packet_bytes}"), &seed);
    }
    // Two frames of AAC, and one in two parts.
    let aac = [
        1, 8, 0, 32, 0, 8, 0, 16, 1, 2, 5, 6, 0, 16, 0, 24, 1, 2, 0x85, 5, 0, 16, 0, 24, 3,
    ];
    save("tutk_media", "rtp-aac", &aac);
}

fn datagrams() {
    for length in [1, 2, 4, 8, 15, 16, 17, 48, 64, 88, 200] {
        let bytes: Vec<u8> = (0..length).collect();
        save("disco_cipher", &format!("plain-{length}"), &bytes);
    }
    let mut partial = vec![0; 120];
    partial[..4].copy_from_slice(&[4, 2, 0x1a, 0x0b]);
    save("disco_cipher", "partial-plain", &partial);
    disco_cipher::transcode::scramble_datagram(&mut partial);
    save("disco_cipher", "partial-scrambled", &partial);
}

/// All datagrams of a handshake, as input of the target `dtls_psk`, with another key than that of
/// the target.
fn handshakes() {
    for settings in [0_u8, 2, 4, 6] {
        let now = Instant::ZERO;
        let client = Config::client("a device", Psk::new([0xa5; 32]))
            .with_extended_master_secret(settings & 2 == 0);
        let server = Config::server(|_: &[u8]| Some(Psk::new([0xa5; 32])))
            .with_cookie_exchange(settings & 4 == 0);
        let mut client = Connection::client(Arc::new(client), [7; 32], now).expect("a client");
        let mut server =
            Connection::server(Arc::new(server), b"peer", [8; 32], now).expect("a server");
        let mut seed = vec![settings];
        for _ in 0..4 {
            carry(1, &mut client, &mut server, now, &mut seed);
            carry(0, &mut server, &mut client, now, &mut seed);
        }
        assert!(client.is_connected() && server.is_connected());
        save("dtls_psk", &format!("handshake-{settings}"), &seed);
    }
}

fn carry(head: u8, from: &mut Connection, to: &mut Connection, now: Instant, seed: &mut Vec<u8>) {
    loop {
        match from.poll_output() {
            Output::Transmit(datagram) => {
                let mut datagram = datagram.to_vec();
                let length = u16::try_from(datagram.len()).expect("a short datagram");
                seed.push(head);
                seed.extend_from_slice(&length.to_le_bytes());
                seed.extend_from_slice(&datagram);
                to.handle_datagram(now, &mut datagram, |_| {})
                    .expect("a handshake");
            }
            Output::Event(_) => {}
            Output::Timeout(_) => return,
        }
    }
}

/// Inputs of the targets `client` and `camera`: settings, the number of datagrams before the first
/// step, and steps. A step is the byte 1, its variant as a fraction of 2^32, and its fields.
fn adversaries() {
    /// The number of variants of `Step` in fuzz_targets/session/input.rs, and some of them.
    const VARIANTS: u64 = 22;
    const PASS: u64 = 0;
    const DELAY: u64 = 3;
    const REPLAY: u64 = 6;
    const FLIP_PACKET: u64 = 12;
    const WAIT: u64 = 16;
    let mut rng = StdRng::seed_from_u64(1);
    let mut save_steps = |name: &str, head: [u8; 2], variants: &[u64]| {
        let mut seed = head.to_vec();
        for variant in variants {
            let fraction = (variant << 32).div_ceil(VARIANTS) as u32;
            seed.push(1);
            seed.extend_from_slice(&fraction.to_le_bytes());
            let fields = match *variant {
                PASS => 1,
                1..=DELAY | 11 | 18 => 0,
                5 | 13 | WAIT => 2,
                REPLAY => 5,
                _ => 3,
            };
            let mut bytes = [0; 5];
            rng.fill_bytes(&mut bytes);
            seed.extend_from_slice(&bytes[..fields]);
        }
        for target in ["client", "camera"] {
            save(target, name, &seed);
        }
    };
    for settings in 0..8 {
        for before in [0, 6, 40] {
            let name = |what| format!("{what}-{settings}-{before}");
            let head = [settings, before];
            let network = [
                PASS, 1, PASS, 2, DELAY, PASS, 4, PASS, 5, REPLAY, PASS, WAIT,
            ];
            save_steps(&name("network"), head, &network.repeat(2));
            if settings & 2 != 0 {
                let changes = [
                    FLIP_PACKET,
                    PASS,
                    11,
                    FLIP_PACKET,
                    PASS,
                    13,
                    PASS,
                    FLIP_PACKET,
                    WAIT,
                    PASS,
                ];
                save_steps(&name("changes"), head, &changes.repeat(3));
            }
        }
        // Replays the first datagrams from another port, which starts sessions that never continue.
        let mut seed = vec![settings, 8];
        for which in 0..8 {
            seed.push(1);
            seed.extend_from_slice(&((REPLAY << 32).div_ceil(VARIANTS) as u32).to_le_bytes());
            seed.push(which);
            seed.extend_from_slice(&(1_u64 << 32).div_ceil(3).to_le_bytes()[..4]);
        }
        save("client", &format!("again-{settings}"), &seed);
        save("camera", &format!("again-{settings}"), &seed);
        let mut seed = vec![settings, 30];
        seed.resize(600, 0);
        StdRng::seed_from_u64(settings.into()).fill_bytes(&mut seed[2..]);
        save("client", &format!("anything-{settings}"), &seed);
        save("camera", &format!("anything-{settings}"), &seed);
    }
}

/// Requests of RTSP clients, as input of the target `rtsp`.
fn rtsp() {
    let request = |method: &str, uri: &str, headers: &str| {
        let text = format!("{method} {uri} RTSP/1.0\r\nCSeq: 1\r\n{headers}\r\n");
        [&[0][..], &parts(&[text.as_bytes()])].concat()
    };
    let url = "rtsp://192.0.2.1/front";
    let setups = |transport: &str| {
        let track = |track| request("SETUP", &format!("{url}/trackID={track}"), transport);
        [track(0), track(1)].concat()
    };
    let describe = request("DESCRIBE", url, "Accept: application/sdp\r\n");
    let play = request("PLAY", url, "Range: npt=0.000-\r\n");
    // A picture, two audio frames, and a timeout after five seconds.
    let frames = [3, 4, 4, 25 << 3 | 5];
    let tcp = setups("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
    let udp = setups("Transport: RTP/AVP;unicast;client_port=7000-7001\r\n");
    let report = b"$\x01\0\x08\x80\xc9\0\x01\0\0\0\x09";
    let report = [&[0][..], &parts(&[report])].concat();
    let datagram =
        b"\x07\x81\xc9\0\x07\0\0\0\x09\0\0\0\x01\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let digest = "Authorization: Digest username=\"alice\", realm=\"tutk\", nonce=\"0\", \
        uri=\"rtsp://192.0.2.1/front\", response=\"0\", algorithm=MD5, qop=auth, nc=00000001, \
        cnonce=\"a\\\"b\"\r\n";
    let save = |name: &str, settings: u8, steps: &[&[u8]]| {
        save("rtsp", name, &[&[settings], &steps.concat()[..]].concat());
    };
    let pause = request("PAUSE", url, "");
    let teardown = request("TEARDOWN", url, "");
    let all: [&[u8]; 8] = [
        &describe, &tcp, &play, &frames, &report, &pause, &play, &teardown,
    ];
    save("interleaved", 1, &all);
    save("udp", 0, &[&udp, &play, &frames, datagram]);
    save("end", 12, &[&tcp, &play, &frames, &[6, 31 << 3 | 5]]);
    save("silence", 0, &[&udp, &play, &[31 << 3 | 5; 12]]);
    let basic = request("DESCRIBE", url, "Authorization: Basic YWxpY2U6c2VjcmV0\r\n");
    save("basic", 2, &[&describe, &basic, &tcp]);
    save("digest", 2, &[&request("DESCRIBE", url, digest)]);
    save("g726", 36, &[&describe]);
    let odd = request("OPTIONS", "*", "Require: x\r\nContent-Length: 3\r\n");
    save(
        "odd",
        0x80,
        &[
            &odd,
            &request("DESCRIBE", "rtsp://h/back", ""),
            &request("FLY", url, ""),
            &[7],
        ],
    );
}
