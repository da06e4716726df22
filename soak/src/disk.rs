//! The file system of the recordings: a small one in a mount namespace, if that is allowed.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The bytes of the small file system.
pub const SIZE: u64 = 24 << 20;

/// Mounts the file system and keeps its namespaces until standard input is closed.
const MOUNT: &str = r#"mount -t tmpfs -o "size=$1,mode=700" soak "$0" && echo mounted && exec cat"#;

/// Where `tutk serve` records to.
#[derive(Debug)]
pub struct Disk {
    /// The folder as `tutk serve` sees it.
    inside: PathBuf,
    /// The folder as this process sees it.
    outside: PathBuf,
    /// The process that holds the namespaces with the small file system.
    holder: Option<Child>,
    filler: Option<File>,
}

impl Disk {
    /// Mounts a tmpfs in a user and mount namespace. Without permission for that, uses the folder
    /// itself.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let inside = folder.join("disk");
        fs::create_dir(&inside)?;
        let holder = mount(&inside);
        let outside = match &holder {
            Some(holder) => {
                let root = PathBuf::from(format!("/proc/{}/root", holder.id()));
                root.join(inside.strip_prefix("/").unwrap_or(&inside))
            }
            None => inside.clone(),
        };
        Ok(Self {
            inside,
            outside,
            holder,
            filler: None,
        })
    }

    /// Describes how the disk is made full.
    #[must_use]
    pub fn description(&self) -> &'static str {
        match self.holder {
            Some(_) => "a tmpfs of 24 MiB in a mount namespace, which a large file fills",
            None => {
                "no full disk, because mount namespaces are not permitted; \
                 a file takes the place of the folder of the recordings instead"
            }
        }
    }

    /// Returns a command that sees the file system.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let Some(holder) = &self.holder else {
            return Command::new(program);
        };
        let mut command = Command::new("nsenter");
        command
            .args(["--user", "--mount", "--preserve-credentials", "--target"])
            .arg(holder.id().to_string())
            .arg("--")
            .arg(program);
        command
    }

    /// Returns the folder of the recordings as `tutk serve` sees it.
    #[must_use]
    pub fn recordings(&self) -> PathBuf {
        self.inside.join("recordings")
    }

    /// Returns the folder of the recordings as this process sees it.
    #[must_use]
    pub fn recordings_outside(&self) -> PathBuf {
        self.outside.join("recordings")
    }

    /// Makes the disk full. Call [`refill`](Self::refill) until it is freed.
    ///
    /// # Errors
    /// The recordings cannot be replaced.
    pub fn fill(&mut self) -> io::Result<()> {
        if self.holder.is_some() {
            self.filler = Some(File::create(self.outside.join("filler"))?);
            self.refill();
            return Ok(());
        }
        fs::rename(self.recordings(), self.inside.join("moved"))?;
        fs::write(self.recordings(), "")
    }

    /// Fills what was freed since, for example by the deletion of old recordings.
    pub fn refill(&mut self) {
        let Some(filler) = &mut self.filler else {
            return;
        };
        for size in [1 << 16, 1 << 12, 1] {
            let block = vec![0; size];
            // Ends with the error that there is no space left.
            while filler.write_all(&block).is_ok() {}
        }
    }

    /// Frees the disk.
    ///
    /// # Errors
    /// The recordings cannot be put back.
    pub fn free(&mut self) -> io::Result<()> {
        if self.filler.take().is_some() {
            return fs::remove_file(self.outside.join("filler"));
        }
        fs::remove_file(self.recordings())?;
        fs::rename(self.inside.join("moved"), self.recordings())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            // It may have ended already.
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// Returns the process that holds the namespaces, or `None` if they are not permitted.
fn mount(folder: &Path) -> Option<Child> {
    let mut holder = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNT])
        .arg(folder)
        .arg(SIZE.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut line = String::new();
    let mounted = match holder.stdout.take() {
        Some(stdout) => BufReader::new(stdout).read_line(&mut line).is_ok(),
        None => false,
    };
    if mounted && line == "mounted\n" {
        return Some(holder);
    }
    let _ = holder.kill();
    let _ = holder.wait();
    None
}
