//! `/NAME/snapshot.jpg`.

use crate::client::Served;
use crate::common::{FPS, H264, camera};

#[cfg(not(feature = "snapshot"))]
#[tokio::test(start_paused = true)]
async fn snapshot_without_a_decoder_is_refused() {
    let served = Served::start(camera(H264, FPS)).await;
    let error = served.get("/front/snapshot.jpg").await.problem(501);
    assert!(error.contains("`snapshot`"), "{error}");
    assert_eq!(served.front.stats().await.sessions, 0);
    served.close().await;
}

#[cfg(feature = "snapshot")]
mod with_a_decoder {
    use std::collections::BTreeSet;

    use super::*;
    use crate::common::H265;
    use crate::common::picture;
    use crate::common::players::ffmpeg_is_there;
    use crate::stream::ffmpeg;

    #[tokio::test(start_paused = true)]
    async fn snapshot_shows_the_newest_key_frame() {
        let served = Served::start(camera(H264, FPS)).await;
        let first = served.get("/front/snapshot.jpg").await;
        assert_eq!(
            (first.status, first.header("content-type")),
            (200, Some("image/jpeg"))
        );
        assert_eq!(first.header("cache-control"), Some("no-store"));
        // Of one key frame there is one picture, whoever asks.
        let mut direct = served.front.watch("direct");
        let mut pictures = BTreeSet::new();
        let mut keys = 0;
        for _ in 0..100 {
            keys += u64::from(picture(&mut direct).await.is_key());
            let [one, two] = [0; 2].map(|_| served.get("/front/snapshot.jpg"));
            pictures.extend([one.await.body, two.await.body]);
        }
        assert_eq!(
            (pictures.len() as u64, pictures.contains(&first.body)),
            (keys, true)
        );
        let stats = served.front.stats().await;
        assert_eq!((stats.sessions, stats.viewers.len()), (1, 1), "{stats:?}");
        if ffmpeg_is_there() {
            // It can be decoded, and is as large as the camera's.
            let args = ["-pix_fmt", "gray", "-f", "rawvideo"];
            for jpeg in pictures {
                assert_eq!(ffmpeg(&jpeg, "snapshot.jpg", &args).len(), 640 * 360);
            }
        }
        served.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn unavailable_streams_explain_why() {
        let served = Served::start(camera(H265, FPS)).await;
        let answer = served.get("/front/snapshot.jpg").await;
        let error = answer.problem(501);
        assert!(error.contains("H.265"), "{error}");
        served.close().await;

        let config = camera(H264, FPS);
        let gone = crate::common::served(config.clone());
        let address = gone.local_addr();
        gone.close().await;
        let served =
            Served::with(config, |settings| settings.client.camera = address, |_| {}).await;
        let error = served.get("/front/snapshot.jpg").await.problem(503);
        assert!(error.contains("no answer from the camera"), "{error}");
        served.get("/back/snapshot.jpg").await.problem(404);
        served.close().await;
    }
}
