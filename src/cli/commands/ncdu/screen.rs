//! The terminal while `ncdu` has it: the other screen, keys as they are pressed. Whatever happens, it is given back as it was.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, KeyEvent, poll, read};
use crossterm::queue;
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

use super::state::State;
use crate::cli::signals::Signals;

/// The terminal in our hands.
pub(super) struct Screen {
    tty: File,
    last: Vec<(String, bool)>,
    at: (u16, u16),
    signals: Arc<Signals>,
}

/// What has happened.
pub(super) enum Seen {
    Key(KeyEvent),
    Resized,
    /// Nothing, for as long as nobody minds.
    Nothing,
}

impl Screen {
    pub(super) fn open(signals: &Arc<Signals>) -> io::Result<Self> {
        let tty = OpenOptions::new().write(true).open("/dev/tty")?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        let mut screen = Self { tty, last: Vec::new(), at: (0, 0), signals: Arc::clone(signals) };
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&mut self) -> io::Result<()> {
        self.last.clear();
        self.take_keys()?;
        self.signals.shows_other_screen(true);
        queue!(self.tty, EnterAlternateScreen, Hide, Clear(ClearType::All))?;
        self.tty.flush()
    }

    /// Keys come as they are pressed, but Ctrl-C stays a signal: nobody reads keys while a remote lets us wait.
    fn take_keys(&self) -> io::Result<()> {
        enable_raw_mode()?;
        let mut modes = tcgetattr(&self.tty)?;
        modes.local_modes |= LocalModes::ISIG;
        modes.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
        modes.special_codes[SpecialCodeIndex::VQUIT] = NO_KEY;
        Ok(tcsetattr(&self.tty, OptionalActions::Now, &modes)?)
    }

    /// Draws what is to be seen, if it is not there already.
    pub(super) fn draw(&mut self, state: &State) -> io::Result<()> {
        let (columns, rows) = size()?;
        let lines = state.frame(usize::from(columns), usize::from(rows));
        if lines == self.last && self.at == (columns, rows) {
            return Ok(());
        }
        let mut out = Vec::new();
        for (row, (line, marked)) in lines.iter().enumerate() {
            queue!(out, MoveTo(0, u16::try_from(row).unwrap_or(u16::MAX)))?;
            queue!(out, Clear(ClearType::UntilNewLine))?;
            if *marked {
                queue!(out, SetAttribute(Attribute::Reverse))?;
            }
            out.extend_from_slice(line.as_bytes());
            queue!(out, SetAttribute(Attribute::Reset))?;
        }
        self.tty.write_all(&out)?;
        self.tty.flush()?;
        (self.last, self.at) = (lines, (columns, rows));
        Ok(())
    }

    /// Takes nothing of what is on the screen for granted.
    pub(super) fn forget(&mut self) {
        self.last.clear();
    }

    /// Waits for a key, for a moment.
    pub(super) fn wait(&self) -> io::Result<Seen> {
        if !poll(MOMENT)? {
            return Ok(Seen::Nothing);
        }
        Ok(match read()? {
            Event::Key(key) => Seen::Key(key),
            Event::Resize(..) => Seen::Resized,
            _ => Seen::Nothing,
        })
    }

    /// Does something on the ordinary screen, and comes back at a key.
    pub(super) fn aside(&mut self, work: impl FnOnce()) -> io::Result<()> {
        self.leave();
        work();
        self.tty.write_all(b"Press a key to go back.")?;
        self.tty.flush()?;
        self.take_keys()?;
        while !self.signals.cancel.is_cancelled() && !matches!(self.wait()?, Seen::Key(_)) {}
        self.tty.write_all(b"\r\n")?;
        self.enter()
    }

    fn leave(&self) {
        give_back();
        self.signals.shows_other_screen(false);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Gives the terminal back; there is nothing to do about it if that fails.
fn give_back() {
    let Ok(mut tty) = OpenOptions::new().write(true).open("/dev/tty") else { return };
    drop(queue!(tty, LeaveAlternateScreen, Show).and_then(|()| tty.flush()));
    drop(disable_raw_mode());
}

/// What stands for a key that does nothing.
const NO_KEY: u8 = 0;
const MOMENT: Duration = Duration::from_millis(100);
