//! The flags that say what is in scope.

use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::filter::{Filter, Rule};

/// `--include` and `--exclude`.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterFlags {
    /// Take in files that match, and nothing else; may be repeated
    ///
    /// `*` matches within a name, `**` across directories, `?` one character, `[a-z]` `[!a-z]` `[[:alpha:]]` one of a
    /// class, `{a,b}` either, `{{regex}}` a regular expression; `\` takes away a character's meaning. A leading `/`
    /// anchors the pattern at the top, otherwise it matches the end of a path. `dir/` means `dir/**`.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) include: Vec<String>,
    /// Leave out files that match; may be repeated. Includes are tried first
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<String>,
}

impl FilterFlags {
    pub(crate) fn filter(&self, settings: &Settings) -> Result<Filter, CliError> {
        let includes = self.include.iter().cloned().map(Rule::Include);
        let excludes = self.exclude.iter().cloned().map(Rule::Exclude);
        Ok(Filter::from_rules(includes.chain(excludes).collect())?)
    }
}
