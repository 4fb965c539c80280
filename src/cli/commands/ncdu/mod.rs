//! `ncdu`: a browser of a vault's sizes. `state` knows what is shown and what keys do, `screen` owns the terminal.

mod screen;
mod state;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use self::screen::{Screen, Seen};
use self::state::{Asked, State, Wish};
use crate::class::Class;
use crate::cli::args;
use crate::cli::output::CliError;
use crate::cli::run::dispatch;
use crate::cli::shell::Shell;
use crate::ops::{Browser, OpsError};
use crate::path::TreePath;

/// Browse a vault by size, delete and download in it
///
/// Sizes are there at once, because a vault keeps the totals of its directories. Keys are rclone's: arrows or `hjkl` to move,
/// `d` to delete, `?` for all of them; `y` downloads what is under the cursor into a directory of this machine. A deletion
/// is a commit of its own, made when it is confirmed, and stays in the vault's history.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct NcduArgs {
    /// A vault, or a directory in one
    path: OsString,
}

pub(crate) fn run(shell: &Shell, args: &NcduArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    if !shell.answers.is_attended() || !shell.printer.out_is_terminal() {
        return Err(
            CliError::usage("ncdu needs a terminal").hint("`cryptsync du` writes the sizes of directories as text")
        );
    }
    let mut interrupted = false;
    shell.call(false, |ctx| {
        let browser = Browser::open(ctx, &place)?;
        interrupted = !Session { shell, typed: &args.path, browser }.run()?;
        Ok(())
    })?;
    if interrupted { Err(CliError::new(Class::Interrupted, "stopped")) } else { Ok(()) }
}

struct Session<'a> {
    shell: &'a Shell,
    /// The path as it was typed.
    typed: &'a OsStr,
    browser: Browser<'a>,
}

impl Session<'_> {
    /// Until somebody quits. False if that was a signal.
    fn run(&mut self) -> Result<bool, OpsError> {
        let mut state = State::new(self.typed, self.shell.settings.time_zone.clone());
        self.look(&mut state)?;
        let mut screen = Screen::open(&self.shell.signals).map_err(lost)?;
        while !self.shell.signals.cancel.is_cancelled() {
            screen.draw(&state).map_err(lost)?;
            let key = match screen.wait().map_err(lost)? {
                Seen::Key(key) => key,
                Seen::Nothing | Seen::Resized => continue,
            };
            let Some(asked) = asked(&key) else { continue };
            match state.press(asked) {
                Wish::Nothing => {}
                Wish::Quit => return Ok(true),
                Wish::Interrupt => return Ok(false),
                Wish::Look => self.look(&mut state)?,
                Wish::Redraw => screen.forget(),
                Wish::Refresh => {
                    self.browser.reload()?;
                    self.look(&mut state)?;
                }
                Wish::Delete(path) => {
                    let words = [OsStr::new("rm"), OsStr::new("-r"), OsStr::new("--"), &self.full(&path)];
                    screen.aside(|| self.verb(&words)).map_err(lost)?;
                    self.browser.reload()?;
                    self.look(&mut state)?;
                }
                Wish::Download(path, to) => {
                    let words = [OsStr::new("copy"), OsStr::new("--"), &self.full(&path), OsStr::new(&to)];
                    screen.aside(|| self.verb(&words)).map_err(lost)?;
                }
            }
        }
        Ok(false)
    }

    /// Reads the directory that is shown; from one that is gone it goes up.
    fn look(&self, state: &mut State) -> Result<(), OpsError> {
        let rows = self.browser.children(state.dir(), ROWS_MAX + 1)?;
        let more = rows.len() > ROWS_MAX;
        state.show(rows.into_iter().take(ROWS_MAX).collect(), more);
        Ok(())
    }

    /// Runs a verb as if it had been typed; what it says is on the ordinary screen.
    fn verb(&self, words: &[&OsStr]) {
        let words: Vec<OsString> =
            std::iter::once(OsStr::new("cryptsync")).chain(words.iter().copied()).map(Into::into).collect();
        let result = match args::parse(&words, &Default::default()) {
            Ok(cli) => dispatch(self.shell, cli.command),
            Err(_) => Err(CliError::usage("this name can't be given to a verb")),
        };
        if let Err(error) = result {
            self.shell.printer.error(&error);
        }
    }

    fn full(&self, path: &TreePath) -> OsString {
        let mut full = self.typed.as_bytes().to_vec();
        if !full.ends_with(b":") && !full.ends_with(b"/") {
            full.push(b'/');
        }
        full.extend_from_slice(path.as_bytes());
        OsString::from_vec(full)
    }
}

/// What a key means, wherever it is pressed.
fn asked(key: &KeyEvent) -> Option<Asked> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if control => Asked::Interrupt,
        KeyCode::Char('l') if control => Asked::Redraw,
        KeyCode::Char(_) if control => return None,
        KeyCode::Char(c) => Asked::Char(c),
        KeyCode::Up => Asked::Up,
        KeyCode::Down => Asked::Down,
        KeyCode::Left => Asked::Left,
        KeyCode::Right => Asked::Right,
        KeyCode::PageUp => Asked::PageUp,
        KeyCode::PageDown => Asked::PageDown,
        KeyCode::Home => Asked::Home,
        KeyCode::End => Asked::End,
        KeyCode::Enter => Asked::Enter,
        KeyCode::Esc => Asked::Escape,
        KeyCode::Backspace => Asked::Backspace,
        _ => return None,
    })
}

fn lost(error: std::io::Error) -> OpsError {
    let mut failed = OpsError::new(Class::Failed, "the terminal can't be used");
    failed.chain.push(error.to_string());
    failed
}

/// Entries of one directory that are shown: some tens of MiB.
const ROWS_MAX: usize = 100_000;

const EXAMPLES: &str = "\
Examples:
  cryptsync ncdu nas:
  cryptsync ncdu nas:photos";
