//! The flags that say what is in scope, and the files they name.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::sync::PoisonError;

use crate::age::Age;
use crate::class::Class;
use crate::cli::output::CliError;
use crate::cli::settings::Settings;
use crate::filter::{Definition, Filter, ListForm, Names, Partition, Rule, Stated, lines};
use crate::path::{TreePath, printable};
use crate::sum::{SumKind, Summer};
use crate::units::TypedSize;

/// What is in scope.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct FilterFlags {
    /// Take in files that match, and nothing else; may be repeated
    ///
    /// `*` matches within a name, `**` across directories, `?` one character, `[a-z]` `[!a-z]` `[[:alpha:]]` one of a
    /// class, `{a,b}` either, `{{regex}}` a regular expression; `\` takes away a character's meaning. A leading `/`
    /// anchors the pattern at the top, otherwise it matches the end of a path. `dir/` means `dir/**`.
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub(crate) include: Vec<String>,
    /// The same with the patterns in a file, one a line; `-` is standard input
    ///
    /// Empty lines and lines that begin with `#` or `;` are skipped, here and in all files of rules.
    #[arg(long, value_name = "FILE")]
    include_from: Vec<OsString>,
    /// Leave out files that match; may be repeated. Includes are tried first
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub(crate) exclude: Vec<String>,
    /// The same with the patterns in a file
    #[arg(long, value_name = "FILE")]
    exclude_from: Vec<OsString>,
    /// A rule: `+ PATTERN` takes in, `- PATTERN` leaves out, `!` forgets the rules before; the first that matches decides
    #[arg(short, long, value_name = "RULE", allow_hyphen_values = true)]
    filter: Vec<String>,
    /// The same with the rules in a file
    #[arg(long, value_name = "FILE")]
    filter_from: Vec<OsString>,
    /// Only the files that a file names, one a line; may be repeated, with no other filter
    #[arg(long, value_name = "FILE")]
    files_from: Vec<OsString>,
    /// The same, with lines taken as they are: no comments, spaces kept
    #[arg(long, value_name = "FILE")]
    files_from_raw: Vec<OsString>,
    /// The same, with names that end with a NUL byte
    #[arg(long, value_name = "FILE")]
    files_from0: Vec<OsString>,
    /// Leave out directories that hold a file of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    exclude_if_present: Vec<OsString>,
    /// Only files of this size or larger
    #[arg(long, value_name = "SIZE")]
    min_size: Option<TypedSize>,
    /// Only files of this size or smaller
    #[arg(long, value_name = "SIZE")]
    max_size: Option<TypedSize>,
    /// Only files modified this long ago or earlier: an age, or a date
    #[arg(long, value_name = "AGE", allow_hyphen_values = true)]
    min_age: Option<Age>,
    /// Only files modified this long ago or later: an age, or a date
    #[arg(long, value_name = "AGE", allow_hyphen_values = true)]
    max_age: Option<Age>,
    /// Upper and lower case are the same in patterns
    #[arg(long)]
    pub(crate) ignore_case: bool,
    /// How many levels of directories to descend; 1 is the directory alone, 0 is all
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    max_depth: Option<i32>,
    /// Only files of one part: `K/N`, dealt out by their paths; `@/N` is a part by chance
    #[arg(long, value_name = "K/N")]
    hash_filter: Option<String>,
    /// Delete what filters leave out at the destination, in verbs that delete there
    #[arg(long)]
    pub(crate) delete_excluded: bool,
    /// Only files with metadata `KEY=VALUE` that matches
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    metadata_include: Vec<String>,
    /// The same with the patterns in a file
    #[arg(long, value_name = "FILE")]
    metadata_include_from: Vec<OsString>,
    /// Leave out files with metadata `KEY=VALUE` that matches
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    metadata_exclude: Vec<String>,
    /// The same with the patterns in a file
    #[arg(long, value_name = "FILE")]
    metadata_exclude_from: Vec<OsString>,
    /// A rule about metadata, as --filter
    #[arg(long, value_name = "RULE", allow_hyphen_values = true)]
    metadata_filter: Vec<String>,
    /// The same with the rules in a file
    #[arg(long, value_name = "FILE")]
    metadata_filter_from: Vec<OsString>,
    /// Accepted; listing a vault costs nothing that could be saved
    #[arg(long)]
    no_traverse: bool,
    /// Show what the filters came to: the only thing to dump is `filters`
    #[arg(long, value_name = "WHAT", value_parser = ["filters"], value_delimiter = ',')]
    dump: Vec<String>,
    /// The same as --dump filters
    #[arg(long, hide = true)]
    dump_filters: bool,
}

