//! `tree`

use std::ffi::OsString;

use super::filters::FilterFlags;
use crate::cli::output::{CliError, local_time, write_array};
use crate::cli::shell::Shell;
use crate::ops::{self, ListOptions, Listed, ListedKind, TreeRow};
use crate::path::printable;

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
    /// How many levels to descend
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
    /// The size of each file in bytes
    #[arg(short, long)]
    size: bool,
    /// The modification time of each file
    #[arg(short = 'D', long)]
    modtime: bool,
    #[command(flatten)]
    filter: FilterFlags,
}

impl TreeArgs {
    /// One entry, without the lines to its left.
    fn label(&self, shell: &Shell, row: &Listed) -> Vec<u8> {
        let is_file = row.kind == ListedKind::File;
        let mut about = Vec::new();
        if self.size && is_file {
            about.push(format!("{:>11}", row.size));
        }
        if self.modtime {
            about.push(local_time(row.mtime, &shell.settings.time_zone));
        }
        let about = if about.is_empty() { String::new() } else { format!("[{}]  ", about.join(" ")) };
        let full = [b"/", row.path.as_bytes()].concat();
        let name = if self.full_path { &full } else { row.path.name().unwrap_or_default() };
        let target = match &row.kind {
            ListedKind::Symlink(target) => format!(" -> {}", printable(target)),
            _ => String::new(),
        };
        [about.as_bytes(), &shell.printer.name(name), target.as_bytes()].concat()
    }
}

pub(crate) fn run(shell: &Shell, args: &TreeArgs) -> Result<(), CliError> {
    let place = shell.settings.place(&args.path)?;
    let options = ListOptions { place, recursive: true, filter: args.filter.filter(&shell.settings)? };
    let wanted = |row: &Listed| {
        let depth = row.path.components().count();
        (args.all || !row.path.components().any(|name| name.starts_with(b".")))
            && (!args.dirs_only || row.kind == ListedKind::Dir)
            && args.level.is_none_or(|level| depth <= usize::from(level))
    };
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            shell.call(false, |ctx| {
                let zone = &shell.settings.time_zone;
                ops::list(ctx, &options, &mut |row| {
                    if wanted(row) { add(&crate::cli::output::JsonEntry::new(row, zone)) } else { Ok(()) }
                })
            })
        });
    }
    let (mut dirs, mut files) = (0u64, 0u64);
    let mut begun = false;
    shell.call(false, |ctx| {
        ops::tree(ctx, &options, &wanted, &mut |TreeRow { listed, last }| {
            if !std::mem::replace(&mut begun, true) {
                shell.printer.data("/")?;
            }
            if listed.kind == ListedKind::Dir {
                dirs += 1
            } else {
                files += 1
            }
            let mut line = Vec::new();
            if let (false, Some((own, above))) = (args.noindent, last.split_last()) {
                above.iter().for_each(|last| line.extend_from_slice(if *last { "    " } else { "│   " }.as_bytes()));
                line.extend_from_slice(if *own { "└── " } else { "├── " }.as_bytes());
            }
            line.extend(args.label(shell, listed));
            shell.printer.record(&line, b"\n")
        })
    })?;
    if !begun {
        shell.printer.data("/")?;
    }
    if args.noreport {
        return Ok(());
    }
    let files = if args.dirs_only { String::new() } else { format!(", {files} files") };
    Ok(shell.printer.data(&format!("\n{dirs} directories{files}"))?)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync tree nas:docs
  cryptsync tree --level 2 --dirs-only nas:";
