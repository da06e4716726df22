//! A terminal of the test's own: what is typed at it, and what it shows.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::common::signal;
use crate::{EMAIL, KEY, KEY_ID, PASSWORD, Scene, TOKEN, saved, token_reply};

/// Longer than any prompt of a sound program takes to come.
const PATIENCE: Duration = Duration::from_secs(30);

struct Terminal {
    /// Where a person would sit.
    master: File,
    /// The program's side; kept, so that it is there when the program has ended.
    slave: File,
    shows: Receiver<u8>,
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
        let mut reading = master.try_clone().unwrap();
        let (sender, shows) = mpsc::channel();
        thread::spawn(move || {
            let mut byte = [0];
            while reading.read(&mut byte).is_ok_and(|count| count == 1) {
                if sender.send(byte[0]).is_err() {
                    break;
                }
            }
        });
        Self {
            master,
            slave,
            shows,
            shown: String::new(),
        }
    }

    /// Waits until it is shown.
    fn wait_for(&mut self, text: &str) {
        while !self.shown.ends_with(text) {
            let byte = self.shows.recv_timeout(PATIENCE);
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

    fn sign_in(&self, scene: &Scene) -> Child {
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
fn secrets_are_not_shown_while_they_are_typed() {
    let scene = Scene::new([token_reply()]);
    let mut terminal = Terminal::new();
    let mut tutk = terminal.sign_in(&scene);
    for (prompt, line, shown) in [
        ("Email: ", EMAIL, true),
        ("Password: ", PASSWORD, false),
        ("Key ID: ", KEY_ID, true),
        ("API key: ", KEY, false),
    ] {
        terminal.wait_for(prompt);
        // What is typed before the terminal stops showing would be thrown away.
        while terminal.echoes() != shown {
            thread::yield_now();
        }
        terminal.type_line(line);
        terminal.wait_for("\r\n");
        assert_eq!(terminal.shown.contains(line), shown, "{:?}", terminal.shown);
    }
    assert!(tutk.wait().unwrap().success());
    assert!(terminal.echoes());
    assert_eq!(saved(&scene.token())["access_token"], TOKEN);
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let scene = Scene::new([]);
    let mut terminal = Terminal::new();
    let mut tutk = terminal.sign_in(&scene);
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
