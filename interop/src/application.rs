//! The test application, which peers/common.h describes.

use std::time::Duration;

use dtls_psk::Group;

use crate::matrix::{Settings, Side};

const WINDOW: u32 = 16;
/// The time without a record after which a lossless cell fails.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The time without a record after which a lossy cell treats the rest of a window as lost.
const LOSS_TIMEOUT: Duration = Duration::from_millis(80);

/// The result of a receive.
pub(crate) enum Received {
    Data(Vec<u8>),
    /// Timed out.
    Nothing,
    /// The peer sent close_notify.
    Closed,
}

/// A DTLS implementation on a socket.
pub(crate) trait Endpoint {
    /// Runs the handshake.
    fn handshake(&mut self) -> Result<Negotiated, String>;

    fn send(&mut self, data: &[u8]) -> Result<(), String>;

    /// Returns the next record or close_notify, or `Nothing` after `timeout`.
    fn receive(&mut self, timeout: Duration) -> Result<Received, String>;

    /// Sends close_notify.
    fn close(&mut self) -> Result<(), String>;
}

/// The negotiated parameters, as far as one side reports them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Negotiated {
    pub(crate) suite: Option<u16>,
    pub(crate) group: Option<Group>,
    pub(crate) cookie: Option<bool>,
    pub(crate) ems: Option<bool>,
    pub(crate) etm: Option<bool>,
    pub(crate) handshake: Option<Duration>,
}

/// The report of a side that succeeded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Finished {
    pub(crate) negotiated: Negotiated,
    /// Application data, in bytes.
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

pub(crate) fn run(endpoint: &mut dyn Endpoint, settings: &Settings) -> Result<Finished, String> {
    let negotiated = endpoint.handshake()?;
    let mut records = Records::new(settings);
    let sent = match settings.side {
        Side::Client => client(endpoint, &mut records)?,
        Side::Server => server(endpoint, &mut records)?,
    };
    let (received, count) = (records.received, records.count);
    if !settings.lossy && (sent, received) != (count, count) {
        return Err(format!(
            "closed after sending {sent} and receiving {received} of {count} records"
        ));
    }
    let bytes = |records: u32| u64::from(records) * settings.record_len as u64;
    Ok(Finished {
        negotiated,
        sent: bytes(sent),
        received: bytes(received),
    })
}

fn client(endpoint: &mut dyn Endpoint, records: &mut Records) -> Result<u32, String> {
    let timeout = if records.lossy { LOSS_TIMEOUT } else { TIMEOUT };
    let mut sent = 0;
    while sent < records.count {
        let window_end = records.count.min(sent + WINDOW);
        for number in sent..window_end {
            endpoint.send(&records.record(number))?;
        }
        sent = window_end;
        while records.received < sent {
            match endpoint.receive(timeout)? {
                Received::Data(data) => records.check(&data)?,
                Received::Nothing if records.lossy => break,
                Received::Nothing => {
                    return Err(format!("record {} was not echoed", records.received));
                }
                Received::Closed => return Err("the server closed first".into()),
            }
        }
    }
    endpoint.close()?;
    loop {
        match endpoint.receive(TIMEOUT)? {
            Received::Data(_) => {}
            Received::Nothing => return Err("the server did not answer close_notify".into()),
            Received::Closed => return Ok(sent),
        }
    }
}

fn server(endpoint: &mut dyn Endpoint, records: &mut Records) -> Result<u32, String> {
    loop {
        match endpoint.receive(TIMEOUT)? {
            Received::Data(data) => {
                records.check(&data)?;
                endpoint.send(&data)?;
            }
            Received::Nothing => return Err("timed out waiting for data or close_notify".into()),
            Received::Closed => break,
        }
    }
    endpoint.close()?;
    Ok(records.received)
}

/// The records sent and received.
struct Records {
    len: usize,
    count: u32,
    lossy: bool,
    seen: Vec<bool>,
    received: u32,
}

impl Records {
    fn new(settings: &Settings) -> Self {
        let count = settings.bytes.div_ceil(settings.record_len as u64);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            len: settings.record_len,
            count,
            lossy: settings.lossy,
            seen: vec![false; count as usize],
            received: 0,
        }
    }

    fn record(&self, number: u32) -> Vec<u8> {
        let mut record = number.to_be_bytes().to_vec();
        record.extend((4..self.len).map(|i| {
            let [.., byte] = (number as usize * 31 + i * 7 + (i >> 8)).to_be_bytes();
            byte
        }));
        record
    }

    /// Checks that a record was sent with this content, is not a duplicate, and, in a lossless
    /// cell, is in order.
    fn check(&mut self, record: &[u8]) -> Result<(), String> {
        let Some(number) = record.first_chunk().copied().map(u32::from_be_bytes) else {
            return Err(format!("received a record of {} bytes", record.len()));
        };
        match self.seen.get_mut(number as usize) {
            None => return Err(format!("received record {number}, which was never sent")),
            Some(true) => return Err(format!("received record {number} twice")),
            Some(seen) => *seen = true,
        }
        if record != self.record(number) {
            return Err(format!("record {number} has wrong bytes"));
        }
        if !self.lossy && number != self.received {
            return Err(format!(
                "received record {number}, expected {}",
                self.received
            ));
        }
        self.received += 1;
        Ok(())
    }
}
