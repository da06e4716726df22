//! `rtspsrc` of GStreamer receives the frames of the camera unchanged.

use std::fs;

use tutk_media::adts_frames;
use tutk_runtime::tutk_session::Codec;
use tutk_serve::{Accounts, RtspConfig};

use crate::common::players::{RtspFixture, has_gstreamer, run_concurrently, temp_path};
use crate::common::{FPS, H264, H265, TONE, camera_config, clip, loopback, nals, tone_audio};

#[tokio::test(flavor = "multi_thread")]
async fn video_and_audio_arrive_unchanged() {
    if !has_gstreamer() {
        return;
    }
    let clips = [(H264, "h264"), (H265, "h265")];
    let both = |(stream, name)| ["tcp", "udp"].map(|transport| receive(stream, name, transport));
    run_concurrently(clips.into_iter().flat_map(both)).await;
}

/// In one of 50 runs, GStreamer 1.22 does not end, because a sink waits in
/// `gst_base_sink_wait_preroll`. Only then the test is repeated.
async fn receive(stream: &'static [u8], name: &'static str, transport: &'static str) {
    for _ in 0..4 {
        if try_receive(stream, name, transport).await {
            return;
        }
    }
    panic!("{name} over {transport}: gst-launch-1.0 does not end");
}

/// Returns `false` after a timeout.
async fn try_receive(stream: &'static [u8], name: &str, transport: &str) -> bool {
    let mut config = camera_config(stream, FPS);
    config.audio = Some(tone_audio(Codec::AacAdts, 16_000, 1));
    let mut rtsp = RtspConfig::new(loopback());
    rtsp.accounts = Accounts::none();
    rtsp.accounts.add("anna", "secret").unwrap();
    let frames = clip(stream).len().try_into().unwrap();
    let fixture = RtspFixture::start(config, Some(frames), rtsp).await;
    let files = ["video", "audio"].map(|kind| temp_path(&format!("gst-{name}-{transport}.{kind}")));
    let [video, audio] = files.each_ref().map(|file| file.to_str().unwrap());
    let pipeline = format!(
        "rtspsrc location=URL user-id=anna user-pw=secret protocols={transport} name=source \
         source. ! application/x-rtp,media=video ! rtp{name}depay ! \
         video/x-{name},stream-format=byte-stream,alignment=au ! filesink async=false location={video} \
         source. ! application/x-rtp,media=audio ! rtpmp4gdepay ! filesink async=false location={audio}"
    );
    let args: Vec<_> = ["30", "gst-launch-1.0", "-q"]
        .into_iter()
        .chain(pipeline.split_whitespace())
        .collect();
    let (output, sent) = fixture.play("timeout", &args).await;
    if output.status.code() == Some(124) {
        return false;
    }
    // At the end, GStreamer 1.22 sometimes reports an error of its own PAUSE request, although the
    // server has answered it.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let errors = stderr.lines().filter(|line| line.starts_with("ERROR"));
    let is_pause = stderr.contains("gst_rtspsrc_pause");
    assert!(
        is_pause || errors.count() == 0,
        "{name} over {transport}: {stderr}"
    );
    let [video, audio] = files.map(|file| {
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(file).unwrap();
        bytes
    });
    // GStreamer inserts the parameter sets of the description before the first frame.
    let unit = clip(stream).unit(0).unwrap().data().clone();
    let mut expected: Vec<_> = nals(&unit);
    expected.truncate(if name == "h264" { 2 } else { 3 });
    expected.extend(nals(stream));
    let received = nals(&video);
    assert!(
        received == expected,
        "{name} over {transport}: {} of {}",
        received.len(),
        expected.len()
    );
    let frames = adts_frames(TONE).map(|frame| frame.unwrap());
    let tone: Vec<u8> = frames
        .flat_map(|frame| frame.data[frame.header.header_bytes..].to_vec())
        .collect();
    assert!(tone.starts_with(&audio), "{name} over {transport}");
    assert!(
        audio.len() > sent.audio.len() * 100,
        "{name} over {transport}"
    );
    true
}
