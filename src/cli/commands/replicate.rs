//! `replicate`

use std::ffi::OsString;

use crate::class::Class;
use crate::cli::output::{CliError, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, ReplicateReport};
use crate::units::ByteSize;

/// Copy all objects of a vault to another remote, as they are
///
/// Needs no key and no password: what is copied stays sealed, so that a machine you need not trust can do it. Each object is
/// held against its name before it is written. Only what is missing is copied, content before what refers to it, so that the copy
/// is a whole vault whenever the command is stopped, and running it again goes on. Nothing is deleted. The copy can be used like
/// the vault itself, and as a witness: `--witness COPY:` on a command for the first remote stops if that shows less than the copy.
///
/// Exit code 20 if the first remote has objects that are damaged, 21 if its log is older than that of the copy.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplicateArgs {
    /// The remote with the vault, as `name:`
    from: OsString,
    /// The remote that becomes, or is, a copy of it
    to: OsString,
    /// Show what would be copied and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(shell: &Shell, args: &ReplicateArgs) -> Result<(), CliError> {
    let (from, to) = (shell.settings.remote(&args.from)?, shell.settings.remote(&args.to)?);
    let report = shell.call(true, |ctx| ops::replicate(ctx, &from, &to, args.dry_run))?;
    let ReplicateReport { objects, copied, bytes, damaged, older } = &report;
    if shell.printer.is_json() {
        let object = serde_json::json!({
            "objects": objects, "copied": copied, "bytes": bytes, "damaged": damaged, "older": older,
        });
        write_object(&shell.printer, &object)?;
    } else {
        for name in damaged {
            shell.printer.data(&format!("damaged: {name}"))?;
        }
        let verb = if args.dry_run { "to copy" } else { "copied" };
        shell.printer.data(&format!("{verb}: {copied} of {objects} objects, {}", ByteSize(*bytes)))?;
    }
    let name = &from.name;
    if let Some(older) = older {
        return Err(CliError::new(Class::Rollback, format!("`{name}:` shows an older state than the copy: {older}"))
            .hint(format!("the storage was set back, or somebody has written to the copy: `cryptsync status {}:` and `cryptsync status {name}:` tell more", to.name)));
    }
    if !damaged.is_empty() {
        return Err(CliError::new(
            Class::Integrity,
            format!("damaged objects at `{name}:` were not copied: {}", damaged.len()),
        )
        .hint(format!("if `{}:` has them whole, `cryptsync replicate {}: {name}:` replaces them", to.name, to.name)));
    }
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  cryptsync replicate nas: b2:
  cryptsync replicate --dry-run nas: usb:";
