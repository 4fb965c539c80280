//! `diff`

use std::ffi::OsString;

use serde::Serialize;

use crate::class::Class;
use crate::cli::moment;
use crate::cli::output::{Align, CliError, Printer, rclone_size, table, write_array, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, DiffKind, DiffOptions, DiffReport, DiffRow, ListedKind, Place, RemoteProfile};
use crate::path::{TreePath, printable};

/// Show what differs between two moments of a vault
///
/// A line for each entry: `+` it is new, `-` it is gone, `M` its content differs, `T` it is another kind of entry, `R` it has
/// another name (`old -> new`), and with `--metadata` `U` its time, mode or attributes differ. Directories end in a slash;
/// paths are relative to PATH. Moments are commits, by the ids that `log` shows or how these begin, or times, as for `--at`; `now` is
/// the tree as it is. Only the parts that differ are read.
///
/// A rename is a content that left one name and came to one other.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiffArgs {
    /// A vault, or a directory in one
    path: OsString,
    /// The older moment
    #[arg(value_name = "FROM", required_unless_present = "from")]
    old: Option<String>,
    /// The newer moment [default: now, or that of --at]
    #[arg(value_name = "TO", conflicts_with = "to")]
    new: Option<String>,
    /// The older moment, named
    #[arg(long, value_name = "MOMENT", conflicts_with = "old")]
    from: Option<String>,
    /// The newer moment, named
    #[arg(long, value_name = "MOMENT")]
    to: Option<String>,
    /// Show entries too of which only time, mode or attributes differ
    #[arg(long)]
    metadata: bool,
    /// Show only how many entries differ
    #[arg(long)]
    stat: bool,
}

impl DiffArgs {
    fn options(&self, shell: &Shell, remote: RemoteProfile, dir: TreePath) -> Result<DiffOptions, CliError> {
        let settings = &shell.settings;
        let old = self.from.as_deref().or(self.old.as_deref()).unwrap_or("now");
        let newer = self.to.as_deref().or(self.new.as_deref());
        let new = match newer {
            Some(_) if settings.at.is_some() => {
                return Err(CliError::usage("the newer moment is given twice, the second time by --at"));
            }
            Some(text) => moment::moment(settings, "TO", text)?,
            None => settings.at.clone(),
        };
        Ok(DiffOptions { remote, dir, old: moment::moment(settings, "FROM", old)?, new, metadata: self.metadata })
    }
}

#[derive(Serialize)]
struct Change {
    modifier: char,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    r#type: &'static str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_size: Option<u64>,
}

#[derive(Serialize)]
struct Statistics<'a> {
    old: &'a str,
    new: &'a str,
    added: u64,
    removed: u64,
    modified: u64,
    metadata: u64,
    renamed: u64,
    dirs_added: u64,
    dirs_removed: u64,
    bytes_added: u64,
    bytes_removed: u64,
}

pub(crate) fn run(shell: &Shell, args: &DiffArgs) -> Result<(), CliError> {
    let Place::Vault(remote, dir) = shell.settings.any_place(&args.path)?.now() else {
        return Err(CliError::new(
            Class::Usage,
            format!("`{}` is on this machine, which has no commits", args.path.display()),
        )
        .hint(
            "`cryptsync check A B` compares two directories, and `cryptsync sync -n A B` shows what a sync would do",
        ));
    };
    let options = args.options(shell, remote, dir)?;
    let printer = &shell.printer;
    let nothing = &mut |_: &DiffRow| Ok(());
    if args.stat {
        let report = shell.call(false, |ctx| ops::diff(ctx, &options, nothing))?;
        return stat(printer, &report);
    }
    if printer.is_json() {
        return write_array(printer, |add| {
            shell.call(false, |ctx| ops::diff(ctx, &options, &mut |row| add(&change(row)))).map(drop)
        });
    }
    shell.call(false, |ctx| ops::diff(ctx, &options, &mut |row| printer.record(&line(printer, row), b"\n")))?;
    Ok(())
}

fn letter(kind: &DiffKind) -> char {
    match kind {
        DiffKind::Added => '+',
        DiffKind::Removed => '-',
        DiffKind::Type => 'T',
        DiffKind::Content => 'M',
        DiffKind::Metadata => 'U',
        DiffKind::Renamed(_) => 'R',
    }
}

fn line(printer: &Printer, row: &DiffRow) -> Vec<u8> {
    let mut line = format!("{:<5}", letter(&row.kind)).into_bytes();
    if let DiffKind::Renamed(from) = &row.kind {
        line.extend_from_slice(&printer.name(from.as_bytes()));
        line.extend_from_slice(b" -> ");
    }
    line.extend_from_slice(&printer.name(row.listed.path.as_bytes()));
    if row.listed.kind == ListedKind::Dir {
        line.push(b'/');
    }
    line
}

fn change(row: &DiffRow) -> Change {
    Change {
        modifier: letter(&row.kind),
        path: printable(row.listed.path.as_bytes()),
        from: match &row.kind {
            DiffKind::Renamed(from) => Some(printable(from.as_bytes())),
            _ => None,
        },
        r#type: match row.listed.kind {
            ListedKind::File => "file",
            ListedKind::Dir => "dir",
            ListedKind::Symlink(_) => "symlink",
        },
        size: row.listed.size,
        old_size: row.old_size,
    }
}

fn stat(printer: &Printer, report: &DiffReport) -> Result<(), CliError> {
    let [added, removed, modified, metadata, renamed] = report.counts;
    let id = |commits: &[ops::LogEntry]| match commits {
        [] => "now".to_owned(),
        _ => commits.iter().map(|commit| commit.id.as_str()).collect::<Vec<_>>().join(" "),
    };
    if printer.is_json() {
        let (old, new) = (id(&report.old), id(&report.new));
        let [dirs_removed, dirs_added] = [report.dirs[1], report.dirs[0]];
        let [bytes_removed, bytes_added] = report.bytes;
        return Ok(write_object(
            printer,
            &Statistics {
                old: &old,
                new: &new,
                added,
                removed,
                modified,
                metadata,
                renamed,
                dirs_added,
                dirs_removed,
                bytes_added,
                bytes_removed,
            },
        )?);
    }
    let rows = [
        ["old:".to_owned(), id(&report.old)],
        ["new:".to_owned(), id(&report.new)],
        [
            "files:".to_owned(),
            format!(
                "{added} new, {removed} removed, {modified} changed, {renamed} renamed, {metadata} with other metadata"
            ),
        ],
        ["directories:".to_owned(), format!("{} new, {} removed", report.dirs[0], report.dirs[1])],
        ["bytes:".to_owned(), format!("{} new, {} gone", rclone_size(report.bytes[1]), rclone_size(report.bytes[0]))],
    ];
    for line in table([Align::Left, Align::Left], &rows) {
        printer.data(&line)?;
    }
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  cryptsync diff nas: 7yk3qm2xpw
  cryptsync diff nas:docs 7yk3 b2ma
  cryptsync diff nas: '2 days ago'
  cryptsync diff nas: --from 2026-11-01 --to yesterday
  cryptsync diff --stat nas: 7yk3";
