//! `cargo xtask dist`: the files of a release for one target.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

use crate::job::Job;
use crate::{no_std, sbom};

/// Where the files are. Cargo uses `target/dist` for the build scripts of the profile `dist`.
const FOLDER: &str = "target/artifacts";

/// The client and the recorder, without TLS, HTTP, the cloud and snapshots.
const MINIMAL: [&str; 3] = ["--no-default-features", "--features", "rust-crypto"];

/// Documents and examples in each archive.
const DOCUMENTS: [&str; 6] = [
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "contrib/cameras.example.toml",
    "contrib/tutk.service",
];

/// Builds the program, and packs it with its bill of materials. `target` is a target that is
/// installed, by default the one of this machine.
pub(crate) fn build(target: Option<&str>) -> Result<(), String> {
    let host = Job::new("rustc", &["--print", "host-tuple"]).output()?;
    let target = target.unwrap_or(host.trim());
    if !no_std::is_installed(target)? {
        return Err(format!("run: rustup target add {target}"));
    }
    let release = Release::new(target, FOLDER)?;
    let program = compile(target, &[])?;
    print_size(&program)?;
    release.pack(&program)?;
    // The next build replaces the program.
    let minimal = release.file(&format!("-minimal{}", suffix(target)));
    copy(&compile(target, &MINIMAL)?, &minimal)?;
    print_size(&minimal)?;
    release.checksums()
}

fn print_size(file: &Path) -> Result<(), String> {
    let size = fs::metadata(file).map_err(|error| error.to_string())?.len();
    println!("{}: {:.1} MB", file.display(), size as f64 / 1e6);
    Ok(())
}

/// Packs this program instead of `tutk`, and checks what is in the files. Compiles nothing.
pub(crate) fn check() -> Result<(), String> {
    let release = Release::new("x86_64-unknown-linux-musl", "target/artifacts-check")?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    release.pack(&program)?;
    release.checksums()?;
    let list = |program, args: &[&str], file: PathBuf| {
        Job::new(program, &[args, &[&*file.to_string_lossy()]].concat()).output()
    };
    let mut listed = list("tar", &["-tzf"], release.file(".tar.gz"))?;
    listed += &list("dpkg-deb", &["--contents"], release.file(".deb"))?;
    let archived = DOCUMENTS.map(|path| path.rsplit('/').next().unwrap_or(path));
    let installed = [
        " ./usr/bin/tutk\n",
        " ./usr/lib/systemd/system/tutk.service\n",
        " ./usr/lib/sysusers.d/tutk.conf\n",
    ];
    match archived
        .iter()
        .chain(&installed)
        .find(|path| !listed.contains(**path))
    {
        Some(path) => Err(format!("{path} is missing in:\n{listed}")),
        None => Ok(()),
    }
}

/// The files of one target.
struct Release {
    folder: PathBuf,
    target: String,
    version: String,
}

impl Release {
    /// A release in an empty folder.
    fn new(target: &str, folder: &str) -> Result<Self, String> {
        let folder = PathBuf::from(folder);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let packages = crate::workspace::packages()?;
        let program = packages.iter().find(|package| package.name == "tutk-cli");
        let program = program.ok_or("there is no package tutk-cli")?;
        Ok(Self {
            folder,
            target: target.into(),
            version: program.version.to_string(),
        })
    }

    fn file(&self, end: &str) -> PathBuf {
        let Self {
            target, version, ..
        } = self;
        self.folder.join(format!("tutk-{version}-{target}{end}"))
    }

    /// Packs the program for its target.
    fn pack(&self, program: &Path) -> Result<(), String> {
        let metadata = MetadataCommand::new()
            .other_options(["--filter-platform".into(), self.target.clone()])
            .exec()
            .map_err(|error| error.to_string())?;
        let bill = sbom::of(&metadata, "tutk-cli")?;
        write(&self.file(".cdx.json"), &format!("{bill:#}\n"))?;
        self.archive(program)?;
        if self.target.ends_with("-linux-musl") {
            // A static program runs on every version of Debian.
            self.debian(program)?;
        }
        Ok(())
    }

