//! Text that has to fit: how wide a window is, how wide text is in it, and how that is cut.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns for text on standard output: those of the terminal, and no more than one reads well.
pub(crate) fn terminal_width(vars: &BTreeMap<OsString, OsString>, is_terminal: bool) -> usize {
    let size = is_terminal.then(|| rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()).flatten();
    let told = vars.get(OsStr::new("COLUMNS")).and_then(|value| value.to_str()?.parse().ok());
    let columns = size.map(|size| usize::from(size.ws_col)).or(told).filter(|columns| *columns > 0);
    columns.unwrap_or(WIDTH_DEFAULT).clamp(WIDTH_MIN, WIDTH_MAX)
}

/// How many columns the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text, or its beginning and `…`, in at most `columns` columns.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= left;
        left = if fits { left - wide } else { 0 };
        fits
    };
    let mut out: String = text.chars().take_while(fits).collect();
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The beginning and the end of a name with `…` between, in at most `most` characters; 0 is no limit.
pub(crate) fn shortened(name: &str, most: usize) -> String {
    let count = name.chars().count();
    if most == 0 || count <= most {
        return name.to_owned();
    }
    let head = (most - 1) / 2;
    let tail = most - 1 - head;
    name.chars().take(head).chain(['…']).chain(name.chars().skip(count - tail)).collect()
}

/// Columns and rows of the terminal at standard error.
pub(crate) fn of_stderr() -> (usize, usize) {
    of(rustix::stdio::stderr())
}

/// Columns of the terminal at standard output.
pub(crate) fn of_stdout() -> usize {
    of(rustix::stdio::stdout()).0
}

/// Asked anew each time: windows change while a run goes on.
fn of(terminal: impl std::os::fd::AsFd) -> (usize, usize) {
    let size = rustix::termios::tcgetwinsize(terminal).ok();
    let or = |size: Option<u16>, usual: usize| size.map(usize::from).filter(|n| *n > 0).unwrap_or(usual);
    (or(size.map(|size| size.ws_col), 80), or(size.map(|size| size.ws_row), 24))
}

const WIDTH_DEFAULT: usize = 80;
const WIDTH_MIN: usize = 20;
const WIDTH_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_columns_and_not_at_bytes() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 1), "…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(shortened("abcdefghij", 5), "ab…ij");
        assert_eq!(shortened("abcdefghij", 4), "a…ij");
        assert_eq!(shortened("abcdefghij", 0), "abcdefghij");
        assert_eq!(shortened("ab", 1), "…");
    }
}
