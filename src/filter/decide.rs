//! What is in scope: everything that was asked for, held against one entry.

use std::borrow::Cow;
use std::sync::Arc;

use super::definition::{BadFilter, Definition, Rule, Stated};
use super::names::Names;
use super::partition::Partition;
use super::rules::Rules;
use crate::path::TreePath;
use crate::world::Timestamp;

/// What is in scope. The default is everything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    inner: Arc<Inner>,
    /// How many levels are in scope.
    depth: Option<u32>,
    /// What is added to the names of links.
    link_suffix: &'static str,
}

#[derive(Debug, Default)]
struct Inner {
    rules: Rules,
    metadata: Rules,
    limits: Limits,
    markers: Vec<Vec<u8>>,
    partition: Option<Partition>,
    names: Option<Names>,
}

/// Sizes and times in scope, both ends included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) min_size: Option<u64>,
    pub(super) max_size: Option<u64>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) not_after: Option<Timestamp>,
}

/// What is known of a file beside its path.
pub struct Facts<'a> {
    /// Its size in bytes; of a link, that of its target's text.
    pub size: u64,
    /// Its modification time.
    pub mtime: Timestamp,
    /// Its metadata as `key=value`. Asked for only if [`Filter::asks_metadata`].
    pub metadata: &'a dyn Fn() -> Vec<String>,
}

impl Filter {
    pub(super) fn new(
        rules: Rules,
        metadata: Rules,
        limits: Limits,
        markers: Vec<Vec<u8>>,
        partition: Option<Partition>,
        depth: Option<u32>,
    ) -> Self {
        let inner = Inner { rules, metadata, limits, markers, partition, names: None };
        Self { inner: Arc::new(inner), depth, link_suffix: "" }
    }

    /// A filter of rules alone, in our reading.
    ///
    /// # Errors
    /// [`BadFilter`] says which pattern is wrong, where, and how to write it.
    pub fn from_rules(rules: Vec<Rule>) -> Result<Self, BadFilter> {
        let rules = rules.into_iter().map(|rule| Stated { rule, place: String::new() }).collect();
        Definition { rules, ..Definition::default() }.build()
    }

    pub(super) fn only(self, names: Names) -> Self {
        Self { inner: Arc::new(Inner { names: Some(names), ..Inner::default() }), ..self }
    }

    /// Whether everything is in scope.
    pub fn is_everything(&self) -> bool {
        !self.has_rules() && self.inner.names.is_none() && self.depth.is_none()
    }

    pub(super) fn has_rules(&self) -> bool {
        let Inner { rules, metadata, limits, markers, partition, .. } = &*self.inner;
        !rules.is_empty()
            || !metadata.is_empty()
            || *limits != Limits::default()
            || !markers.is_empty()
            || partition.is_some()
    }

    /// The filter for a destination from which what is out of scope is deleted too, if `deleted`: only the depth stays.
    #[must_use]
    pub fn of_destination(&self, deleted: bool) -> Self {
        if deleted { Self { inner: Arc::default(), ..self.clone() } } else { self.clone() }
    }

    /// Has names of links looked at with this behind them.
    #[must_use]
    pub fn suffixing_links(self, link_suffix: &'static str) -> Self {
        Self { link_suffix, ..self }
    }

