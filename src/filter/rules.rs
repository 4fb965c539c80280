//! Rules in order; the first that matches decides. In our reading of patterns, or in rclone's.

use regex::Regex;

use super::glob;
use super::pattern::{BadPattern, Pattern};

/// A list of rules.
#[derive(Debug)]
pub(super) enum Rules {
    Ours {
        rules: Vec<(bool, Pattern)>,
        /// The answer where no rule matches.
        otherwise_out: bool,
    },
    /// rclone's two lists: rules for files, and what it makes of them for directories.
    Theirs { files: Vec<(bool, Regex)>, dirs: Vec<(bool, Regex)> },
}

impl Default for Rules {
    fn default() -> Self {
        Self::Ours { rules: Vec::new(), otherwise_out: false }
    }
}

impl Rules {
    pub(super) fn new(compat: bool) -> Self {
        if compat { Self::Theirs { files: Vec::new(), dirs: Vec::new() } } else { Self::default() }
    }

    /// Whether these are read as rclone reads them.
    pub(super) fn is_compat(&self) -> bool {
        matches!(self, Self::Theirs { .. })
    }

    /// Adds a rule behind the others.
    pub(super) fn add(&mut self, include: bool, pattern: &str, ignore_case: bool) -> Result<(), BadPattern> {
        match self {
            Self::Ours { rules, .. } => rules.push((include, Pattern::parse(pattern, ignore_case)?)),
            Self::Theirs { files, dirs } => add_theirs(files, dirs, include, pattern, ignore_case)?,
        }
        Ok(())
    }

    /// Forgets the rules until here.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Ours { rules, .. } => rules.clear(),
            Self::Theirs { files, dirs } => {
                files.clear();
                dirs.clear();
            }
        }
    }

    /// Leaves out what no rule matches.
    pub(super) fn close(&mut self) -> Result<(), BadPattern> {
        match self {
            Self::Ours { otherwise_out, .. } => {
                *otherwise_out = true;
                Ok(())
            }
            Self::Theirs { .. } => self.add(false, "/**", false),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Ours { rules, otherwise_out } => rules.is_empty() && !otherwise_out,
            Self::Theirs { files, dirs } => files.is_empty() && dirs.is_empty(),
        }
    }

    /// What the first rule says that matches one of these.
    pub(super) fn take_in(&self, texts: &[&str]) -> bool {
        match self {
            Self::Ours { rules, otherwise_out } => {
                let first = rules.iter().find(|(_, pattern)| texts.iter().any(|text| pattern.matches(text)));
                first.map_or(!otherwise_out, |(include, _)| *include)
            }
            Self::Theirs { files, .. } => first_of(files, texts),
        }
    }

    /// Whether something below a directory may be in scope. In our reading `false` only if nothing can be, so that a walk
    /// that skips the directory finds the same as one that does not; in rclone's, what is below is then out of scope.
    pub(super) fn enter(&self, dir: &str) -> bool {
        match self {
            Self::Ours { rules, otherwise_out } => {
                for (include, pattern) in rules {
                    if *include && pattern.may_match_below(dir) {
                        return true;
                    }
                    if !include && pattern.covers(dir) {
                        return false;
                    }
                }
                !otherwise_out
            }
            Self::Theirs { dirs, .. } => first_of(dirs, &[&format!("{dir}/")]),
        }
    }

    /// The rules as people may see them, `+` and `-` before the expressions that paths are held against.
    pub(super) fn shown(&self, title: &str) -> Vec<String> {
        let head = |what: &str| format!("--- {what} ---");
        let sign = |include: bool| if include { '+' } else { '-' };
        match self {
            Self::Ours { rules, otherwise_out } => {
                let rules = rules.iter().map(|(include, rule)| format!("{} {}", sign(*include), rule.expression()));
                let rest = otherwise_out.then(|| "- everything else".to_owned());
                [head(&format!("{title} filter rules"))].into_iter().chain(rules).chain(rest).collect()
            }
            Self::Theirs { files, dirs } => {
                let list = |rules: &[(bool, Regex)]| -> Vec<String> {
                    rules.iter().map(|(include, rule)| format!("{} {rule}", sign(*include))).collect()
                };
                let mut all = vec![head(&format!("{title} filter rules"))];
                all.extend(list(files));
                all.push(head("Directory filter rules"));
                all.extend(list(dirs));
                all
            }
        }
    }
}

fn first_of(rules: &[(bool, Regex)], texts: &[&str]) -> bool {
    let first = rules.iter().find(|(_, regex)| texts.iter().any(|text| regex.is_match(text)));
    first.is_none_or(|(include, _)| *include)
}

/// Adds a rule as rclone does: `dir/` leaves out `dir/**` and takes in the directory alone, and what is taken in says
/// where rclone looks for it.
fn add_theirs(
    files: &mut Vec<(bool, Regex)>,
    dirs: &mut Vec<(bool, Regex)>,
    include: bool,
    pattern: &str,
    ignore_case: bool,
) -> Result<(), BadPattern> {
    let of_dir = pattern.ends_with('/');
    let full = if of_dir && !include { format!("{pattern}**") } else { pattern.to_owned() };
    let both = full.contains("**");
    let compile = |glob: &str| glob::compile(pattern, &glob::expression(glob, ignore_case)?);
    let regex = compile(&full)?;
    if !of_dir || both {
        files.push((include, regex.clone()));
        if include || full == "*" {
            for dir in glob::directories(&full).iter().filter(|dir| *dir != "/") {
                dirs.push((include, compile(dir)?));
            }
        }
    }
    if of_dir || both {
        dirs.push((include, regex));
    }
    Ok(())
}