impl FilterFlags {
    /// The filter that the flags make. Reads the files that they name.
    pub(crate) fn filter(&self, settings: &Settings) -> Result<Filter, CliError> {
        let mut inputs = Inputs { settings, stdin_read: false };
        let mut definition = Definition { compat: settings.rclone_compat, ..self.limits(settings)? };
        let path_rules = [
            (&self.include, &self.include_from, "include"),
            (&self.exclude, &self.exclude_from, "exclude"),
            (&self.filter, &self.filter_from, "filter"),
        ];
        for (rules, files, flag) in path_rules {
            inputs.rules(rules, files, flag, &mut definition.rules)?;
        }
        let metadata_rules = [
            (&self.metadata_include, &self.metadata_include_from, "metadata-include"),
            (&self.metadata_exclude, &self.metadata_exclude_from, "metadata-exclude"),
            (&self.metadata_filter, &self.metadata_filter_from, "metadata-filter"),
        ];
        for (rules, files, flag) in metadata_rules {
            inputs.rules(rules, files, flag, &mut definition.metadata)?;
        }
        let lists = [
            (&self.files_from, ListForm::Lines, "files-from"),
            (&self.files_from_raw, ListForm::Raw, "files-from-raw"),
            (&self.files_from0, ListForm::Nul, "files-from0"),
        ];
        let mut names = None;
        for (files, form, flag) in lists {
            for file in files {
                inputs.names(file, form, flag, names.get_or_insert_default())?;
            }
        }
        definition.names = names.map(Names::finish);
        definition.partition = self.hash_filter.as_deref().map(|text| partition(settings, text)).transpose()?;
        let filter = definition.build()?;
        if self.dump_filters || !self.dump.is_empty() {
            let mut notes = settings.notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.push("--- start filters ---".to_owned());
            notes.extend(filter.dump());
            notes.push("--- end filters ---".to_owned());
        }
        Ok(filter)
    }

    /// How many levels verbs list that list one directory if nothing is said: `--max-depth` says something.
    pub(crate) fn descends(&self) -> bool {
        self.max_depth.is_some_and(|depth| depth >= 0)
    }

    /// How many levels are descended, if that is limited.
    pub(crate) fn max_depth(&self) -> Option<usize> {
        self.max_depth.and_then(|depth| usize::try_from(depth).ok()).filter(|depth| *depth > 0)
    }

    fn limits(&self, settings: &Settings) -> Result<Definition, CliError> {
        let (now, zone) = (settings.world.clock.now(), &settings.time_zone);
        let size = |size: Option<TypedSize>| size.and_then(|size| size.bytes(settings.rclone_compat));
        let moment = |age: Option<Age>| age.and_then(|age| age.moment(now, zone));
        let mut markers = Vec::new();
        for name in &self.exclude_if_present {
            crate::path::check_name(name.as_bytes()).map_err(|bad| {
                let what = format!("--exclude-if-present: `{}` is not the name of a file: {bad}", shown(name));
                CliError::usage(what).hint("it is a name to look for in every directory, not a path or a pattern")
            })?;
            markers.push(name.as_bytes().to_vec());
        }
        Ok(Definition {
            ignore_case: self.ignore_case,
            includes: !self.include_from.is_empty(),
            metadata_includes: !self.metadata_include_from.is_empty(),
            markers,
            min_size: size(self.min_size),
            max_size: size(self.max_size),
            not_before: moment(self.max_age),
            not_after: moment(self.min_age),
            max_depth: self.max_depth.and_then(|depth| u32::try_from(depth).ok()),
            ..Definition::default()
        })
    }
}

