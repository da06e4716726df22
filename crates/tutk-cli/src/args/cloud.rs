//! `tutk cloud …`.

use std::path::PathBuf;

/// The environment variable that may hold the password. Other users can see the command line.
pub(crate) const PASSWORD_VARIABLE: &str = "TUTK_CLOUD_PASSWORD";

/// The environment variable that may hold the developer key.
pub(crate) const API_KEY_VARIABLE: &str = "TUTK_CLOUD_API_KEY";

const LOGIN: &str = "\
tutk prompts for values that are not set: email, password, key ID, API key and, if the account uses one, the
code of the authenticator app. Without a terminal, it reads one line of standard input for each. You create the
key ID and API key in the vendor's developer console. The password can be given as md5:HASH.

Environment:
  TUTK_CLOUD_EMAIL     email address of the account
  TUTK_CLOUD_PASSWORD  password of the account
  TUTK_CLOUD_KEY_ID    ID of the developer key
  TUTK_CLOUD_API_KEY   the developer key

The token is stored in tutk/token.json in the platform's configuration directory, readable only by you. To log
out, delete this file.

Exit status: 0 logged in, 2 invalid input, 3 no answer from the cloud, 4 refused, 1 another error";

const CAMERAS: &str = "\
Log in first with `tutk cloud login`.

Exit status: 0 success, 2 not logged in or invalid file, 3 no answer from the cloud, 4 refused, 1 another error";

#[derive(clap::Args)]
pub(crate) struct CloudArgs {
    #[command(subcommand)]
    pub(crate) command: CloudCommand,
    #[command(flatten)]
    pub(crate) server: Server,
}

/// Server options for tests.
#[derive(clap::Args)]
pub(crate) struct Server {
    /// Server to use instead of the vendor's two
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub(crate) cloud: Option<String>,
    /// PEM file of root certificates to use instead of the platform's
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
pub(crate) enum CloudCommand {
    /// Log in to the account that owns the cameras
    #[command(after_help = LOGIN)]
    Login(LoginArgs),
    /// List the account's cameras; with --write, add them to cameras.toml
    #[command(after_help = CAMERAS)]
    Cameras(CamerasArgs),
}

#[derive(clap::Args)]
pub(crate) struct LoginArgs {
    /// Email address of the account
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "TUTK_CLOUD_EMAIL",
        hide_env = true
    )]
    pub(crate) email: Option<String>,
    /// ID of the developer key
    #[arg(long, value_name = "ID", env = "TUTK_CLOUD_KEY_ID", hide_env = true)]
    pub(crate) key_id: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct CamerasArgs {
    /// Add new cameras to the configuration file and update changed keys; everything else is kept
    #[arg(long)]
    pub(crate) write: bool,
    /// Show secrets: the ENR and the complete wyze:// address
    #[arg(long)]
    pub(crate) show_keys: bool,
}

impl CloudCommand {
    /// Returns the name for the report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Login(_) => "cloud login",
            Self::Cameras(_) => "cloud cameras",
        }
    }
}
