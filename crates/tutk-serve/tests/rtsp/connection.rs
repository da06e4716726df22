//! RTSP connections in memory: responses, packets and the end of a connection.

use std::sync::Arc;
use std::time::Duration;

use rtcp_types::{Compound, Packet, ReceiverReport, RtcpPacketWriterExt as _};
use rtp_types::RtpPacket;
use tutk_media::{AccessUnit, AudioCodec, Codec, ParameterSets};
use tutk_runtime::tutk_session::MediaKind;
use tutk_serve::rtsp::{Channel, DescriptionError, End, Event, GRACE, SESSION_TIMEOUT};
use tutk_serve::{FrameContent, LiveFrame, StreamDescription};

use crate::common::rtsp_client::{
    Client, SERVER, URL, config, description, frame, parse_interleaved, parse_responses,
};

const TCP: &str = "RTP/AVP/TCP;unicast;interleaved=0-1";

#[test]
fn client_runs_a_complete_session() {
    let mut client = Client::new(config());
    let options = client.request("OPTIONS", "*", &[]);
    let public = options.header("Public").unwrap();
    for method in [
        "DESCRIBE",
        "SETUP",
        "PLAY",
        "PAUSE",
        "TEARDOWN",
        "GET_PARAMETER",
    ] {
        assert!(public.split(", ").any(|listed| listed == method));
    }
    let described = client.request("DESCRIBE", URL, &["Accept: application/sdp"]);
    assert_eq!(
        described.header("Content-Base"),
        Some(format!("{URL}/").as_str())
    );
    assert_eq!(
        described.body,
        "v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=front\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
         a=control:*\r\na=range:npt=now-\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
         a=fmtp:96 packetization-mode=1;profile-level-id=640028;\
         sprop-parameter-sets=Z2QAKKw=,aM48gA==\r\na=control:trackID=0\r\n\
         m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:trackID=1\r\n"
    );
    let video = client.request(
        "SETUP",
        &format!("{URL}/trackID=0"),
        &[&format!("Transport: {TCP}")],
    );
    let transport = video.header("Transport").unwrap();
    assert!(
        transport.starts_with(&format!("{TCP};ssrc=")),
        "{transport}"
    );
    let session = video.header("Session").unwrap();
    let id = session.strip_suffix(";timeout=60").unwrap().to_owned();
    let with = format!("Session: {id}");
    // These channels are in use. The server chooses others.
    let audio = [with.as_str(), &format!("Transport: {TCP}")];
    let audio = client.request("SETUP", &format!("{URL}/trackID=1"), &audio);
    assert!(
        audio
            .header("Transport")
            .unwrap()
            .contains("interleaved=2-3")
    );

    let played = client.play(&id);
    assert_eq!(played.header("Range"), Some("npt=now-"));
    let info: Vec<_> = played.header("RTP-Info").unwrap().split(',').collect();
    let field = |track: usize, name: &str| -> u32 {
        let (start, rest) = info[track].split_once(';').unwrap();
        assert_eq!(start, format!("url={URL}/trackID={track}"));
        let mut fields = rest.split(';').map(|field| field.split_once('=').unwrap());
        fields
            .find(|(found, _)| *found == name)
            .unwrap()
            .1
            .parse()
            .unwrap()
    };

    // A sender report for each track comes first, then the frame.
    let packets = parse_interleaved(&client.frame(MediaKind::Key, 10_000).written);
    let channels: Vec<_> = packets.iter().map(|(channel, _)| *channel).collect();
    assert_eq!(channels, [1, 3, 0]);
    for (track, (_, packet)) in packets[..2].iter().enumerate() {
        let Some(Ok(Packet::Sr(report))) = Compound::parse(packet).unwrap().next() else {
            panic!("no sender report");
        };
        assert_eq!(report.rtp_timestamp(), field(track, "rtptime"));
        assert_eq!(report.ntp_timestamp() >> 32, 2_208_988_800 + 1_000_010);
        assert_eq!(report.packet_count(), 0);
    }
    let rtp = RtpPacket::parse(&packets[2].1).unwrap();
    assert_eq!((rtp.payload_type(), rtp.marker_bit()), (96, true));
    assert_eq!(u32::from(rtp.sequence_number()), field(0, "seq"));
    assert_eq!(rtp.timestamp(), field(0, "rtptime"));
    // 20 ms are 160 samples.
    let packets = parse_interleaved(&client.frame(MediaKind::Audio, 10_020).written);
    let [(2, packet)] = &packets[..] else {
        panic!("{packets:?}");
    };
    let rtp = RtpPacket::parse(packet).unwrap();
    assert_eq!(rtp.timestamp(), field(1, "rtptime").wrapping_add(160));
    assert_eq!(rtp.payload(), [0x55; 160]);

    assert_eq!(
        client.request("PLAY", URL, &[&with]).status,
        200,
        "playing already"
    );
    assert_eq!(
        client
            .request("GET_PARAMETER", URL, &[&with])
            .header("Session"),
        Some(id.as_str())
    );
    assert_eq!(client.request("SET_PARAMETER", "*", &[&with]).status, 200);
    assert_eq!(client.request("PAUSE", URL, &[&with]).status, 200);
    assert!(!client.connection.wants_frames());
    assert!(client.frame(MediaKind::Key, 11_000).written.is_empty());
    client.play(&id);
    assert_eq!(
        parse_interleaved(&client.frame(MediaKind::Key, 12_000).written).len(),
        3
    );
    assert_eq!(client.request("TEARDOWN", URL, &[&with]).status, 200);
    assert!(!client.connection.wants_frames());
    assert_eq!(client.request("PLAY", URL, &[&with]).status, 454);
    // Another session on the same connection.
    let again = client.set_up(&[0], TCP);
    assert_ne!(again, id);
    client.play(&again);
}

