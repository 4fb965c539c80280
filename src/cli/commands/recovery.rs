//! `recovery`

use std::ffi::{OsStr, OsString};

use serde::Serialize;

use crate::cli::output::{CliError, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, DrillOptions};
use crate::units::ByteSize;

/// Test the recovery words
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct RecoveryArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Open the vault with the recovery words alone, read some files, and record the date in the vault
    ///
    /// Uses nothing that this machine has: neither its key nor what it remembers or keeps copies of. Asks for the 24 words, or
    /// takes them where a password would be taken from. `status` and `doctor` tell when this was last done.
    Test(TestArgs),
}

#[derive(Debug, clap::Args)]
struct TestArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// How many files to read, chosen at random
    #[arg(long, value_name = "COUNT", default_value_t = FILES)]
    files: usize,
    /// Don't record the date
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(shell: &Shell, args: &RecoveryArgs) -> Result<(), CliError> {
    let What::Test(args) = &args.what;
    test(shell, &args.remote, args.files, !args.dry_run)
}

pub(super) fn test(shell: &Shell, remote: &OsStr, files: usize, record: bool) -> Result<(), CliError> {
    let remote = shell.settings.remote(remote)?;
    let report = shell.call(false, |ctx| ops::test_recovery(ctx, &remote, DrillOptions { files, record }))?;
    let (vault, version, commits, files) = (&report.vault_id, report.version, report.commits, report.files);
    if shell.printer.is_json() {
        let (bytes, recorded) = (report.bytes, report.recorded);
        let object = JsonRecovery { vault_id: vault, version, commits, files, bytes, recorded };
        return Ok(write_object(&shell.printer, &object)?);
    }
    shell.printer.data(&format!(
        "these words alone open the vault {vault}: access version {version}, {commits} commits read, {files} files with {} read and verified",
        ByteSize(report.bytes)
    ))?;
    if report.recorded {
        shell.printer.note(format_args!("the date is recorded in the vault"));
    }
    Ok(())
}

#[derive(Debug, Serialize)]
struct JsonRecovery<'a> {
    vault_id: &'a str,
    version: u32,
    commits: u64,
    files: u64,
    bytes: u64,
    recorded: bool,
}

/// Files that are read unless another number is given.
pub(super) const FILES: usize = 8;
const EXAMPLES: &str = "\
Examples:
  cryptsync recovery test nas:
  cryptsync recovery test --files 50 nas:";
