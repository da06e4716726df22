//! The smallest RTSP server (RFC 2326) that players accept: one viewer, everything over his TCP
//! connection, no clock. What it sends is complete, whatever the machine does meanwhile.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    reason = "a test stops where it fails, and has a peer to talk with"
)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use tutk_media::MediaDescription;

/// A stream and its packets.
pub(crate) struct Stream {
    pub(crate) media: MediaDescription,
    pub(crate) packets: Vec<Vec<u8>>,
}

/// Runs a program with `URL` among its arguments replaced by the server's, sends it all packets, those of the
/// streams in turn, and returns what it prints. What it complains about fails the test.
pub(crate) fn watch(streams: &[Stream], program: &str, args: &[&str]) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://{}/", listener.local_addr().unwrap());
    let args = args.iter().map(|arg| arg.replace("URL", &url));
    let viewer = Command::new(program)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    let mut url = url;
    while answer(&mut connection, streams, &mut url) {}
    let longest = streams.iter().map(|stream| stream.packets.len()).max();
    for at in 0..longest.unwrap() {
        for (track, stream) in streams.iter().enumerate() {
            // Of shorter ones, in step with the longest.
            let count = stream.packets.len();
            let range = at * count / longest.unwrap()..(at + 1) * count / longest.unwrap();
            for packet in &stream.packets[range] {
                let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
                let channel = u8::try_from(2 * track).unwrap();
                connection
                    .write_all(&[b'$', channel, length[0], length[1]])
                    .unwrap();
                connection.write_all(packet).unwrap();
            }
        }
    }
    drop(connection);
    let out = viewer.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && complaints.is_empty(),
        "{program}: {complaints}"
    );
    out.stdout
}

/// Answers one request; `false` once it is `PLAY`.
fn answer(connection: &mut TcpStream, streams: &[Stream], url: &mut String) -> bool {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    let header = |name: &str| {
        let line = request.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let cseq = header("CSeq:");
    let mut words = request.split_whitespace();
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let body = match method {
        "OPTIONS" => "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n".to_owned(),
        "DESCRIBE" => {
            let mut sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned();
            for (track, stream) in streams.iter().enumerate() {
                sdp += &format!("{}a=control:track{track}\r\n", stream.media);
            }
            let length = sdp.len();
            format!(
                "Content-Base: {url}\r\nContent-Type: application/sdp\r\n\
                 Content-Length: {length}\r\n\r\n{sdp}"
            )
        }
        "SETUP" => {
            let track: usize = target.rsplit("track").next().unwrap().parse().unwrap();
            let channels = format!("{}-{}", 2 * track, 2 * track + 1);
            format!("Transport: RTP/AVP/TCP;unicast;interleaved={channels}\r\nSession: 1\r\n\r\n")
        }
        "PLAY" => "Session: 1\r\n\r\n".to_owned(),
        other => panic!("{other}"),
    };
    let answer = format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{body}");
    connection.write_all(answer.as_bytes()).unwrap();
    method != "PLAY"
}
