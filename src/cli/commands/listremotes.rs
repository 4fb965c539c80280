//! `listremotes`

use serde_json::json;

use crate::cli::output::{Align, CliError, table, write_array};
use crate::cli::shell::Shell;

/// List the configured remotes
///
/// One line for each, with the colon. The built-in `local:` is not among them.
#[derive(Debug, clap::Args)]
pub(crate) struct ListremotesArgs {
    /// Show the types and descriptions too
    #[arg(long)]
    long: bool,
    /// Only remotes of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
}

pub(crate) fn run(shell: &Shell, args: &ListremotesArgs) -> Result<(), CliError> {
    let config = shell.settings.config.get()?;
    let row = |name: String| {
        let setting = |setting| config.shown(&name, setting).unwrap_or_default();
        [format!("{name}:"), setting("type"), setting("description")]
    };
    let mut rows: Vec<[String; 3]> = config.names().into_iter().map(row).collect();
    rows.retain(|[_, kind, _]| args.kind.as_ref().is_none_or(|wanted| wanted == kind));
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            let one = |[name, kind, description]: &[String; 3]| json!({ "name": name.trim_end_matches(':'), "type": kind, "description": description });
            if args.long {
                rows.iter().try_for_each(|row| add(&one(row)))?;
            } else {
                rows.iter().try_for_each(|[name, ..]| add(&json!(name)))?;
            }
            Ok(())
        });
    }
    if args.long {
        for line in table([Align::Left; 3], &rows) {
            shell.printer.data(&line)?;
        }
        return Ok(());
    }
    rows.iter().try_for_each(|[name, ..]| shell.printer.data(name))?;
    Ok(())
}
