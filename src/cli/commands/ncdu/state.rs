//! What `ncdu` shows and what keys do to it. Knows no terminal: keys come in, lines and wishes go out.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use jiff::tz::TimeZone;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::cli::output::local_time;
use crate::ops::BrowseRow;
use crate::path::{TreePath, printable};
use crate::units::ByteSize;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Char(char),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    Redraw,
    Interrupt,
}

/// What somebody else has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Quit,
    Interrupt,
    /// Read the directory that is shown now.
    Look,
    /// Read the vault anew.
    Refresh,
    Redraw,
    Delete(TreePath),
    Download(TreePath, String),
}

/// What is shown.
pub(super) struct State {
    top: String,
    zone: TimeZone,
    dir: TreePath,
    rows: Vec<BrowseRow>,
    more: bool,
    cursor: usize,
    /// The entry to stand on when the directory has been read.
    stand_on: Option<Vec<u8>>,
    order: Order,
    reverse: bool,
    graph: bool,
    counts: bool,
    times: bool,
    exact: bool,
    over: Over,
    page: std::cell::Cell<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    Size,
    Count,
    Time,
}

/// What lies over the list.
enum Over {
    Nothing,
    Help,
    Path,
    Delete,
    Download(String),
}

impl State {
    pub(super) fn new(top: &OsStr, zone: TimeZone) -> Self {
        Self {
            top: printable(top.as_bytes()),
            zone,
            dir: TreePath::root(),
            rows: Vec::new(),
            more: false,
            cursor: 0,
            stand_on: None,
            order: Order::Size,
            reverse: false,
            graph: true,
            counts: false,
            times: false,
            exact: false,
            over: Over::Nothing,
            page: std::cell::Cell::new(1),
        }
    }

    /// The directory to read.
    pub(super) fn dir(&self) -> &TreePath {
        &self.dir
    }

    /// Takes what is in the directory.
    pub(super) fn show(&mut self, rows: Vec<BrowseRow>, more: bool) {
        (self.rows, self.more) = (rows, more);
        self.sort();
    }

    fn sort(&mut self) {
        let kept = self.stand_on.take();
        let (order, reverse) = (self.order, self.reverse);
        let by = |a: &BrowseRow, b: &BrowseRow| {
            let ordering = match order {
                Order::Name => Ordering::Equal,
                Order::Size => b.bytes.cmp(&a.bytes),
                Order::Count => b.entries.cmp(&a.entries),
                Order::Time => b.mtime.cmp(&a.mtime),
            };
            let ordering = ordering.then_with(|| a.name.cmp(&b.name));
            if reverse { ordering.reverse() } else { ordering }
        };
        self.rows.sort_by(by);
        let at = kept.and_then(|name| self.rows.iter().position(|row| row.name == name));
        self.cursor = at.unwrap_or(self.cursor).min(self.rows.len().saturating_sub(1));
    }

    fn current(&self) -> Option<&BrowseRow> {
        self.rows.get(self.cursor)
    }

    fn path(&self) -> Option<TreePath> {
        self.dir.join(&self.current()?.name).ok()
    }

    /// What a key does.
    pub(super) fn press(&mut self, key: Asked) -> Wish {
        if key == Asked::Interrupt {
            return Wish::Interrupt;
        }
        match std::mem::replace(&mut self.over, Over::Nothing) {
            Over::Nothing => self.press_in_list(key),
            Over::Help | Over::Path => Wish::Nothing,
            Over::Delete => match (key, self.path()) {
                (Asked::Char('y' | 'Y'), Some(path)) => Wish::Delete(path),
                _ => Wish::Nothing,
            },
            Over::Download(mut text) => {
                match key {
                    Asked::Enter => {
                        return self
                            .path()
                            .filter(|_| !text.is_empty())
                            .map_or(Wish::Nothing, |path| Wish::Download(path, text));
                    }
                    Asked::Escape => return Wish::Nothing,
                    Asked::Backspace => {
                        text.pop();
                    }
                    Asked::Char(c) => text.push(c),
                    _ => {}
                }
                self.over = Over::Download(text);
                Wish::Nothing
            }
        }
    }

