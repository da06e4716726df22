//! `tutk cloud login` on a pseudo-terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::common::signal;
use crate::{EMAIL, KEY, KEY_ID, PASSWORD, Scene, TOKEN, read_json, token_reply};

/// The timeout for the next byte of output.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(30);

struct Terminal {
    /// The side of the user.
    master: File,
    /// The side of the program. It stays open after the program has exited.
    slave: File,
    output: Receiver<u8>,
    shown: String,
}

impl Terminal {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name)
            .unwrap();
        let master = File::from(master);
        let mut reader = master.try_clone().unwrap();
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut byte = [0];
            while reader.read(&mut byte).is_ok_and(|count| count == 1) {
                if sender.send(byte[0]).is_err() {
                    break;
                }
            }
        });
        Self {
            master,
            slave,
            output,
            shown: String::new(),
        }
    }

    /// Waits until the terminal shows this text.
    fn wait_for(&mut self, text: &str) {
        while !self.shown.ends_with(text) {
            let byte = self.output.recv_timeout(OUTPUT_TIMEOUT);
            assert!(byte.is_ok(), "no {text:?} after {:?}", self.shown);
            self.shown.push(char::from(byte.unwrap()));
        }
    }

    fn type_line(&mut self, line: &str) {
        self.master
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }

    fn log_in(&self, scene: &Scene) -> Child {
        let slave = || Stdio::from(self.slave.try_clone().unwrap());
        scene
            .command(&["login"])
            .stdin(slave())
            .stderr(slave())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }
}

#[test]
fn does_not_echo_secrets() {
    let scene = Scene::new([token_reply()]);
    let mut terminal = Terminal::new();
    let mut tutk = terminal.log_in(&scene);
    for (prompt, line, shown) in [
        ("Email: ", EMAIL, true),
        ("Password: ", PASSWORD, false),
        ("Key ID: ", KEY_ID, true),
        ("API key: ", KEY, false),
    ] {
        terminal.wait_for(prompt);
        // Switching the echo off discards input that was typed before.
        while terminal.echoes() != shown {
            thread::yield_now();
        }
        terminal.type_line(line);
        terminal.wait_for("\r\n");
        assert_eq!(terminal.shown.contains(line), shown, "{:?}", terminal.shown);
    }
    assert!(tutk.wait().unwrap().success());
    assert!(terminal.echoes());
    assert_eq!(read_json(&scene.token())["access_token"], TOKEN);
}

#[test]
fn restores_echo_after_a_signal() {
    let scene = Scene::new([]);
    let mut terminal = Terminal::new();
    let mut tutk = terminal.log_in(&scene);
    terminal.wait_for("Email: ");
    terminal.type_line(EMAIL);
    terminal.wait_for("Password: ");
    while terminal.echoes() {
        thread::yield_now();
    }
    signal(&tutk, "-INT");
    assert_eq!(tutk.wait().unwrap().code(), Some(1));
    assert!(terminal.echoes());
    terminal.wait_for("run the command again\r\n");
}
