//! The video of all cameras.

use std::path::{Path, PathBuf};

use crate::job::Job;

/// Frames per second.
pub(super) const FPS: u32 = 20;

/// Makes a clip of 20 s, unless there is one.
pub(super) fn make(folder: &Path) -> Result<PathBuf, String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let path = folder.join("clip.h264");
    if path.exists() {
        return Ok(path);
    }
    let [new, source] = [
        folder.join("new.h264").display().to_string(),
        format!("testsrc2=size=1920x1080:rate={FPS}:duration=20"),
    ];
    // Noise, so that the rate control has bits for each frame, as with a real sensor.
    let args = [
        "-y",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        &source,
        "-vf",
        "noise=alls=8:allf=t",
    ];
    let encoder = [
        "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "0",
    ];
    let rate = [
        "-b:v",
        "2M",
        "-maxrate",
        "2M",
        "-bufsize",
        "2M",
        "-g",
        "80",
        "-keyint_min",
        "80",
    ];
    let rest = ["-sc_threshold", "0", "-f", "h264", &new];
    Job::new("ffmpeg", &[&args[..], &encoder, &rate, &rest].concat()).run()?;
    std::fs::rename(&new, &path).map_err(|error| error.to_string())?;
    Ok(path)
}
