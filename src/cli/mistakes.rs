//! Command lines that can't be parsed, told in one line with what to do: what was meant, where an option belongs, what
//! stands in for a verb of another program.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::output::CliError;
use super::{absent, args};
use crate::config::shown_place;

/// The error as the program's own.
pub(super) fn explain(error: &clap::Error) -> CliError {
    let named = |kind| error.get(kind).and_then(|value| texts(value).into_iter().next());
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(verb) = named(ContextKind::InvalidSubcommand)
    {
        return unknown_verb(error, &verb);
    }
    let hint = if error.kind() == ErrorKind::UnknownArgument {
        named(ContextKind::InvalidArg).and_then(|arg| unknown_option(error, &arg))
    } else {
        None
    };
    let usage = || usage_in(error).map(|usage| format!("usage: {usage}"));
    let hint = hint.or_else(|| suggestion(error)).or_else(usage);
    CliError::usage(headline(error)).hint(hint.unwrap_or_else(|| ASK.to_owned()))
}

/// What clap says, without what it adds below, in one line.
pub(super) fn headline(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or_default();
    let text = text.split("\n\n  tip:").next().unwrap_or_default();
    let text = text.split("\n\nFor more information").next().unwrap_or_default();
    // What was typed may be a place with secrets in it.
    let typed = [ContextKind::InvalidArg, ContextKind::InvalidValue].into_iter().filter_map(|kind| error.get(kind));
    let text = typed
        .flat_map(texts)
        .filter(|word| word.contains(','))
        .fold(text.to_owned(), |text, word| text.replace(&word, &shown_place(word.as_bytes())));
    let text = NUMBERS.iter().fold(text, |text, (said, better)| text.replace(said, better));
    text.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn usage_in(error: &clap::Error) -> Option<String> {
    let text = error.to_string();
    let usage = text.split_once("\n\nUsage: ")?.1.split("\n\n").next()?.to_owned();
    Some(usage.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn unknown_verb(error: &clap::Error, verb: &str) -> CliError {
    let above = usage_in(error).unwrap_or_default();
    let is_top = above.split_whitespace().nth(1).is_none_or(|word| word.starts_with(['[', '<']));
    if let Some(answer) = absent::answer(verb).filter(|_| is_top) {
        return CliError::usage(format!("there is no verb `{verb}`")).hint(answer);
    }
    let (what, ask) = if is_top {
        (format!("there is no verb `{verb}`"), ASK.to_owned())
    } else {
        let words = above.split_whitespace().skip(1).take_while(|word| !word.starts_with(['[', '<']));
        let of = words.collect::<Vec<_>>().join(" ");
        (format!("`{of}` has no verb `{verb}`"), format!("`cryptsync help {of}` lists them"))
    };
    CliError::usage(what).hint(suggestion(error).unwrap_or(ask))
}

/// Which verbs have an option that this one lacks.
fn unknown_option(error: &clap::Error, arg: &str) -> Option<String> {
    if error.get(ContextKind::SuggestedArg).is_some() {
        return None;
    }
    let (long, short) = (arg.strip_prefix("--"), arg.strip_prefix('-').and_then(|rest| rest.chars().next()));
    let long = long.map(|long| long.split('=').next().unwrap_or(long));
    let mut found = Vec::new();
    having(
        &args::command(),
        &|known| match long {
            Some(long) => known.get_long() == Some(long),
            None => known.get_short().is_some() && known.get_short() == short,
        },
        &mut String::new(),
        &mut found,
    );
    if found.is_empty() || found.len() > VERBS_MAX {
        return None;
    }
    let verbs: Vec<String> = found.iter().map(|verb| format!("`{verb}`")).collect();
    Some(format!("{arg} is an option of {}", verbs.join(", ")))
}

fn having(command: &Command, is: &dyn Fn(&clap::Arg) -> bool, path: &mut String, found: &mut Vec<String>) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let len = path.len();
        if len > 0 {
            path.push(' ');
        }
        path.push_str(verb.get_name());
        if verb.get_arguments().any(is) {
            found.push(path.clone());
        }
        having(verb, is, path, found);
        path.truncate(len);
    }
}

/// What clap takes it for.
fn suggestion(error: &clap::Error) -> Option<String> {
    let kinds = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let typed = error.get(ContextKind::InvalidSubcommand).and_then(|value| texts(value).into_iter().next());
    let is_near = |word: &String| {
        let near = |typed: &String| strsim::damerau_levenshtein(typed, word) <= (typed.chars().count() / 3).max(1);
        typed.as_ref().is_none_or(near)
    };
    let found = kinds.iter().filter_map(|kind| error.get(*kind)).flat_map(texts).filter(is_near);
    let words: Vec<String> = found.map(|word| format!("`{word}`")).collect();
    (!words.is_empty()).then(|| format!("did you mean {}?", words.join(" or ")))
}

fn texts(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::String(text) => vec![text.clone()],
        ContextValue::Strings(texts) => texts.clone(),
        ContextValue::StyledStr(text) => vec![text.to_string()],
        _ => Vec::new(),
    }
}

/// What the standard library says of numbers, and what people understand.
const NUMBERS: [(&str, &str); 3] = [
    ("invalid digit found in string", "it is not a whole number"),
    ("cannot parse integer from empty string", "it is not a whole number"),
    ("number too large to fit in target type", "the number is too large"),
];
const ASK: &str = "`cryptsync help` lists verbs and options";
/// More verbs than these say nothing.
const VERBS_MAX: usize = 6;
