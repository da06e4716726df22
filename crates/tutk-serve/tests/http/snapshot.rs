//! `/NAME/snapshot.jpg`.

use crate::client::TestServer;
use crate::common::{FPS, H264, camera_config};

#[cfg(not(feature = "snapshot"))]
#[tokio::test(start_paused = true)]
async fn snapshot_without_a_decoder_is_refused() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let error = server.get("/front/snapshot.jpg").await.problem(501);
    assert!(error.contains("`snapshot`"), "{error}");
    assert_eq!(server.front.stats().await.sessions, 0);
    server.close().await;
}

#[cfg(feature = "snapshot")]
mod with_a_decoder {
    use std::collections::BTreeSet;

    use super::*;
    use crate::common::H265;
    use crate::common::next_video_frame;
    use crate::common::players::has_ffmpeg;
    use crate::stream::ffmpeg;

    #[tokio::test(start_paused = true)]
    async fn snapshot_shows_the_newest_key_frame() {
        let server = TestServer::start(camera_config(H264, FPS)).await;
        let first = server.get("/front/snapshot.jpg").await;
        assert_eq!(
            (first.status, first.header("content-type")),
            (200, Some("image/jpeg"))
        );
        assert_eq!(first.header("cache-control"), Some("no-store"));
        // All clients get the same snapshot of a key frame.
        let mut direct = server.front.watch("direct");
        let mut pictures = BTreeSet::new();
        let mut keys = 0;
        for _ in 0..100 {
            keys += u64::from(next_video_frame(&mut direct).await.is_key());
            let [one, two] = [0; 2].map(|_| server.get("/front/snapshot.jpg"));
            pictures.extend([one.await.body, two.await.body]);
        }
        assert_eq!(
            (pictures.len() as u64, pictures.contains(&first.body)),
            (keys, true)
        );
        let stats = server.front.stats().await;
        assert_eq!((stats.sessions, stats.viewers.len()), (1, 1), "{stats:?}");
        if has_ffmpeg() {
            // The size is that of the video.
            let args = ["-pix_fmt", "gray", "-f", "rawvideo"];
            for jpeg in pictures {
                assert_eq!(ffmpeg(&jpeg, "snapshot.jpg", &args).len(), 640 * 360);
            }
        }
        server.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn unavailable_streams_explain_why() {
        let server = TestServer::start(camera_config(H265, FPS)).await;
        let response = server.get("/front/snapshot.jpg").await;
        let error = response.problem(501);
        assert!(error.contains("H.265"), "{error}");
        server.close().await;

        let (server, _) = TestServer::without_camera().await;
        let error = server.get("/front/snapshot.jpg").await.problem(503);
        assert!(error.contains("no answer from the camera"), "{error}");
        server.get("/back/snapshot.jpg").await.problem(404);
        server.close().await;
    }
}