    fn press_in_list(&mut self, key: Asked) -> Wish {
        let last = self.rows.len().saturating_sub(1);
        let page = self.page.get();
        match key {
            Asked::Char('q') => return Wish::Quit,
            Asked::Redraw => return Wish::Redraw,
            Asked::Char('r') => {
                self.stand_on = self.current().map(|row| row.name.clone());
                return Wish::Refresh;
            }
            Asked::Up | Asked::Char('k') => self.cursor = self.cursor.saturating_sub(1),
            Asked::Down | Asked::Char('j') => self.cursor = (self.cursor + 1).min(last),
            Asked::PageUp => self.cursor = self.cursor.saturating_sub(page),
            Asked::PageDown => self.cursor = (self.cursor + page).min(last),
            Asked::Home => self.cursor = 0,
            Asked::End => self.cursor = last,
            Asked::Right | Asked::Enter | Asked::Char('l') => {
                if let (Some(path), true) = (self.path(), self.current().is_some_and(|row| row.is_dir)) {
                    (self.dir, self.cursor) = (path, 0);
                    return Wish::Look;
                }
            }
            Asked::Left | Asked::Char('h') => {
                if let (Some(name), Some(parent)) = (self.dir.name().map(<[u8]>::to_vec), self.dir.parent()) {
                    (self.dir, self.stand_on) = (parent, Some(name));
                    return Wish::Look;
                }
            }
            Asked::Char('g') => self.graph = !self.graph,
            Asked::Char('c') => self.counts = !self.counts,
            Asked::Char('m') => self.times = !self.times,
            Asked::Char('u') => self.exact = !self.exact,
            Asked::Char('n') => self.order_by(Order::Name),
            Asked::Char('s') => self.order_by(Order::Size),
            Asked::Char('C') => self.order_by(Order::Count),
            Asked::Char('M') => self.order_by(Order::Time),
            Asked::Char('?') => self.over = Over::Help,
            Asked::Char('Y') => self.over = Over::Path,
            Asked::Char('d') if self.current().is_some() => self.over = Over::Delete,
            Asked::Char('y') => {
                if let Some(row) = self.current() {
                    let name = printable(&row.name);
                    self.over = Over::Download(if row.is_dir { format!("./{name}") } else { ".".to_owned() });
                }
            }
            _ => {}
        }
        Wish::Nothing
    }

    /// The same order again turns it round.
    fn order_by(&mut self, order: Order) {
        self.reverse = self.order == order && !self.reverse;
        self.order = order;
        self.stand_on = self.current().map(|row| row.name.clone());
        self.sort();
    }

    /// The lines of the screen, each with whether it stands out.
    pub(super) fn frame(&self, columns: usize, rows: usize) -> Vec<(String, bool)> {
        let place = if self.dir.is_root() { self.top.clone() } else { self.shown(&self.dir) };
        let room = rows.saturating_sub(3).max(1);
        self.page.set(room);
        let mut lines = vec![(fit(&format!("cryptsync ncdu: {place}  (? for help)"), columns), true)];
        let first = self.cursor.saturating_sub(room / 2).min(self.rows.len().saturating_sub(room));
        let most = self.rows.iter().map(|row| row.bytes).max().unwrap_or(0);
        for (at, row) in self.rows.iter().enumerate().skip(first).take(room) {
            lines.push((fit(&self.line(row, most, columns), columns), at == self.cursor));
        }
        if self.rows.is_empty() {
            lines.push((fit("  (nothing is in here)", columns), false));
        }
        lines.resize(rows.saturating_sub(2).max(1), (String::new(), false));
        let (bytes, entries) = self.rows.iter().fold((0u64, 0u64), |(bytes, entries), row| {
            (bytes.saturating_add(row.bytes), entries + row.entries + u64::from(row.is_dir))
        });
        let more = if self.more { ", and more that is not shown" } else { "" };
        lines.push((fit(&format!("{} in {entries} entries{more}", self.size(bytes).trim()), columns), true));
        lines.push((fit("", columns), false));
        self.lay_over(&mut lines, columns);
        lines.truncate(rows);
        lines
    }

    fn line(&self, row: &BrowseRow, most: u64, columns: usize) -> String {
        let mut line = format!("{:>10} ", self.size(row.bytes));
        if self.graph && columns >= GRAPH_MIN {
            let filled =
                if most == 0 { 0 } else { (u128::from(row.bytes) * GRAPH as u128 / u128::from(most)) as usize };
            line.push_str(&format!("[{:<GRAPH$}] ", "#".repeat(filled)));
        }
        if self.counts {
            line.push_str(&format!("{:>8} ", row.entries));
        }
        if self.times {
            line.push_str(&local_time(row.mtime, &self.zone));
            line.push(' ');
        }
        line.push(if row.is_dir { '/' } else { ' ' });
        line.push_str(&printable(&row.name));
        line
    }

    fn size(&self, bytes: u64) -> String {
        if self.exact { bytes.to_string() } else { ByteSize(bytes).to_string() }
    }

    /// The path as a verb would take it.
    fn shown(&self, path: &TreePath) -> String {
        let slash = if self.top.ends_with([':', '/']) { "" } else { "/" };
        format!("{}{slash}{}", self.top, printable(path.as_bytes()))
    }

    fn lay_over(&self, lines: &mut [(String, bool)], columns: usize) {
        let name = self.current().map(|row| printable(&row.name)).unwrap_or_default();
        let of = self.current().filter(|row| row.is_dir).map(|row| format!(" with {} entries in it", row.entries));
        let text: Vec<String> = match &self.over {
            Over::Nothing => return,
            Over::Help => HELP.iter().map(|line| (*line).to_owned()).collect(),
            Over::Path => vec![self.path().map(|path| self.shown(&path)).unwrap_or_default()],
            Over::Delete => {
                let row = format!("Delete {name}{}? It stays in the history.", of.unwrap_or_default());
                vec![row, "y: delete, any other key: keep".to_owned()]
            }
            Over::Download(text) => vec![
                format!("Download {name} into the directory:"),
                format!("{}_", printable(text.as_bytes())),
                "Enter: go, Esc: leave it".to_owned(),
            ],
        };
        let text: Vec<String> = text.iter().flat_map(|line| folded(line, columns.saturating_sub(2))).collect();
        for (line, text) in lines.iter_mut().skip(1).zip(text) {
            *line = (fit(&format!(" {text}"), columns), true);
        }
    }
}

