//! Checks every recording as soon as `tutk serve` has closed it: its structure, its timestamps and
//! whether ffmpeg decodes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mp4_atom::{Any, DecodeMaybe as _, Mdat, Moof};

use crate::Result;

/// A file of a camera that loses packets is closed at most this long after that ended.
const OLDEST: Duration = Duration::from_secs(60);

/// The device and inode of a file.
type Id = (u64, u64);

/// What one file contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Contents {
    /// Video frames.
    pub frames: u64,
    /// The time from the first video frame to the last one.
    pub length: Duration,
}

/// The recordings of one camera.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    pub files: u64,
    pub frames: u64,
    /// The longest file.
    pub longest: Duration,
}

/// A file that was created with a name of this time.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    pub seen: Instant,
    /// The seconds by which the name is ahead of the system's clock.
    pub ahead: i64,
}

/// The checked files.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    copies: PathBuf,
    /// Files that were seen, and whether they were checked.
    known: BTreeMap<(PathBuf, Id), bool>,
    pub cameras: BTreeMap<String, Recorded>,
    pub named: Vec<Named>,
    pub problems: Vec<String>,
    /// Files that were deleted before they were checked.
    pub missed: u64,
    /// Cameras that lose packets, and until when.
    lossy: BTreeMap<String, Option<Instant>>,
    decoder: Option<Decoder>,
}

/// What ffmpeg decoded.
#[derive(Debug, Default)]
pub struct Decoded {
    pub files: u64,
    /// Files in which frames refer to lost ones.
    pub incomplete: u64,
    /// Files that cannot be decoded, and files that miss frames although their camera loses no
    /// packets on purpose.
    problems: Vec<String>,
}

/// Decodes files with ffmpeg in a thread of its own.
#[derive(Debug)]
struct Decoder {
    files: Sender<Copied>,
    thread: JoinHandle<Decoded>,
}

/// A copy of a file.
#[derive(Debug)]
struct Copied {
    name: String,
    path: PathBuf,
    /// Frames may be missing.
    lossy: bool,
}

impl Files {
    /// Watches `folder`. Copies go to another folder, because old recordings are deleted.
    ///
    /// # Errors
    /// The folder of the copies cannot be created.
    pub fn open(folder: PathBuf, copies: PathBuf) -> io::Result<Self> {
        fs::create_dir(&copies)?;
        Ok(Self {
            folder,
            copies,
            known: BTreeMap::new(),
            cameras: BTreeMap::new(),
            named: Vec::new(),
            problems: Vec::new(),
            missed: 0,
            lossy: BTreeMap::new(),
            decoder: has_ffmpeg().then(Decoder::start),
        })
    }

    /// Notes that a camera loses packets, or not any more.
    pub fn set_lossy(&mut self, camera: &str, lossy: bool) {
        if lossy {
            self.lossy.insert(camera.to_owned(), None);
        } else if let Some(until) = self.lossy.get_mut(camera) {
            until.get_or_insert_with(Instant::now);
        }
    }

    /// Checks all files that are new and that process `pid` does not have open.
    pub fn check(&mut self, pid: Option<u32>) {
        let mut found = BTreeMap::new();
        list(&self.folder, &mut found);
        // After the list, because a listed file could otherwise be opened in between.
        let open = pid.map(open_files).unwrap_or_default();
        self.known.retain(|(path, id), checked| {
            let exists = found.get(path) == Some(id);
            self.missed += u64::from(!exists && !*checked);
            exists
        });
        for file in found {
            if !self.known.contains_key(&file) {
                self.named.extend(named(&file.0));
                self.known.insert(file.clone(), false);
            }
            if self.known.get(&file) == Some(&false) && !open.contains(&file.1) {
                self.check_file(&file.0);
                self.known.insert(file, true);
            }
        }
    }

