//! Captures of the program's own sessions, with the keys that decrypt them.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytesize::ByteSize;
use tutk_dissect::Error;
use tutk_dissect::capture::{CaptureWriter, WriterOptions};
use tutk_runtime::{ObservedDatagram, Observer};

use crate::clock::unix_time;
use crate::console::Console;
use crate::failure::Failure;
use crate::new_file;

/// The size at which a capture ends unless another one is set: about five minutes of a camera.
pub(crate) const DEFAULT_SIZE: ByteSize = ByteSize::mib(64);

/// The number of datagrams that wait for the disk. Further ones are dropped and counted.
const QUEUE: usize = 4096;

/// The bytes of these datagrams.
const QUEUE_BYTES: usize = 8 << 20;

/// The number of names that are tried if a file exists.
#[cfg(feature = "serve")]
const MAX_NAMES: u32 = 1000;

/// The longest time between two flushes of the file.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// A capture that is being written. Dropping it completes the file.
#[derive(Debug)]
pub(crate) struct Capture {
    name: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Written>>,
}

/// The side that receives datagrams.
#[derive(Debug)]
struct Shared {
    queue: SyncSender<Item>,
    queued_bytes: AtomicUsize,
    received: AtomicU64,
    dropped: AtomicU64,
}

enum Item {
    Datagram {
        time: Duration,
        source: std::net::SocketAddr,
        destination: std::net::SocketAddr,
        payload: Vec<u8>,
    },
    KeyLog(String),
    /// The capture is complete.
    End,
}

/// What the thread has written.
#[derive(Debug)]
struct Written {
    packets: u64,
    /// The datagrams after the size was reached.
    beyond: u64,
    result: Result<(), Error>,
}

impl Capture {
    /// Creates the file, and starts the thread that writes it. An existing file is an error unless
    /// `overwrite` is set.
    pub(crate) fn create(path: &Path, overwrite: bool, size: ByteSize) -> Result<Self, Failure> {
        let file = new_file::create(path, overwrite)?;
        Self::start(path, file, size)
    }

    /// As [`create`](Self::create), but adds a number to the name if the file exists.
    #[cfg(feature = "serve")]
    pub(crate) fn create_numbered(path: &Path, size: ByteSize) -> Result<Self, Failure> {
        let mut result = new_file::create(path, false).map(|file| (path.to_owned(), file));
        for number in 2..MAX_NAMES {
            let name = numbered(path, number);
            if result.is_ok() || !path.exists() {
                break;
            }
            result = new_file::create(&name, false).map(|file| (name, file));
        }
        let (path, file) = result?;
        Self::start(&path, file, size)
    }

    fn start(path: &Path, file: File, size: ByteSize) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let options = WriterOptions {
            comment: "a session of tutk, with the keys that decrypt it",
            ..WriterOptions::default()
        };
        let writer = CaptureWriter::new(BufWriter::new(file), options)
            .map_err(|error| Failure::capture(&name, &error))?;
        let (sender, receiver) = mpsc::sync_channel(QUEUE);
        let shared = Arc::new(Shared::new(sender));
        let counters = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || write(writer, &receiver, size.as_u64(), &counters))
            .map_err(|error| Failure::capture(&name, &error.into()))?;
        Ok(Self {
            name,
            shared,
            thread: Some(thread),
        })
    }

    /// Returns the observer of a camera's sessions.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.shared) as Arc<dyn Observer>
    }

    /// Returns the name of the file.
    #[cfg(feature = "serve")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Completes the file and says what it contains.
    pub(crate) fn finish(mut self, console: &Console) -> Result<(), Failure> {
        let Some(written) = self.complete() else {
            return Ok(());
        };
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let mut line = format!("captured {} packets in {}", written.packets, self.name);
        if written.beyond > 0 {
            line += &format!(", {} more after the size limit", written.beyond);
        }
        if dropped > 0 {
            line += &format!(", {dropped} dropped because the disk was too slow");
        }
        console.line(line);
        written
            .result
            .map_err(|error| Failure::capture(&self.name, &error))
    }

    /// Waits for the thread.
    fn complete(&mut self) -> Option<Written> {
        let thread = self.thread.take()?;
        // Fails if the thread has panicked.
        let _ = self.shared.queue.send(Item::End);
        let written = thread.join().ok()?;
        if written.packets == 0 {
            // The file is new, and an empty capture is of no use.
            new_file::remove(Path::new(&self.name));
        }
        Some(written)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let Some(written) = self.complete() else {
            return;
        };
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let packets = written.packets;
        tracing::info!(file = self.name, packets, dropped, "capture complete");
        if let Err(error) = written.result {
            tracing::warn!(file = self.name, %error, "the capture is incomplete");
        }
    }
}

