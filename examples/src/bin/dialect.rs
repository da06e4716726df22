//! Prints the events of a camera whose firmware differs from the known dialects.
//! Dependencies: tutk-runtime, `tokio[macros,rt]`

use tutk_runtime::tutk_session::{CameraUrl, Dialect, PasswordRule, SupervisorConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: dialect URL")?;
    let mut dialect = Dialect::TRANSCODE;
    dialect.name = "my firmware".into();
    dialect.password = PasswordRule::Fixed("open sesame".into());
    let mut config = SupervisorConfig::from(url.parse::<CameraUrl>()?);
    config.client.dialects = vec![dialect.into()];
    let mut session = tutk_runtime::connect(config).await?;
    while let Some(event) = session.next_event().await {
        println!("{event:?}");
    }
    Ok(())
}
