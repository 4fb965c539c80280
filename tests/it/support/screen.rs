//! A program in a pseudo-terminal, and what a person would see there.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rexpect::process::PtyProcess;
use rexpect::process::signal::Signal;
use rexpect::process::wait::WaitStatus;

/// The terminal.
pub struct Screen {
    process: PtyProcess,
    keyboard: File,
    shown: vt100::Parser,
    bytes: Receiver<Vec<u8>>,
    /// Everything that was ever written to it.
    pub all: Vec<u8>,
}

impl Screen {
    /// Starts a program in a terminal of that size.
    pub fn start(command: Command, rows: u16, columns: u16) -> Self {
        let process = PtyProcess::new(command).unwrap();
        let keyboard = process.get_file_handle().unwrap();
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&keyboard, size).unwrap();
        let mut reader = process.get_file_handle().unwrap();
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        let [rows, columns] = [rows, columns].map(|size| NonZero::new(size).unwrap());
        Self { process, keyboard, shown: vt100::Parser::new(rows, columns, 0), bytes, all: Vec::new() }
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// The lines that are seen now.
    pub fn text(&self) -> String {
        self.shown.screen().contents()
    }

    /// The line that stands out below the first.
    pub fn marked(&self) -> String {
        let screen = self.shown.screen();
        let (rows, columns) = screen.size();
        let is_marked = |row: &u16| screen.cell(*row, 1).is_some_and(vt100::Cell::inverse);
        let row = (1..rows.get() - 1).find(is_marked).unwrap_or(0);
        screen.contents_between(row, 0, row, columns.get()).trim().to_owned()
    }

    /// Whether the other screen is shown, and whether the cursor is hidden.
    pub fn modes(&self) -> (bool, bool) {
        (self.shown.screen().alternate_screen(), self.shown.screen().hide_cursor())
    }

    /// Waits until something is seen.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.text().contains(what) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && self.take(left), "`{what}` is not seen:\n{}", self.text());
        }
    }

    /// Sends a signal to the program.
    pub fn terminate(&mut self) {
        self.process.signal(Signal::SIGTERM).unwrap();
    }

    /// Waits for the end, and tells the exit code.
    #[track_caller]
    pub fn end(&mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        while self.take(end.saturating_duration_since(Instant::now())) {}
        match self.process.wait().unwrap() {
            WaitStatus::Exited(_, code) => code,
            other => panic!("{other:?}\n{}", self.text()),
        }
    }

    fn take(&mut self, patience: Duration) -> bool {
        let Ok(bytes) = self.bytes.recv_timeout(patience) else { return false };
        self.shown.process(&bytes);
        self.all.extend(bytes);
        true
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
