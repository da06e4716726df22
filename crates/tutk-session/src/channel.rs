//! One channel of a session: a DTLS association and what is sent through it, either side.
#![allow(missing_docs, reason = "internal: tutk-simulator shares it")]

use std::time::Instant;

use dtls_psk::Connection;
use tutk_frame::AvStamp;

use crate::dialect::{Dialect, SequenceRule};
use crate::output::Outbox;
use crate::wire::Wrapper;

/// The channel of video, sound and commands.
pub const MAIN: u8 = 0;

/// The channel of sound to the camera (wire.md section 11).
pub const BACK: u8 = 1;

/// DTLS, around which the session's wrapper goes. AV packets go in and out.
#[derive(Debug)]
pub struct Channel {
    number: u8,
    pub dtls: Connection,
    /// The AV packet that is being written, kept so that sending allocates nothing.
    packet: Vec<u8>,
}

/// Counts the AV packets of one side, those that are not media and come after the login.
#[derive(Debug)]
pub struct AvCounter {
    dialect: &'static Dialect,
    next: u32,
}

impl AvCounter {
    pub fn new(dialect: &'static Dialect) -> Self {
        Self { dialect, next: 0 }
    }

    /// Version and number of the next packet.
    pub fn stamp(&mut self) -> AvStamp {
        let [a, b, c, d] = self.next.to_le_bytes();
        self.next = self.next.wrapping_add(1);
        AvStamp {
            version: self.dialect.control_version,
            counter: u16::from_le_bytes([a, b]),
            tail: match self.dialect.sequence {
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

    /// Records that DTLS dropped: replayed, forged or out of place.
    pub fn dropped(&self) -> u64 {
        let dtls = self.dtls.stats();
        dtls.malformed + dtls.unexpected + dtls.replayed + dtls.undecryptable
    }

    /// Decrypts records in place and hands each AV packet to `deliver`.
    pub fn open(
        &mut self,
        now: Instant,
        records: &mut [u8],
        mut deliver: impl FnMut(&[u8]),
    ) -> Result<(), dtls_psk::Error> {
        self.dtls
            .handle_datagram(now, records, |packet| deliver(packet))
    }

    /// Seals and queues the AV packet that `write` writes, unless it says that there is none.
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

    /// Queues what DTLS has to send by itself, passes its events on, and says when its timer is
    /// due.
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
                        Ok::<(), std::convert::Infallible>(())
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
    fn the_summary_counts_beyond_16_bits() {
        for (dialect, beyond) in [(&Dialect::SUMMARY, (0, 1)), (&Dialect::TRANSCODE, (0, 0))] {
            let mut counter = AvCounter::new(dialect);
            counter.next = 0xffff;
            let mut next = || {
                let stamp = counter.stamp();
                (stamp.counter, stamp.tail)
            };
            assert_eq!(next(), (0xffff, 0), "{dialect}");
            assert_eq!(next(), beyond, "{dialect}");
        }
    }
}
