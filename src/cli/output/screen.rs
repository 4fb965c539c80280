//! The block at the bottom of a terminal that is drawn again and again. indicatif decides when and what; this is the terminal
//! that it draws on, and makes one write of each picture.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::width::{cut, width};

/// Standard error, for whoever writes to it.
pub(super) type Shared = Arc<Mutex<Box<dyn Write + Send>>>;

/// The block.
pub(super) struct Block {
    bar: ProgressBar,
    size: fn() -> (usize, usize),
}

impl Block {
    /// A block that is not drawn yet, and never is unless `out` is a terminal. `size` tells columns and rows.
    pub(super) fn new(out: &Shared, is_terminal: bool, size: fn() -> (usize, usize)) -> Self {
        let target = match is_terminal {
            true => ProgressDrawTarget::term_like(Box::new(Screen::new(Arc::clone(out), size))),
            false => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template("{msg}").expect("the template is a constant that parses");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        bar.finish_and_clear();
        Self { bar, size }
    }

    /// Replaces the block, as much of it as the window holds. The last column stays free, because some terminals wrap as soon
    /// as it is taken.
    pub(super) fn draw(&self, lines: &[String]) {
        let (columns, rows) = (self.size)();
        let fitting = |line: &String| cut(&line.replace('\t', " "), columns.saturating_sub(1).max(1));
        let lines: Vec<String> = lines.iter().take(rows.saturating_sub(1).max(1)).map(fitting).collect();
        self.bar.set_message(lines.join("\n"));
        if self.bar.is_finished() {
            self.bar.reset(); // which draws
        }
    }

    /// Takes the block off until it is drawn again.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Takes the block off while something else is written.
    pub(super) fn suspend<T>(&self, f: impl FnOnce() -> T) -> T {
        self.bar.suspend(f)
    }
}

/// A terminal as indicatif sees it: each picture is all lines of the block anew, each as text and as the blanks behind it.
struct Screen {
    out: Shared,
    size: fn() -> (usize, usize),
    picture: Mutex<Picture>,
}

#[derive(Default)]
struct Picture {
    /// What stands there now.
    shown: Vec<String>,
    /// What is to stand there.
    next: Vec<String>,
    /// A line whose blanks have not come yet.
    line: Option<String>,
}

impl Screen {
    fn new(out: Shared, size: fn() -> (usize, usize)) -> Self {
        Self { out, size, picture: Mutex::default() }
    }

    fn picture(&self) -> MutexGuard<'_, Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Picture {
    /// What turns the picture that is shown into the next one. In a window that has become narrower the lines have been wrapped.
    fn turned(&mut self, columns: usize) -> String {
        let rows: usize = self.shown.iter().map(|line| width(line).div_ceil(columns.max(1)).max(1)).sum();
        self.shown = std::mem::take(&mut self.next);
        let erase = if rows == 0 { String::new() } else { format!("\r\x1b[{rows}A\x1b[J") };
        erase + &self.shown.iter().map(|line| format!("{line}\n")).collect::<String>()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        u16::try_from((self.size)().0).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from((self.size)().1).unwrap_or(u16::MAX)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut picture = self.picture();
        match picture.line.take() {
            None => picture.line = Some(text.to_owned()),
            Some(line) => picture.next.push(line),
        }
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.picture().next.push(text.to_owned());
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let text = self.picture().turned((self.size)().0);
        if text.is_empty() {
            return Ok(());
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    // Where the cursor goes follows from what is shown.
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Screen")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn taken(&self) -> String {
            String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
        }
    }

    fn block(is_terminal: bool, size: fn() -> (usize, usize)) -> (Block, Sink) {
        let sink = Sink::default();
        let out: Shared = Arc::new(Mutex::new(Box::new(sink.clone())));
        (Block::new(&out, is_terminal, size), sink)
    }

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn draws_over_what_it_drew() {
        let (block, sink) = block(true, || (80, 24));
        block.suspend(|| ());
        assert_eq!(sink.taken(), "", "nothing is drawn yet");
        block.draw(&lines("one two"));
        assert_eq!(sink.taken(), "one\ntwo\n");
        block.draw(&lines("three"));
        assert_eq!(sink.taken(), "\r\x1b[2A\x1b[Jthree\n");
        block.suspend(|| assert_eq!(sink.taken(), "\r\x1b[1A\x1b[J"));
        assert_eq!(sink.taken(), "three\n");
        block.clear();
        assert_eq!(sink.taken(), "\r\x1b[1A\x1b[J");
        block.suspend(|| ());
        assert_eq!(sink.taken(), "");
        block.draw(&lines("four"));
        assert_eq!(sink.taken(), "four\n");
    }

    #[test]
    fn fits_the_window_and_survives_its_changes() {
        static COLUMNS: AtomicUsize = AtomicUsize::new(8);
        let (block, sink) = block(true, || (COLUMNS.load(Ordering::SeqCst), 3));
        block.draw(&lines("0123456789 b c"));
        assert_eq!(sink.taken(), "012345…\nb\n");
        COLUMNS.store(4, Ordering::SeqCst);
        block.clear();
        assert_eq!(sink.taken(), "\r\x1b[3A\x1b[J", "the first line takes two rows now");
        COLUMNS.store(1, Ordering::SeqCst);
        block.draw(&lines("abc"));
        assert_eq!(sink.taken(), "…\n");
    }

    #[test]
    fn is_not_drawn_without_a_terminal() {
        let (block, sink) = block(false, || (80, 24));
        block.draw(&lines("one two"));
        assert_eq!(block.suspend(|| 7), 7);
        block.clear();
        assert_eq!(sink.taken(), "");
    }
}
