//! The reference: what the definition that parses knows, and the topics that people write, as one Markdown document and
//! as man pages. Start reading at [`markdown`].

mod options;
mod overview;
mod plain;
mod verbs;

use std::io;

use clap::Command;

use super::absent::ANSWERS;
use super::args;
use super::topics::{self, Topic};
use super::without_effect;
use crate::class::EXIT_CODES;

/// `docs/cli.md`.
pub(super) fn markdown() -> String {
    let command = built();
    let mut out = vec![GENERATED.to_owned()];
    out.push(format!("# {}\n\n{}", topics::OVERVIEW.title(), body(&topics::OVERVIEW, &command)));
    out.push(verbs::chapter(&command));
    out.extend(topics::ALL.iter().map(|topic| format!("## {}\n\n{}", topic.title(), body(topic, &command))));
    out.join("\n\n") + "\n"
}

/// The text of a topic, with the tables in it.
pub(super) fn body(topic: &Topic, command: &Command) -> String {
    let line = |line: &str| match line.strip_prefix(TABLE).and_then(|rest| rest.strip_suffix(" -->")) {
        Some(what) => table(what, command),
        None => line.to_owned(),
    };
    topic.body().lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The list of verbs and topics, as text for a terminal.
pub(super) fn overview(command: &Command, width: usize) -> String {
    overview::overview(command, width)
}

/// A topic as text for a terminal.
pub(super) fn plain(topic: &Topic, command: &Command, width: usize) -> String {
    format!("{}\n\n{}", topic.title(), plain::render(&body(topic, command), width))
}

/// A man page for the program, each verb and each topic: name of the file and content.
pub(super) fn man_pages() -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    let command = args::command().disable_help_subcommand(true);
    let command = built_from(command);
    page(&command, &mut pages)?;
    pages.extend(topics::ALL.iter().map(|topic| topic_page(topic, &command)));
    Ok(pages)
}

/// The definition with everything filled in that clap derives from it.
pub(super) fn built() -> Command {
    built_from(args::command())
}

fn built_from(mut command: Command) -> Command {
    command.build();
    command
}

fn page(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let is_root = pages.is_empty();
    // What every verb takes stands on the page of the program alone.
    let shown = command.clone().mut_args(|arg| if arg.is_global_set() && !is_root { arg.hide(true) } else { arg });
    let man = clap_mangen::Man::new(shown)
        .source(format!("cryptsync {}", env!("CARGO_PKG_VERSION")))
        .manual("cryptsync manual");
    let mut text = Vec::new();
    man.render(&mut text)?;
    pages.push((man.get_filename(), text));
    command.get_subcommands().filter(|verb| !verb.is_hide_set()).try_for_each(|verb| page(verb, pages))
}

/// A topic as `help` prints it for a terminal of the usual width.
fn topic_page(topic: &Topic, command: &Command) -> (String, Vec<u8>) {
    let line = |line: &str| {
        let escaped = line.replace('\\', "\\e").replace('-', "\\-");
        let guard = if escaped.starts_with(['.', '\'']) { "\\&" } else { "" };
        format!("{guard}{escaped}\n")
    };
    let text: String = plain::render(&body(topic, command), MAN_WIDTH).lines().map(line).collect();
    let (name, title, version) = (topic.name, topic.title(), env!("CARGO_PKG_VERSION"));
    let head = format!(".TH cryptsync-{name} 7 \"\" \"cryptsync {version}\" \"cryptsync manual\"\n");
    let page = format!("{head}.SH NAME\ncryptsync\\-{name} \\- {title}\n.SH DESCRIPTION\n.nf\n{text}.fi\n");
    (format!("cryptsync-{name}.7"), page.into_bytes())
}

fn table(what: &str, command: &Command) -> String {
    match what {
        "exit codes" => exit_codes(),
        "other verbs" => other_verbs(),
        "without effect" => without_effect::table(),
        "global options" => options::table(options::of(command)),
        other => match other.strip_prefix("options under ") {
            Some(heading) => options::shared(command, heading),
            None => format!("(there is no table of {other})"),
        },
    }
}

fn exit_codes() -> String {
    let rows = EXIT_CODES.iter().map(|(class, text)| format!("| {} | {text} |", class.code()));
    let head = ["| code | meaning |", "|---|---|", "| 0 | Success |"].map(str::to_owned);
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn other_verbs() -> String {
    let names = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let rows = ANSWERS.iter().map(|(verbs, answer)| format!("| {} | {} |", names(verbs), cell(answer)));
    let head = ["| verb | instead |", "|---|---|"].map(str::to_owned);
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// A line of help as a cell of a table.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|").replace('<', "\\<")
}

/// Help as Markdown: what is indented is an example.
fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut fenced = false;
    let lines: Vec<&str> = text.trim_end().lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let indented = line.starts_with("  ");
        let goes_on = line.is_empty()
            && fenced
            && lines[at..].iter().find(|l| !l.is_empty()).is_some_and(|l| l.starts_with("  "));
        if indented != fenced && !goes_on {
            let blank = if indented && !out.is_empty() && !out.ends_with("\n\n") { "\n" } else { "" };
            out.push_str(blank);
            out.push_str(if indented { "```\n" } else { "```\n\n" });
            fenced = indented;
            if line.is_empty() {
                continue;
            }
        }
        out.push_str(line.strip_prefix("  ").unwrap_or(line));
        out.push('\n');
    }
    if fenced {
        out.push_str("```\n");
    }
    out.trim_end().to_owned()
}

const GENERATED: &str =
    "<!-- Made by `just docs` from the definitions in src/cli and the chapters in src/cli/topics: change those. -->";
const MAN_WIDTH: usize = 72;
const TABLE: &str = "<!-- table: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_lines_are_examples() {
        assert_eq!(prose("Examples:\n  a b\n  c\n"), "Examples:\n\n```\na b\nc\n```");
        assert_eq!(prose("x\n\n  a\n\n  b\n\ny"), "x\n\n```\na\n\nb\n```\n\ny");
        assert_eq!(prose("one line"), "one line");
    }

    #[test]
    fn every_table_is_there() {
        let text = markdown();
        assert!(!text.contains("(there is no table of") && !text.contains(TABLE), "a topic asks for an unknown table");
    }
}
