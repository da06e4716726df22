//! Where the bytes go: a file that a power cut leaves all but a second of, or standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, Stdout, Write};
use std::path::Path;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What was written goes to the disk at least this often. A fragment of an MP4 file is longer: each goes at
/// once.
const SYNC_INTERVAL: Duration = Duration::from_millis(500);

/// An output that is open.
#[derive(Debug)]
pub(super) enum Output {
    File(DiskFile),
    Stdout(Stdout),
}

/// A file, and whoever brings it to the disk.
#[derive(Debug)]
pub(super) struct DiskFile {
    file: File,
    /// Whether it is one, and no device or pipe that was given for one.
    regular: bool,
    syncer: Option<Syncer>,
}

/// A thread that waits for the disk, so that nobody else has to.
#[derive(Debug)]
struct Syncer {
    due: SyncSender<()>,
    thread: JoinHandle<()>,
    asked: Option<Instant>,
}

impl Output {
    /// Opens the file, which keeps what it has for now; returns whether it is new.
    pub(super) fn open(path: &Path) -> io::Result<(Self, bool)> {
        let mut options = OpenOptions::new();
        options.write(true);
        let (file, new) = match options.clone().create_new(true).open(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                (options.open(path)?, false)
            }
            Err(error) => return Err(error),
        };
        Ok((Self::of(file)?, new))
    }

    /// A file that was just made.
    pub(super) fn of(file: File) -> io::Result<Self> {
        Ok(Self::File(DiskFile {
            regular: file.metadata()?.is_file(),
            file,
            syncer: None,
        }))
    }

    pub(super) fn stdout() -> Self {
        Self::Stdout(io::stdout())
    }

    /// Forgets what the file had before.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) if file.regular => file.file.set_len(0),
            Self::File(_) | Self::Stdout(_) => Ok(()),
        }
    }

    /// Writes at once, so that whoever reads it meanwhile has it, and a process that is killed leaves it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.write_all(bytes).and_then(|()| stdout.flush()),
            Self::File(file) => {
                file.file.write_all(bytes)?;
                if file.regular {
                    file.sync();
                }
                Ok(())
            }
        }
    }

    /// Nothing more will come. The file is on the disk once the thread has ended, if there is one.
    pub(super) fn close(self) -> Option<JoinHandle<()>> {
        match self {
            Self::File(DiskFile { syncer, .. }) => syncer.map(|syncer| syncer.thread),
            Self::Stdout(_) => None,
        }
    }
}

impl DiskFile {
    /// Asks for what was written to be brought to the disk, if that is due.
    fn sync(&mut self) {
        if self.syncer.is_none() {
            self.syncer = Syncer::start(&self.file);
        }
        let Some(syncer) = &mut self.syncer else {
            return;
        };
        let now = Instant::now();
        let due = |asked| now.duration_since(asked) >= SYNC_INTERVAL;
        if syncer.asked.is_none_or(due) {
            syncer.asked = Some(now);
            // If it has not come to the one before, it will do both at once.
            let _ = syncer.due.try_send(());
        }
    }
}

impl Syncer {
    /// Without it, the system brings the file to the disk when it sees fit.
    fn start(file: &File) -> Option<Self> {
        let file = file.try_clone().ok()?;
        let (due, asked) = mpsc::sync_channel(1);
        let work = move || {
            let sync = |result: io::Result<()>| {
                if let Err(error) = result {
                    tracing::warn!(%error, "the disk does not take what was written");
                }
            };
            while asked.recv().is_ok() {
                sync(file.sync_data());
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