    fn archive(&self, program: &Path) -> Result<(), String> {
        let folder = self.file("");
        copy(
            program,
            &folder.join(format!("tutk{}", suffix(&self.target))),
        )?;
        for document in DOCUMENTS {
            let name = document.rsplit('/').next().unwrap_or(document);
            copy(Path::new(document), &folder.join(name))?;
        }
        let archive = self.file(".tar.gz");
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let (archive, parent) = (archive.to_string_lossy(), self.folder.to_string_lossy());
        Job::new("tar", &["-czf", &archive, "-C", &parent, &name]).run()?;
        fs::remove_dir_all(&folder).map_err(|error| error.to_string())
    }

    /// Makes a package of Debian with the systemd unit.
    fn debian(&self, program: &Path) -> Result<(), String> {
        let architecture = match self.target.split('-').next() {
            Some("x86_64") => "amd64",
            Some("aarch64") => "arm64",
            other => return Err(format!("no architecture of Debian for {other:?}")),
        };
        let root = self.folder.join("debian");
        copy(program, &root.join("usr/bin/tutk"))?;
        let unit = read("contrib/tutk.service")?.replace("/usr/local/bin/", "/usr/bin/");
        write(&root.join("usr/lib/systemd/system/tutk.service"), &unit)?;
        let user = "u tutk - \"tutk serve\" /var/lib/tutk\n";
        write(&root.join("usr/lib/sysusers.d/tutk.conf"), user)?;
        let documents = root.join("usr/share/doc/tutk");
        for (from, to) in [
            ("contrib/cameras.example.toml", "cameras.example.toml"),
            ("LICENSE-APACHE", "LICENSE-APACHE"),
            ("LICENSE-MIT", "copyright"),
            ("README.md", "README.md"),
        ] {
            copy(Path::new(from), &documents.join(to))?;
        }
        let control = format!(
            "Package: tutk\n\
             Version: {}\n\
             Architecture: {architecture}\n\
             Maintainer: The tutk developers\n\
             Section: video\n\
             Priority: optional\n\
             Recommends: ca-certificates, tzdata\n\
             Description: streams Wyze and other TUTK cameras on the local network\n",
            self.version
        );
        write(&root.join("DEBIAN/control"), &control)?;
        let script = root.join("DEBIAN/postinst");
        copy(Path::new("contrib/debian/postinst"), &script)?;
        let (root_path, package) = (root.to_string_lossy(), self.file(".deb"));
        let package = package.to_string_lossy();
        let args = [
            "--root-owner-group",
            "-Zxz",
            "--build",
            &root_path,
            &package,
        ];
        Job::new("dpkg-deb", &args).run()?;
        fs::remove_dir_all(&root).map_err(|error| error.to_string())
    }

    /// Writes the SHA-256 sums of all files.
    fn checksums(&self) -> Result<(), String> {
        let entries = fs::read_dir(&self.folder).map_err(|error| error.to_string())?;
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort();
        let folder = self.folder.to_string_lossy();
        let paths: Vec<String> = names
            .iter()
            .map(|name| format!("{folder}/{name}"))
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let (program, option) = match std::env::consts::OS {
            "macos" => ("shasum", &["-a", "256"][..]),
            // Git for Windows has it as well.
            _ => ("sha256sum", &[][..]),
        };
        let sums = Job::new(program, &[option, &["--"], &*paths].concat()).output()?;
        let sums = sums.replace(&format!("{folder}/"), "");
        write(&self.file(".sha256"), &sums)
    }
}

/// Compiles the program with the profile `dist`, and returns its path.
fn compile(target: &str, features: &[&str]) -> Result<PathBuf, String> {
    let args = [
        "build",
        "--locked",
        "--package",
        "tutk-cli",
        "--profile",
        "dist",
        "--target",
        target,
    ];
    let mut job = Job::cargo(&[&args[..], features].concat()).minutes(90);
    if target.ends_with("-linux-musl") && std::env::consts::OS == "linux" {
        // Debian's musl-tools. aws-lc is C.
        job = job.env(&format!("CC_{}", target.replace('-', "_")), "musl-gcc");
    }
    job.run()?;
    Ok(Path::new("target")
        .join(target)
        .join(format!("dist/tutk{}", suffix(target))))
}

fn suffix(target: &str) -> &str {
    if target.contains("-windows-") {
        ".exe"
    } else {
        ""
    }
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::create_dir_all(path.parent().unwrap_or(path))
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Copies a file with its permissions.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to.parent().unwrap_or(to))
        .and_then(|()| fs::copy(from, to))
        .map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))?;
    Ok(())
}
