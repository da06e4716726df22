//! What is done with a connection: the same as in peers/common.h, where it is described.

use std::time::Duration;

use dtls_psk::Group;

use crate::matrix::{Settings, Side};

const WINDOW: u32 = 16;
/// Without a word for this long, a lossless cell has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// After this much silence, what is missing of a window is lost on a lossy way.
const SILENCE: Duration = Duration::from_millis(80);

/// What a receive brought.
pub(crate) enum Received {
    Data(Vec<u8>),
    /// Nothing in time.
    Nothing,
    /// The peer's close_notify.
    Closed,
}

/// A DTLS implementation on a socket.
pub(crate) trait Endpoint {
    /// Returns once connected.
    fn handshake(&mut self) -> Result<Negotiated, String>;

    fn send(&mut self, data: &[u8]) -> Result<(), String>;

    /// The next record, close_notify, or nothing for as long as `timeout`.
    fn receive(&mut self, timeout: Duration) -> Result<Received, String>;

    /// Sends close_notify.
    fn close(&mut self) -> Result<(), String>;
}

/// What one side says was agreed on, as far as it says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Negotiated {
    pub(crate) suite: Option<u16>,
    pub(crate) group: Option<Group>,
    pub(crate) cookie: Option<bool>,
    pub(crate) ems: Option<bool>,
    pub(crate) etm: Option<bool>,
    pub(crate) handshake: Option<Duration>,
}

/// How one side ended: well.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Finished {
    pub(crate) negotiated: Negotiated,
    /// Bytes of application data.
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
            "closed after {sent} records sent and {received} received of {count}"
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
    let patience = if records.lossy { SILENCE } else { PATIENCE };
    let mut sent = 0;
    while sent < records.count {
        let window_end = records.count.min(sent + WINDOW);
        for number in sent..window_end {
            endpoint.send(&records.record(number))?;
        }
        sent = window_end;
        while records.received < sent {
            match endpoint.receive(patience)? {
                Received::Data(data) => records.check(&data)?,
                Received::Nothing if records.lossy => break,
                Received::Nothing => {
                    return Err(format!("record {} was not sent back", records.received));
                }
                Received::Closed => return Err("the server closed first".into()),
            }
        }
    }
    endpoint.close()?;
    loop {
        match endpoint.receive(PATIENCE)? {
            Received::Data(_) => {}
            Received::Nothing => return Err("the server did not answer close_notify".into()),
            Received::Closed => return Ok(sent),
        }
    }
}

fn server(endpoint: &mut dyn Endpoint, records: &mut Records) -> Result<u32, String> {
    loop {
        match endpoint.receive(PATIENCE)? {
            Received::Data(data) => {
                records.check(&data)?;
                endpoint.send(&data)?;
            }
            Received::Nothing => return Err("nothing came, not even close_notify".into()),
            Received::Closed => break,
        }
    }
    endpoint.close()?;
    Ok(records.received)
}

/// The records that are sent, and those that came.
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

    /// That it was sent like this, came once, and on a lossless way in order.
    fn check(&mut self, record: &[u8]) -> Result<(), String> {
        let Some(number) = record.first_chunk().copied().map(u32::from_be_bytes) else {
            return Err(format!("a record of {} bytes", record.len()));
        };
        match self.seen.get_mut(number as usize) {
            None => return Err(format!("record {number} was never sent")),
            Some(true) => return Err(format!("record {number} came twice")),
            Some(seen) => *seen = true,
        }
        if record != self.record(number) {
            return Err(format!("record {number} has wrong bytes"));
        }
        if !self.lossy && number != self.received {
            return Err(format!("record {number} came, not {}", self.received));
        }
        self.received += 1;
        Ok(())
    }
}
