//! The file as a text with remotes in it: read with the place of everything, and changed line by line, so that what somebody wrote
//! around a change stays as it was.

use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::name::{check_remote_name, nearest};
use super::provider::{self, Provider, Setting};
use super::typed::{self, KEYRING, Set};
use super::value::{Given, Origin, Value};
use super::yaml::{self, Node, What, scalar};
use crate::path::printable;

/// A configuration file that says nothing wrong.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    text: String,
    remotes: Vec<Section>,
}

/// One remote in it, and where it stands.
#[derive(Debug)]
struct Section {
    key: Node,
    name: String,
    options: Vec<Entry>,
}

/// One setting of it.
#[derive(Debug)]
struct Entry {
    key: Node,
    name: String,
    node: Node,
    value: Value,
}

/// What can be done to a file.
#[derive(Debug, Clone)]
pub enum Change {
    /// A remote that is not there yet.
    Add(String, Vec<(String, Given)>),
    /// A setting of a remote that is there.
    Set(String, String, Given),
    /// No such setting any more.
    Unset(String, String),
    /// No such remote any more.
    Delete(String),
    /// Another name for a remote.
    Rename(String, String),
}

/// Names of remotes with their settings, in the order of the file.
type Model = Vec<(String, Vec<(String, Given)>)>;

