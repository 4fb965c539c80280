//! Flags for the settings of services, made from their tables: `--fs-root DIR` holds for all remotes of that service, those typed as
//! `:fs:` included. Secrets have no flag: other users see the arguments of a process.

use std::ffi::OsString;

use clap::builder::OsStringValueParser;
use clap::{Arg, ArgMatches, Command};

use crate::config::{Provider, Setting, shown_providers};

/// A service, one of its settings, and a value for it.
pub(super) type ServiceFlag = (&'static str, &'static str, OsString);

/// Adds the flags to the definition; help does not list them, `config providers` does.
pub(super) fn add(command: Command) -> Command {
    command.args(all().map(|(provider, setting)| {
        Arg::new(id(provider, setting))
            .long(name(provider, setting))
            .value_name(setting.name.to_uppercase())
            .value_parser(OsStringValueParser::new())
            .help(setting.help)
            .hide(true)
            .global(true)
    }))
}

/// What was given.
pub(super) fn given(matches: &ArgMatches) -> Vec<ServiceFlag> {
    let value = |(provider, setting): (&'static Provider, &'static Setting)| {
        let value = matches.get_one::<OsString>(&id(provider, setting))?;
        Some((provider.name, setting.name, value.clone()))
    };
    all().filter_map(value).collect()
}

/// Whether a flag is one of these: their variables have a place of their own among the others.
pub(super) fn is_one(arg: &Arg) -> bool {
    arg.get_id().as_str().starts_with(PREFIX)
}

/// The flag's name, without its dashes.
pub(super) fn name(provider: &Provider, setting: &Setting) -> String {
    format!("{}-{}", provider.name, setting.name.replace('_', "-"))
}

fn all() -> impl Iterator<Item = (&'static Provider, &'static Setting)> {
    let open = |provider: &'static Provider| {
        provider.settings.iter().filter(|setting| !setting.secret).map(move |setting| (provider, setting))
    };
    shown_providers().flat_map(open)
}

fn id(provider: &Provider, setting: &Setting) -> String {
    format!("{PREFIX}{}.{}", provider.name, setting.name)
}

const PREFIX: &str = "service.";
