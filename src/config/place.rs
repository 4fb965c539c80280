//! What people type for a place: a path of this machine, `name:path`, `name,option=value:path`, or `:service,option=value:path`.
//!
//! The grammar is rclone's. A text without a colon, or with a slash before the first one, is a path of this machine.
//!
//! A place may hold secrets, and messages quote places. So only [`Reader::shown`] makes text of one: it leaves out the values of
//! secrets, and every value as long as it is not clear where one ends.

use std::fmt;
use std::ops::Range;

use super::error::ConfigError;
use super::name::check_remote_name;
use super::provider;
use super::value::Origin;
use crate::path::printable;

/// A place, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed<'a> {
    /// A path of this machine.
    Local,
    /// Something of a remote.
    Remote {
        /// Which.
        remote: RemoteText,
        /// The path behind the colon.
        path: &'a [u8],
    },
}

/// A remote as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteText {
    /// The name of a remote, or of a service if `on_the_fly`.
    pub name: String,
    /// Whether it is in no configuration.
    pub on_the_fly: bool,
    /// Its settings, and where each begins; a bare name is `true`.
    pub settings: Vec<TypedSetting>,
}

/// A setting in a place.
#[derive(Clone, PartialEq, Eq)]
pub struct TypedSetting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
    /// Where it was typed.
    pub origin: Origin,
}

/// Says nothing of the value: it may be a secret.
impl fmt::Debug for TypedSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypedSetting({} at {:?})", self.name, self.origin)
    }
}

/// Takes a place apart.
///
/// # Errors
/// The character that is wrong, and what to write.
pub fn parse_place(text: &[u8]) -> Result<Typed<'_>, ConfigError> {
    let end = text.iter().position(|b| matches!(b, b':' | b'/' | b','));
    let on_the_fly = text.first() == Some(&b':');
    let mut reader = Reader { text, at: usize::from(on_the_fly), values: Vec::new() };
    let local = !on_the_fly && (!text.contains(&b':') || end.is_none_or(|at| text[at] == b'/'));
    // A secret whose remote lacks its colon must not become the name of a file, and be in every message and history.
    if local && !reader.holds_secret() {
        return Ok(Typed::Local);
    }
    let start = reader.at;
    while reader.peek().is_some_and(|b| b != b':' && b != b',') {
        reader.at += 1;
    }
    let name = checked_name(&reader, start, on_the_fly)?;
    let mut settings = Vec::new();
    loop {
        match reader.next() {
            Some(b':') => {
                let settings = settings.into_iter().map(|setting| reader.typed(setting)).collect();
                let remote = RemoteText { name, on_the_fly, settings };
                return Ok(Typed::Remote { remote, path: &text[reader.at..] });
            }
            Some(_) => settings.push(reader.setting()?),
            None => return Err(reader.wrong(reader.at, MISSING, COLON)),
        }
    }
}

/// A place as messages may show it: without the values of secrets.
pub fn shown_place(text: &[u8]) -> String {
    match parse_place(text) {
        Ok(Typed::Local) => printable(text),
        Ok(Typed::Remote { remote, path }) => format!("{}:{}", remote.shown(), printable(path)),
        Err(ConfigError::Place { text, .. }) => text,
        Err(_) => HIDDEN.to_owned(),
    }
}

