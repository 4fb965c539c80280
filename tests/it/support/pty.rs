//! The program in a real pseudo-terminal of a given size.

use std::ffi::OsStr;
use std::process::Command;

use rexpect::session::{PtySession, spawn_command};

use super::cli::Machine;

/// A terminal and what runs in it.
pub struct Pty(PtySession);

impl Pty {
    /// Starts the program in a window of so many columns and rows.
    pub fn start<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        machine: &Machine,
        (columns, rows): (u16, u16),
        args: I,
    ) -> Self {
        let inner = machine.command(args);
        let script = format!("stty cols {columns} rows {rows}; \"$0\" \"$@\"; echo \"exit=$?\"");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg(inner.get_program()).args(inner.get_args()).env_clear();
        shell.env("TERM", "xterm");
        shell.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(inner.get_current_dir().unwrap());
        Self(spawn_command(shell, Some(120_000)).unwrap())
    }

    /// Waits until this is shown.
    pub fn wait_for(&mut self, text: &str) {
        self.0.exp_string(text).unwrap();
    }

    /// Types.
    pub fn send(&mut self, text: &str) {
        self.0.send(text).unwrap();
        self.0.flush().unwrap();
    }

    /// What is shown already.
    pub fn so_far(&mut self) -> String {
        std::iter::from_fn(|| self.0.try_read()).collect()
    }

    /// Gives the window another size.
    pub fn resize(&self, (columns, rows): (u16, u16)) {
        let terminal = self.0.process().get_file_handle().unwrap();
        let size = rustix::termios::Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    }

    /// Everything that was shown from now on until the end, and the exit code.
    pub fn finish(mut self) -> (String, i32) {
        // Each character stands for one byte.
        let bytes: Vec<u8> = self.0.exp_eof().unwrap().chars().map(|c| c as u8).collect();
        let shown = String::from_utf8(bytes).unwrap();
        let (shown, code) = shown.rsplit_once("exit=").unwrap_or_else(|| panic!("no exit code in:\n{shown}"));
        (shown.to_owned(), code.trim().parse().unwrap())
    }
}

/// Runs the program to its end: what was shown, and the exit code.
pub fn in_terminal<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
    machine: &Machine,
    size: (u16, u16),
    args: I,
) -> (String, i32) {
    Pty::start(machine, size, args).finish()
}
