//! One channel of a session: a DTLS connection and the AV packets in it. Client and simulator use
//! it.
#![allow(missing_docs, reason = "internal: tutk-simulator shares it")]

use alloc::vec::Vec;
use dtls_psk::Connection;
use tutk_frame::AvStamp;
use tutk_time::Instant;

use crate::dialect::{Dialect, SequenceRule};
use crate::output::Outbox;
use crate::wire::Wrapper;

/// A DTLS connection whose records go through the session's wrapper.
#[derive(Debug)]
pub struct Channel {
    number: u8,
    pub dtls: Connection,
    /// The AV packet to send; kept so that sending does not allocate.
    packet: Vec<u8>,
}

/// Numbers the AV packets that one side sends after the login, except media.
#[derive(Debug)]
pub struct AvCounter {
    version: u16,
    rule: SequenceRule,
    next: u32,
}

impl AvCounter {
    pub fn new(dialect: &Dialect) -> Self {
        Self {
            version: dialect.control_version,
            rule: dialect.sequence,
            next: 0,
        }
    }

    /// Returns version and number of the next packet.
    pub fn stamp(&mut self) -> AvStamp {
        let [a, b, c, d] = self.next.to_le_bytes();
        self.next = self.next.wrapping_add(1);
        AvStamp {
            version: self.version,
            counter: u16::from_le_bytes([a, b]),
            tail: match self.rule {
                SequenceRule::U16 => 0,
                SequenceRule::U32 => u16::from_le_bytes([c, d]),
            },
        }
    }
}

impl Channel {
    pub fn new(number: u8, dtls: Connection) -> Self {
        Self {
            number,
            dtls,
            packet: Vec::new(),
        }
    }

    /// Returns the number of DTLS records dropped: replayed, forged or unexpected.
    pub fn dropped(&self) -> u64 {
        let dtls = self.dtls.stats();
        dtls.malformed + dtls.unexpected + dtls.replayed + dtls.undecryptable
    }

    /// Returns the number of DTLS records that arrived after one with a higher sequence number.
    pub fn reordered(&self) -> u64 {
        self.dtls.stats().reordered
    }

    /// Decrypts records in place and passes each AV packet to `deliver`.
    pub fn open(
        &mut self,
        now: Instant,
        records: &mut [u8],
        mut deliver: impl FnMut(&[u8]),
    ) -> Result<(), dtls_psk::Error> {
        self.dtls
            .handle_datagram(now, records, |packet| deliver(packet))
    }

    /// Encrypts and queues the AV packet that `write` writes. Returns `false` if `write` does.
    pub fn send<E>(
        &mut self,
        wrapper: &mut Wrapper,
        out: &mut Outbox<E>,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> Result<bool, dtls_psk::Error> {
        self.packet.clear();
        let written = write(&mut self.packet);
        if written {
            let Self {
                number,
                dtls,
                packet,
            } = self;
            wrapper.send(*number, out, |datagram| dtls.seal(packet, datagram))?;
        }
        Ok(written)
    }

    /// Queues the records of DTLS itself and passes on its events. Returns its next timeout.
    pub fn flush<E>(
        &mut self,
        wrapper: &mut Wrapper,
        out: &mut Outbox<E>,
        mut on_event: impl FnMut(&mut Outbox<E>, dtls_psk::Event),
    ) -> Instant {
        loop {
            match self.dtls.poll_output() {
                dtls_psk::Output::Transmit(records) => {
                    let sent = wrapper.send(self.number, out, |datagram| {
                        datagram.extend_from_slice(records);
                        Ok::<(), core::convert::Infallible>(())
                    });
                    let Ok(()) = sent;
                }
                dtls_psk::Output::Event(event) => on_event(out, event),
                dtls_psk::Output::Timeout(deadline) => return deadline,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counter_width_depends_on_the_dialect() {
        for (dialect, after_wrap) in [(&Dialect::SUMMARY, (0, 1)), (&Dialect::TRANSCODE, (0, 0))] {
            let mut counter = AvCounter::new(dialect);
            counter.next = 0xffff;
            let mut next = || {
                let stamp = counter.stamp();
                (stamp.counter, stamp.tail)
            };
            assert_eq!(next(), (0xffff, 0), "{dialect}");
            assert_eq!(next(), after_wrap, "{dialect}");
        }
    }
}
