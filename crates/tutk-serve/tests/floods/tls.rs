//! TLS handshakes.

use rcgen::generate_simple_self_signed;
use tutk_serve::{HttpConfig, HttpServer, Hub, TlsConfig};

use crate::common::loopback;
use crate::memory::Alone;
use crate::{Attack, MORE_THAN_ALL_BUFFERS};

/// The longest message of a handshake that rustls accepts, and a record.
const HANDSHAKE: usize = (64 << 10) + (18 << 10);

/// A record of a handshake with 16 KiB (RFC 8446 section 5.1).
fn record(first: &[u8]) -> Vec<u8> {
    let mut record = vec![22, 3, 1, 0x40, 0];
    record.extend_from_slice(first);
    record.resize(5 + (16 << 10), 0);
    record
}

#[tokio::test(start_paused = true)]
async fn tls_handshakes_are_bounded() {
    let _alone = Alone::wait();
    let folder = tempfile::tempdir().unwrap();
    let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let hub = Hub::new();
    let mut config = HttpConfig::new(loopback());
    config.tls = Some(TlsConfig::from_files(&certificate, &key).unwrap());
    let server = HttpServer::start(hub.clone(), config).await.unwrap();
    let longest = record(&[1, 0xff, 0xff, 0xff]);
    let change_cipher_spec = [20, 3, 3, 0, 1, 1].repeat(100);
    for (name, first, then, most) in [
        (
            "an unfinished record",
            Vec::new(),
            &longest[..],
            longest.len() - 1,
        ),
        (
            "a ClientHello of 16 MiB",
            longest.clone(),
            &record(&[])[..],
            MORE_THAN_ALL_BUFFERS,
        ),
        (
            "a ClientHello of 64 KiB",
            record(&[1, 0, 0xff, 0xff]),
            &record(&[])[..],
            MORE_THAN_ALL_BUFFERS,
        ),
        (
            "records without an end",
            Vec::new(),
            &change_cipher_spec[..],
            MORE_THAN_ALL_BUFFERS,
        ),
    ] {
        let attack = Attack {
            name,
            first,
            then: then.to_vec(),
            most,
            limit: HANDSHAKE,
        };
        let accepted = attack.run(server.local_addr()).await;
        assert!(
            accepted < MORE_THAN_ALL_BUFFERS,
            "{name}: the server reads on"
        );
    }
    server.close().await;
    hub.close().await;
}