    /// The name by which a link is looked at.
    pub fn link_name<'p>(&self, path: &'p TreePath) -> Cow<'p, TreePath> {
        let name = [path.name().unwrap_or_default(), self.link_suffix.as_bytes()].concat();
        let named = path.parent().filter(|_| !self.link_suffix.is_empty()).and_then(|dir| dir.join(&name).ok());
        named.map_or(Cow::Borrowed(path), Cow::Owned)
    }

    /// How many levels are in scope, if they are limited.
    pub fn depth(&self) -> Option<u32> {
        self.depth
    }

    /// Names of files that put the directory they are in out of scope. Whoever walks has to look for them.
    pub fn markers(&self) -> &[Vec<u8>] {
        &self.inner.markers
    }

    /// Whether [`Facts::metadata`] is looked at.
    pub fn asks_metadata(&self) -> bool {
        !self.inner.metadata.is_empty()
    }

    /// Whether a file (or a link: anything but a directory) is in scope, in a directory that is.
    pub fn takes(&self, path: &TreePath, facts: &Facts<'_>) -> bool {
        let Inner { limits, metadata, .. } = &*self.inner;
        if limits.not_before.is_some_and(|from| facts.mtime < from)
            || limits.not_after.is_some_and(|to| facts.mtime > to)
            || limits.min_size.is_some_and(|min| facts.size < min)
            || limits.max_size.is_some_and(|max| facts.size > max)
        {
            return false;
        }
        if !metadata.is_empty() {
            let mut known = (facts.metadata)();
            if known.is_empty() {
                known.push("\0=\0".to_owned()); // so that what matches everything matches
            }
            if !metadata.take_in(&known.iter().map(String::as_str).collect::<Vec<_>>()) {
                return false;
            }
        }
        self.takes_name(path)
    }

    /// The same as far as the path tells.
    pub fn takes_name(&self, path: &TreePath) -> bool {
        let Inner { rules, partition, names, .. } = &*self.inner;
        if self.depth.is_some_and(|depth| path.components().count() > depth as usize) {
            return false;
        }
        if let Some(names) = names {
            return names.holds(path.as_bytes());
        }
        if rules.is_empty() && partition.is_none() {
            return true;
        }
        let text = as_text(path.as_bytes(), rules.is_compat());
        partition.as_ref().is_none_or(|partition| partition.holds(&text)) && rules.take_in(&[&text])
    }

    /// Whether rules for files take in a directory by its name with a `/` behind it. rclone asks them which of the empty ones
    /// may go.
    pub fn takes_dir(&self, dir: &TreePath) -> bool {
        let Inner { rules, partition, names, .. } = &*self.inner;
        let text = format!("{}/", as_text(dir.as_bytes(), rules.is_compat()));
        let is_part = partition.as_ref().is_none_or(|partition| partition.holds(&text));
        names.is_none() && is_part && (rules.is_empty() || rules.take_in(&[&text]))
    }

    /// Whether a directory is in scope, in one that is. If not, nothing below it is.
    pub fn enters(&self, dir: &TreePath) -> bool {
        if dir.is_root() {
            return true;
        }
        if self.depth.is_some_and(|depth| dir.components().count() > depth as usize) {
            return false;
        }
        match &self.inner.names {
            Some(names) => names.leads_through(dir.as_bytes()),
            None => {
                let rules = &self.inner.rules;
                rules.is_empty() || rules.enter(&as_text(dir.as_bytes(), rules.is_compat()))
            }
        }
    }

    /// Whether what is in a directory that is in scope can be in scope too.
    pub fn descends(&self, dir: &TreePath) -> bool {
        self.depth.is_none_or(|depth| dir.components().count() < depth as usize)
    }

    /// Whether the path of a file is in scope, and all directories on the way to it.
    pub fn decide_file(&self, path: &TreePath) -> bool {
        path.parent().is_none_or(|dir| self.decide_dir(&dir)) && self.takes_name(path)
    }

    /// Whether the path of a directory is in scope, and all directories on the way to it.
    pub fn decide_dir(&self, dir: &TreePath) -> bool {
        std::iter::successors(Some(dir.clone()), TreePath::parent).all(|dir| self.enters(&dir))
    }

    /// What there is, for people, a line each.
    pub fn dump(&self) -> Vec<String> {
        let Inner { rules, metadata, limits, markers, partition, names } = &*self.inner;
        let line = |what: &str, value: Option<String>| value.map(|value| format!("{what}: {value}"));
        let mut all: Vec<String> = [
            line("Modified at or after", limits.not_before.map(|time| time.utc())),
            line("Modified at or before", limits.not_after.map(|time| time.utc())),
            line("Minimum size is", limits.min_size.map(|size| size.to_string())),
            line("Maximum size is", limits.max_size.map(|size| size.to_string())),
            line("Levels", self.depth.map(|depth| depth.to_string())),
            line("Part", partition.as_ref().map(Partition::shown)),
            line("Names in lists", names.as_ref().map(|names| names.len().to_string())),
        ]
        .into_iter()
        .flatten()
        .collect();
        all.extend(markers.iter().map(|name| format!("Left out if present: {}", crate::path::printable(name))));
        all.extend(rules.shown("File"));
        if !metadata.is_empty() {
            all.extend(metadata.shown("Metadata"));
        }
        all
    }
}

/// A path as patterns see it. rclone sees control characters by their pictures, and bytes that are no text in hexadecimal.
fn as_text(bytes: &[u8], compat: bool) -> Cow<'_, str> {
    let plain = !compat || !bytes.iter().any(u8::is_ascii_control);
    if let (Ok(text), true) = (std::str::from_utf8(bytes), plain) {
        return Cow::Borrowed(text);
    }
    if compat {
        return Cow::Owned(pictured(bytes));
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

fn pictured(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.extend(chunk.valid().chars().map(|c| match u32::from(c) {
            code @ 1..0x20 => char::from_u32(0x2400 + code).unwrap_or(c),
            0x7f => '\u{2421}',
            _ => c,
        }));
        for byte in chunk.invalid() {
            text.push_str(&format!("\u{201b}{byte:02X}"));
        }
    }
    text
}