    fn check_file(&mut self, path: &Path) {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            // Deleted as an old file.
            Err(_) => return self.missed += 1,
        };
        let relative = path.strip_prefix(&self.folder).unwrap_or(path);
        let name = relative.display().to_string();
        let camera = name.split('/').next().unwrap_or_default().to_owned();
        let lossy = self
            .lossy
            .get(&camera)
            .is_some_and(|until| until.is_none_or(|until| until.elapsed() < OLDEST));
        match contents(&bytes) {
            Ok(contents) => {
                let recorded = self.cameras.entry(camera).or_default();
                recorded.files += 1;
                recorded.frames += contents.frames;
                recorded.longest = recorded.longest.max(contents.length);
            }
            Err(error) => self.problems.push(format!("{name}: {error}")),
        }
        let Some(decoder) = &self.decoder else { return };
        let path = self.copies.join(name.replace('/', "_"));
        match fs::write(&path, bytes) {
            Ok(()) => drop(decoder.files.send(Copied { name, path, lossy })),
            Err(error) => self.problems.push(format!("{}: {error}", path.display())),
        }
    }

    /// Waits until all files are decoded. Returns `None` without ffmpeg.
    pub fn finish(&mut self) -> Option<Decoded> {
        let Decoder { files, thread } = self.decoder.take()?;
        drop(files);
        let Ok(mut decoded) = thread.join() else {
            self.problems
                .push("the thread of ffmpeg panicked".to_owned());
            return Some(Decoded::default());
        };
        self.problems.append(&mut decoded.problems);
        Some(decoded)
    }
}

impl Decoder {
    fn start() -> Self {
        let (sender, files) = channel();
        Self {
            files: sender,
            thread: thread::spawn(move || decode_all(&files)),
        }
    }
}

fn decode_all(files: &Receiver<Copied>) -> Decoded {
    let mut decoded = Decoded::default();
    for Copied { name, path, lossy } in files {
        let messages = match decode(&path) {
            Ok(messages) => messages,
            Err(error) => {
                decoded.problems.push(format!("{name}: ffmpeg: {error}"));
                continue;
            }
        };
        decoded.files += 1;
        decoded.incomplete += u64::from(!messages.is_empty());
        if messages.is_empty() || lossy {
            let _ = fs::remove_file(&path);
        } else {
            // The copy stays, for a person who looks for the cause.
            decoded.problems.push(format!("{name}: ffmpeg: {messages}"));
        }
    }
    decoded
}

/// Decodes a file. Returns the messages of the video decoder.
///
/// # Errors
/// ffmpeg reports anything else, for example timestamps that do not increase.
fn decode(path: &Path) -> Result<String> {
    let output = Command::new("nice")
        .args(["ffmpeg", "-v", "repeat+error", "-threads", "1", "-i"])
        .arg(path)
        // With the timestamps of the file, not rounded to a constant frame rate.
        .args(["-fps_mode", "passthrough", "-enc_time_base", "-1"])
        .args(["-f", "null", "-"])
        .stdin(Stdio::null())
        .output()?;
    let messages = String::from_utf8_lossy(&output.stderr);
    let is_decoder = |line: &str| line.starts_with("[h264 @ ") || line.starts_with("[hevc @ ");
    match output.status.success() && messages.lines().all(is_decoder) {
        true => Ok(messages.trim().to_owned()),
        false => Err(format!("{}: {}", output.status, messages.trim()).into()),
    }
}

fn has_ffmpeg() -> bool {
    let output = Command::new("ffmpeg").arg("-version").output();
    output.is_ok_and(|output| output.status.success())
}

/// Adds the MP4 files below a folder.
fn list(folder: &Path, found: &mut BTreeMap<PathBuf, Id>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() {
            list(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "mp4") {
            found.insert(path, (metadata.dev(), metadata.ino()));
        }
    }
}

/// Returns the files that a process has open.
fn open_files(pid: u32) -> BTreeSet<Id> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"));
    let files = entries.into_iter().flatten().flatten();
    // Follows the link, also into another mount namespace.
    let files = files.filter_map(|entry| fs::metadata(entry.path()).ok());
    files.map(|file| (file.dev(), file.ino())).collect()
}

/// Compares the time in a file's name with the system's clock.
fn named(path: &Path) -> Option<Named> {
    let day = path.parent()?.file_name()?.to_str()?;
    let time = path.file_stem()?.to_str()?.get(..8)?;
    let time = DateTime::strptime("%Y-%m-%d %H-%M-%S", format!("{day} {time}")).ok()?;
    let time = time.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp();
    Some(Named {
        seen: Instant::now(),
        ahead: time.as_second() - Timestamp::now().as_second(),
    })
}

