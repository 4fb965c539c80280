//! rclone's own reading of patterns, for `--rclone-compat`: what is odd in it is meant to be. [`super::pattern`] is ours.

use regex::Regex;

use super::pattern::BadPattern;
use super::re2;

/// The expression that rclone makes of a glob, in the syntax of RE2.
pub(super) fn expression(glob: &str, ignore_case: bool) -> Result<String, BadPattern> {
    let (anchor, body) = match glob.strip_prefix('/') {
        Some(body) => ("^", body),
        None => ("(^|/)", glob),
    };
    let start = format!("{}{anchor}", if ignore_case { "(?i)" } else { "" });
    let mut reader = Reader { glob, out: start, stars: 0, braces: 0, brackets: 0, state: State::Plain };
    let mut last = None;
    for (at, c) in body.chars().enumerate() {
        reader.take(c, last, at + 1 + usize::from(anchor == "^"))?;
        last = Some(c);
    }
    reader.finish()
}

/// Compiles what [`expression`] made.
pub(super) fn compile(glob: &str, expression: &str) -> Result<Regex, BadPattern> {
    let bad = |what: String| BadPattern::new(glob, 1, what, "correct what stands between `{{` and `}}`, or a `\\`");
    let text = re2::to_regex(expression).map_err(|what| bad(format!("not a regular expression: {what}")))?;
    Regex::new(&text).map_err(|error| bad(super::pattern::reason(&error)))
}

/// Globs of the directories (with a slash at the end) in which rclone looks for what a glob matches.
pub(super) fn directories(glob: &str) -> Vec<String> {
    let too_hard = Regex::new(r"(\{[^{}]*(\*\*|/)[^{}]*\})|\{\{|\}\}|\{[^{}]*\{").expect("it is constant");
    if too_hard.is_match(glob) {
        return vec!["/**".to_owned()];
    }
    let mut rest = glob.to_owned();
    while rest.contains("//") {
        rest = rest.replace("//", "/");
    }
    let mut found: Vec<String> = Vec::new();
    loop {
        let (slash, stars) = (rest.rfind('/'), rest.rfind("**"));
        let Some(cut) = slash.max(stars) else { break };
        let tail = if stars > slash { "**/" } else { "/" };
        rest.truncate(cut);
        let dir = format!("{rest}{tail}");
        if found.last() != Some(&dir) {
            found.push(dir);
        }
    }
    if found.is_empty() {
        found.push("/**".to_owned());
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Plain,
    /// After a `\`.
    Escaped,
    /// Between `{{` and `}}`.
    Regex,
    /// After `}}`: further braces belong to the expression.
    RegexEnd,
}

struct Reader<'a> {
    glob: &'a str,
    out: String,
    stars: usize,
    braces: usize,
    brackets: usize,
    state: State,
}

impl Reader<'_> {
    fn take(&mut self, c: char, last: Option<char>, at: usize) -> Result<(), BadPattern> {
        match self.state {
            State::Escaped => {
                self.out.push(c);
                self.state = State::Plain;
                return Ok(());
            }
            State::RegexEnd if c == '}' => {
                self.out.pop();
                self.out.push_str("})");
                return Ok(());
            }
            State::Regex => {
                if c == '}' && last == Some('}') {
                    self.out.pop();
                    self.out.push(')');
                    self.state = State::RegexEnd;
                } else {
                    self.out.push(c);
                }
                return Ok(());
            }
            State::RegexEnd | State::Plain => self.state = State::Plain,
        }
        if c != '*' {
            self.end_stars(at)?;
        }
        if self.brackets > 0 {
            self.out.push(c);
            self.brackets = (self.brackets + usize::from(c == '[')) - usize::from(c == ']');
            return Ok(());
        }
        self.plain(c, last, at)
    }

    fn plain(&mut self, c: char, last: Option<char>, at: usize) -> Result<(), BadPattern> {
        match c {
            '\\' => {
                self.out.push(c);
                self.state = State::Escaped;
            }
            '*' => self.stars += 1,
            '?' => self.out.push_str("[^/]"),
            '[' => {
                self.out.push(c);
                self.brackets = 1;
            }
            ']' => return Err(self.bad(at, "this `]` closes nothing", r"write `\]` if the character itself is meant")),
            '{' if self.braces > 0 && last == Some('{') => {
                self.braces -= 1;
                self.state = State::Regex;
            }
            '{' => {
                self.braces += 1;
                self.out.push('(');
            }
            '}' if self.braces == 0 => {
                return Err(self.bad(at, "this `}` closes nothing", r"write `\}` if the character itself is meant"));
            }
            '}' => {
                self.braces -= 1;
                self.out.push(')');
            }
            ',' if self.braces > 0 => self.out.push('|'),
            '.' | '+' | '(' | ')' | '|' | '^' | '$' => self.out.extend(['\\', c]),
            _ => self.out.push(c),
        }
        Ok(())
    }

    fn end_stars(&mut self, at: usize) -> Result<(), BadPattern> {
        match std::mem::take(&mut self.stars) {
            0 => {}
            1 => self.out.push_str("[^/]*"),
            2 => self.out.push_str(".*"),
            n => {
                return Err(self.bad(at - n, "more than two stars in a row", "write `**` to match across directories"));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<String, BadPattern> {
        let end = self.glob.chars().count();
        self.end_stars(end + 1)?;
        let (what, fix) = if self.brackets > 0 {
            ("a `[` is never closed", r"close it with `]`, or write `\[` if the character itself is meant")
        } else if self.state == State::Regex {
            ("a `{{` is never closed", "close the regular expression with `}}`")
        } else if self.braces > 0 {
            ("a `{` is never closed", r"close it with `}`, or write `\{` if the character itself is meant")
        } else {
            self.out.push('$');
            return Ok(self.out);
        };
        Err(self.bad(end, what, fix))
    }

    fn bad(&self, at: usize, what: &str, fix: &str) -> BadPattern {
        BadPattern::new(self.glob, at.max(1), what, fix)
    }
}
