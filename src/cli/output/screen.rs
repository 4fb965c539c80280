//! The block at the bottom of a terminal that is drawn again and again. Only text: bytes out, no terminal here.

use super::width::{cut, width};

/// What stands there now.
#[derive(Debug, Default)]
pub(super) struct Screen {
    lines: Vec<String>,
    /// A person is being asked: nothing is drawn.
    held: bool,
}

impl Screen {
    /// Takes the block off, writes `text` in its place and puts the block below.
    pub(super) fn above(&self, text: &str, columns: usize) -> String {
        format!("{}{text}\n{}", self.erased(columns), self.shown())
    }

    /// Replaces the block, as much of it as a window of this size holds. The last column stays free, because some
    /// terminals wrap as soon as it is taken.
    pub(super) fn draw(&mut self, lines: &[String], (columns, rows): (usize, usize)) -> String {
        if self.held {
            return String::new();
        }
        let erased = self.erased(columns);
        let most = rows.saturating_sub(1).max(1);
        self.lines = lines
            .iter()
            .take(most)
            .map(|line| cut(&line.replace('\t', " "), columns.saturating_sub(1).max(1)))
            .collect();
        erased + &self.shown()
    }

    /// Takes the block off; `hold` keeps it off until [`Screen::release`].
    pub(super) fn clear(&mut self, columns: usize, hold: bool) -> String {
        let erased = self.erased(columns);
        self.lines.clear();
        self.held |= hold;
        erased
    }

    /// Lets the next [`Screen::draw`] draw.
    pub(super) fn release(&mut self) {
        self.held = false;
    }

    fn shown(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// In a window that has become narrower the lines of the block have been wrapped.
    fn erased(&self, columns: usize) -> String {
        let rows: usize = self.lines.iter().map(|line| width(line).div_ceil(columns.max(1)).max(1)).sum();
        if rows == 0 { String::new() } else { format!("\r\x1b[{rows}A\x1b[J") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn draws_over_what_it_drew() {
        let mut screen = Screen::default();
        assert_eq!(screen.above("hi", 80), "hi\n");
        assert_eq!(screen.draw(&lines("one two"), (80, 24)), "one\ntwo\n");
        assert_eq!(screen.draw(&lines("three"), (80, 24)), "\r\x1b[2A\x1b[Jthree\n");
        assert_eq!(screen.above("hi", 80), "\r\x1b[1A\x1b[Jhi\nthree\n");
        assert_eq!(screen.clear(80, true), "\r\x1b[1A\x1b[J");
        assert_eq!(screen.draw(&lines("four"), (80, 24)), "", "while somebody is asked");
        screen.release();
        assert_eq!(screen.draw(&lines("four"), (80, 24)), "four\n");
    }

    #[test]
    fn fits_the_window_and_survives_its_changes() {
        let mut screen = Screen::default();
        assert_eq!(screen.draw(&lines("0123456789 b c"), (8, 3)), "012345…\nb\n");
        assert_eq!(screen.clear(4, false), "\r\x1b[3A\x1b[J", "the first line takes two rows now");
        assert_eq!(screen.draw(&lines("abc"), (1, 1)), "…\n");
    }
}
