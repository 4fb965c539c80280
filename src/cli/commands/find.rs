//! `find`

use std::ffi::OsString;

use clap::ValueEnum;

use super::filters::FilterFlags;
use crate::cli::output::{CliError, JsonEntry, local_time, write_array};
use crate::cli::shell::Shell;
use crate::filter::{Filter, Rule};
use crate::ops::{self, ListOptions, Listed, ListedKind, ShownLinks};

/// Find files, directories and links by their names
///
/// Looks at everything below PATH, as it is now, and prints what any of the patterns fits: paths relative to PATH, as `ls`
/// has them. A pattern without a slash is one for names; `*`, `?`, `[a-z]`, `{a,b}` and `{{regex}}` mean what they mean in
/// filters. Filters narrow down where it looks: `--min-size`, `--max-age`, `--exclude`.
///
/// Nothing found is no failure.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FindArgs {
    /// Where to look
    path: OsString,
    /// What to look for: a pattern for names, or with slashes for the ends of paths
    #[arg(required = true, value_name = "PATTERN")]
    patterns: Vec<String>,
    /// Show mode, size and time of each
    #[arg(short, long)]
    long: bool,
    /// Only what is of this kind
    #[arg(short = 't', long = "type", value_name = "KIND")]
    kind: Option<Kind>,
    /// Take upper and lower case in the patterns for the same
    #[arg(short = 'i', long = "iname")]
    iname: bool,
    /// End each line with a NUL byte, for `xargs -0`
    #[arg(short = '0', long = "null", conflicts_with = "json")]
    null: bool,
    #[command(flatten)]
    filter: FilterFlags,
}

/// What an entry may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A file
    #[value(alias = "f")]
    File,
    /// A directory
    #[value(alias = "d", alias = "directory")]
    Dir,
    /// A symbolic link
    #[value(alias = "l", alias = "symlink")]
    Link,
}

pub(crate) fn run(shell: &Shell, args: &FindArgs) -> Result<(), CliError> {
    let (printer, zone) = (&shell.printer, &shell.settings.time_zone);
    let ignore_case = args.iname || args.filter.ignore_case;
    let pattern = |text: &String| Rule::Include(if ignore_case { text.to_lowercase() } else { text.clone() });
    let wanted = Filter::from_rules(args.patterns.iter().map(pattern).collect())?;
    let fits = |row: &Listed| {
        let kind = match row.kind {
            ListedKind::File => Kind::File,
            ListedKind::Dir => Kind::Dir,
            ListedKind::Symlink(_) => Kind::Link,
        };
        args.kind.is_none_or(|wanted| wanted == kind)
            && if ignore_case { wanted.decide_file(&lower(&row.path)) } else { wanted.decide_file(&row.path) }
    };
    let place = shell.settings.place(&args.path)?;
    let options = ListOptions {
        place,
        recursive: true,
        filter: args.filter.filter(&shell.settings)?,
        links: ShownLinks::AsLinks,
    };
    if printer.is_json() {
        return write_array(printer, |add| {
            shell.call(false, |ctx| {
                ops::list(ctx, &options, &mut |row| if fits(row) { add(&JsonEntry::new(row, zone)) } else { Ok(()) })
            })
        });
    }
    let end: &[u8] = if args.null { b"\0" } else { b"\n" };
    shell.call(false, |ctx| {
        ops::list(ctx, &options, &mut |row| {
            if !fits(row) {
                return Ok(());
            }
            let path = row.path.as_bytes();
            let name = if args.null { path.into() } else { printer.name(path) };
            let before = if args.long {
                format!("{} {:>12} {} ", mode(row), row.size, local_time(row.mtime, zone))
            } else {
                String::new()
            };
            printer.record(&[before.as_bytes(), &name].concat(), end)
        })
    })
}

fn lower(path: &crate::path::TreePath) -> crate::path::TreePath {
    let text = std::str::from_utf8(path.as_bytes()).ok().map(str::to_lowercase);
    text.and_then(|text| crate::path::TreePath::from_bytes(text.as_bytes()).ok()).unwrap_or_else(|| path.clone())
}

/// As `ls -l` draws it; where no mode is known, a dash for each bit.
pub(super) fn mode(row: &Listed) -> String {
    let kind = match row.kind {
        ListedKind::File => '-',
        ListedKind::Dir => 'd',
        ListedKind::Symlink(_) => 'l',
    };
    let mode = row.mode.unwrap_or(0);
    let bit = |at: usize| if mode & (1 << (8 - at)) == 0 { '-' } else { ['r', 'w', 'x'][at % 3] };
    std::iter::once(kind).chain((0..9).map(bit)).collect()
}

const EXAMPLES: &str = "\
Examples:
  cryptsync find nas: '*.pdf'
  cryptsync find -l --type dir nas:docs 'taxes*'
  cryptsync find -i nas: readme.md license --exclude 'node_modules/'
  cryptsync find -0 nas:photos '*.{jpg,jpeg}' --min-size 5M | xargs -0 -n1 echo";
