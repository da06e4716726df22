//! A crypto provider of your own, for a device with one cipher suite and no key exchange:
//! TLS_PSK_WITH_AES_128_CCM_8, as used by CoAP.
//!
//! It works without any feature of dtls-psk: `cargo run --no-default-features --example
//! own-provider`. It checks the provider, and runs a client and a server with it in memory.

use std::error::Error;
use std::sync::Arc;

use aes::Aes128;
use ccm::aead::{AeadInOut, KeyInit};
use ccm::consts::{U8, U12};
use ccm::{Ccm, Tag};
use dtls_psk::crypto::{
    self, Aead, AeadAlgorithm, CryptoError, CryptoProvider, Hash, KeyPair, NONCE_LEN,
};
use dtls_psk::{CipherSuite, Config, Connection, Group, Instant, Output, Psk};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The suites of this device.
const SUITES: &[CipherSuite] = &[CipherSuite::PskAes128Ccm8];

#[derive(Debug)]
struct MyProvider;

impl CryptoProvider for MyProvider {
    fn suites(&self) -> &[CipherSuite] {
        SUITES
    }

    fn groups(&self) -> &[Group] {
        &[]
    }

    fn hash(&self, hash: Hash, data: &[u8], digest: &mut [u8]) -> Result<(), CryptoError> {
        // The suite uses SHA-256, so nothing else is asked for.
        if hash != Hash::Sha256 {
            return Err(CryptoError);
        }
        digest.copy_from_slice(&Sha256::digest(data));
        Ok(())
    }

    fn hmac(
        &self,
        hash: Hash,
        key: &[u8],
        data: &[&[u8]],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        if hash != Hash::Sha256 {
            return Err(CryptoError);
        }
        let hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(key);
        let mut hmac = hmac.map_err(|_| CryptoError)?;
        for part in data {
            hmac.update(part);
        }
        tag.copy_from_slice(&hmac.finalize().into_bytes());
        Ok(())
    }

    fn key_pair(&self, _: Group, _: &[u8; 32]) -> Result<Box<dyn KeyPair>, CryptoError> {
        Err(CryptoError)
    }

    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
        if algorithm != AeadAlgorithm::Aes128Ccm8 {
            return Err(CryptoError);
        }
        let cipher = Ccm::new_from_slice(key).map_err(|_| CryptoError)?;
        Ok(Box::new(MyCcm(cipher)))
    }
}

struct MyCcm(Ccm<Aes128, U8, U12>);

impl Aead for MyCcm {
    fn seal(
        &mut self,
        nonce: &[u8; NONCE_LEN],
        additional_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        // `out` already has the header of the record.
        let start = out.len();
        out.extend_from_slice(plaintext);
        let (_, data) = out.split_at_mut(start);
        let tag = (self.0)
            .encrypt_inout_detached(nonce.into(), additional_data, data.into())
            .map_err(|_| CryptoError)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn open(
        &mut self,
        nonce: &[u8; NONCE_LEN],
        additional_data: &[u8],
        sealed: &mut [u8],
    ) -> Result<(), CryptoError> {
        // The peer chooses the length, so it may be too short.
        let (data, tag) = sealed.split_last_chunk_mut::<8>().ok_or(CryptoError)?;
        (self.0)
            .decrypt_inout_detached(nonce.into(), additional_data, data.into(), &Tag::from(*tag))
            .map_err(|_| CryptoError)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    crypto::check(&MyProvider)?;
    println!("the provider gives the known answers");

    let psk = || Psk::new([7; 32]);
    let client = Config::client_with(&MyProvider, "a device", psk()).with_suites(SUITES);
    let server = Config::server_with(&MyProvider, move |_: &[u8]| Some(psk()));
    let server = server.with_suites(SUITES);
    // The time since any zero. On a device, the seeds are 32 bytes of its random number generator.
    let now = Instant::ZERO;
    let mut client = Connection::client(Arc::new(client), [1; 32], now)?;
    let mut server = Connection::server(Arc::new(server), b"the client", [2; 32], now)?;
    while !(client.is_connected() && server.is_connected()) {
        pass(&mut client, &mut server, now)?;
        pass(&mut server, &mut client, now)?;
    }
    client.send(b"hello")?;
    pass(&mut client, &mut server, now)
}

/// Passes all datagrams of one side to the other.
fn pass(from: &mut Connection, to: &mut Connection, now: Instant) -> Result<(), Box<dyn Error>> {
    loop {
        match from.poll_output() {
            Output::Transmit(datagram) => {
                let mut datagram = datagram.to_vec();
                to.handle_datagram(now, &mut datagram, |data| {
                    println!("received {:?}", String::from_utf8_lossy(data));
                })?;
            }
            Output::Event(event) => println!("{event:?}"),
            Output::Timeout(_) => return Ok(()),
        }
    }
}