impl Document {
    /// Reads a file's text.
    ///
    /// # Errors
    /// The line and the column of what is wrong, and what was meant.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let root = yaml::parse(text).map_err(|bad| ConfigError::Syntax {
            path: path.to_owned(),
            line: Some(bad.line),
            column: Some(bad.column),
            message: bad.message,
            hint: Some(
                "a remote is written as `remotes:`, and indented below it `name: {type: fs, root: /dir}`".into(),
            ),
        })?;
        let mut document = Self { path: path.to_owned(), text: text.to_owned(), remotes: Vec::new() };
        let Some(root) = root else { return Ok(document) };
        let top = document.map(&root, "`remotes:` is expected here")?;
        let file = typed::read(text, &root).map_err(|place| ConfigError::Syntax {
            path: path.to_owned(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            message: "this is not the YAML of a configuration".into(),
            hint: Some("quote values that hold anything but letters, digits and `._/+@~-`".into()),
        })?;
        for (at, ((key, value), (name, remotes))) in top.iter().zip(file).enumerate() {
            if name != REMOTES {
                let message = format!("unknown key `{}`; a configuration holds `remotes:`", shown_name(&name));
                return Err(document.wrong(key, message, nearest(&name, [REMOTES])));
            }
            if at > 0 {
                return Err(document.wrong(key, "`remotes:` is there twice".into(), None));
            }
            let places = document.map_or_nothing(value, "remotes by name are expected here")?;
            let sections = places.iter().zip(remotes);
            document.remotes = sections
                .map(|((key, value), (name, remote))| document.section(key, value, name, remote))
                .collect::<Result<_, _>>()?;
            document.check_unique()?;
        }
        Ok(document)
    }

    /// The remotes with their settings, in the order of the file.
    pub fn remotes(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = (&str, &Value)>)> {
        self.remotes
            .iter()
            .map(|section| (&*section.name, section.options.iter().map(|option| (&*option.name, &option.value))))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// This file after a change, and whether comments had to be given up for it.
    ///
    /// # Errors
    /// What comes out would be wrong.
    pub fn changed(&self, change: &Change) -> Result<(Self, bool), ConfigError> {
        let mut model = self.model();
        apply(&mut model, change);
        let edited = self.edited(change).and_then(|text| Self::parse(&self.path, &text).ok());
        // Whatever the edit of the text did: it counts only if it says exactly what it should.
        if let Some(edited) = edited.filter(|edited| edited.model() == model) {
            return Ok((edited, false));
        }
        let rendered = Self::parse(&self.path, &render(&model))?;
        Ok((rendered, self.text.contains('#')))
    }

    fn model(&self) -> Model {
        let pair = |(name, value): (&str, &Value)| (name.to_owned(), value.given.clone());
        self.remotes().map(|(name, options)| (name.to_owned(), options.map(pair).collect())).collect()
    }

    fn edited(&self, change: &Change) -> Option<String> {
        match change {
            Change::Add(name, settings) => self.with_remote(name, settings),
            Change::Set(name, key, given) => {
                let section = self.section_of(name)?;
                match section.option(key) {
                    Some(old) => Some(self.replaced(old.node.start.at..old.node.end, &written(given))),
                    None => {
                        let first = section.options.first()?;
                        let line = format!("{}{key}: {}\n", " ".repeat(first.key.start.column - 1), written(given));
                        Some(self.inserted_after(self.last_line(section), &line))
                    }
                }
            }
            Change::Unset(name, key) => {
                let option = self.section_of(name)?.option(key)?;
                Some(self.without_lines(option.key.start.line, self.line_at(option.node.end)))
            }
            Change::Delete(name) => {
                let section = self.section_of(name)?;
                Some(self.without_lines(section.key.start.line, self.last_line(section)))
            }
            Change::Rename(from, to) => {
                let section = self.section_of(from)?;
                Some(self.replaced(section.key.start.at..section.key.end, &scalar(to)))
            }
        }
    }

    fn with_remote(&self, name: &str, settings: &[(String, Given)]) -> Option<String> {
        let Some(last) = self.remotes.last() else {
            let mut text = self.text.clone();
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            let head = if text.lines().any(|line| line.trim_end() == "remotes:") { "" } else { "remotes:\n" };
            return Some(text + head + &section_text(name, settings, 2));
        };
        let first = self.remotes.first()?;
        let text = section_text(name, settings, first.key.start.column - 1);
        Some(self.inserted_after(self.last_line(last), &text))
    }

    fn section_of(&self, name: &str) -> Option<&Section> {
        self.remotes.iter().find(|section| section.name == name)
    }

    fn replaced(&self, range: std::ops::Range<usize>, with: &str) -> String {
        [&self.text[..range.start], with, &self.text[range.end..]].concat()
    }

    /// The last line, counted from 1, on which a remote says anything.
    fn last_line(&self, section: &Section) -> usize {
        section.options.iter().map(|option| self.line_at(option.node.end)).max().unwrap_or(section.key.start.line)
    }

    fn line_at(&self, at: usize) -> usize {
        self.text[..at].trim_end_matches('\n').matches('\n').count() + 1
    }

    fn inserted_after(&self, line: usize, new: &str) -> String {
        let mut lines: Vec<&str> = self.text.split_inclusive('\n').collect();
        let unfinished = lines.get(line - 1).is_some_and(|last| !last.ends_with('\n'));
        let new = if unfinished { format!("\n{new}") } else { new.to_owned() };
        lines.insert(line.min(lines.len()), &new);
        lines.concat()
    }

    fn without_lines(&self, first: usize, last: usize) -> String {
        let lines = self.text.split_inclusive('\n').enumerate();
        lines.filter(|(at, _)| !(first..=last).contains(&(at + 1))).map(|(_, line)| line).collect()
    }

    fn wrong(&self, node: &Node, message: String, meant: Option<&str>) -> ConfigError {
        self.origin(node).wrong(message, meant.map(str::to_owned))
    }

    fn origin(&self, node: &Node) -> Origin {
        Origin::File(self.path.clone(), node.start.line, node.start.column)
    }

    fn map<'n>(&self, node: &'n Node, expected: &str) -> Result<&'n [(Node, Node)], ConfigError> {
        match &node.what {
            What::Map(pairs) => Ok(pairs),
            _ => Err(self.wrong(node, expected.to_owned(), None)),
        }
    }

    fn map_or_nothing<'n>(&self, node: &'n Node, expected: &str) -> Result<&'n [(Node, Node)], ConfigError> {
        if let What::Null = node.what { Ok(&[]) } else { self.map(node, expected) }
    }

    fn check_unique(&self) -> Result<(), ConfigError> {
        for (at, section) in self.remotes.iter().enumerate() {
            if self.remotes[..at].iter().any(|other| other.name == section.name) {
                return Err(self.wrong(&section.key, format!("the remote `{}` is there twice", section.name), None));
            }
        }
        Ok(())
    }

    fn section(&self, key: &Node, value: &Node, name: String, remote: typed::Remote) -> Result<Section, ConfigError> {
        check_remote_name(&name).map_err(|why| {
            self.wrong(key, format!("`{}` is not the name of a remote: {why}", printable(name.as_bytes())), None)
        })?;
        let places = self.map_or_nothing(value, "the settings of the remote are expected here, `type:` first")?;
        let kind = places.iter().zip(&remote).find(|(_, (name, _))| name == "type");
        let of = kind.map(|((_, node), (_, set))| self.provider(node, set)).transpose()?;
        let mut section = Section { key: key.clone(), name, options: Vec::new() };
        let mut seen: Vec<&'static str> = Vec::new();
        for ((key, node), (name, set)) in places.iter().zip(remote) {
            let Some(setting) = provider::settings(of).find(|setting| setting.name == name) else {
                return Err(unknown(of, &name, &self.origin(key)));
            };
            if seen.contains(&setting.name) {
                return Err(self.wrong(key, format!("`{name}` is there twice"), None));
            }
            seen.push(setting.name);
            let given = match set {
                Set::Nothing => continue,
                Set::To(given) => given,
                Set::Odd => {
                    let what = format!("`{name}` is one value, or `{{{KEYRING}: NAME}}`");
                    return Err(self.wrong(node, what, None));
                }
            };
            let value = Value { given, origin: self.origin(node) };
            value.check(setting)?;
            section.options.push(Entry { key: key.clone(), name, node: node.clone(), value });
        }
        Ok(section)
    }

    fn provider(&self, node: &Node, set: &Set) -> Result<&'static Provider, ConfigError> {
        let name = match set {
            Set::To(Given::Text(text)) => String::from_utf8_lossy(text),
            _ => "".into(),
        };
        provider::provider(&name).ok_or_else(|| unknown_type(&name, &self.origin(node)))
    }
}

