//! Decryption by Wireshark. `tshark` decrypts a capture of a session with its key log: both
//! Finished, which are compared with the values of RFC 5246, the data and the close_notify. Without
//! a `tshark`, the test fails if CI=true, and prints that it is skipped otherwise.
//!
//! tshark 4.0 cannot decrypt ChaCha20-Poly1305 in DTLS. It omits the epoch from the nonce, while
//! RFC 7905 section 2 uses the whole 64-bit record number. For these suites the test prints this,
//! takes the keys that tshark derived from its debug log, and opens the records with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::adversary::records;
use crate::common::variants::{RECORD, Variant, all_variants};
use dtls_psk::CipherSuite;
use dtls_psk::crypto::{AeadAlgorithm, default_provider};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384};
use testkit::tools::{output_or_skip, print_line};

/// The server's port in the capture.
const PORT: u16 = 4433;
const HANDSHAKE: u8 = 22;
const DATA: &[&[u8]] = &[
    b"from the client",
    b"from the server",
    b"more from the client",
];
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

/// A captured session.
struct Session {
    /// `true` if the client sent the packet, and its UDP payload.
    packets: Vec<(bool, Vec<u8>)>,
    key_log: String,
}

impl Session {
    fn run(variant: Variant) -> Self {
        let mut packets: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut pair = variant.pair();
        let mut record = |_, from_client, datagram: Vec<u8>| {
            packets.push((from_client, datagram.clone()));
            vec![datagram]
        };
        pair.run(&mut record);
        pair.client.send(DATA[0]);
        pair.exchange(&mut record);
        pair.server.send(DATA[1]);
        pair.exchange(&mut record);
        pair.client.send(DATA[2]);
        pair.client.connection.close();
        pair.client.poll();
        pair.exchange(&mut record);
        assert!(pair.server.connection.is_closed() && pair.server.error.is_none());
        Self {
            packets,
            key_log: pair.client.key_log()[0].clone(),
        }
    }

    /// Computes the Finished messages of client and server (RFC 5246 section 7.4.9) from the
    /// messages in the clear and the master secret.
    fn finished(&self, variant: Variant) -> [Vec<u8>; 2] {
        let mut messages = Vec::new();
        for (_, datagram) in &self.packets {
            for record in records(datagram) {
                if record[0] == HANDSHAKE && record[4] == 0 {
                    messages.push(record[RECORD..].to_vec());
                }
            }
        }
        if variant.all_options {
            // The first hello and the HelloVerifyRequest are excluded (RFC 6347 section 4.2.1).
            messages.drain(..2);
        }
        let last = messages.last().unwrap();
        let client_number = u16::from_be_bytes([last[4], last[5]]) + 1;
        // The server's last message before is the ServerHelloDone.
        let done = messages.iter().rfind(|message| message[0] == 14).unwrap();
        let server_number = u16::from_be_bytes([done[4], done[5]]) + 1;
        let mut transcript = messages.concat();
        let master = from_hex(self.key_log.split(' ').next_back().unwrap());
        let finished = |number: u16, label: &[u8], transcript: &[u8]| {
            let mut message = vec![20, 0, 0, 12];
            message.extend(number.to_be_bytes());
            message.extend([0, 0, 0, 0, 0, 12]);
            message.extend(verify_data(variant.suite, &master, label, transcript));
            message
        };
        let client = finished(client_number, b"client finished", &transcript);
        transcript.extend(&client);
        let server = finished(server_number, b"server finished", &transcript);
        [client, server]
    }
}

fn verify_data(suite: CipherSuite, master: &[u8], label: &[u8], transcript: &[u8]) -> Vec<u8> {
    if suite.name().ends_with("SHA384") {
        let seed = [label, &Sha384::digest(transcript)].concat();
        p_hash::<Hmac<Sha384>>(master, &seed)
    } else {
        let seed = [label, &Sha256::digest(transcript)].concat();
        p_hash::<Hmac<Sha256>>(master, &seed)
    }
}

/// Returns the first 12 bytes of P_hash (RFC 5246 section 5).
fn p_hash<M: Mac + KeyInit>(secret: &[u8], seed: &[u8]) -> Vec<u8> {
    let mac = |data: &[u8]| {
        let mut mac = <M as KeyInit>::new_from_slice(secret).unwrap();
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    };
    let mut out = mac(&[&mac(seed), seed].concat());
    out.truncate(12);
    out
}

/// A directory for a capture and its key log, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn with(session: &Session, name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wireshark-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("keys"), format!("{}\n", session.key_log)).unwrap();
        std::fs::write(folder.join("session.pcap"), pcap(&session.packets)).unwrap();
        Self(folder)
    }

    /// Runs tshark. Returns the decrypted records in the order of the capture, and the debug log.
    fn tshark(&self) -> (Vec<Vec<u8>>, String) {
        let output = Command::new("tshark")
            .current_dir(&self.0)
            .args(["-r", "session.pcap", "-x"])
            .args(["-d", &format!("udp.port=={PORT},dtls")])
            .args(["-o", "tls.keylog_file:keys", "-o", "tls.debug_file:debug"])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tshark: {errors}");
        let dumps = String::from_utf8(output.stdout).unwrap();
        let debug = std::fs::read(self.0.join("debug")).unwrap();
        (
            decrypted(&dumps),
            String::from_utf8_lossy(&debug).into_owned(),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the bytes of each dump headed `Decrypted DTLS (24 bytes):`. A line has an offset, the
/// bytes, and text after three spaces.
fn decrypted(dumps: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for dump in dumps.split("\nDecrypted DTLS (").skip(1) {
        let lines = dump.lines().skip(1);
        let lines = lines.map_while(|line| line.split_once("  ")?.1.split("   ").next());
        let bytes: String = lines.collect::<Vec<&str>>().concat();
        all.push(from_hex(&bytes.replace(' ', "")));
    }
    all
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..][..2], 16).unwrap())
        .collect()
}

