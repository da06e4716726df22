//! The peers: C programs that are built here, or endpoints in this process.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use dtls_psk::{CipherSuite, Group};

use crate::application::{Finished, Negotiated};
use crate::dimpl_endpoint;
use crate::matrix::{Abilities, Peer, Settings, Side, Switch, locked_version};
use crate::{IDENTITY, KEY};

/// A peer that is available.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    pub(crate) peer: Peer,
    pub(crate) abilities: Abilities,
    /// The program, if the peer is one.
    pub(crate) program: Option<PathBuf>,
}

/// Builds a peer if necessary, and queries what it supports.
pub(crate) fn prepare(peer: Peer) -> Result<Ready, String> {
    let (source, libraries): (&str, &[&str]) = match peer {
        Peer::OpenSsl => ("openssl.c", &["-lssl", "-lcrypto"]),
        Peer::GnuTls => ("gnutls.c", &["-lgnutls"]),
        Peer::MbedTls => ("mbedtls.c", &["-lmbedtls", "-lmbedcrypto"]),
        Peer::WolfSsl => ("wolfssl.c", &["-lwolfssl"]),
        Peer::Dimpl => {
            return Ok(Ready {
                peer,
                abilities: dimpl_endpoint::abilities(),
                program: None,
            });
        }
        Peer::Itself => {
            let every = CipherSuite::ALL.iter();
            let abilities = Abilities {
                version: format!("dtls-psk {}", locked_version("dtls-psk")),
                suites: every.map(|suite| (suite.id(), None)).collect(),
                ..Abilities::default()
            };
            return Ok(Ready {
                peer,
                abilities,
                program: None,
            });
        }
    };
    let program = build(source, libraries)?;
    let output = run(Command::new(&program).arg("probe"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(Ready {
        peer,
        abilities: parse_abilities(&text)?,
        program: Some(program),
    })
}

fn build(source: &str, libraries: &[&str]) -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let beside = std::env::current_exe().map_err(|e| e.to_string())?;
    let folder = beside.with_file_name("interop-peers");
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let program = folder.join(source.trim_end_matches(".c"));
    run(Command::new("cc")
        .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-o"])
        .arg(&program)
        .arg(here.join(source))
        .args(libraries))?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command
        .output()
        .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(output);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let first = errors.lines().find(|line| line.contains("error"));
    let first = first.or(errors.lines().next()).unwrap_or_default();
    Err(format!("{}: {first}", command.get_program().display()))
}

/// Parses the output of `PEER probe`; see peers/common.h.
fn parse_abilities(text: &str) -> Result<Abilities, String> {
    let mut abilities = Abilities::default();
    for line in text.lines() {
        let invalid = || format!("invalid probe output: {line}");
        let (word, rest) = line.split_once(' ').ok_or_else(invalid)?;
        match word {
            "version" => abilities.version = rest.to_owned(),
            "suite" => {
                let mut words = rest.splitn(3, ' ');
                let id = words.next().and_then(|id| u16::from_str_radix(id, 16).ok());
                let why = match words.next() {
                    Some("yes") => None,
                    _ => Some(words.next().unwrap_or_default().to_owned()),
                };
                abilities.suites.insert(id.ok_or_else(invalid)?, why);
            }
            "cannot" => {
                let words: Vec<&str> = rest.splitn(4, ' ').collect();
                let &[side, switch, value, why] = words.as_slice() else {
                    return Err(invalid());
                };
                let side = Side::BOTH.into_iter().find(|known| known.name() == side);
                let switch = Switch::from_name(switch);
                let (Some(side), Some(switch)) = (side, switch) else {
                    return Err(invalid());
                };
                let lack = (side, switch, value == "1", why.to_owned());
                abilities.lacks.push(lack);
            }
            _ => return Err(invalid()),
        }
    }
    Ok(abilities)
}

/// A running peer program. It is killed on drop.
pub(crate) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the program as a server on any port, or as a client of `port`.
    pub(crate) fn start(program: &Path, settings: &Settings, port: u16) -> Result<Self, String> {
        let key: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        let switch = |on: bool| if on { "1" } else { "0" };
        let mut command = Command::new(program);
        command
            .args([settings.side.name(), &port.to_string()])
            .args(["--psk", &key, "--identity", IDENTITY])
            .args(["--cookie", switch(settings.cookie)])
            .args(["--ems", switch(settings.ems), "--etm", switch(settings.etm)])
            .args(["--mtu", &settings.mtu.to_string()])
            .args(["--bytes", &settings.bytes.to_string()]);
        if let Some(suite) = settings.suite {
            command.args(["--suite", &format!("{:04x}", suite.id())]);
        }
        match settings.group {
            Some(Group::X25519) => _ = command.args(["--group", "x25519"]),
            Some(Group::Secp256r1) => _ = command.args(["--group", "p256"]),
            _ => {}
        }
        if settings.hint_len > 0 {
            command.args(["--hint", &"h".repeat(settings.hint_len)]);
        }
        if settings.lossy {
            command.arg("--lossy");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}", program.display()))?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        Ok(Self {
            child,
            stdout: BufReader::new(stdout),
        })
    }

    /// Returns the port that a server printed.
    pub(crate) fn port(&mut self) -> Result<u16, String> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line);
        read.map_err(|e| e.to_string())?;
        let port = line.trim().strip_prefix("port ");
        port.and_then(|port| port.parse().ok())
            .ok_or_else(|| match self.end() {
                Err(why) => why,
                Ok(_) => format!("expected the port, got {line:?}"),
            })
    }

    /// Returns the result if the program has ended.
    pub(crate) fn poll(&mut self) -> Option<Result<Finished, String>> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(_)) => Some(self.end()),
            Err(e) => Some(Err(e.to_string())),
        }
    }

    fn end(&mut self) -> Result<Finished, String> {
        let (mut out, mut errors) = (String::new(), String::new());
        // Output that cannot be read is treated as empty.
        let _ = self.stdout.read_to_string(&mut out);
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut errors);
        }
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if !status.success() {
            let last = errors.trim().lines().last().map(str::to_owned);
            return Err(last.unwrap_or_else(|| status.to_string()));
        }
        parse_finished(&out).ok_or(format!("invalid output {out:?}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse_finished(out: &str) -> Option<Finished> {
    let line = |word: &str| out.lines().find_map(|line| line.strip_prefix(word));
    let (negotiated, closed) = (line("negotiated ")?, line("closed ")?);
    let value = |line: &'static str, text: &str| {
        let after = text.split(' ').find_map(|word| word.strip_prefix(line));
        after.map(str::to_owned)
    };
    let on = |name: &'static str| match value(name, negotiated)?.as_str() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    };
    let suite = value("suite=", negotiated)?;
    Some(Finished {
        negotiated: Negotiated {
            suite: Some(u16::from_str_radix(&suite, 16).ok()?),
            ems: on("ems="),
            etm: on("etm="),
            ..Negotiated::default()
        },
        sent: value("sent=", closed)?.parse().ok()?,
        received: value("received=", closed)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probe_output_is_parsed() {
        let text = "version X 1.2\nsuite ccac yes\nsuite 00ae no not listed\n\
                    cannot server cookie 0 no such switch\n";
        let abilities = parse_abilities(text).unwrap();
        assert_eq!(abilities.version, "X 1.2");
        assert_eq!(abilities.suites.get(&0xccac), Some(&None));
        assert_eq!(
            abilities.suites.get(&0xae),
            Some(&Some("not listed".into()))
        );
        let lack = (Side::Server, Switch::Cookie, false, "no such switch".into());
        assert_eq!(abilities.lacks, [lack]);
        assert!(parse_abilities("cannot server tea 0 unknown switch").is_err());
    }

    #[test]
    fn report_is_parsed() {
        let out = "port 7\nnegotiated suite=c038 ems=1 etm=?\nclosed sent=1000 received=900\n";
        let finished = parse_finished(out).unwrap();
        assert_eq!(finished.negotiated.suite, Some(0xc038));
        assert_eq!(finished.negotiated.ems, Some(true));
        assert_eq!(finished.negotiated.etm, None);
        assert_eq!((finished.sent, finished.received), (1000, 900));
        assert!(parse_finished("negotiated suite=c038 ems=1 etm=?\n").is_none());
    }
}
