//! Output bytes: a file that loses at most about a second in a power failure, or standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::access::FileAccess;

/// The largest interval between flushes to the disk. Longer MP4 fragments are flushed immediately.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// The number of directories above a new file that may be new as well.
const NEW_FOLDERS: usize = 4;

/// An open output.
#[derive(Debug)]
pub(super) enum Output {
    File(DiskFile),
    Stdout(Stdout),
}

/// A file and the thread that flushes it.
#[derive(Debug)]
pub(super) struct DiskFile {
    file: File,
    /// This is a regular file, not a device or pipe.
    regular: bool,
    /// The bytes of all complete writes.
    len: u64,
    /// The path of a file that is new and still empty. Dropping it removes the file.
    unused: Option<PathBuf>,
    syncer: Option<Syncer>,
}

/// The thread that waits for the disk.
#[derive(Debug)]
struct Syncer {
    due: SyncSender<()>,
    thread: JoinHandle<()>,
    asked: Option<Instant>,
}

impl Output {
    /// Opens a file. It is not truncated before [`begin`](Self::begin). Without `overwrite`, an
    /// existing file is an error. Devices and pipes are not.
    pub(super) fn open(path: &Path, overwrite: bool, access: FileAccess) -> io::Result<Self> {
        match access.create_file(path) {
            Ok(file) => Self::new(file, Some(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !overwrite && path.is_file() {
                    return Err(error);
                }
                Self::new(OpenOptions::new().write(true).open(path)?, None)
            }
            Err(error) => Err(error),
        }
    }

    /// Writes to a file. If it is new, it is removed unless something is written to it.
    pub(super) fn new(file: File, new: Option<PathBuf>) -> io::Result<Self> {
        Ok(Self::File(DiskFile {
            regular: file.metadata()?.is_file(),
            file,
            len: 0,
            unused: new,
            syncer: None,
        }))
    }

    pub(super) fn stdout() -> Self {
        Self::Stdout(io::stdout())
    }

    /// Truncates the file. Call this before the first [`write`](Self::write).
    pub(super) fn begin(&mut self) -> io::Result<()> {
        let Self::File(file) = self else {
            return Ok(());
        };
        match file.regular {
            true => file.file.set_len(0),
            false => Ok(()),
        }
    }

    /// Writes immediately, so that concurrent readers see the data and a killed process leaves it.
    /// If that fails, for example because the disk is full, the file contains nothing of `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.write_all(bytes).and_then(|()| stdout.flush()),
            Self::File(file) => file.write(bytes),
        }
    }

    /// Ends the output. The file is on the disk when the returned thread has ended.
    pub(super) fn close(self) -> Option<JoinHandle<()>> {
        match self {
            Self::File(mut file) => file.syncer.take().map(|syncer| syncer.thread),
            Self::Stdout(_) => None,
        }
    }
}

impl DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        if !self.regular {
            return written;
        }
        match &written {
            Ok(()) => {
                self.len += bytes.len() as u64;
                self.sync();
                self.unused = None;
            }
            Err(_) => self.cut(),
        }
        written
    }

    /// Cuts the file back to its complete writes. Players do not open an MP4 file whose last
    /// fragment is incomplete.
    fn cut(&mut self) {
        let cut = self.file.set_len(self.len);
        let cut = cut.and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
        if let Err(error) = cut {
            tracing::warn!(%error, "the file ends with an incomplete fragment");
        }
    }

    /// Requests a flush to the disk if it is due.
    fn sync(&mut self) {
        if self.syncer.is_none() {
            self.syncer = Syncer::start(&self.file, self.unused.clone());
        }
        let Some(syncer) = &mut self.syncer else {
            return;
        };
        let now = Instant::now();
        let due = |asked| now.duration_since(asked) >= SYNC_INTERVAL;
        if syncer.asked.is_none_or(due) {
            syncer.asked = Some(now);
            // A pending request covers this one, too.
            let _ = syncer.due.try_send(());
        }
    }
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        if let Some(path) = &self.unused {
            // The empty file stays if it cannot be removed.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Syncer {
    /// Without the thread, the system decides when to flush. The directories of a `new` file are
    /// flushed after its first bytes.
    fn start(file: &File, mut new: Option<PathBuf>) -> Option<Self> {
        let file = file.try_clone().ok()?;
        let (due, asked) = mpsc::sync_channel(1);
        let work = move || {
            let sync = |result: io::Result<()>| {
                if let Err(error) = result {
                    tracing::warn!(%error, "cannot flush the file to the disk");
                }
            };
            while asked.recv().is_ok() {
                sync(file.sync_data());
                if let Some(new) = new.take() {
                    sync_folders(&new);
                }
            }
            sync(file.sync_all());
        };
        let thread = thread::Builder::new().name("sync".into()).spawn(work);
        Some(Self {
            due,
            thread: thread.ok()?,
            asked: None,
        })
    }
}

/// Flushes the directories above a new file to the disk, so that the file has its name after a
/// power failure.
fn sync_folders(file: &Path) {
    for folder in file.ancestors().skip(1).take(NEW_FOLDERS) {
        let folder = match folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => folder,
        };
        // Not every system can open or flush a directory.
        if let Err(error) = File::open(folder).and_then(|open| open.sync_all()) {
            tracing::debug!(folder = %folder.display(), %error, "directory not flushed");
            return;
        }
    }
}
