//! What ffmpeg and ffprobe receive: the camera's frames, byte for byte, and sound in step.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::players::{Show, ffmpeg_is_there, printed};
use common::{FPS, H264, H265, camera, clip, heard, loopback};
use tutk_media::nal_units;
use tutk_runtime::tutk_session::Codec;
use tutk_serve::RtspConfig;

fn nals(stream: &[u8]) -> Vec<&[u8]> {
    nal_units(stream).map(|nal| nal.payload).collect()
}

/// As many frames as the clip has.
fn once(stream: &'static [u8]) -> Option<u64> {
    Some(clip(stream).len().try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_is_the_cameras_byte_for_byte() {
    if !ffmpeg_is_there() {
        return;
    }
    for (stream, format) in [(H264, "h264"), (H265, "hevc")] {
        for transport in ["tcp", "udp"] {
            let show = Show::start(
                camera(stream, FPS),
                once(stream),
                RtspConfig::new(loopback()),
            )
            .await;
            let args = [
                "-v",
                "error",
                "-rtsp_transport",
                transport,
                "-i",
                "URL",
                "-c",
                "copy",
                "-f",
                format,
                "-",
            ];
            let received = printed(show.watch("ffmpeg", &args).await);
            assert!(
                nals(&received) == nals(stream),
                "{format} over {transport}: {} of {}",
                nals(&received).len(),
                nals(stream).len()
            );
        }
    }
}
