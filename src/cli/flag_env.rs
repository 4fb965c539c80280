//! `CRYPTSYNC_<FLAG>` for every flag: variables become arguments that stand behind those typed.
//!
//! A flag that was typed, or that conflicts with one that was, wins over its variable. The sources of passwords are not
//! handled here: they have an order of their own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::output::CliError;
use super::service_flags;
use super::words;

/// The arguments that the environment adds, and the variables they come from.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) args: Vec<OsString>,
    pub(super) variables: Vec<String>,
}

/// What the environment adds to a command line that was parsed into `matches`.
pub(super) fn extra(
    command: &Command,
    matches: &ArgMatches,
    vars: &BTreeMap<OsString, OsString>,
) -> Result<Extra, CliError> {
    let (mut command, mut matches) = (command, matches);
    while let Some((name, below)) = matches.subcommand() {
        command = command.find_subcommand(name).expect("clap matched a command that it knows");
        matches = below;
    }
    let typed = |arg: &Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let mut extra = Extra::default();
    for arg in command.get_arguments() {
        let Some((variable, value)) = variable_of(arg, vars) else { continue };
        if !typed(arg) && !command.get_arg_conflicts_with(arg).into_iter().any(typed) {
            extra.args.extend(arguments(arg, &variable, value)?);
            extra.variables.push(variable);
        }
    }
    Ok(extra)
}

/// The variable that stands for an option, if there is one.
pub(super) fn variable(arg: &Arg) -> Option<String> {
    let long = arg.get_long().filter(|long| !matches!(*long, "help" | "version" | "password-fd"))?;
    Some(format!("CRYPTSYNC_{}", long.replace('-', "_").to_uppercase()))
}

fn variable_of<'a>(arg: &Arg, vars: &'a BTreeMap<OsString, OsString>) -> Option<(String, &'a OsStr)> {
    let long = arg.get_long().filter(|long| !SOURCES.contains(long) && !service_flags::is_one(arg))?;
    let variable = variable(arg)?;
    let value = vars.get(OsStr::new(&variable))?;
    (!value.is_empty() || long == "config").then_some((variable, value.as_os_str()))
}

fn arguments(arg: &Arg, variable: &str, value: &OsStr) -> Result<Vec<OsString>, CliError> {
    let flag = format!("--{}", arg.get_long().unwrap_or_default());
    let wrong = |what: &str| CliError::usage(format!("the variable {variable} is `{}`; {what}", value.display()));
    let with = |value: &OsStr| [OsStr::new(&flag), OsStr::new("="), value].into_iter().collect();
    match arg.get_action() {
        ArgAction::SetTrue => match value.to_str() {
            Some("true" | "1") => Ok(vec![flag.into()]),
            Some("false" | "0") => Ok(Vec::new()),
            _ => Err(wrong("write `true` or `false`")),
        },
        ArgAction::Count => match value.to_str().and_then(|text| text.parse::<u8>().ok()) {
            Some(times) => Ok(vec![flag.into(); times.min(COUNT_MAX).into()]),
            None => Err(wrong("write a number")),
        },
        ArgAction::Append => {
            let text = value.to_str().ok_or_else(|| wrong("it has to be UTF-8"))?;
            let words = words::split(text, ',').map_err(|error| wrong(&format!("it is a list, and {error}")))?;
            Ok(words.iter().map(|word| with(OsStr::new(word))).collect())
        }
        _ => Ok(vec![with(value)]),
    }
}

const SOURCES: [&str; 3] = ["password-command", "password-file", "password-fd"];
const COUNT_MAX: u8 = 3;