#[test]
fn udp_is_sent_to_the_client_only() {
    let mut client = Client::new(config());
    let transport = "RTP/AVP;unicast;destination=198.51.100.7;client_port=7000-7001";
    let response = client.request(
        "SETUP",
        &format!("{URL}/trackID=0"),
        &[&format!("Transport: {transport}")],
    );
    let accepted = response.header("Transport").unwrap();
    let ports = "RTP/AVP;unicast;client_port=7000-7001;server_port=30000-30001;ssrc=";
    assert!(accepted.starts_with(ports), "{accepted}");
    assert_eq!(SERVER.rtp, 30_000);
    let id = client.set_up(&[1], "RTP/AVP/UDP;unicast;client_port=7002-7003");
    client.play(&id);
    let to = |port| (crate::common::rtsp_client::PEER.0, port).into();
    let sent = client.frame(MediaKind::Key, 10_000).datagrams;
    let sent: Vec<_> = sent
        .iter()
        .map(|(to, channel, _)| (*to, *channel))
        .collect();
    assert_eq!(
        sent,
        [
            (to(7001), Channel::Rtcp),
            (to(7003), Channel::Rtcp),
            (to(7000), Channel::Rtp)
        ]
    );
    assert!(client.connection.uses_udp());
    // A report every 5 s, with the current time.
    let reports = client.wait(Duration::from_secs(5)).datagrams;
    let Some(Ok(Packet::Sr(report))) = Compound::parse(&reports[0].2).unwrap().next() else {
        panic!("{reports:?}");
    };
    assert_eq!(reports.len(), 2);
    assert_eq!(report.ntp_timestamp() >> 32, 2_208_988_800 + 1_000_015);
    assert_eq!(
        (report.packet_count(), report.octet_count() > 10),
        (1, true)
    );
}

