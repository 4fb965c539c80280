//! Errors as people read them.

use std::fmt::{self, Write};
use std::io;

use crate::class::Class;
use crate::config::ConfigError;
use crate::filter::BadFilter;
use crate::ops::OpsError;
use crate::path::printable;

/// Why the program ends with something else than success.
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) class: Class,
    /// The headline, then its causes.
    pub(crate) chain: Vec<String>,
    pub(crate) hint: Option<String>,
    /// The path that it is about, if it is about one.
    pub(crate) path: Option<Vec<u8>>,
}

impl CliError {
    pub(crate) fn new(class: Class, headline: impl Into<String>) -> Self {
        Self { class, chain: vec![headline.into()], hint: None, path: None }
    }

    pub(crate) fn usage(headline: impl Into<String>) -> Self {
        Self::new(Class::Usage, headline)
    }

    pub(crate) fn caused_by(mut self, cause: impl ToString) -> Self {
        self.chain.push(cause.to_string());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error once more.
    pub(crate) fn again(&self) -> Self {
        Self { class: self.class, chain: self.chain.clone(), hint: self.hint.clone(), path: self.path.clone() }
    }

    /// What to do next, if that is known.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref().or_else(|| usual_hint(self.class))
    }

    /// The text, with a coloured label if `color`.
    pub(crate) fn render(&self, color: bool) -> String {
        let (red, reset) = if color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        let mut lines = self.chain.iter().map(|line| printable(line.as_bytes()));
        // A run that did what it should is no error, whatever it has found.
        let label = if self.class == Class::Conflicts { "note:" } else { "error:" };
        let mut text = format!("{red}{label}{reset} {}", lines.next().unwrap_or_default());
        for cause in lines {
            write!(text, "\n  caused by: {cause}").expect("writing to a String cannot fail");
        }
        if let Some(hint) = self.advice() {
            write!(text, "\nhint: {}", printable(hint.as_bytes())).expect("writing to a String cannot fail");
        }
        text
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl From<OpsError> for CliError {
    fn from(error: OpsError) -> Self {
        Self { class: error.class, chain: error.chain, hint: error.hint, path: error.path }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let chain = [Some(error.to_string()), source].into_iter().flatten().collect();
        Self { class: error.class(), chain, hint: error.hint(), path: None }
    }
}

/// Data could not be written to stdout. (Every other fault of input or output is told with what was being done.)
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::new(Class::Failed, "cannot write to standard output").caused_by(error)
    }
}

impl From<BadFilter> for CliError {
    fn from(error: BadFilter) -> Self {
        let BadFilter::Pattern(bad) = error else { return Self::usage(error.to_string()) };
        let place = if bad.place.is_empty() { String::new() } else { format!("{}: ", bad.place) };
        let pattern = printable(bad.pattern.as_bytes());
        Self::usage(format!("{place}bad pattern `{pattern}`, at character {}: {}", bad.at, bad.what)).hint(bad.fix)
    }
}

/// What helps in general, where the error itself does not say.
fn usual_hint(class: Class) -> Option<&'static str> {
    match class {
        Class::Temporary => Some("run the same command again; what was stored already is not sent twice"),
        Class::NoVault => {
            Some("create a vault with `cryptsync init REMOTE:`, or let copy and sync do it with `--create`")
        }
        Class::NoKey => Some("check the password and that the remote holds the vault you mean"),
        Class::Rollback | Class::Equivocation | Class::Integrity => {
            Some("do not write to this vault before you know why; `cryptsync verify REMOTE:` looks closer")
        }
        Class::Missing => Some("`cryptsync verify REMOTE:` lists everything that is missing"),
        Class::Version => Some("a newer cryptsync may be needed; see `cryptsync version`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_headline_causes_and_hint_and_moves_no_cursor() {
        let error = CliError::new(Class::Temporary, "cannot list `a\x1b[2J`").caused_by("timed out");
        assert_eq!(
            error.to_string(),
            "error: cannot list `a\\x1b[2J`\n  caused by: timed out\n\
             hint: run the same command again; what was stored already is not sent twice"
        );
        assert!(CliError::usage("x").hint("y").render(true).starts_with("\x1b[1;31merror:\x1b[0m x\nhint: y"));
    }
}
