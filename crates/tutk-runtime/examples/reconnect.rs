//! Keeps a session with a camera over reboots and network failures, until Ctrl-C:
//!
//! ```text
//! cargo run -p tutk-runtime --example reconnect -- 'wyze://192.0.2.7?uid=…&enr=…&mac=…'
//! ```

use std::error::Error;

use tutk_runtime::tutk_session::{CameraUrl, ReconnectPolicy, SupervisorConfig, SupervisorEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args()
        .nth(1)
        .ok_or("the URL of a camera is missing")?;
    let camera: CameraUrl = url.parse()?;
    let mut policy = ReconnectPolicy::default();
    // Also retry if the first session fails.
    policy.retry_first = true;
    let config = SupervisorConfig::for_url(camera, policy);

    let mut session = tutk_runtime::Session::start(config)?;
    loop {
        let event = tokio::select! {
            event = session.next_event() => event,
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            Some(SupervisorEvent::Frame(next)) => {
                let (frame, gap) = (&next.frame, next.discontinuity);
                println!(
                    "{:?}: {} bytes, gap: {gap}",
                    frame.timestamp,
                    frame.data.len()
                );
            }
            Some(SupervisorEvent::Disconnected(disconnect)) => {
                eprintln!(
                    "{}; next attempt in {:?}",
                    disconnect.error, disconnect.next
                );
            }
            Some(SupervisorEvent::Restored(outage)) => {
                eprintln!("reconnected after {:?}", outage.down);
            }
            Some(SupervisorEvent::Ended(result)) => result?,
            Some(_) => {}
            None => break,
        }
    }
    session.close().await?;
    Ok(())
}