impl Section {
    fn option(&self, name: &str) -> Option<&Entry> {
        self.options.iter().find(|option| option.name == name)
    }
}

/// The setting of a service, if a value is right for it; an empty one stands for none.
///
/// # Errors
/// There is no such setting, or it can't have that value.
pub fn checked_setting(
    of: Option<&'static Provider>,
    name: &str,
    value: &[u8],
) -> Result<&'static Setting, ConfigError> {
    let setting = provider::settings(of).find(|setting| setting.name == name);
    let setting = setting.ok_or_else(|| unknown(of, name, &Origin::Argument))?;
    if !value.is_empty() {
        Value::text(value, Origin::Argument).check(setting)?;
    }
    Ok(setting)
}

/// A setting that the service does not have.
pub(super) fn unknown(of: Option<&'static Provider>, name: &str, origin: &Origin) -> ConfigError {
    let names: Vec<&str> = provider::settings(of).map(|setting| setting.name).collect();
    // Without a type nobody wants to read those of all services.
    let listed = of.map_or(provider::COMMON.len(), |_| names.len());
    let who = of.map_or("any remote".to_owned(), |of| format!("a remote of type `{}`", of.name));
    let shown = shown_name(name);
    let meant = nearest(name, names.iter().copied()).map(str::to_owned);
    let list: Vec<String> = names[..listed].iter().map(|name| format!("`{name}`")).collect();
    origin.wrong(format!("unknown setting `{shown}`; {who} has {}", list.join(", ")), meant)
}

/// A name as messages may show it: up to where it can't be one any more, for a value may stand there.
fn shown_name(name: &str) -> String {
    let end = name.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(name.len());
    let rest = if end < name.len() { "…" } else { "" };
    format!("{}{rest}", &name[..end])
}

/// A service that there is not.
pub(super) fn unknown_type(name: &str, origin: &Origin) -> ConfigError {
    let meant = provider::nearest_provider(name).map(str::to_owned);
    let shown = printable(name.as_bytes());
    origin.wrong(format!("there is no service `{shown}`; write one of {}", provider::provider_list()), meant)
}

fn apply(model: &mut Model, change: &Change) {
    match change {
        Change::Add(name, settings) => model.push((name.clone(), settings.clone())),
        Change::Delete(name) => model.retain(|(known, _)| known != name),
        Change::Rename(from, to) => {
            model.iter_mut().filter(|(known, _)| known == from).for_each(|(known, _)| to.clone_into(known));
        }
        Change::Set(name, key, given) => {
            for (_, options) in model.iter_mut().filter(|(known, _)| known == name) {
                match options.iter_mut().find(|(known, _)| known == key) {
                    Some((_, old)) => *old = given.clone(),
                    None => options.push((key.clone(), given.clone())),
                }
            }
        }
        Change::Unset(name, key) => {
            let sections = model.iter_mut().filter(|(known, _)| known == name);
            sections.for_each(|(_, options)| options.retain(|(known, _)| known != key));
        }
    }
}

fn render(model: &Model) -> String {
    let sections = model.iter().map(|(name, settings)| section_text(name, settings, 2));
    std::iter::once("remotes:\n".to_owned()).chain(sections).collect()
}

fn section_text(name: &str, settings: &[(String, Given)], indent: usize) -> String {
    let pad = " ".repeat(indent.max(1));
    let lines = settings.iter().map(|(key, given)| format!("{pad}{pad}{key}: {}\n", written(given)));
    std::iter::once(format!("{pad}{}:\n", scalar(name))).chain(lines).collect()
}

/// A value as the file has it.
pub(super) fn written(given: &Given) -> String {
    match given {
        Given::Text(text) => scalar(&String::from_utf8_lossy(text)),
        Given::Keyring(id) => format!("{{{KEYRING}: {}}}", scalar(id)),
    }
}

const REMOTES: &str = "remotes";
