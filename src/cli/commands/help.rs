//! `help`

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::cli::output::{CliError, Printer, terminal_width};
use crate::cli::reference;
use crate::cli::topics::Topic;

/// Explain a verb or a topic
///
/// Without arguments it lists both.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct HelpArgs {
    /// A verb, or one of the topics
    what: Vec<String>,
}

pub(crate) fn run(printer: &Printer, args: &HelpArgs, vars: &BTreeMap<OsString, OsString>) -> Result<(), CliError> {
    let mut command = reference::built();
    let width = terminal_width(vars, printer.out_is_terminal());
    let Some((first, rest)) = args.what.split_first() else {
        return Ok(printer.data(&reference::overview(&command, width))?);
    };
    if let (Some(topic), true) = (Topic::find(first), rest.is_empty()) {
        return Ok(printer.data(&reference::plain(topic, &command, width))?);
    }
    let mut verb = &mut command;
    for name in &args.what {
        let unknown = CliError::usage(format!("there is no verb and no topic `{}`", args.what.join(" ")));
        verb = verb.find_subcommand_mut(name).ok_or_else(|| unknown.hint("`cryptsync help` lists them"))?;
    }
    Ok(printer.data(verb.render_long_help().to_string().trim_end())?)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync help sync
  cryptsync help key add
  cryptsync help filters";
