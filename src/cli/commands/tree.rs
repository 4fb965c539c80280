//! `tree`

use std::cmp::Ordering;
use std::ffi::OsString;
use std::io::{self, Write};

use super::filters::FilterFlags;
use super::links::LinkFlags;
use crate::cli::output::{CliError, Layout, tree_size, write_array};
use crate::cli::shell::Shell;
use crate::ops::{self, Below, ListOptions, Listed, ListedKind, TreeOptions};
use crate::path::printable;
use crate::world::Timestamp;

/// Draw the entries below a path as a tree
///
/// Names that begin with a dot are left out without `--all`. The last line counts directories and files.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TreeArgs {
    /// What to draw
    path: OsString,
    /// Names that begin with a dot too
    #[arg(short, long)]
    all: bool,
    /// Directories only
    #[arg(short, long)]
    dirs_only: bool,
    /// How many levels to descend; 0 is all
    #[arg(long, value_name = "N")]
    level: Option<u16>,
    /// Whole paths, not names
    #[arg(long)]
    full_path: bool,
    /// No lines to the left of the names
    #[arg(long)]
    noindent: bool,
    /// No count at the end
    #[arg(long)]
    noreport: bool,
    /// Write to this file, not to standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    output: Option<OsString>,
    /// The permissions of each file
    #[arg(short, long)]
    protections: bool,
    /// Names in double quotes
    #[arg(short = 'Q', long)]
    quote: bool,
    /// The size of each file in bytes, and of each directory the sum of what is shown below it; with --human-readable they are
    /// shown anyway, with a unit
    #[arg(short, long)]
    size: bool,
    /// The modification time of each file
    #[arg(short = 'D', long)]
    modtime: bool,
    /// Directories before files
    #[arg(long)]
    dirsfirst: bool,
    /// The order of entries in a directory
    #[arg(long, value_name = "ORDER", default_value = "name")]
    sort: Sort,
    /// The same as --sort mtime
    #[arg(short = 't', long, conflicts_with = "sort")]
    sort_modtime: bool,
    /// The same as --sort ctime
    #[arg(long, conflicts_with = "sort")]
    sort_ctime: bool,
    /// The same as --sort version
    #[arg(long = "version", conflicts_with = "sort")]
    sort_version: bool,
    /// Last entries first
    #[arg(short = 'r', long)]
    sort_reverse: bool,
    /// Entries in the order of the vault, which is that of their names; --dirsfirst has no effect
    #[arg(short = 'U', long)]
    unsorted: bool,
    #[command(flatten)]
    links: LinkFlags,
    #[command(flatten)]
    filter: FilterFlags,
}

/// What entries are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sort {
    /// Their names, byte by byte
    Name,
    /// Their names, numbers in them by value
    Version,
    /// Their sizes; directories come last
    Size,
    /// Their modification times
    Mtime,
    /// The same: a vault keeps no time of the last change of an entry
    Ctime,
}

impl TreeArgs {
    fn wants(&self, row: &Listed) -> bool {
        let depth = row.path.components().count();
        (self.all || !row.path.components().any(|name| name.starts_with(b".")))
            && (!self.dirs_only || row.kind == ListedKind::Dir)
            && self.level.is_none_or(|level| level == 0 || depth <= usize::from(level))
    }

    fn order(&self, a: &Listed, b: &Listed) -> Ordering {
        if self.unsorted {
            return Ordering::Equal;
        }
        let is_dir = |row: &Listed| row.kind == ListedKind::Dir;
        let sort = match self.sort {
            Sort::Name if self.sort_version => Sort::Version,
            Sort::Name if self.sort_modtime || self.sort_ctime => Sort::Mtime,
            sort => sort,
        };
        let order = match sort {
            Sort::Name => Ordering::Equal,
            Sort::Version => by_version(a.path.as_bytes(), b.path.as_bytes()),
            Sort::Size => (is_dir(a), a.size).cmp(&(is_dir(b), b.size)),
            Sort::Mtime | Sort::Ctime => a.mtime.cmp(&b.mtime),
        };
        let order = order.then_with(|| a.path.as_bytes().cmp(b.path.as_bytes()));
        let order = if self.sort_reverse { order.reverse() } else { order };
        if self.dirsfirst { is_dir(b).cmp(&is_dir(a)).then(order) } else { order }
    }

    /// One entry, without the lines to its left. `below`: what a directory holds.
    fn label(&self, shell: &Shell, row: &Listed, below: Option<Below>) -> Vec<u8> {
        let is_dir = row.kind == ListedKind::Dir;
        let mut about = Vec::new();
        if self.protections && !is_dir {
            about.extend(row.mode.map(|mode| permissions(&row.kind, mode)));
        }
        match row.size {
            _ if is_dir => {}
            size if shell.settings.human_readable => about.push(format!("{:>4}", tree_size(size))),
            size if self.size => about.push(format!("{size:>11}")),
            _ => {}
        }
        if self.modtime && !is_dir {
            about.push(short_time(shell, row.mtime));
        }
        about.extend(below.filter(|_| is_dir).map(|below| self.sum(shell, below)));
        let about = if about.is_empty() { String::new() } else { format!("[{}]  ", about.join(" ")) };
        let full = [b"/", row.path.as_bytes()].concat();
        let name = if self.full_path { &full } else { row.path.name().unwrap_or_default() };
        let quote: &[u8] = if self.quote { b"\"" } else { b"" };
        let target = match &row.kind {
            ListedKind::Symlink(target) => format!(" -> {}", printable(target)),
            _ => String::new(),
        };
        [about.as_bytes(), quote, &shell.printer.name(name), quote, target.as_bytes()].concat()
    }

