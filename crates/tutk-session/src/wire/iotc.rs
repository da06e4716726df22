//! The datagrams of dialects with an IOTC header.

use alloc::vec::Vec;
use core::net::SocketAddr;

use disco_cipher::{transcode, xor};
use tutk_frame::header::command;
use tutk_frame::{
    Close, DiscoveryLayout, DiscoveryRequest, Iotc, IotcHeader, Keepalive, SessionId, Stage,
};

use super::message::{DiscoveryQuery, Incoming, SessionQuery, Side};
use crate::deviation::{Deviation, Tolerated};
use crate::dialect::{Cipher, IotcTransport};
use crate::output::Outbox;

impl IotcTransport {
    pub(super) fn recognises(&self, datagram: &[u8]) -> bool {
        let Some(&(mut header)) = datagram.first_chunk::<{ IotcHeader::LEN }>() else {
            return false;
        };
        match &self.cipher {
            Cipher::Xor(key) => xor::apply(key, &mut header),
            Cipher::TransCode => transcode::descramble_block(&mut header),
        }
        IotcHeader::parse(&header).is_ok_and(|(header, _)| command::ALL.contains(&header.command))
    }

    pub(super) fn descramble(&self, datagram: &mut [u8]) {
        match &self.cipher {
            Cipher::Xor(key) => xor::apply(key, datagram),
            Cipher::TransCode => transcode::descramble_datagram(datagram),
        }
    }

    pub(super) fn scramble(&self, datagram: &mut [u8]) {
        match &self.cipher {
            Cipher::Xor(key) => xor::apply(key, datagram),
            Cipher::TransCode => transcode::scramble_datagram(datagram),
        }
    }

    pub(super) fn parse(
        &self,
        side: &Side,
        datagram: &[u8],
        tolerated: &mut Tolerated,
    ) -> Option<Incoming> {
        let incoming = match Iotc::parse(datagram, self.layout).ok()? {
            Iotc::DiscoveryRequest(request) => match request.stage {
                Stage::Broadcast => Incoming::DiscoveryRequest(DiscoveryQuery {
                    uid: request.uid,
                    session: request.session,
                    key_matches: request.auth_key.is_none() || request.auth_key == side.auth_key,
                }),
                Stage::Direct => Incoming::DiscoveryStage2 { uid: request.uid },
            },
            // The bytes after the UID in a real camera's answer are not known.
            Iotc::DiscoveryAnswer(answer) => Incoming::DiscoveryAnswer {
                uid: answer.uid,
                assigned: None,
                verified: true,
            },
            Iotc::SessionRequest(request) => Incoming::SessionRequest(SessionQuery {
                uid: request.uid,
                session: request.session,
                ticket: None,
            }),
            // The body of a real camera's answer is not known.
            Iotc::SessionAnswer(_) => Incoming::SessionAnswer { session: None },
            Iotc::Data { header, .. } if header.direction == side.incoming => Incoming::Data {
                session: header.session,
                channel: header.channel,
                records: header.payload_range(),
            },
            Iotc::Keepalive(Keepalive { answer: true, body }) => Incoming::KeepaliveAnswer {
                session: SessionId(body),
            },
            Iotc::Keepalive(Keepalive { body, .. }) => Incoming::Keepalive { body },
            Iotc::Close(Close { session }) => Incoming::Close { session },
            _ => return None,
        };
        if !IotcHeader::has_exact_length(datagram) {
            tolerated.record(Deviation::DatagramLength);
        }
        Some(incoming)
    }

    pub(super) fn send_discovery_request<E>(
        &self,
        side: &Side,
        session: SessionId,
        stage: Stage,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
        // `summary` sends the AuthKey in both stages, real clients only in the first.
        let with_key =
            stage == Stage::Broadcast || self.layout.discovery == DiscoveryLayout::SessionAt52;
        let request = DiscoveryRequest {
            uid: side.uid,
            version: DiscoveryRequest::SDK_VERSION,
            session,
            stage,
            auth_key: side.auth_key.clone().filter(|_| with_key),
        };
        self.send(to, out, |out| request.write(self.layout.discovery, out));
    }

    /// Queues the datagram that `write` writes.
    pub(super) fn send<E>(
        &self,
        to: SocketAddr,
        out: &mut Outbox<E>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut datagram = out.buffer();
        write(&mut datagram);
        self.scramble(&mut datagram);
        out.transmit(to, datagram);
    }
}
