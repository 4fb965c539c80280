//! `completion`

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::class::Class;
use crate::cli::completion::Shell;
use crate::cli::output::{CliError, Printer};

/// Print the script that completes verbs, options and paths in a shell
///
/// The script asks this program what fits: verbs, options and their values, remotes, and paths in vaults that open
/// without a question (by this device's key, for example). With a file the script goes there instead; `-` is
/// standard output.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionArgs {
    /// The shell
    shell: Shell,
    /// Where the script goes [default: standard output]
    output_file: Option<OsString>,
}

pub(crate) fn run(printer: &Printer, cwd: &Path, args: &CompletionArgs) -> Result<(), CliError> {
    let script = args.shell.script();
    match args.output_file.as_deref().filter(|file| *file != "-") {
        None => Ok(printer.data(script.trim_end())?),
        Some(file) => fs::write(cwd.join(file), script).map_err(|error| {
            CliError::new(Class::Failed, format!("cannot write to `{}`", file.display())).caused_by(error)
        }),
    }
}

const EXAMPLES: &str = "\
Examples:
  source <(cryptsync completion bash)
  cryptsync completion bash /etc/bash_completion.d/cryptsync
  cryptsync completion zsh ~/.zfunc/_cryptsync
  cryptsync completion fish ~/.config/fish/completions/cryptsync.fish
  cryptsync completion powershell | Out-String | Invoke-Expression";