#[test]
fn invalid_requests_get_specific_errors() {
    let mut client = Client::new(config());
    let track = format!("{URL}/trackID=0");
    let tcp = format!("Transport: {TCP}");
    for (method, uri, headers, status) in [
        ("FLY", URL, &[][..], 501),
        ("RECORD", URL, &[], 405),
        ("ANNOUNCE", URL, &[], 405),
        ("DESCRIBE", "*", &[], 400),
        ("DESCRIBE", "rtsp://h/", &[], 404),
        ("DESCRIBE", "http://h/front", &[], 404),
        ("PLAY", URL, &[], 454),
        ("PLAY", URL, &["Session: 1"], 454),
        ("SETUP", &track, &[], 400),
        ("SETUP", URL, &[&tcp], 400),
        ("SETUP", &format!("{URL}/trackID=2"), &[&tcp], 404),
        ("SETUP", &track, &["Transport: RTP/AVP;multicast"], 461),
        ("SETUP", &track, &["Transport: RTP/AVP;mode=\""], 461),
        ("SETUP", &track, &["Transport: x"], 461),
        ("DESCRIBE", URL, &["Require: implicit-play"], 551),
    ] {
        assert_eq!(
            client.request(method, uri, headers).status,
            status,
            "{method} {uri} {headers:?}"
        );
    }
    assert_eq!(
        client
            .request("RECORD", URL, &[])
            .header("Allow")
            .unwrap()
            .split(", ")
            .count(),
        8
    );
    let body = b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 6\r\n\r\nvolume";
    assert_eq!(parse_responses(&client.send(body).written)[0].status, 451);

    let id = client.set_up(&[0, 1], "RTP/AVP/TCP");
    let with = format!("Session: {id}");
    assert_eq!(client.request("PLAY", &track, &[&with]).status, 460);
    assert_eq!(
        client.request("PLAY", "rtsp://h/back", &[&with]).status,
        404
    );
    assert_eq!(
        client
            .request("SETUP", "rtsp://h/back/trackID=0", &[&tcp])
            .status,
        455
    );
    client.play(&id);
    assert_eq!(client.request("SETUP", &track, &[&tcp, &with]).status, 455);
    // One of two streams can be torn down.
    assert_eq!(client.request("TEARDOWN", &track, &[&with]).status, 200);
    assert_eq!(client.request("TEARDOWN", &track, &[&with]).status, 404);
    let sound = parse_interleaved(&client.frame(MediaKind::Audio, 10_000).written);
    assert_eq!(sound.len(), 2);
    assert!(client.frame(MediaKind::Key, 10_000).written.is_empty());

    for (error, status) in [
        (DescriptionError::UnknownCamera, 404),
        (DescriptionError::Unavailable, 503),
    ] {
        let mut client = Client::new(config());
        client.description = Err(error);
        assert_eq!(client.request("DESCRIBE", URL, &[]).status, status);
        assert_eq!(client.request("SETUP", &track, &[&tcp]).status, status);
    }
    let mut without_udp = config();
    without_udp.udp = None;
    let udp = "Transport: RTP/AVP;unicast;client_port=7000-7001";
    assert_eq!(
        Client::new(without_udp)
            .request("SETUP", &track, &[udp])
            .status,
        461
    );
}