    /// What is below a directory. Nothing is known of what is below the last level that is shown.
    fn sum(&self, shell: &Shell, below: Below) -> String {
        let level = self.level.filter(|level| *level != 0).map(usize::from).or(self.filter.max_depth());
        let unknown = below.bytes == 0 && level.is_some_and(|level| below.deepest >= level);
        match (shell.settings.human_readable, unknown) {
            (true, true) => "?".repeat(4),
            (true, false) => format!("{:>4}", tree_size(below.bytes)),
            (false, true) => "?".repeat(11),
            (false, false) => format!("{:>11}", below.bytes),
        }
    }

    fn draw(
        &self,
        shell: &Shell,
        list: ListOptions,
        line: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), CliError> {
        let (mut dirs, mut files) = (0u64, 0u64);
        let top = if self.quote { "\"/\"" } else { "/" };
        let (wanted, order) = (|row: &Listed| self.wants(row), |a: &Listed, b: &Listed| self.order(a, b));
        let options =
            TreeOptions { list, wanted: &wanted, order: &order, sums: self.size || shell.settings.human_readable };
        shell.call(false, |ctx| {
            ops::tree(ctx, &options, &mut |row| {
                let last = &row.last;
                let Some(listed) = &row.listed else {
                    let sum = row.below.map(|below| format!("[{}]  ", self.sum(shell, below))).unwrap_or_default();
                    return line(format!("{sum}{top}").as_bytes());
                };
                let count = if listed.kind == ListedKind::Dir { &mut dirs } else { &mut files };
                *count += 1;
                let mut text = Vec::new();
                if let (false, Some((own, above))) = (self.noindent, last.split_last()) {
                    above
                        .iter()
                        .for_each(|last| text.extend_from_slice(if *last { "    " } else { "│   " }.as_bytes()));
                    text.extend_from_slice(if *own { "└── " } else { "├── " }.as_bytes());
                }
                text.extend(self.label(shell, listed, row.below));
                line(&text)
            })
        })?;
        if self.noreport {
            return Ok(());
        }
        let files = if self.dirs_only { String::new() } else { format!(", {files} files") };
        line(b"")?;
        Ok(line(format!("{dirs} directories{files}").as_bytes())?)
    }
}

pub(crate) fn run(shell: &Shell, args: &TreeArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    let filter = args.links.scope(args.filter.filter(&shell.settings)?);
    let options = ListOptions { place, recursive: true, filter, links: args.links.shown() };
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            shell.call(false, |ctx| {
                let zone = &shell.settings.time_zone;
                ops::list(ctx, &options, &mut |row| {
                    if args.wants(row) { add(&crate::cli::output::JsonEntry::new(row, zone)) } else { Ok(()) }
                })
            })
        });
    }
    let Some(file) = &args.output else {
        return args.draw(shell, options, &mut |line| shell.printer.record(line, b"\n"));
    };
    let bad = |error: io::Error| {
        let what = format!("--output: cannot write {}", printable(file.as_encoded_bytes()));
        CliError::usage(what).caused_by(error)
    };
    let mut out = io::BufWriter::new(std::fs::File::create(shell.settings.cwd.join(file)).map_err(bad)?);
    args.draw(shell, options, &mut |line| out.write_all(line).and_then(|()| out.write_all(b"\n")))?;
    out.flush().map_err(bad)
}

/// As `ls -l` writes it: of the last half year with hours and minutes, of other times with the year.
fn short_time(shell: &Shell, time: Timestamp) -> String {
    let now = shell.world.clock.now().secs;
    let recent = (now - HALF_YEAR..=now).contains(&time.secs);
    let layout = if recent { "Jan 02 15:04" } else { "Jan 02  2006" };
    Layout::Go(layout.to_owned()).format(time, &shell.settings.time_zone)
}

fn permissions(kind: &ListedKind, mode: u16) -> String {
    let letter = |bit: usize| if mode & (0o400 >> bit) == 0 { '-' } else { ['r', 'w', 'x'][bit % 3] };
    let first = if matches!(kind, ListedKind::Symlink(_)) { 'l' } else { '-' };
    std::iter::once(first).chain((0..9).map(letter)).collect()
}

/// Text byte by byte, runs of digits by the numbers they write.
fn by_version(mut a: &[u8], mut b: &[u8]) -> Ordering {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    loop {
        let (in_a, in_b) = (digits(a), digits(b));
        if in_a > 0 && in_b > 0 {
            let significant =
                |text: &[u8], len: usize| text[..len].iter().position(|byte| *byte != b'0').unwrap_or(len);
            let (x, y) = (&a[significant(a, in_a)..in_a], &b[significant(b, in_b)..in_b]);
            match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                Ordering::Equal => (a, b) = (&a[in_a..], &b[in_b..]),
                order => return order,
            }
        }
        match (a.split_first(), b.split_first()) {
            (Some((x, rest_a)), Some((y, rest_b))) if x == y => (a, b) = (rest_a, rest_b),
            (x, y) => return x.map(|(x, _)| x).cmp(&y.map(|(y, _)| y)),
        }
    }
}

const HALF_YEAR: i64 = 182 * 86_400;
const EXAMPLES: &str = "\
Examples:
  cryptsync tree nas:docs
  cryptsync tree --level 2 --dirs-only nas:
  cryptsync tree -spD --sort mtime nas:docs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let mut names = ["a10", "a9", "a", "a09b", "b", "a9b", "a10.2", "a10.10"];
        names.sort_by(|a, b| by_version(a.as_bytes(), b.as_bytes()));
        assert_eq!(names, ["a", "a9", "a09b", "a9b", "a10", "a10.2", "a10.10", "b"]);
        assert_eq!(permissions(&ListedKind::File, 0o754), "-rwxr-xr--");
    }
}