fn checked_name(reader: &Reader<'_>, start: usize, on_the_fly: bool) -> Result<String, ConfigError> {
    let bytes = &reader.text[start..reader.at];
    let local = || match reader.text.contains(&b',') {
        true => "write `./` before a local path".to_owned(),
        false => format!("write `./{}` for a local file of that name", printable(reader.text)),
    };
    if bytes.is_empty() {
        let hint = "write `name:path`, or `:service,option=value:path`";
        return Err(reader.wrong(start, "the name of a remote is missing", hint));
    }
    let Ok(name) = std::str::from_utf8(bytes) else {
        return Err(reader.wrong(start, "the name of the remote is not UTF-8", &local()));
    };
    if reader.peek().is_none() {
        return Err(reader.wrong(reader.at, MISSING, COLON));
    }
    match check_remote_name(name) {
        Ok(()) => Ok(name.to_owned()),
        Err(_) if on_the_fly => Ok(name.to_owned()), // there is no such service, which is said where services are looked up
        Err(why) => {
            let what = format!("`{}` is not the name of a remote: {why}", printable(bytes));
            Err(reader.wrong(start, &what, &local()))
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Where values are, and whose.
    values: Vec<(Range<usize>, String)>,
}

/// Where a setting begins, its name and its value.
type Found = (usize, String, Vec<u8>);

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn setting(&mut self) -> Result<Found, ConfigError> {
        let start = self.at;
        while let Some(b) = self.peek().filter(|b| !matches!(b, b':' | b',' | b'=')) {
            if !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')) {
                let hint = "names of settings hold letters, digits, `_` and `.`; quote a value that holds `,` or `:`";
                return Err(self.wrong(self.at, "a character that no name of a setting has", hint));
            }
            self.at += 1;
        }
        if self.at == start {
            return Err(self.wrong(start, "the name of a setting is missing", "write `option=value` behind the comma"));
        }
        let name = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        let value = match self.peek() {
            Some(b'=') => {
                self.at += 1;
                self.values.push((self.at..self.text.len(), name.clone()));
                let value = self.value()?;
                self.values.last_mut().expect("it was put there").0.end = self.at;
                value
            }
            _ => b"true".to_vec(),
        };
        Ok((start, name, value))
    }

    /// The setting, once the whole text has been read.
    fn typed(&self, (start, name, value): Found) -> TypedSetting {
        let origin = Origin::Place(self.shown(self.text.len(), false), self.column(start, false));
        TypedSetting { name, value, origin }
    }

    fn value(&mut self) -> Result<Vec<u8>, ConfigError> {
        let Some(quote) = self.peek().filter(|b| matches!(b, b'\'' | b'"')) else {
            let start = self.at;
            while self.peek().is_some_and(|b| !matches!(b, b':' | b',')) {
                self.at += 1;
            }
            let value = &self.text[start..self.at];
            if matches!(value, b"http" | b"https") && self.text[self.at..].starts_with(b"://") {
                let hint = "write `url='https://example.org/dav'`, with the quotes";
                return Err(self.wrong(self.at, "a value that holds `:` has to be quoted", hint));
            }
            return Ok(value.to_vec());
        };
        let start = self.at;
        self.at += 1;
        let mut value = Vec::new();
        loop {
            match self.next() {
                None => {
                    return Err(self.wrong(
                        start,
                        "a quote is never closed",
                        "close it, or double it if it belongs to the value",
                    ));
                }
                Some(b) if b != quote => value.push(b),
                Some(_) if self.peek() == Some(quote) => {
                    self.at += 1;
                    value.push(quote);
                }
                Some(_) => break,
            }
        }
        match self.peek() {
            None | Some(b':' | b',') => Ok(value),
            Some(_) => Err(self.wrong(
                self.at,
                "`:` or `,` is expected behind a quote",
                "double a quote that belongs to the value",
            )),
        }
    }

    /// Whether a text that is no remote has a setting that is a secret.
    fn holds_secret(&self) -> bool {
        let mut parts = self.text.split(|b| *b == b',');
        let is_name = parts.next().is_some_and(|name| !name.contains(&b'/'));
        let mut names = parts.filter_map(|part| std::str::from_utf8(part.split(|b| *b == b'=').next()?).ok());
        is_name && names.any(|name| provider::setting(None, name).is_some_and(|_| provider::is_secret(name)))
    }

    /// The text up to a byte as messages may show it: without the values of secrets, or without any.
    fn shown(&self, end: usize, hide_all: bool) -> String {
        let (mut shown, mut at) = (String::new(), 0);
        for (range, name) in self.values.iter().filter(|(range, _)| range.start < end) {
            shown += &printable(&self.text[at..range.start]);
            at = range.end.min(end);
            let value = &self.text[range.start..at];
            shown += &if hide_all { HIDDEN.to_owned() } else { shown_value(name, value) };
        }
        shown + &printable(&self.text[at..end])
    }

    /// The number of the character at a byte in what is shown, from 1.
    fn column(&self, at: usize, hide_all: bool) -> usize {
        let inside = self.values.iter().find(|(range, _)| range.contains(&at) && range.start < at);
        self.shown(inside.map_or(at, |(range, _)| range.start), hide_all).chars().count() + 1
    }

    /// What comes behind the mistake is not shown: nobody knows what it is.
    fn wrong(&self, at: usize, message: &str, hint: &str) -> ConfigError {
        let inside = self.values.last().is_some_and(|(range, _)| range.end == self.text.len());
        let end = if inside || !self.text.contains(&b',') {
            self.text.len()
        } else {
            self.at.max(at + 1).min(self.text.len())
        };
        let rest = if end < self.text.len() { "…" } else { "" };
        ConfigError::Place {
            text: self.shown(end, true) + rest,
            at: self.column(at, true),
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        }
    }
}

/// A value as messages may show it.
pub(super) fn shown_value(name: &str, value: &[u8]) -> String {
    if provider::is_secret(name) { HIDDEN.to_owned() } else { without_secrets(&printable(value)) }
}

/// A text without the secrets of the places and addresses that are words of it.
pub(super) fn without_secrets(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_start_matches(['\'', '"']);
        match shown_place(bare.as_bytes()) {
            shown if shown.contains(HIDDEN) => format!("{}{shown}", &word[..word.len() - bare.len()]),
            _ => without_login(word),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// An address without the user and the password that it may hold.
fn without_login(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let host = rest.find('/').unwrap_or(rest.len());
    match rest[..host].rfind('@') {
        Some(end) => format!("{scheme}://{HIDDEN}{}", &rest[end..]),
        None => text.to_owned(),
    }
}

/// What stands for a value that is not shown.
pub(super) const HIDDEN: &str = "***";
const MISSING: &str = "a colon is missing";
const COLON: &str = "end the remote with a colon: `name,option=value:path`; write `./` before a local path";
