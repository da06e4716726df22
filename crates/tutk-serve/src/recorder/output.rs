//! Output bytes: a file that loses at most about a second in a power failure, or standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access::FileAccess;
use super::disk::{self, Pending};

/// The largest interval between flushes to the disk. Longer MP4 fragments are flushed immediately.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);

/// The number of directories above a new file that may be new as well.
const NEW_FOLDERS: usize = 4;

/// An open output.
#[derive(Debug)]
pub(super) enum Output {
    File(DiskFile),
    Stdout(Stdout),
}

/// An open file.
#[derive(Debug)]
pub(super) struct DiskFile {
    file: Arc<File>,
    /// This is a regular file, not a device or pipe.
    regular: bool,
    /// The bytes of all complete writes.
    len: u64,
    /// The path of a file that is new and has no frame yet. Dropping it removes the file.
    unused: Option<PathBuf>,
    /// The newest flush, and when it was requested.
    flush: Option<(Instant, Option<Pending>)>,
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

    /// Writes to a file. If it is new, it is removed unless a frame is written to it. Players do
    /// not open an MP4 file that has only its header.
    pub(super) fn new(file: File, new: Option<PathBuf>) -> io::Result<Self> {
        Ok(Self::File(DiskFile {
            regular: file.metadata()?.is_file(),
            file: Arc::new(file),
            len: 0,
            unused: new,
            flush: None,
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

    /// Ends the output. The file is on the disk when the returned work is done.
    pub(super) fn close(self) -> Option<Pending> {
        match self {
            Self::File(mut file) => file.end(),
            Self::Stdout(_) => None,
        }
    }
}

impl DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = (&*self.file).write_all(bytes);
        if !self.regular {
            return written;
        }
        match &written {
            Ok(()) => {
                self.len += bytes.len() as u64;
                self.request_flush();
                if !is_mp4_header(bytes) {
                    self.unused = None;
                }
            }
            Err(_) => self.cut(),
        }
        written
    }

    /// Cuts the file back to its complete writes. Players do not open an MP4 file whose last
    /// fragment is incomplete.
    fn cut(&mut self) {
        let cut = self.file.set_len(self.len);
        let cut = cut.and_then(|()| (&*self.file).seek(SeekFrom::Start(self.len)));
        if let Err(error) = cut {
            tracing::warn!(%error, "the file ends with an incomplete fragment");
        }
    }

    /// Requests a flush to the disk if it is due. The directories of a new file are flushed after
    /// its first bytes. Without threads, the system decides when to flush.
    fn request_flush(&mut self) {
        let now = Instant::now();
        let is_due = self.flush.as_ref().is_none_or(|(requested, pending)| {
            let is_done = pending.as_ref().is_none_or(Pending::is_done);
            is_done && now.duration_since(*requested) >= FLUSH_INTERVAL
        });
        if is_due {
            let (file, new) = (Arc::clone(&self.file), self.unused.clone());
            let pending = disk::run(move || {
                report(file.sync_data());
                if let Some(new) = new {
                    flush_folders(&new);
                }
            });
            self.flush = Some((now, pending));
        }
    }

    /// Requests the last flush, if there was one before.
    fn end(&mut self) -> Option<Pending> {
        self.flush.take()?;
        let file = Arc::clone(&self.file);
        disk::run(move || report(file.sync_all()))
    }
}

/// Returns `true` for the header of an MP4 file without a fragment.
fn is_mp4_header(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"ftyp") && !bytes.windows(4).any(|four| four == b"moof")
}

impl Drop for DiskFile {
    fn drop(&mut self) {
        self.end();
        if let Some(path) = &self.unused {
            // The empty file stays if it cannot be removed.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn report(flushed: io::Result<()>) {
    if let Err(error) = flushed {
        tracing::warn!(%error, "cannot flush the file to the disk");
    }
}

/// Flushes the directories above a new file to the disk, so that the file has its name after a
/// power failure.
fn flush_folders(file: &Path) {
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
