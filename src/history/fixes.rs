//! What a merge has to do at keys other than the one where it found out: conflict copies, directories that stay.
//!
//! In bounded memory: only those of the lowest keys are held, up to some number of bytes; the rest is found again when
//! these are done with ([`Fixes::next_window`]).

use std::collections::BTreeMap;

use crate::format::entry::{Content, Entry};
use crate::format::key::TreeKey;

/// The fixes of a range of keys.
#[derive(Debug)]
pub(super) struct Fixes {
    /// Keys below this one are done with.
    from: Option<TreeKey>,
    /// Fixes from this key on were left out.
    until: Option<TreeKey>,
    fixes: BTreeMap<TreeKey, Fix>,
    bytes: usize,
    bytes_max: usize,
}

/// What is to be done at one key.
#[derive(Debug, Default)]
pub(super) struct Fix {
    /// A directory here has to stay.
    pub(super) needed: bool,
    /// A conflict copy comes here, unless something of the same content is here.
    pub(super) copy: Option<Entry>,
    /// Whether that is so on the side of the higher rank.
    pub(super) is_there: bool,
    /// What it takes in memory, about.
    len: usize,
}

impl Fixes {
    pub(super) fn with_room(bytes_max: usize) -> Self {
        Self { from: None, until: None, fixes: BTreeMap::new(), bytes: 0, bytes_max }
    }

    /// Forgets everything, and from now on takes what comes after it.
    pub(super) fn next_window(&mut self) {
        self.from = self.until.take().or(self.from.take());
        self.fixes.clear();
        self.bytes = 0;
    }

    pub(super) fn need(&mut self, key: TreeKey) {
        self.add(key, 0, |fix| fix.needed = true);
    }

    pub(super) fn copy(&mut self, key: TreeKey, copy: Entry, is_there: bool) {
        let attributes: usize = copy.attributes.iter().map(|(_, value)| value.len() + 32).sum();
        let inline = if let Content::Inline(bytes) | Content::Link(bytes) = &copy.content { bytes.len() } else { 0 };
        self.add(key, attributes + inline, |fix| (fix.copy, fix.is_there) = (Some(copy), is_there));
    }

    fn add(&mut self, key: TreeKey, len: usize, set: impl FnOnce(&mut Fix)) {
        if self.from.as_ref().is_some_and(|from| key < *from) || self.end_before(&key) {
            return;
        }
        let key_len = key.as_bytes().len();
        let fix = self.fixes.entry(key).or_default();
        let len = size_of::<(TreeKey, Fix)>() + key_len + len;
        self.bytes = self.bytes - fix.len + len.max(fix.len);
        fix.len = len.max(fix.len);
        set(fix);
        while self.bytes > self.bytes_max && self.fixes.len() > 1 {
            let Some((last, fix)) = self.fixes.pop_last() else { break };
            self.bytes -= fix.len;
            self.until = Some(last);
        }
    }

    /// The lowest key that has any.
    pub(super) fn first(&self) -> Option<&TreeKey> {
        self.fixes.first_key_value().map(|(key, _)| key)
    }

    pub(super) fn take(&mut self, key: &TreeKey) -> Option<Fix> {
        self.fixes.remove(key)
    }

    /// Whether nothing is known of this key because memory ended before it.
    pub(super) fn end_before(&self, key: &TreeKey) -> bool {
        self.until.as_ref().is_some_and(|until| key >= until)
    }

    /// Whether nothing was left out.
    pub(super) fn is_last(&self) -> bool {
        self.until.is_none()
    }
}

/// Fixes in memory at a time.
pub(super) const BYTES_MAX: usize = 16 << 20;
