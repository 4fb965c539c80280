//! Tables of options, out of the definition.

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, Command};

use super::cell;
use super::verbs::with_full_stop;
use crate::cli::flag_env;

/// The options that a verb has of its own, or the program for all verbs; in the order of its help.
pub(super) fn of(command: &Command) -> Vec<&Arg> {
    let is_root = command.get_subcommands().next().is_some() && command.get_bin_name() == Some("cryptsync");
    let own =
        |arg: &&Arg| !arg.is_positional() && !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version";
    command.get_arguments().filter(own).filter(|arg| is_root || !arg.is_global_set()).collect()
}

/// A table of options.
pub(super) fn table<'a>(args: impl IntoIterator<Item = &'a Arg>) -> String {
    let rows = args.into_iter().map(|arg| row(arg, ""));
    HEAD.iter().map(|line| (*line).to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

/// The options under a heading, of the program and of all verbs. Those that only some of the verbs have say which.
pub(super) fn shared(command: &Command, heading: &str) -> String {
    let verbs: Vec<(&str, Vec<&Arg>)> = below(command)
        .into_iter()
        .map(|verb| (verb.get_name(), under(verb, heading)))
        .filter(|(_, args)| !args.is_empty())
        .collect();
    let mut found: Vec<(&Arg, Vec<&str>)> = Vec::new();
    for (verb, args) in &verbs {
        for arg in args {
            match found.iter_mut().find(|(known, _)| known.get_long() == arg.get_long()) {
                Some((_, of)) => of.push(verb),
                None => found.push((arg, vec![verb])),
            }
        }
    }
    let only = |of: &[&str]| match of.len() == verbs.len() {
        true => String::new(),
        false => format!(" (Only {}.)", of.iter().map(|verb| format!("`{verb}`")).collect::<Vec<_>>().join(", ")),
    };
    let rows = found.iter().map(|(arg, of)| row(arg, &only(of)));
    HEAD.iter().map(|line| (*line).to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

/// The headings of options that more than one verb has; their options have a table of their own.
pub(super) fn shared_headings(command: &Command) -> Vec<String> {
    let mut all: Vec<(String, usize)> = Vec::new();
    for verb in below(command) {
        let mut own: Vec<&str> = of(verb).into_iter().filter_map(Arg::get_help_heading).collect();
        own.dedup();
        for heading in own {
            match all.iter_mut().find(|(known, _)| known == heading) {
                Some((_, times)) => *times += 1,
                None => all.push((heading.to_owned(), 1)),
            }
        }
    }
    all.into_iter().filter(|(_, times)| *times > 1).map(|(heading, _)| heading).collect()
}

fn under<'a>(command: &'a Command, heading: &str) -> Vec<&'a Arg> {
    of(command).into_iter().filter(|arg| arg.get_help_heading() == Some(heading)).collect()
}

/// The program, its verbs and theirs.
fn below(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|verb| !verb.is_hide_set()).flat_map(below);
    std::iter::once(command).chain(below).collect()
}

fn row(arg: &Arg, note: &str) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let long = arg.get_long_help().map_or_else(|| help.clone(), ToString::to_string);
    let (text, told) = without_default(&long);
    let given: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let takes_value = arg.get_action().takes_values();
    let default = told.or_else(|| (takes_value && !given.is_empty()).then(|| given.join(","))).unwrap_or_default();
    let default = if default.is_empty() { String::new() } else { format!("`{}`", cell(&default)) };
    let variable = flag_env::variable(arg).map(|name| format!("`{name}`")).unwrap_or_default();
    let values: Vec<String> =
        arg.get_possible_values().iter().filter(|v| takes_value && !v.is_hide_set()).map(value).collect();
    let values = if values.is_empty() { String::new() } else { format!(" One of {}.", values.join(", ")) };
    format!("| {} | {variable} | {default} | {}{values}{note} |", names(arg), cell(&with_full_stop(&text)))
}

/// A word that an option takes, and what it means.
fn value(value: &PossibleValue) -> String {
    let help = value.get_help().map(|help| format!(" ({})", cell(&help.to_string()))).unwrap_or_default();
    format!("`{}`{help}", value.get_name())
}

/// `-x`, `--long VALUE`
fn names(arg: &Arg) -> String {
    let value = match arg.get_action() {
        ArgAction::Set | ArgAction::Append => {
            let names = arg.get_value_names().unwrap_or_default();
            names.iter().map(|name| format!(" {name}")).collect()
        }
        _ => String::new(),
    };
    let short = arg.get_short().map(|short| format!("-{short}"));
    let aliases = arg.get_visible_aliases().unwrap_or_default().into_iter().map(|alias| format!("--{alias}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let mut all: Vec<String> = short.into_iter().chain(aliases).chain(long).collect();
    if let Some(last) = all.last_mut() {
        last.push_str(&value);
    }
    all.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Help without `[default: …]` in it, and that default.
fn without_default(help: &str) -> (String, Option<String>) {
    let parts = help.split_once(" [default: ").and_then(|(before, rest)| {
        let (default, after) = rest.split_once(']')?;
        Some((format!("{before}{after}"), Some(default.to_owned())))
    });
    parts.unwrap_or_else(|| (help.to_owned(), None))
}

const HEAD: [&str; 2] = ["| option | variable | default | meaning |", "|---|---|---|---|"];
