//! `listremotes`

use crate::cli::output::{CliError, write_array};
use crate::cli::shell::Shell;

/// List the configured remotes
///
/// One line for each, with the colon. The built-in `local:` is not among them.
#[derive(Debug, clap::Args)]
pub(crate) struct ListremotesArgs {}

pub(crate) fn run(shell: &Shell, _: &ListremotesArgs) -> Result<(), CliError> {
    if shell.printer.is_json() {
        let names = shell.settings.config.names().into_iter().map(|name| format!("{name}:"));
        return write_array(&shell.printer, |add| Ok(names.into_iter().try_for_each(|name| add(&name))?));
    }
    for name in shell.settings.config.names() {
        shell.printer.data(&format!("{name}:"))?;
    }
    Ok(())
}