/// Exactly as many columns: cut, or filled up.
fn fit(text: &str, columns: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if used + width > columns {
            break;
        }
        used += width;
        out.push(c);
    }
    out.extend(std::iter::repeat_n(' ', columns - used));
    out
}

/// A line in pieces of at most as many columns.
fn folded(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for c in text.chars() {
        if let Some(line) = lines.last_mut() {
            if line.width() + c.width().unwrap_or(0) > columns.max(8) {
                lines.push(c.to_string());
            } else {
                line.push(c);
            }
        }
    }
    lines
}

const HELP: &[&str] = &[
    "up down k j    move",
    "right Enter l  enter a directory",
    "left h         return",
    "PgUp PgDn Home End",
    "n s C M  by name, size, count, time",
    "g c m u  graph counts times bytes",
    "d        delete",
    "y        download",
    "Y        show the path",
    "r Ctrl-L look again, draw again",
    "q Ctrl-C quit",
];

const GRAPH: usize = 10;
/// Narrower terminals have no room for the graph.
const GRAPH_MIN: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Timestamp;

    fn row(name: &str, is_dir: bool, bytes: u64) -> BrowseRow {
        BrowseRow {
            name: name.into(),
            is_dir,
            bytes,
            entries: 1 + bytes / 10,
            mtime: Timestamp { secs: bytes as i64, nanos: 0 },
        }
    }

    fn state() -> State {
        let mut state = State::new(OsStr::new("v:docs"), TimeZone::UTC);
        state.show(vec![row("a\x1b[2J", false, 10), row("dir", true, 5000), row("ü漢", false, 70)], false);
        state
    }

    fn list(state: &State, columns: usize) -> Vec<String> {
        state.frame(columns, 8).into_iter().map(|(line, _)| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn draws_in_order_of_size_and_escapes_names() {
        let state = state();
        let lines = list(&state, 60);
        assert_eq!(lines[0], "cryptsync ncdu: v:docs  (? for help)");
        assert_eq!(lines[1], "  4.88 KiB [##########] /dir");
        assert_eq!(lines[2], "      70 B [          ]  ü漢");
        assert_eq!(lines[3], "      10 B [          ]  a\\x1b[2J");
        assert!(lines[6].starts_with("4.96 KiB in "), "{lines:?}");
        for columns in [1, 10, 20, 40, 41, 200] {
            let frame = state.frame(columns, 8);
            assert!(frame.len() == 8 && frame.iter().all(|(line, _)| line.width() <= columns), "{columns}");
        }
        assert_eq!(list(&state, 40)[1], "  4.88 KiB /dir");
    }

    #[test]
    fn keys_do_what_they_say() {
        let mut state = state();
        assert_eq!(state.press(Asked::Enter), Wish::Look);
        assert_eq!(state.dir().as_bytes(), b"dir");
        state.show(vec![row("x", false, 1)], false);
        assert_eq!(state.press(Asked::Right), Wish::Nothing, "a file is not entered");
        assert_eq!(state.press(Asked::Char('d')), Wish::Nothing);
        assert_eq!(state.press(Asked::Char('n')), Wish::Nothing, "no is no");
        assert_eq!(state.press(Asked::Char('d')), Wish::Nothing);
        assert_eq!(state.press(Asked::Char('y')), Wish::Delete(TreePath::from_bytes(b"dir/x").unwrap()));
        assert_eq!(state.press(Asked::Char('y')), Wish::Nothing);
        assert_eq!(state.press(Asked::Backspace), Wish::Nothing);
        "out".chars().for_each(|c| assert_eq!(state.press(Asked::Char(c)), Wish::Nothing));
        assert_eq!(
            state.press(Asked::Enter),
            Wish::Download(TreePath::from_bytes(b"dir/x").unwrap(), "out".to_owned())
        );
        assert_eq!(state.press(Asked::Left), Wish::Look);
        assert!(state.dir().is_root());
        assert_eq!(state.press(Asked::Char('q')), Wish::Quit);
        assert_eq!(state.press(Asked::Interrupt), Wish::Interrupt);
    }

    #[test]
    fn orders_turn_round() {
        let mut state = state();
        let names = |state: &State| state.rows.iter().map(|row| row.name[0]).collect::<Vec<_>>();
        state.press(Asked::Char('n'));
        assert_eq!(names(&state), [b'a', b'd', "ü".as_bytes()[0]]);
        assert_eq!(state.current().unwrap().name, b"dir", "the cursor stays on its entry");
        state.press(Asked::Char('n'));
        assert_eq!(names(&state), ["ü".as_bytes()[0], b'd', b'a']);
        state.press(Asked::Char('M'));
        assert_eq!(names(&state)[0], b'd');
    }
}
