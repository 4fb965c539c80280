//! What is shown of a case that came out differently: a script that repeats it, and both results.

use std::fmt::Write;
use std::path::Path;

use super::case::{Case, Direction};
use super::kept;
use super::runner::Outcome;
use super::tree::{Kind, Tree};

/// All there is to know.
pub fn render(case: &Case, outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut line = |text_of: String| writeln!(text, "{text_of}").unwrap();
    line(format!("CRYPTSYNC_TEST_CASE={:#x}", case.seed));
    outcome.differences.iter().for_each(|difference| line(difference.to_string()));
    line(format!("-- rclone ended with {}:\n{}{}", outcome.rclone.code, outcome.rclone.stdout, outcome.rclone.stderr));
    let ours = &outcome.cryptsync;
    line(format!("-- cryptsync ended with {}:\n{}{}", ours.code, ours.stdout, ours.stderr));
    line(format!("-- to repeat it by hand, with vaults at `v:` and `w:`:\n{}", script(case)));
    text
}

/// One line.
pub fn brief(case: &Case, outcome: &Outcome) -> String {
    let args = case.cryptsync(Path::new("/tmp/case"), "case").join(" ");
    let unexplained: Vec<_> = kept::unexplained(case, outcome).iter().map(ToString::to_string).collect();
    format!("{:#x}: {args}: {}\n", case.seed, unexplained.join(" | "))
}

/// A shell script with the trees and both command lines.
pub fn script(case: &Case) -> String {
    let mut script = "rm -rf /tmp/case && mkdir -p /tmp/case/files && cd /tmp/case\n".to_owned();
    for (side, tree) in &case.trees {
        plant(&mut script, side.name(), tree);
    }
    for (name, text) in &case.files {
        writeln!(script, "printf %b {} > files/{}", quoted(&escaped(text)), quoted(name)).unwrap();
    }
    writeln!(script, "cp -a /tmp/case /tmp/case.orig 2>/dev/null").unwrap();
    for vault in ["v", "w"] {
        writeln!(script, "cryptsync sync --force /tmp/case {vault}:case").unwrap();
    }
    let root = Path::new("/tmp/case");
    let input = case.stdin.as_ref().map(|text| format!(" <<< {}", quoted(text))).unwrap_or_default();
    let words = |args: Vec<String>| args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(" ");
    let note = if matches!(case.direction, Direction::Across | Direction::Between) {
        ""
    } else {
        "  # on a copy of /tmp/case"
    };
    writeln!(script, "rclone {}{input}", words(case.rclone(root))).unwrap();
    writeln!(script, "cryptsync {}{input}{note}", words(case.cryptsync(root, "case"))).unwrap();
    script
}

fn plant(script: &mut String, side: &str, tree: &Tree) {
    writeln!(script, "mkdir {side}").unwrap();
    for (path, node) in tree {
        let at = quoted(&format!("{side}/{path}"));
        match &node.kind {
            Kind::Dir => writeln!(script, "mkdir {at}").unwrap(),
            Kind::Link(target) => writeln!(script, "ln -s {} {at}", quoted(target)).unwrap(),
            Kind::File { content, executable } => {
                writeln!(script, "{} > {at}", printing(content)).unwrap();
                if *executable {
                    writeln!(script, "chmod +x {at}").unwrap();
                }
            }
        }
    }
    for (path, node) in tree.iter().rev() {
        let (secs, nanos) = node.mtime;
        writeln!(script, "touch -hd @{secs}.{nanos:09} {}", quoted(&format!("{side}/{path}"))).unwrap();
    }
}

/// A command that prints this.
fn printing(text: &str) -> String {
    if text.len() > 20 && text == "a".repeat(text.len()) {
        return format!("head -c {} /dev/zero | tr '\\0' a", text.len());
    }
    if text.len() > 20 && text == "ab\n".repeat(text.len() / 3) {
        return format!("yes ab | head -c {}", text.len());
    }
    format!("printf %b {}", quoted(&escaped(text)))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\0', "\\0")
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
