//! The arguments and the key log of both examples.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::process::ExitCode;

use dtls_psk::{CipherSuite, Psk};

pub(crate) type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Prints an error and returns the exit code.
pub(crate) fn exit_code(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// `ADDRESS IDENTITY PSK_HEX [--suites LIST] [--key-log FILE]`
pub(crate) struct Arguments {
    pub(crate) address: String,
    pub(crate) identity: String,
    pub(crate) psk: Psk,
    /// In order of preference.
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) key_log: Option<KeyLog>,
}

impl Arguments {
    /// Reads the program's arguments. Errors contain the usage.
    pub(crate) fn read() -> Result<Self> {
        let mut arguments = std::env::args();
        let program = arguments.next().unwrap_or_default();
        Self::parse(arguments).map_err(|error| {
            let suites: Vec<String> = CipherSuite::ALL
                .iter()
                .map(|suite| format!("  {:04x} {suite}", suite.id()))
                .collect();
            format!(
                "{error}\n\nusage: {program} ADDRESS IDENTITY PSK_HEX [--suites NUMBER,NUMBER...] \
                 [--key-log FILE]\n\nsuites, all by default, in order of preference:\n{}",
                suites.join("\n")
            )
            .into()
        })
    }

    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut next = |what: &str| arguments.next().ok_or(format!("missing {what}"));
        let mut parsed = Self {
            address: next("ADDRESS")?,
            identity: next("IDENTITY")?,
            psk: Psk::new(from_hex(&next("PSK_HEX")?)?),
            suites: CipherSuite::ALL.to_vec(),
            key_log: None,
        };
        while let Ok(option) = next("") {
            match option.as_str() {
                "--suites" => parsed.suites = suites(&next("list of suites")?)?,
                "--key-log" => parsed.key_log = Some(KeyLog::open(&next("file name")?)?),
                _ => return Err(format!("unknown option {option}").into()),
            }
        }
        Ok(parsed)
    }
}

/// A key log for Wireshark. It decrypts every session, so use it only for debugging.
pub(crate) struct KeyLog(File);

impl KeyLog {
    fn open(name: &str) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(name)?;
        Ok(Self(file))
    }

    pub(crate) fn write(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.0, "{line}")?)
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits
        .map(|pair| byte(pair).filter(|_| pair.len() == 2))
        .collect();
    Ok(bytes.ok_or("PSK_HEX: expected pairs of hexadecimal digits")?)
}

/// Parses a comma-separated list of suite numbers in hexadecimal.
fn suites(list: &str) -> Result<Vec<CipherSuite>> {
    let mut suites = Vec::new();
    for number in list.split(',') {
        let id = u16::from_str_radix(number.trim_start_matches("0x"), 16)?;
        suites.push(CipherSuite::from_id(id).ok_or(format!("suite {number} is not supported"))?);
    }
    Ok(suites)
}
