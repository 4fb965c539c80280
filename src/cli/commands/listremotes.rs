//! `listremotes`

use crate::cli::output::CliError;
use crate::cli::shell::Shell;

/// List the configured remotes
///
/// One line for each, with the colon. The built-in `local:` is not among them.
#[derive(Debug, clap::Args)]
pub(crate) struct ListremotesArgs {}

pub(crate) fn run(shell: &Shell, _: &ListremotesArgs) -> Result<(), CliError> {
    for name in shell.settings.config.names() {
        shell.printer.data(&format!("{name}:"))?;
    }
    Ok(())
}