impl Shared {
    fn new(queue: SyncSender<Item>) -> Self {
        Self {
            queue,
            queued_bytes: AtomicUsize::new(0),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }
}

impl Observer for Shared {
    fn datagram(&self, datagram: &ObservedDatagram<'_>) {
        self.received.fetch_add(1, Ordering::Relaxed);
        let len = datagram.payload.len();
        if self.queued_bytes.load(Ordering::Relaxed) + len > QUEUE_BYTES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let item = Item::Datagram {
            time: datagram.time,
            source: datagram.source,
            destination: datagram.destination,
            // A copy, because the disk is slower than the session. Only while a capture runs.
            payload: datagram.payload.to_vec(),
        };
        // Before the thread can take it.
        self.queued_bytes.fetch_add(len, Ordering::Relaxed);
        if self.queue.try_send(item).is_err() {
            self.queued_bytes.fetch_sub(len, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn key_log(&self, line: &str) {
        // A capture without keys is still readable. The queue is empty during a handshake.
        if self
            .queue
            .try_send(Item::KeyLog(format!("{line}\n")))
            .is_err()
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes items until the end. Datagrams beyond `size` are counted only: the beginning
/// of a capture contains the handshake, without which nothing can be decrypted.
fn write(
    mut writer: CaptureWriter<BufWriter<File>>,
    items: &Receiver<Item>,
    size: u64,
    counters: &Shared,
) -> Written {
    let mut beyond = 0;
    let mut result = Ok(());
    let mut flushed = std::time::Instant::now();
    loop {
        let received = items.recv_timeout(FLUSH_INTERVAL);
        let full = writer.bytes() >= size;
        if let Ok(Item::Datagram { payload, .. }) = &received {
            let len = payload.len();
            counters.queued_bytes.fetch_sub(len, Ordering::Relaxed);
        }
        match received {
            Ok(Item::End) | Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Ok(_) if result.is_err() => {}
            Ok(Item::Datagram { .. }) if full => beyond += 1,
            Ok(Item::Datagram {
                time,
                source,
                destination,
                payload,
            }) => result = writer.datagram(time, source, destination, &payload),
            Ok(Item::KeyLog(lines)) if !full => result = writer.key_log(&lines),
            Ok(Item::KeyLog(_)) | Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        if flushed.elapsed() >= FLUSH_INTERVAL {
            result = result.and_then(|()| writer.flush());
            flushed = std::time::Instant::now();
        }
    }
    let packets = writer.packets();
    if result.is_ok() {
        let received = counters.received.load(Ordering::Relaxed);
        let dropped = counters.dropped.load(Ordering::Relaxed);
        result = writer
            .statistics(unix_time(), received, dropped)
            .and_then(|()| writer.flush());
    }
    Written {
        packets,
        beyond,
        result,
    }
}

/// Adds a number before the extension: `front.pcapng` becomes `front-2.pcapng`.
#[cfg(feature = "serve")]
fn numbered(path: &Path, number: u32) -> std::path::PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use tutk_dissect::capture::{Block, CaptureReader};

    use super::*;

    fn observe(capture: &Capture, payload: &[u8]) {
        capture.observer().datagram(&ObservedDatagram {
            time: Duration::from_secs(1),
            source: "192.0.2.1:50000".parse().unwrap(),
            destination: "192.0.2.7:32761".parse().unwrap(),
            payload,
        });
    }

    #[test]
    fn packets_beyond_the_queue_are_dropped_and_counted() {
        let (queue, items) = mpsc::sync_channel(QUEUE);
        let shared = Shared::new(queue);
        let observe = |count: usize, payload: &[u8]| {
            for _ in 0..count {
                shared.datagram(&ObservedDatagram {
                    time: Duration::ZERO,
                    source: "192.0.2.1:50000".parse().unwrap(),
                    destination: "192.0.2.7:32761".parse().unwrap(),
                    payload,
                });
            }
        };
        observe(QUEUE + 10, b"anything");
        assert_eq!(shared.dropped.load(Ordering::Relaxed), 10);
        assert_eq!(shared.received.load(Ordering::Relaxed), QUEUE as u64 + 10);
        assert_eq!(items.try_iter().count(), QUEUE);
        shared.queued_bytes.store(0, Ordering::Relaxed);

        let longest = [0; 65_507];
        let fit = QUEUE_BYTES / longest.len();
        observe(fit + 7, &longest);
        assert_eq!(shared.dropped.load(Ordering::Relaxed), 17);
        assert_eq!(items.try_iter().count(), fit);
    }

    fn packets(path: &Path) -> usize {
        let mut reader = CaptureReader::new(File::open(path).unwrap()).unwrap();
        let mut packets = 0;
        while let Some(block) = reader.next_block().unwrap() {
            packets += usize::from(matches!(block, Block::Packet(_)));
        }
        assert!(!reader.is_cut_off());
        packets
    }

    #[test]
    fn capture_ends_at_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcapng");
        let capture = Capture::create(&path, false, ByteSize::kib(10)).unwrap();
        capture.observer().key_log("CLIENT_RANDOM 00 11");
        for _ in 0..100 {
            observe(&capture, &[0x55; 1000]);
        }
        capture.finish(&Console::new(true)).unwrap();
        assert!((9..=10).contains(&packets(&path)), "{}", packets(&path));
        assert!(std::fs::metadata(&path).unwrap().len() < 12 << 10);
    }

    #[test]
    fn write_errors_are_not_the_size_limit() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read_only = BufWriter::new(File::open(file.path()).unwrap());
        let writer = CaptureWriter::new(read_only, WriterOptions::default()).unwrap();
        let (queue, items) = mpsc::sync_channel(QUEUE);
        let shared = Arc::new(Shared::new(queue));
        let capture = Capture {
            name: "a.pcapng".to_owned(),
            shared: Arc::clone(&shared),
            thread: None,
        };
        for _ in 0..100 {
            observe(&capture, &[0x55; 1000]);
        }
        shared.queue.send(Item::End).unwrap();
        let written = write(writer, &items, u64::MAX, &shared);
        assert!(written.result.is_err());
        assert_eq!(written.beyond, 0);
    }

    #[test]
    #[cfg(feature = "serve")]
    fn existing_capture_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pcapng");
        for _ in 0..3 {
            let capture = Capture::create_numbered(&path, DEFAULT_SIZE).unwrap();
            observe(&capture, b"payload");
        }
        assert!(Capture::create(&path, false, DEFAULT_SIZE).is_err());
        for name in ["a.pcapng", "a-2.pcapng", "a-3.pcapng"] {
            assert_eq!(packets(&folder.path().join(name)), 1);
        }
        assert!(Capture::create_numbered(&folder.path().join("none/a"), DEFAULT_SIZE).is_err());
    }
}
