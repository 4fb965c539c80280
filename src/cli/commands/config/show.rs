//! `config show`, `redacted`, `dump`, `file` and `paths`

use std::os::unix::ffi::OsStrExt;

use crate::cli::output::{Align, CliError, table, write_object};
use crate::cli::shell::Shell;
use crate::path::printable;

use super::{bare, file_name};

pub(super) fn show(shell: &Shell, name: Option<&str>, redacted: bool) -> Result<(), CliError> {
    let (config, name) = (shell.settings.config.get()?, name.map(bare));
    if shell.printer.is_json() {
        let remotes = config.to_json(name, redacted)?;
        return Ok(write_object(&shell.printer, &serde_json::json!({ "remotes": remotes }))?);
    }
    Ok(shell.printer.data(config.to_yaml(name, redacted)?.trim_end())?)
}

pub(super) fn dump(shell: &Shell, redacted: bool) -> Result<(), CliError> {
    Ok(write_object(&shell.printer, &shell.settings.config.get()?.to_json(None, redacted)?)?)
}

pub(super) fn file(shell: &Shell) -> Result<(), CliError> {
    let path = file_name(shell);
    if shell.printer.is_json() {
        let shown = printable(path.as_os_str().as_bytes());
        return Ok(write_object(&shell.printer, &serde_json::json!({ "path": shown }))?);
    }
    Ok(shell.printer.record(path.as_os_str().as_bytes(), b"\n")?)
}

pub(super) fn paths(shell: &Shell) -> Result<(), CliError> {
    let dirs = &shell.settings.dirs;
    let paths = [
        ("config", file_name(shell)),
        ("state", dirs.state()?),
        ("cache", dirs.cache()?),
        ("local vault", dirs.local_vault()?),
    ];
    let shown = paths.map(|(name, path)| (name, printable(path.as_os_str().as_bytes())));
    if shell.printer.is_json() {
        let all: serde_json::Map<_, _> =
            shown.into_iter().map(|(name, path)| (name.replace(' ', "_"), path.into())).collect();
        return Ok(write_object(&shell.printer, &all)?);
    }
    let rows = shown.map(|(name, path)| [format!("{name}:"), path]);
    for line in table([Align::Left, Align::Left], &rows) {
        shell.printer.data(&line)?;
    }
    Ok(())
}
