//! `du`

use std::ffi::OsString;

use crate::cli::output::{Align, CliError, table, write_array, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, DuRow};
use crate::units::ByteSize;

/// Show what each directory of a vault adds up to
///
/// A line for each directory down to `--depth`: the size of all files below it, the number of entries below it, and its
/// path; the last line is the path itself. The tree keeps these sums, so that little is read however much is counted. Each
/// file counts with its full size, though content that is stored once may have many names.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DuArgs {
    /// A directory of a vault
    path: OsString,
    /// How many levels below the path to show
    #[arg(short, long, value_name = "N", default_value_t = 1)]
    depth: u16,
    /// Show bytes, not rounded sizes
    #[arg(short, long)]
    bytes: bool,
    /// Show what the vault takes up at its remote instead, against what is in it
    ///
    /// Packs, metadata, index and log, history among them: sealed, deduplicated, compressed and padded. The path is a whole
    /// remote.
    #[arg(long, conflicts_with = "depth")]
    vault: bool,
}

pub(crate) fn run(shell: &Shell, args: &DuArgs) -> Result<(), CliError> {
    if args.vault {
        return whole(shell, args);
    }
    let (printer, place) = (&shell.printer, shell.settings.place(&args.path)?);
    if printer.is_json() {
        return write_array(printer, |add| {
            shell.call(false, |ctx| {
                ops::du(ctx, &place, args.depth, &mut |DuRow { path, bytes, entries }| {
                    let path = String::from_utf8(path.as_bytes().to_vec()).unwrap_or_else(|_| path.to_string());
                    add(&serde_json::json!({ "path": path, "bytes": bytes, "entries": entries }))
                })
            })
        });
    }
    shell.call(false, |ctx| {
        ops::du(ctx, &place, args.depth, &mut |DuRow { path, bytes, entries }| {
            let size = if args.bytes { bytes.to_string() } else { ByteSize(*bytes).to_string() };
            let name = if path.is_root() { b".".to_vec() } else { printer.name(path.as_bytes()).into_owned() };
            printer.record(&[format!("{size:>12} {entries:>9} ").as_bytes(), &name].concat(), b"\n")
        })
    })
}

/// What the whole vault takes up.
fn whole(shell: &Shell, args: &DuArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.path)?;
    let usage = shell.call(false, |ctx| ops::usage(ctx, &remote))?;
    let (stored, (kept, forgotten)) = (usage.stored(), usage.commits);
    if shell.printer.is_json() {
        let class = |(class, seen): &(&'static str, ops::Seen)| serde_json::json!({ "class": class, "objects": seen.objects, "bytes": seen.bytes });
        let value = serde_json::json!({
            "entries": usage.entries,
            "bytes": usage.bytes,
            "stored": stored,
            "classes": usage.classes.iter().map(class).collect::<Vec<_>>(),
            "commits_kept": kept,
            "commits_forgotten": forgotten,
        });
        return Ok(write_object(&shell.printer, &value)?);
    }
    let size = |bytes: u64| if args.bytes { bytes.to_string() } else { ByteSize(bytes).to_string() };
    let mut rows = vec![["tree".to_owned(), size(usage.bytes), format!("{} entries", usage.entries)]];
    let of_class = |(class, seen): &(&'static str, ops::Seen)| {
        [(*class).to_owned(), size(seen.bytes), format!("{} objects", seen.objects)]
    };
    rows.extend(usage.classes.iter().map(of_class));
    let share =
        if usage.bytes == 0 { String::new() } else { format!("{:.2} of the tree", stored as f64 / usage.bytes as f64) };
    rows.push(["stored".to_owned(), size(stored), share]);
    rows.push(["commits".to_owned(), (kept + forgotten).to_string(), format!("{forgotten} to be forgotten")]);
    for line in table([Align::Left, Align::Right, Align::Left], &rows) {
        shell.printer.data(&line)?;
    }
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  cryptsync du --vault nas:
  cryptsync du nas:
  cryptsync du --depth 3 --bytes nas:docs";
