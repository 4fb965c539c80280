//! Going on without what is missing or damaged: for runs that look for damage, mend it, or take what is left.
//!
//! A vault that forgives passes over index segments that can't be had and over parts of trees that can't be read, and
//! remembers both as gaps. Bytes that do not verify are never given out; nobody who relies on a whole tree or a whole index
//! asks for this.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::VaultError;
use super::open::Vault;
use crate::class::Class;
use crate::format::hints::ObjectRef;
use crate::format::key::TreeKey;
use crate::history::cursor::Cursor;
use crate::history::source::Root;
use crate::id::BlobId;

/// What was passed over.
#[derive(Default)]
pub(super) struct Forgiven {
    on: AtomicBool,
    gaps: Mutex<Vec<Gap>>,
}

/// A part of a tree that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The key before its first one; empty at the start of the tree.
    pub after: Vec<u8>,
    /// Its last key.
    pub last: Vec<u8>,
    /// What kind of failure it is.
    pub class: Class,
    /// Why, in a sentence.
    pub why: String,
}

/// A part of the index that could not be read: a segment, or the directory of a bundle.
#[derive(Debug)]
pub struct BrokenPart {
    /// The object.
    pub object: ObjectRef,
    /// Why.
    pub error: VaultError,
}

impl Gap {
    /// The keys that are in it.
    pub fn keys(&self) -> Range<TreeKey> {
        let after = |key: &[u8]| TreeKey::from_bytes(&[key, &[0]].concat());
        let start = if self.after.is_empty() { TreeKey::from_bytes(&[]) } else { after(&self.after) };
        start..after(&self.last)
    }

    /// The paths before and at its end, for people.
    pub fn between(&self) -> String {
        let path =
            |key: &[u8]| TreeKey::from_bytes(key).to_path().map_or_else(|_| "?".to_owned(), |path| path.to_string());
        if self.after.is_empty() {
            format!("everything up to `{}`", path(&self.last))
        } else {
            format!("what comes after `{}`, up to `{}`", path(&self.after), path(&self.last))
        }
    }
}

impl Vault {
    /// From now on what is missing is passed over, and noted.
    ///
    /// Affects indexes that are loaded after this.
    pub fn forgive(&self) {
        self.forgiven.on.store(true, Ordering::Relaxed);
    }

    /// Whether it is.
    pub fn forgives(&self) -> bool {
        self.forgiven.on.load(Ordering::Relaxed)
    }

    /// Whether a node is of a merge that no commit has recorded yet: no object has it.
    ///
    /// # Errors
    /// The local state fails.
    pub fn is_unrecorded(&self, id: &BlobId) -> Result<bool, VaultError> {
        Ok(self.overlay.get(id)?.is_some())
    }

    /// The root of the newest tree that can be read at all: that of all heads if it can, otherwise of the newest commit.
    ///
    /// # Errors
    /// The remote's; the error of the newest tree if there is no other.
    pub fn root_left(&self) -> Result<Option<Root>, VaultError> {
        let opens = |root: Option<Root>| match root {
            Some(root) => Cursor::open(self, &root).map(|_| Some(root)),
            None => Ok(None),
        };
        let first = match self.root().and_then(opens) {
            Err(error) if error.is_lack() => error,
            done => return done,
        };
        // Pages of the log's history may be among what is missing.
        let commits = match self.newest(usize::MAX, |_| true) {
            Err(error) if error.is_lack() => self.view().newest_first().into_iter().cloned().collect(),
            commits => commits?,
        };
        for commit in commits {
            self.checkpoint()?;
            match opens(Some(commit.root())) {
                Err(error) if error.is_lack() => {}
                done => return done,
            }
        }
        Err(first)
    }

    /// The parts of trees that were passed over since this was last asked, each once.
    pub fn take_gaps(&self) -> Vec<Gap> {
        std::mem::take(&mut *self.forgiven.gaps.lock().expect("pushing does not panic"))
    }

    /// Whether a reader of a tree goes past a subtree that it can't read.
    pub(super) fn passes_subtree(&self, error: &VaultError, after: &[u8], last: &[u8]) -> bool {
        if !self.forgives() || !error.is_lack() {
            return false;
        }
        let gap = Gap { after: after.to_vec(), last: last.to_vec(), class: error.class(), why: error.to_string() };
        let mut gaps = self.forgiven.gaps.lock().expect("pushing does not panic");
        if gaps.len() < GAPS_MAX && !gaps.contains(&gap) {
            gaps.push(gap);
        }
        true
    }
}

impl VaultError {
    /// Whether something that should be there is missing or is not what it should be: nothing that trying again would help
    /// against.
    pub fn is_lack(&self) -> bool {
        self.is_not_found() || matches!(self, Self::Damaged { .. } | Self::Limit(_))
    }
}

/// So many gaps are told apart.
const GAPS_MAX: usize = 10_000;
