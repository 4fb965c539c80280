//! What people type for a place: a path of this machine, `name:path`, `name,option=value:path`, or `:service,option=value:path`.
//!
//! The grammar is rclone's. A text without a colon, or with a slash before the first one, is a path of this machine.

use super::error::ConfigError;
use super::name::check_remote_name;
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedSetting {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Vec<u8>,
    /// Where it was typed.
    pub origin: Origin,
}

/// Takes a place apart.
///
/// # Errors
/// The character that is wrong, and what to write.
pub fn parse_place(text: &[u8]) -> Result<Typed<'_>, ConfigError> {
    let end = text.iter().position(|b| matches!(b, b':' | b'/' | b','));
    let on_the_fly = text.first() == Some(&b':');
    if !on_the_fly && (!text.contains(&b':') || end.is_none_or(|at| text[at] == b'/')) {
        return Ok(Typed::Local);
    }
    let mut reader = Reader { text, at: usize::from(on_the_fly) };
    let start = reader.at;
    while reader.peek().is_some_and(|b| b != b':' && b != b',') {
        reader.at += 1;
    }
    let name = checked_name(&reader, start, on_the_fly)?;
    let mut settings = Vec::new();
    loop {
        match reader.next() {
            Some(b':') => {
                let remote = RemoteText { name, on_the_fly, settings };
                return Ok(Typed::Remote { remote, path: &text[reader.at..] });
            }
            Some(_) => settings.push(reader.setting()?),
            None => return Err(reader.wrong(reader.at, "a colon is missing", COLON)),
        }
    }
}

fn checked_name(reader: &Reader<'_>, start: usize, on_the_fly: bool) -> Result<String, ConfigError> {
    let bytes = &reader.text[start..reader.at];
    let local = || format!("write `./{}` for a local file of that name", printable(reader.text));
    if bytes.is_empty() {
        let hint = "write `name:path`, or `:service,option=value:path`";
        return Err(reader.wrong(start, "the name of a remote is missing", hint));
    }
    let Ok(name) = std::str::from_utf8(bytes) else {
        return Err(reader.wrong(start, "the name of the remote is not UTF-8", &local()));
    };
    if reader.peek().is_none() {
        return Err(reader.wrong(reader.at, "a colon is missing", COLON));
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
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn setting(&mut self) -> Result<TypedSetting, ConfigError> {
        let start = self.at;
        let origin = Origin::Place(printable(self.text), self.column(start));
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
                self.value()?
            }
            _ => b"true".to_vec(),
        };
        Ok(TypedSetting { name, value, origin })
    }

    fn value(&mut self) -> Result<Vec<u8>, ConfigError> {
        let Some(quote) = self.peek().filter(|b| matches!(b, b'\'' | b'"')) else {
            let start = self.at;
            while self.peek().is_some_and(|b| !matches!(b, b':' | b',')) {
                self.at += 1;
            }
            return Ok(self.text[start..self.at].to_vec());
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

    /// The number of the character at a byte, from 1.
    fn column(&self, at: usize) -> usize {
        String::from_utf8_lossy(&self.text[..at]).chars().count() + 1
    }

    fn wrong(&self, at: usize, message: &str, hint: &str) -> ConfigError {
        ConfigError::Place {
            text: printable(self.text),
            at: self.column(at),
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        }
    }
}

const COLON: &str = "end the remote with a colon: `name,option=value:path`; write `./` before a local path";
