//! `doctor`

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;

use serde::Serialize;

use crate::class::Class;
use crate::cli::output::{CliError, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, Finding, Health};
use crate::path::printable;

/// Look for what is wrong on this machine and in a vault, and say what to do
///
/// Looks at the configuration, the clock, the directories of the program and the room in them; with a remote also whether the
/// vault opens, at its members, heads, writers and conflicts, and when the recovery words were last tested. Changes nothing.
/// Ends with 1 if something is wrong; what only deserves a look is a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// The remote, as `name:`; only this machine if left out
    remote: Option<OsString>,
}

pub(crate) fn run(shell: &Shell, args: &DoctorArgs) -> Result<(), CliError> {
    let mut findings = vec![configuration(shell)];
    findings.extend(shell.call(false, |ctx| Ok(ops::examine_machine(ctx)))?);
    if let Some(remote) = &args.remote {
        let remote = shell.settings.remote(remote)?;
        findings.extend(shell.call(false, |ctx| Ok(ops::examine_vault(ctx, &remote)))?);
    }
    if shell.printer.is_json() {
        let healthy = findings.iter().all(|finding| finding.health < Health::Bad);
        let findings = findings.iter().map(JsonFinding::new).collect();
        write_object(&shell.printer, &JsonDoctor { healthy, findings })?;
    } else {
        for finding in &findings {
            let text = printable(finding.text.as_bytes());
            shell.printer.data(&format!("{:8} {}: {text}", finding.health.name(), finding.about))?;
            if let Some(hint) = &finding.hint {
                shell.printer.data(&format!("         {}", printable(hint.as_bytes())))?;
            }
        }
    }
    match findings.iter().filter(|finding| finding.health == Health::Bad).count() {
        0 => Ok(()),
        count => Err(CliError::new(Class::Failed, format!("things that are wrong: {count}"))),
    }
}

/// The configuration: understood, and its file read by nobody else.
fn configuration(shell: &Shell) -> Finding {
    const ABOUT: &str = "configuration";
    let config = &shell.settings.config;
    let names = match config.get() {
        Ok(config) => config.names().len(),
        Err(error) => {
            let hint = error.hint.unwrap_or_else(|| "`cryptsync config` edits it".to_owned());
            return Finding::bad(ABOUT, error.chain.join(": "), hint);
        }
    };
    let Some(path) = config.path() else { return Finding::good(ABOUT, format!("no file, {names} remotes")) };
    let shown = path.display();
    match path.metadata() {
        Err(_) => Finding::good(ABOUT, format!("no file at {shown}, {names} remotes")),
        Ok(meta) if meta.mode() & 0o077 != 0 => {
            let text = format!("{shown} can be read by others (mode {:03o})", meta.mode() & 0o777);
            Finding::warning(ABOUT, text, format!("chmod 600 {shown}: it may hold secrets"))
        }
        Ok(_) => Finding::good(ABOUT, format!("{shown}, {names} remotes")),
    }
}

#[derive(Debug, Serialize)]
struct JsonDoctor<'a> {
    healthy: bool,
    findings: Vec<JsonFinding<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonFinding<'a> {
    about: &'a str,
    health: &'a str,
    text: &'a str,
    hint: Option<&'a str>,
}

impl<'a> JsonFinding<'a> {
    fn new(finding: &'a Finding) -> Self {
        let Finding { about, health, text, hint } = finding;
        Self { about, health: health.name(), text, hint: hint.as_deref() }
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync doctor
  cryptsync doctor nas:
  cryptsync --json doctor nas:";