/// Returns the bytes under a heading of tshark's debug log, in lines like `| 00 11 .. |text|`.
fn dumped(debug: &str, heading: &str) -> Vec<u8> {
    let mut lines = debug.lines().skip_while(|line| !line.starts_with(heading));
    assert!(lines.next().is_some(), "no {heading} in tshark's debug log");
    lines
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| {
            let bytes = line.trim_start_matches('|').split('|').next().unwrap();
            from_hex(&bytes.replace(' ', ""))
        })
        .collect()
}

/// Opens ChaCha20-Poly1305 records with the keys that tshark derived.
fn open_with_keys_of_tshark(session: &Session, debug: &str) -> Vec<Vec<u8>> {
    let mut directions = ["Server", "Client"].map(|who| {
        let key = dumped(debug, &format!("{who} Write key[32]"));
        let iv = dumped(debug, &format!("{who} Write IV[12]"));
        let aead = default_provider().aead(AeadAlgorithm::ChaCha20Poly1305, &key);
        (aead.unwrap(), iv)
    });
    let mut opened = Vec::new();
    for (from_client, datagram) in &session.packets {
        let (cipher, iv) = &mut directions[usize::from(*from_client)];
        for record in records(datagram).iter().filter(|record| record[4] == 1) {
            let (header, fragment) = record.split_at(RECORD);
            // Epoch and sequence number, type and version, length of the plaintext.
            let len = u16::try_from(fragment.len() - 16).unwrap().to_be_bytes();
            let additional_data = [&header[3..11], &header[..3], &len].concat();
            let mut nonce: [u8; 12] = iv.as_slice().try_into().unwrap();
            for (byte, number) in nonce[4..].iter_mut().zip(&header[3..11]) {
                *byte ^= number;
            }
            let mut fragment = fragment.to_vec();
            cipher
                .open(&nonce, &additional_data, &mut fragment)
                .unwrap();
            fragment.truncate(fragment.len() - 16);
            opened.push(fragment);
        }
    }
    opened
}

/// Returns a pcap file of IPv4 packets without a link layer, in network byte order.
fn pcap(packets: &[(bool, Vec<u8>)]) -> Vec<u8> {
    const RAW_IP: u32 = 101;
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_be_bytes());
    file.extend([0, 2, 0, 4]);
    file.extend([0; 8]);
    file.extend(65_535_u32.to_be_bytes());
    file.extend(RAW_IP.to_be_bytes());
    for (second, (from_client, datagram)) in (1_u32..).zip(packets) {
        let packet = ipv4(*from_client, datagram);
        let len = u32::try_from(packet.len()).unwrap().to_be_bytes();
        file.extend(second.to_be_bytes());
        file.extend([0; 4]);
        file.extend(len);
        file.extend(len);
        file.extend(packet);
    }
    file
}

/// Adds IPv4 and UDP headers to a datagram. Checksums are zero, which UDP allows and tshark
/// accepts.
fn ipv4(from_client: bool, datagram: &[u8]) -> Vec<u8> {
    const UDP: u8 = 17;
    let client = ([192, 0, 2, 1], 50_000_u16);
    let server = ([192, 0, 2, 2], PORT);
    let (from, to) = if from_client {
        (client, server)
    } else {
        (server, client)
    };
    let len = |headers: usize| {
        u16::try_from(headers + datagram.len())
            .unwrap()
            .to_be_bytes()
    };
    let mut packet = vec![0x45, 0];
    packet.extend(len(28));
    packet.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
    packet.extend(from.0);
    packet.extend(to.0);
    packet.extend(from.1.to_be_bytes());
    packet.extend(to.1.to_be_bytes());
    packet.extend(len(8));
    packet.extend([0, 0]);
    packet.extend(datagram);
    packet
}

#[test]
fn tshark_decrypts_a_session_of_each_suite() {
    let mut tshark = Command::new("tshark");
    let Some(version) = output_or_skip(tshark.arg("--version"), "tshark") else {
        return;
    };
    let version = version.lines().next().unwrap_or_default();
    for (number, variant) in all_variants().into_iter().enumerate() {
        let session = Session::run(variant);
        let mut expected = session.finished(variant).to_vec();
        expected.extend(DATA.iter().map(|data| data.to_vec()));
        expected.extend([CLOSE_NOTIFY; 2].map(|alert| alert.to_vec()));
        let folder = Folder::with(&session, &number.to_string());
        let (mut opened, debug) = folder.tshark();
        let chacha = variant.suite.name().contains("CHACHA20");
        if chacha && opened.is_empty() {
            if variant.all_options {
                print_line(&format!(
                    "wireshark: {version} omits the epoch from the ChaCha20 nonce; {} opened with the keys it derived",
                    variant.suite
                ));
            }
            opened = open_with_keys_of_tshark(&session, &debug);
        }
        assert_eq!(opened, expected, "{variant:?}");
    }
}
