//! The chapter about verbs: a table of all, then a section for each.

use std::fmt::Write;

use clap::Command;

use super::{cell, options, prose};

/// The chapter.
pub(super) fn chapter(command: &Command) -> String {
    let verbs: Vec<&Command> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).collect();
    let mut out = "## Verbs\n\n| verb | what it does |\n|---|---|".to_owned();
    for verb in &verbs {
        let name = verb.get_name();
        write!(out, "\n| [`{name}`](#{name}) | {} |", cell(&about(verb))).expect(INFALLIBLE);
    }
    let shared = options::shared_headings(command);
    for verb in verbs {
        section(verb, "###", &shared, &mut out);
    }
    for heading in shared.iter().filter(|heading| !TOPICS.contains(&heading.as_str())) {
        write!(out, "\n\n### {heading}\n\n{}", options::shared(command, heading)).expect(INFALLIBLE);
    }
    out
}

fn section(verb: &Command, level: &str, shared: &[String], out: &mut String) {
    let name = verb.get_bin_name().unwrap_or_default().trim_start_matches("cryptsync ").to_owned();
    write!(out, "\n\n{level} `{name}`\n\n{}", usage(verb)).expect(INFALLIBLE);
    let aliases: Vec<String> = verb.get_visible_aliases().map(|alias| format!("`{alias}`")).collect();
    if !aliases.is_empty() {
        write!(out, "\n\nAlso called {}.", aliases.join(", ")).expect(INFALLIBLE);
    }
    let long = verb.get_long_about().map_or_else(|| about(verb), ToString::to_string);
    write!(out, "\n\n{}", prose(&with_full_stop(&long))).expect(INFALLIBLE);
    arguments(verb, out);
    let is_shared = |heading: Option<&str>| heading.is_some_and(|heading| shared.iter().any(|known| known == heading));
    let own: Vec<_> = options::of(verb).into_iter().filter(|arg| !is_shared(arg.get_help_heading())).collect();
    if !own.is_empty() {
        write!(out, "\n\n{}", options::table(own)).expect(INFALLIBLE);
    }
    let mut also: Vec<&str> = options::of(verb).into_iter().filter_map(|arg| arg.get_help_heading()).collect();
    also.retain(|heading| is_shared(Some(heading)));
    also.dedup();
    if !also.is_empty() {
        let links: Vec<String> = also.iter().map(|heading| format!("[{heading}](#{})", anchor(heading))).collect();
        write!(out, "\n\nFurther options: {}.", links.join(", ")).expect(INFALLIBLE);
    }
    if let Some(after) = verb.get_after_long_help().or_else(|| verb.get_after_help()) {
        write!(out, "\n\n{}", prose(&after.to_string())).expect(INFALLIBLE);
    }
    verb.get_subcommands()
        .filter(|below| !below.is_hide_set() && below.get_name() != "help")
        .for_each(|below| section(below, "####", shared, out));
}

fn arguments(verb: &Command, out: &mut String) {
    let mut args = verb.get_positionals().filter(|arg| !arg.is_hide_set()).peekable();
    if args.peek().is_none() {
        return;
    }
    out.push_str("\n\n| argument | meaning |\n|---|---|");
    for arg in args {
        let names = arg.get_value_names().unwrap_or_default();
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
        write!(out, "\n| `{names}` | {} |", cell(&with_full_stop(&help))).expect(INFALLIBLE);
    }
}

fn usage(verb: &Command) -> String {
    let usage = verb.clone().render_usage().to_string();
    format!("`{}`", usage.trim_start_matches("Usage: ").split_whitespace().collect::<Vec<_>>().join(" "))
}

fn about(verb: &Command) -> String {
    verb.get_about().map(ToString::to_string).unwrap_or_default()
}

/// The first line of help is a headline without a full stop; in a text it is a sentence.
/// The first paragraph of a text ends with a stop, whether that is all or not.
pub(super) fn with_full_stop(text: &str) -> String {
    let (first, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let stop = if first.ends_with(['.', ':', '?', '!']) { "" } else { "." };
    if rest.is_empty() { format!("{first}{stop}") } else { format!("{first}{stop}\n\n{rest}") }
}

/// How a heading is linked to.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    if heading == "Password" { "passwords".to_owned() } else { kept }
}

/// Headings whose options a topic has.
const TOPICS: [&str; 1] = ["Filters"];
const INFALLIBLE: &str = "writing to a String cannot fail";
