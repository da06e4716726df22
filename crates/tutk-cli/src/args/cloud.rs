//! `tutk cloud …`.

use std::path::PathBuf;

/// The environment variable that may hold the password: never the command line, which others can see.
pub(crate) const PASSWORD_VARIABLE: &str = "TUTK_CLOUD_PASSWORD";

/// Likewise, the developer key.
pub(crate) const API_KEY_VARIABLE: &str = "TUTK_CLOUD_API_KEY";

const LOGIN: &str = "\
Asked for, in this order, is what is not given: e-mail, password, key id, API key; then, if the account has one,
the code of the authenticator app. Without a terminal each is a line of standard input. Key id and API key are
made by the owner, in the vendor's developer console. The password may be hashed already: md5:HASH.

Environment:
  TUTK_CLOUD_EMAIL     the account's e-mail
  TUTK_CLOUD_PASSWORD  its password
  TUTK_CLOUD_KEY_ID    the id of the developer key
  TUTK_CLOUD_API_KEY   the developer key

The token that comes back is kept in tutk/token.json in the platform's configuration folder, for its owner alone to
read. To sign out, delete it.

Exit status: 0 signed in, 2 the input is not usable, 3 the cloud is silent, 4 refused, 1 anything else.";

const CAMERAS: &str = "\
Sign in first: tutk cloud login.

Exit status: 0 done, 2 not signed in, or the file is not usable, 3 the cloud is silent, 4 refused, 1 anything else.";

#[derive(clap::Args)]
pub(crate) struct CloudArgs {
    #[command(subcommand)]
    pub(crate) command: CloudCommand,
    #[command(flatten)]
    pub(crate) server: Server,
}

/// For tests.
#[derive(clap::Args)]
pub(crate) struct Server {
    /// One server instead of the vendor's two
    #[arg(long, global = true, value_name = "URL", hide = true)]
    pub(crate) cloud: Option<String>,
    /// Root certificates in PEM instead of the platform's
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
pub(crate) enum CloudCommand {
    /// Sign in to the account that the cameras belong to
    #[command(after_help = LOGIN)]
    Login(LoginArgs),
    /// List the account's cameras; with --write, put them and their keys into cameras.toml
    #[command(after_help = CAMERAS)]
    Cameras(CamerasArgs),
}

#[derive(clap::Args)]
pub(crate) struct LoginArgs {
    /// The account's e-mail
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "TUTK_CLOUD_EMAIL",
        hide_env = true
    )]
    pub(crate) email: Option<String>,
    /// The id of the developer key
    #[arg(long, value_name = "ID", env = "TUTK_CLOUD_KEY_ID", hide_env = true)]
    pub(crate) key_id: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct CamerasArgs {
    /// Put them into the file of --config: new ones added, keys that changed replaced, all else kept
    #[arg(long)]
    pub(crate) write: bool,
    /// Show their secrets: the ENR, and the wyze:// address with it
    #[arg(long)]
    pub(crate) show_keys: bool,
}

impl CloudCommand {
    /// As the report names it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Login(_) => "cloud login",
            Self::Cameras(_) => "cloud cameras",
        }
    }
}