#[test]
fn invalid_request_ends_the_connection() {
    let mut client = Client::new(config());
    // Valid requests without a valid CSeq.
    let outputs = client.send(b"PLAY * RTSP/1.0\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: x\r\n\r\n");
    let all = parse_responses(&outputs.written);
    assert_eq!(
        all.iter()
            .map(|response| response.status)
            .collect::<Vec<_>>(),
        [400, 400]
    );
    assert!(client.connection.wants_input());

    let outputs = client.send(b"GET / HTTP/1.1\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 3\r\n\r\n");
    let [response] = &parse_responses(&outputs.written)[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(
        (response.status, response.header("Connection")),
        (400, Some("close"))
    );
    assert!(matches!(
        outputs.events[..],
        [Event::Ended(End::Malformed(_))]
    ));
    assert!(!client.connection.wants_input());
    assert!(
        client
            .send(b"OPTIONS * RTSP/1.0\r\nCSeq: 4\r\n\r\n")
            .written
            .is_empty()
    );
    let mut client = Client::new(config());
    let outputs = client.send(b"OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n");
    assert_eq!(parse_responses(&outputs.written)[0].status, 505);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut client = Client::new(config());
    let mut all = String::new();
    for (at, request) in [
        format!("OPTIONS {URL}"),
        format!("DESCRIBE {URL}"),
        format!("SETUP {URL}/trackID=0"),
        format!("SETUP {URL}/trackID=1"),
        format!("PLAY {URL}"),
        "FLY *".to_owned(),
        format!("GET_PARAMETER {URL}"),
    ]
    .iter()
    .enumerate()
    {
        all += &format!("{request} RTSP/1.0\r\nCSeq: {at}\r\nTransport: RTP/AVP/TCP\r\n\r\n");
    }
    let outputs = client.send(all.as_bytes());
    let actual: Vec<_> = parse_responses(&outputs.written)
        .iter()
        .map(|response| (response.header("CSeq").unwrap().to_owned(), response.status))
        .collect();
    let expected = [200, 200, 200, 200, 200, 501, 200];
    let expected: Vec<_> = expected
        .iter()
        .enumerate()
        .map(|(at, status)| (at.to_string(), *status))
        .collect();
    assert_eq!(actual, expected);

    // The number of pending responses is limited.
    client.completes_writes = false;
    let many = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".repeat(1_500);
    let first = client.send(&many).written.len();
    assert!(first > 10_000 && first < 20_000, "{first}");
    assert!(!client.connection.wants_input());
    assert!(!client.connection.wants_frames());
    let mut count = 0;
    client.completes_writes = true;
    client.connection.handle_written(client.now);
    count += parse_responses(&client.drain().written).len();
    assert!(client.connection.wants_input());
    assert!(count > 1_000);
}

#[test]
fn silent_session_times_out_and_reports_keep_it_alive() {
    let timed_out = |events: &[Event]| matches!(events, [Event::Ended(End::TimedOut)]);
    let step = SESSION_TIMEOUT / 4;
    // A client that sends nothing.
    let mut client = Client::new(config());
    assert!(
        client
            .wait(SESSION_TIMEOUT - Duration::from_millis(1))
            .events
            .is_empty()
    );
    assert!(timed_out(&client.wait(Duration::from_millis(1)).events));

    let udp = |client: &mut Client| {
        let id = client.set_up(&[0], "RTP/AVP;unicast;client_port=7000-7001");
        client.play(&id);
        client.frame(MediaKind::Key, 0);
    };
    let mut report = [0; 100];
    let block = rtcp_types::ReportBlock::builder(1).fraction_lost(128);
    let receiver = ReceiverReport::builder(9).add_report_block(block);
    let length = Compound::builder()
        .add_packet(receiver)
        .write_into(&mut report)
        .unwrap();
    let from = |port| (crate::common::rtsp_client::PEER.0, port).into();
    let mut client = Client::new(config());
    udp(&mut client);
    for _ in 0..12 {
        assert!(client.wait(step).events.is_empty());
        assert!(
            client
                .connection
                .handle_rtcp(client.now, from(7001), &report[..length])
        );
        client.drain();
    }
    assert!(client.connection.loss() > 0.4);
    // Reports from other addresses and invalid reports do not count.
    for _ in 0..3 {
        client.wait(step);
        assert!(
            !client
                .connection
                .handle_rtcp(client.now, from(7003), &report[..length])
        );
        assert!(!client.connection.handle_rtcp(
            client.now,
            ([192, 0, 2, 8], 7001).into(),
            &report[..length]
        ));
        assert!(
            !client
                .connection
                .handle_rtcp(client.now, from(7001), &[1, 2, 3])
        );
    }
    assert!(timed_out(&client.wait(step).events));

    // Over TCP, completed writes keep the session alive.
    let mut client = Client::new(config());
    let id = client.set_up(&[0], TCP);
    client.play(&id);
    client.frame(MediaKind::Key, 0);
    for _ in 0..100 {
        let outputs = client.wait(Duration::from_secs(5));
        assert!(outputs.events.is_empty() && parse_interleaved(&outputs.written).len() == 1);
    }
    client.completes_writes = false;
    assert!(!client.frame(MediaKind::Delta, 50).written.is_empty());
    assert!(!client.connection.wants_frames());
    assert!(
        client
            .wait(SESSION_TIMEOUT - Duration::from_millis(1))
            .written
            .is_empty()
    );
    assert!(timed_out(&client.wait(Duration::from_millis(1)).events));
}

#[test]
fn client_gets_a_goodbye_and_time_to_end() {
    for transport in [TCP, "RTP/AVP;unicast;client_port=7000-7001"] {
        let mut client = Client::new(config());
        let id = client.set_up(&[0], transport);
        client.play(&id);
        client.frame(MediaKind::Key, 0);
        client.connection.close(client.now);
        let outputs = client.drain();
        let packet = match transport {
            TCP => parse_interleaved(&outputs.written).remove(0).1,
            _ => outputs.datagrams[0].2.clone(),
        };
        let bye = Compound::parse(&packet).unwrap().last().unwrap().unwrap();
        assert!(matches!(bye, Packet::Bye(_)), "{bye:?}");
        assert_eq!(outputs.events, [Event::Stop]);
        assert_eq!(client.next_timeout, client.now + GRACE);
        assert!(!client.connection.wants_frames());
        assert_eq!(
            client
                .request("TEARDOWN", URL, &[&format!("Session: {id}")])
                .status,
            200
        );
        assert_eq!(client.wait(GRACE).events, [Event::Ended(End::NoFrames)]);
    }
    // A client that does not play is disconnected at once.
    let mut client = Client::new(config());
    client.set_up(&[0], TCP);
    client.connection.close(client.now);
    assert_eq!(client.drain().events, [Event::Ended(End::NoFrames)]);
}

#[test]
fn codec_change_ends_the_session_but_parameter_sets_do_not() {
    let mut client = Client::new(config());
    let id = client.set_up(&[0, 1], "RTP/AVP/TCP");
    client.play(&id);
    let mut changed = StreamDescription::clone(client.description.as_ref().unwrap());
    let mut sets = changed.video.clone().unwrap();
    sets.update(&AccessUnit::new(Codec::H264, &[0, 0, 1, 0x68, 1][..]));
    changed.video = Some(sets);
    client.description = Ok(Arc::new(changed.clone()));
    assert!(client.frame(MediaKind::Key, 0).events.is_empty());
    changed.video = Some(ParameterSets::new(Codec::H265));
    client.description = Ok(Arc::new(changed));
    assert_eq!(client.frame(MediaKind::Key, 50).events, [Event::Stop]);
    assert_eq!(client.wait(GRACE).events, [Event::Ended(End::CodecChanged)]);
}

#[test]
fn audio_without_rtp_payload_is_omitted_and_reported() {
    let mut client = Client::new(config());
    client.description = Ok(description(AudioCodec::G726));
    let outputs = client.send(format!("DESCRIBE {URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n").as_bytes());
    let [
        Event::Describe { .. },
        Event::AudioOmitted { camera, error },
    ] = &outputs.events[..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(camera, "front");
    assert!(error.to_string().contains("G.726"), "{error}");
    let sdp = &parse_responses(&outputs.written)[0].body;
    assert!(sdp.contains("m=video") && !sdp.contains("m=audio"), "{sdp}");
    // Its frames are dropped.
    let id = client.set_up(&[0], TCP);
    client.play(&id);
    client.frame(MediaKind::Key, 0);
    assert!(client.frame(MediaKind::Audio, 0).written.is_empty());
    // A stream without any supported codec is unavailable.
    let mut nothing = StreamDescription::clone(&description(AudioCodec::Adpcm));
    nothing.video = None;
    let mut client = Client::new(config());
    client.description = Ok(Arc::new(nothing));
    assert_eq!(client.request("DESCRIBE", URL, &[]).status, 503);
}

#[test]
fn unsupported_frame_is_reported_once_and_playing_continues() {
    let mut client = Client::new(config());
    let id = client.set_up(&[0, 1], "RTP/AVP/TCP");
    client.play(&id);
    let description = client.description.clone().unwrap();
    let broken = LiveFrame::from(FrameContent {
        data: bytes::Bytes::new(),
        ..FrameContent::clone(&frame(MediaKind::Audio, 0, description))
    });
    assert!(client.connection.handle_frame(client.now, &broken).is_err());
    assert!(client.connection.handle_frame(client.now, &broken).is_ok());
    client.drain();
    assert_eq!(
        parse_interleaved(&client.frame(MediaKind::Audio, 20).written).len(),
        1
    );
}

#[test]
fn start_delay_of_the_url_postpones_the_first_frame() {
    let mut client = Client::new(config());
    let delay = Duration::from_millis(300);
    let delayed = format!("{URL}?start_delay=300");
    assert_eq!(client.request("DESCRIBE", &delayed, &[]).status, 200);
    let id = client.set_up(&[0], TCP);
    // This URL is made from `Content-Base`.
    client.play(&id);
    assert!(!client.connection.wants_frames());
    assert_eq!(client.next_timeout, client.now + delay);
    client.wait(delay / 2);
    assert!(!client.connection.wants_frames());
    client.wait(delay / 2);
    assert!(client.connection.wants_frames());
    assert!(!client.frame(MediaKind::Key, 0).written.is_empty());
    // The URL of PLAY may also have the delay, and other clients have none.
    for (uri, waits) in [(delayed.as_str(), true), (URL, false)] {
        let mut client = Client::new(config());
        let id = client.set_up(&[0], TCP);
        let session = format!("Session: {id}");
        assert_eq!(client.request("PLAY", uri, &[&session]).status, 200);
        assert_eq!(client.connection.wants_frames(), !waits, "{uri}");
    }
}
