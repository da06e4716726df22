//! The page.

use crate::client::TestServer;
use crate::common::{FPS, H264, camera_config};

#[tokio::test(start_paused = true)]
async fn page_is_served_with_a_strict_policy() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let html = page.text();
    assert!(!html.contains("<script>") && !html.contains(" on") && !html.contains("http://"));
    let links = html
        .split("=\"/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let links: Vec<_> = links.map(|link| format!("/{link}")).collect();
    assert!(links.len() >= 2, "{links:?}");
    for path in links.iter().map(String::as_str).chain(["/"]) {
        let file = server.get(path).await;
        assert_eq!(file.status, 200, "{path}");
        let policy = file.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
        if !path.contains('.') || path.ends_with("json") {
            continue;
        }
        // It is asked for again each time, and sent if it is another.
        let tag = file.header("etag").unwrap();
        assert_eq!(file.header("cache-control"), Some("no-cache"));
        for (tags, status) in [
            (tag.to_owned(), 304),
            (format!("\"x\", W/{tag}"), 304),
            ("\"x\"".to_owned(), 200),
        ] {
            let header = format!("If-None-Match: {tags}\r\n");
            let response = server.send("GET", path, &header, "").await;
            assert_eq!(
                (response.status, response.body.is_empty()),
                (status, status == 304),
                "{tags}"
            );
            assert_eq!(response.header("etag"), Some(tag));
        }
        let head = server.send("HEAD", path, "", "").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    server.close().await;
}
