//! Datagrams as a dialect has them: obfuscation outside, one layout or another inside.

use std::net::SocketAddr;

use bytes::BufMut as _;
use disco_cipher::{transcode, xor};
use tutk_frame::{DataHeader, Direction, Iotc, IotcHeader, IotcLayout, SessionId};

use crate::dialect::{Cipher, Dialect};
use crate::output::Outbox;

/// The longest payload of an HL message, bytes, so that message, IOCTL header and DTLS stay within one
/// record of 1200 bytes (wire.md section 7).
pub const MAX_HL_PAYLOAD: usize = 1100;

impl Dialect {
    fn layout(&self) -> IotcLayout {
        IotcLayout {
            discovery: self.discovery,
            session: self.session,
            wrapper: self.wrapper,
        }
    }

    /// Whether the datagram, as it came, begins as one of this dialect does. Leaves it as it is.
    ///
    /// The length counts as well as the magic: noise has two bytes right often enough.
    pub(crate) fn recognises(&self, datagram: &[u8]) -> bool {
        let Some(&(mut head)) = datagram.first_chunk::<{ IotcHeader::LEN }>() else {
            return false;
        };
        match &self.cipher {
            Cipher::Xor(key) => xor::apply(key, &mut head),
            Cipher::TransCode => transcode::descramble_block(&mut head),
        }
        let after = datagram.len().saturating_sub(IotcHeader::LEN);
        IotcHeader::parse(&head).is_ok_and(|(header, _)| usize::from(header.length) == after)
    }

    /// Takes the obfuscation off, in place, and reads what is inside.
    pub(crate) fn open<'a>(&self, datagram: &'a mut [u8]) -> Result<Iotc<'a>, tutk_frame::Error> {
        match &self.cipher {
            Cipher::Xor(key) => xor::apply(key, datagram),
            Cipher::TransCode => transcode::descramble_datagram(datagram),
        }
        Iotc::parse(datagram, self.layout())
    }

    /// Puts the obfuscation on, in place.
    fn hide(&self, datagram: &mut [u8]) {
        match &self.cipher {
            Cipher::Xor(key) => xor::apply(key, datagram),
            Cipher::TransCode => transcode::scramble_datagram(datagram),
        }
    }

    /// Queues a datagram that `write` fills.
    pub(crate) fn send<E>(
        &self,
        to: SocketAddr,
        out: &mut Outbox<E>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut datagram = out.buffer();
        write(&mut datagram);
        self.hide(&mut datagram);
        out.transmit(to, datagram);
    }
}

/// The data wrapper of one session: what stands before its DTLS records (wire.md section 5).
#[derive(Debug)]
pub(crate) struct Wrapper {
    pub(crate) dialect: &'static Dialect,
    pub(crate) direction: Direction,
    pub(crate) session: SessionId,
    pub(crate) remote: SocketAddr,
    sequence: u16,
}

impl Wrapper {
    pub(crate) fn new(
        dialect: &'static Dialect,
        direction: Direction,
        session: SessionId,
        remote: SocketAddr,
    ) -> Self {
        Self {
            dialect,
            direction,
            session,
            remote,
            sequence: 0,
        }
    }

    /// Queues one data datagram, whose records `fill` appends.
    pub(crate) fn send<E, F>(
        &mut self,
        out: &mut Outbox<E>,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), F>,
    ) -> Result<(), F> {
        let mut datagram = out.buffer();
        let header_len = self.dialect.wrapper.header_len();
        datagram.resize(header_len, 0);
        if let Err(error) = fill(&mut datagram) {
            out.recycle(datagram);
            return Err(error);
        }
        // The header says how long the records are, which is known only now.
        let records = datagram.len().saturating_sub(header_len);
        let header = DataHeader {
            layout: self.dialect.wrapper,
            direction: self.direction,
            channel: 0,
            sequence: self.sequence,
            session: self.session,
            payload_len: u16::try_from(records).unwrap_or(u16::MAX),
        };
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(mut place) = datagram.get_mut(..header_len) {
            debug_assert_eq!(place.remaining_mut(), header_len);
            header.write(&mut place);
        }
        self.dialect.hide(&mut datagram);
        out.transmit(self.remote, datagram);
        Ok(())
    }
}