/// Reads an MP4 file.
///
/// # Errors
/// It is cut short, has no video, or its timestamps do not increase.
fn contents(file: &[u8]) -> Result<Contents> {
    let mut rest = file;
    let (mut video, mut timescales) = (None, BTreeMap::new());
    let mut moof: Option<Moof> = None;
    let mut times: BTreeMap<u32, Times> = BTreeMap::new();
    while !rest.is_empty() {
        match Any::decode_maybe(&mut rest)? {
            None => return Err(format!("{} bytes at the end are cut short", rest.len()).into()),
            Some(Any::Moov(moov)) => {
                for trak in &moov.trak {
                    let id = trak.tkhd.track_id;
                    timescales.insert(id, trak.mdia.mdhd.timescale);
                    if trak.mdia.minf.vmhd.is_some() {
                        video = Some(id);
                    }
                }
            }
            Some(Any::Moof(new)) => moof = Some(new),
            Some(Any::Mdat(mdat)) => {
                let moof = moof.take().ok_or("an mdat without a moof")?;
                add_fragment(&moof, &mdat, &mut times)?;
            }
            Some(_) => {}
        }
    }
    let video = video.ok_or("no video track")?;
    let times = times.get(&video).ok_or("no video frame")?;
    let timescale = timescales.get(&video).copied().unwrap_or_default().max(1);
    let first = times.first.unwrap_or_default();
    let ticks = times.last.unwrap_or_default() - first;
    Ok(Contents {
        frames: times.count,
        length: Duration::from_millis(ticks * 1_000 / u64::from(timescale)),
    })
}

/// The samples of a track.
#[derive(Debug, Default)]
struct Times {
    count: u64,
    first: Option<u64>,
    last: Option<u64>,
}

fn add_fragment(moof: &Moof, mdat: &Mdat, tracks: &mut BTreeMap<u32, Times>) -> Result<()> {
    let mut bytes = 0;
    for traf in &moof.traf {
        let times = tracks.entry(traf.tfhd.track_id).or_default();
        let tfdt = traf.tfdt.as_ref().ok_or("no tfdt")?;
        let mut time = tfdt.base_media_decode_time;
        for sample in traf.trun.iter().flat_map(|trun| &trun.samples) {
            if times.last.is_some_and(|last| last >= time) {
                let track = traf.tfhd.track_id;
                return Err(format!("track {track}: {time} is not after {:?}", times.last).into());
            }
            times.first.get_or_insert(time);
            times.last = Some(time);
            times.count += 1;
            time += u64::from(sample.duration.unwrap_or_default());
            bytes += u64::from(sample.size.unwrap_or_default());
        }
    }
    match bytes == mdat.data.len() as u64 {
        true => Ok(()),
        false => Err(format!("{bytes} bytes of samples in {} of data", mdat.data.len()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use bytes::Bytes;
    use tutk_media::{Clip, Mp4Writer};

    const CLIP: &[u8] = include_bytes!("../../crates/tutk-cli/assets/clip.h264");

    /// Returns a recording of the clip, and where its last fragment starts.
    fn recording() -> (Vec<u8>, usize) {
        let clip = Clip::parse(Bytes::from_static(CLIP)).unwrap();
        let mut writer = Mp4Writer::new(clip.codec());
        let (mut file, mut last) = (Vec::new(), 0);
        for (number, unit) in (0..).zip(clip.units()) {
            let written = writer
                .write(unit, Duration::from_millis(50 * number))
                .unwrap();
            if !written.is_empty() {
                last = file.len();
            }
            file.extend(written);
        }
        (file, last)
    }

    #[test]
    fn counts_frames_and_time() {
        let (file, _) = recording();
        let contents = contents(&file).unwrap();
        assert!((80..=100).contains(&contents.frames), "{contents:?}");
        let length = Duration::from_millis(50 * (contents.frames - 1));
        assert_eq!(contents.length, length);
    }

    #[test]
    fn rejects_damaged_files() {
        let (file, last) = recording();
        assert!(contents(&[]).is_err());
        let error = contents(&file[..file.len() - 1]).unwrap_err().to_string();
        assert!(error.contains("cut short"), "{error}");
        // The last fragment twice.
        let twice = [&file, &file[last..]].concat();
        let error = contents(&twice).unwrap_err().to_string();
        assert!(error.contains("is not after"), "{error}");
    }

    #[test]
    fn compares_names_with_the_clock() {
        let now = Timestamp::now().as_second();
        let time = Timestamp::from_second(now + 3_600).unwrap();
        let name = time.strftime("%Y-%m-%d/%H-%M-%S-2.mp4").to_string();
        let ahead = named(Path::new(&name)).unwrap().ahead;
        assert!((3_590..=3_600).contains(&ahead), "{ahead}");
        assert!(named(Path::new("porch/notes.mp4")).is_none());
    }
}
