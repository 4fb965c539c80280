//! What can be wrong with a configuration.

use std::io;
use std::path::PathBuf;

use super::place::shown_place;
use crate::class::Class;

/// A configuration that can't be used. The text names the place; [`ConfigError::hint`] what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named explicitly is not there.
    #[error("there is no configuration file at `{}`", .0.display())]
    NoFile(PathBuf),
    /// The file is there but can't be read.
    #[error("cannot read the configuration file `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file can't be written.
    #[error("cannot write the configuration file `{}`", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not say what it should.
    #[error("{}: {message}", at(path, *line, *column))]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// The line, if known.
        line: Option<usize>,
        /// The column, if known.
        column: Option<usize>,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A variable of the environment is wrong.
    #[error("the variable `{variable}`{message}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// What was typed for a place is wrong.
    #[error("`{text}`, character {at}: {message}")]
    Place {
        /// What was typed.
        text: String,
        /// The character, from 1.
        at: usize,
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A setting that was given otherwise is wrong.
    #[error("{message}")]
    Value {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// A remote is not configured.
    #[error("there is no remote `{}:`", shown_place(name.as_bytes()))]
    NoRemote {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
        /// The one that was probably meant.
        suggestion: Option<String>,
    },
    /// A remote is configured, but not completely or not consistently.
    #[error("the remote `{name}:` {message}")]
    Remote {
        /// Its name.
        name: String,
        /// What is wrong, as a clause.
        message: String,
        /// What to do.
        hint: String,
    },
}

impl ConfigError {
    /// The class for the exit code.
    pub fn class(&self) -> Class {
        match self {
            Self::Write { .. } => Class::Failed,
            _ => Class::Usage,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile(_) => Some("name another with `--config FILE` or CRYPTSYNC_CONFIG".to_owned()),
            Self::Read { .. } | Self::Write { .. } => None,
            Self::Syntax { hint, .. }
            | Self::Variable { hint, .. }
            | Self::Place { hint, .. }
            | Self::Value { hint, .. } => hint.clone(),
            Self::NoRemote { suggestion: Some(name), .. } => Some(format!("did you mean `{name}:`?")),
            Self::NoRemote { name, known, .. } => Some(format!(
                "known remotes: {}; write `./{}:…` for a local file of that name",
                known.iter().map(|name| format!("`{name}:`")).collect::<Vec<_>>().join(", "),
                shown_place(name.as_bytes()),
            )),
            Self::Remote { hint, .. } => Some(hint.clone()),
        }
    }
}

fn at(path: &std::path::Path, line: Option<usize>, column: Option<usize>) -> String {
    let numbers = [line, column].into_iter().flatten().map(|number| format!(":{number}"));
    std::iter::once(path.display().to_string()).chain(numbers).collect()
}