fn partition(settings: &Settings, text: &str) -> Result<Partition, CliError> {
    let mut random = [0; 8];
    if text.starts_with('@') {
        let bad = |error: io::Error| CliError::new(Class::Failed, "--hash-filter: no random number").caused_by(error);
        settings.world.entropy.fill(&mut random).map_err(bad)?;
    }
    let parsed = Partition::parse(text, || u64::from_le_bytes(random), md5);
    parsed.map_err(|bad| CliError::usage(format!("--hash-filter: {bad}")))
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    let mut summer = Summer::new(SumKind::Md5);
    summer.push(bytes);
    summer.finish().as_bytes().try_into().expect("a sum of MD5 has 16 bytes")
}

/// The files that flags name. Standard input can be one of them, once.
struct Inputs<'a> {
    settings: &'a Settings,
    stdin_read: bool,
}

impl Inputs<'_> {
    /// Adds the rules of a flag and of its files.
    fn rules(
        &mut self,
        given: &[String],
        files: &[OsString],
        flag: &str,
        rules: &mut Vec<Stated>,
    ) -> Result<(), CliError> {
        let kind = match flag.trim_start_matches("metadata-") {
            "include" => Rule::Include,
            "exclude" => Rule::Exclude,
            _ => Rule::Filter,
        };
        rules.extend(given.iter().map(|text| Stated { rule: kind(text.clone()), place: format!("--{flag}") }));
        for file in files {
            let flag = format!("{flag}-from");
            let text = self.read(file, &flag)?;
            for (number, line) in lines(&text, ListForm::Lines) {
                let place = format!("{}, line {number}", shown(file));
                let line = std::str::from_utf8(line).map_err(|_| {
                    let what = format!("{place}: `{}` is not UTF-8", printable(line));
                    CliError::usage(what).hint("write `?` for each byte that is not part of UTF-8")
                })?;
                rules.push(Stated { rule: kind(line.to_owned()), place });
            }
        }
        Ok(())
    }

    /// Adds the names in a list.
    fn names(&mut self, file: &OsStr, form: ListForm, flag: &str, names: &mut Names) -> Result<(), CliError> {
        let text = self.read(file, flag)?;
        for (number, line) in lines(&text, form) {
            let place = || format!("{}, {} {number}", shown(file), if form == ListForm::Nul { "name" } else { "line" });
            let path = if self.settings.rclone_compat {
                // What rclone does not find is not missed.
                let Ok(path) = TreePath::from_bytes(trim_slashes(line)) else { continue };
                path
            } else {
                TreePath::from_user(line).map_err(|bad| {
                    let what = format!("{}: `{}` can't be the name of a file: {bad}", place(), printable(line));
                    CliError::usage(what).hint("names are relative to the source, without `..`")
                })?
            };
            if !names.push(&path) {
                return Err(CliError::usage(format!("{}: more than 4 GiB of names", place())).hint("use fewer lists"));
            }
        }
        Ok(())
    }

    fn read(&mut self, file: &OsStr, flag: &str) -> Result<Vec<u8>, CliError> {
        let bad = |error: io::Error| {
            let what = format!("--{flag}: cannot read {}", shown(file));
            CliError::usage(what).caused_by(crate::path::printable(error.to_string().as_bytes()))
        };
        if file.is_empty() {
            return Err(CliError::usage(format!("--{flag}: there is no name of a file")).hint("`-` is standard input"));
        }
        if file != "-" {
            return std::fs::read(self.settings.cwd.join(file)).map_err(bad);
        }
        if std::mem::replace(&mut self.stdin_read, true) {
            let what = format!("--{flag}: standard input can be read only once");
            return Err(CliError::usage(what).hint("write one of the lists to a file"));
        }
        let mut text = Vec::new();
        let mut input = self.settings.stdin.0.lock().unwrap_or_else(PoisonError::into_inner);
        input.read_to_end(&mut text).map_err(bad)?;
        Ok(text)
    }
}

fn trim_slashes(mut line: &[u8]) -> &[u8] {
    while let Some(rest) = line.strip_prefix(b"/").or_else(|| line.strip_suffix(b"/")) {
        line = rest;
    }
    line
}

fn shown(file: &OsStr) -> String {
    if file == "-" { "standard input".to_owned() } else { printable(file.as_bytes()) }
}
