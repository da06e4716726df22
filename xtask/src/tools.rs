//! The programs that the tests need beside cargo: looked for, and installed where that is possible
//! without asking anybody, which is on Debian and its kin as root.

use std::path::Path;

use crate::report::Report;
use crate::run::{Job, succeeds};

/// A program from the system's packages.
struct Package {
    /// The command that must answer `argument`; or, by its path, a file that must be there.
    command: &'static str,
    argument: &'static str,
    package: &'static str,
    what_for: &'static str,
}

const PACKAGES: [Package; 18] = [
    Package {
        command: "ffmpeg",
        argument: "-version",
        package: "ffmpeg",
        what_for: "tests that play what was written",
    },
    Package {
        command: "ffprobe",
        argument: "-version",
        package: "ffmpeg",
        what_for: "tests that look at what was written",
    },
    Package {
        command: "gst-launch-1.0",
        argument: "--version",
        package: "gstreamer1.0-tools",
        what_for: "RTP and MPEG-TS as GStreamer receives them",
    },
    Package {
        command: "gst-inspect-1.0",
        argument: "appsink",
        package: "gstreamer1.0-plugins-base",
        what_for: "likewise",
    },
    Package {
        command: "gst-inspect-1.0",
        argument: "rtph264depay",
        package: "gstreamer1.0-plugins-good",
        what_for: "likewise: depayloaders",
    },
    Package {
        command: "gst-inspect-1.0",
        argument: "tsdemux",
        package: "gstreamer1.0-plugins-bad",
        what_for: "likewise: the demultiplexer of MPEG-TS",
    },
    Package {
        command: "/usr/bin/vlc",
        argument: "",
        package: "vlc-bin",
        what_for: "streams as VLC plays them",
    },
    Package {
        // Its plugins are in a folder whose name is the machine's.
        command: "/usr/share/doc/vlc-plugin-base/copyright",
        argument: "",
        package: "vlc-plugin-base",
        what_for: "likewise",
    },
    Package {
        command: "chromium",
        argument: "--version",
        package: "chromium",
        what_for: "the page as a browser shows it",
    },
    Package {
        command: "openssl",
        argument: "version",
        package: "openssl",
        what_for: "DTLS against OpenSSL",
    },
    Package {
        command: "gnutls-cli",
        argument: "--version",
        package: "gnutls-bin",
        what_for: "DTLS against GnuTLS",
    },
    Package {
        command: "tshark",
        argument: "--version",
        package: "tshark",
        what_for: "DTLS as Wireshark reads it",
    },
    Package {
        command: "systemd-analyze",
        argument: "--version",
        package: "systemd",
        what_for: "the service's unit as systemd reads it",
    },
    Package {
        command: "c++",
        argument: "--version",
        package: "g++",
        what_for: "OpenH264 and libFuzzer, which are built from source; C peers",
    },
    Package {
        command: "/usr/include/openssl/ssl.h",
        argument: "",
        package: "libssl-dev",
        what_for: "DTLS against OpenSSL as a library",
    },
    Package {
        command: "/usr/include/gnutls/dtls.h",
        argument: "",
        package: "libgnutls28-dev",
        what_for: "DTLS against GnuTLS as a library",
    },
    Package {
        command: "/usr/include/mbedtls/ssl.h",
        argument: "",
        package: "libmbedtls-dev",
        what_for: "DTLS against mbedTLS as a library",
    },
    Package {
        command: "/usr/include/wolfssl/ssl.h",
        argument: "",
        package: "libwolfssl-dev",
        what_for: "DTLS against wolfSSL as a library",
    },
];

/// A subcommand of cargo: its name and the version that is installed if there is none.
const SUBCOMMANDS: [(&str, &str); 2] = [("deny", "0.20.2"), ("fuzz", "0.13.2")];

/// Whether `cargo deny` and `cargo +nightly fuzz` can be run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tools {
    pub(crate) deny: bool,
    pub(crate) fuzz: bool,
}

/// Looks for every tool, installs what it may, and notes in the report what is still missing.
pub(crate) fn look(report: &mut Report) -> Tools {
    let may_install = may_install();
    let mut lacking = lacking_packages();
    if !lacking.is_empty() && may_install {
        install_packages(&lacking);
        lacking = lacking_packages();
    }
    for package in &lacking {
        report.missing(format!(
            "{} ({}): apt install {}",
            package.command, package.what_for, package.package
        ));
    }
    let [deny, mut fuzz] = SUBCOMMANDS.map(|(name, version)| {
        let there = || Job::cargo(&[name, "--version"]).output().is_some();
        let package = format!("cargo-{name}");
        let install = ["install", "--locked", "--version", version, &package];
        let found = there() || may_install && Job::cargo(&install).succeeds() && there();
        if !found {
            report.missing(format!("{package}: cargo {}", install.join(" ")));
        }
        found
    });
    if !nightly() {
        let install = ["toolchain", "install", "nightly", "--profile", "minimal"];
        if !(may_install && succeeds("rustup", &install) && nightly()) {
            report.missing(format!(
                "a nightly toolchain, for fuzzing: rustup {}",
                install.join(" ")
            ));
            fuzz = false;
        }
    }
    Tools { deny, fuzz }
}

fn nightly() -> bool {
    Job::nightly_cargo(&["--version"]).output().is_some()
}

fn lacking_packages() -> Vec<&'static Package> {
    PACKAGES
        .iter()
        .filter(|package| !is_there(package))
        .collect()
}

fn is_there(package: &Package) -> bool {
    if package.command.starts_with('/') {
        return Path::new(package.command).exists();
    }
    let job = Job::new(package.command, &[package.argument]);
    job.output().is_some()
}

fn may_install() -> bool {
    let root = || {
        Job::new("id", &["-u"])
            .output()
            .is_some_and(|id| id.trim() == "0")
    };
    Path::new("/etc/debian_version").exists() && root()
}

fn install_packages(lacking: &[&Package]) {
    let mut args = vec!["install", "--yes", "--no-install-recommends"];
    args.extend(lacking.iter().map(|package| package.package));
    args.dedup();
    // A mirror that cannot be reached shows in the install itself.
    succeeds("apt-get", &["update", "--quiet"]);
    Job::new("apt-get", &args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .succeeds();
}
