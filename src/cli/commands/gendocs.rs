//! `gendocs`

use std::fs;
use std::path::PathBuf;

use crate::class::Class;
use crate::cli::output::{CliError, Printer};
use crate::cli::reference;

/// Write the reference and the man pages into a directory
///
/// Writes DIR/cli.md, DIR/man/*.1 for verbs and DIR/man/*.7 for topics. For packagers, and for whoever changes the command line.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GendocsArgs {
    /// The directory, which is made if it is not there
    dir: PathBuf,
}

pub(crate) fn run(printer: &Printer, cwd: &std::path::Path, args: &GendocsArgs) -> Result<(), CliError> {
    let dir = cwd.join(&args.dir);
    let failed = |error| CliError::new(Class::Failed, format!("cannot write to `{}`", dir.display())).caused_by(error);
    let man = dir.join("man");
    fs::create_dir_all(&man).map_err(failed)?;
    fs::write(dir.join("cli.md"), reference::markdown()).map_err(failed)?;
    for (name, text) in reference::man_pages().map_err(failed)? {
        fs::write(man.join(name), text).map_err(failed)?;
    }
    printer.note(format_args!("wrote {} and {}", dir.join("cli.md").display(), man.display()));
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  cryptsync gendocs /usr/share/doc/cryptsync";
