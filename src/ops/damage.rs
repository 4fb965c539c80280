//! What a vault needs and has not got: which files, at which commits, rest on objects that are missing or damaged. Reads trees
//! and lists of chunks; of content it looks only whether an object is there that the index gives for it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Ctx;
use crate::class::Class;
use crate::event::Event;
use crate::format::entry::{Content, Entry};
use crate::format::hints::ObjectRef;
use crate::format::index::{IndexClass, id16};
use crate::format::key::TreeKey;
use crate::format::name::ObjectName;
use crate::history::chunk_list::ListReader;
use crate::history::source::{ResolvedPlace, Root};
use crate::history::survey::{Survey, Surveyor};
use crate::id::{BlobId, ObjectId};
use crate::path::TreePath;
use crate::vault::{Index, Stock, Vault, VaultError};

/// Something in a tree that can't be read.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The path, or what is known of the paths.
    pub what: String,
    /// The file, if it is one.
    pub path: Option<TreePath>,
    /// What kind of failure it is.
    pub class: Class,
    /// Why, in a clause.
    pub why: String,
    /// The commits that have it, newest first: the first few.
    pub commits: Vec<String>,
    /// How many commits have it, of those that were looked at.
    pub count: u64,
    /// Whether the newest tree has it.
    pub newest: bool,
}

/// What lies at the remote.
pub(super) struct Presence {
    objects: BTreeMap<ObjectName, u64>,
    damaged: HashSet<ObjectId>,
}

impl Presence {
    /// As a listing shows it.
    pub(super) fn of(stock: &Stock) -> Self {
        Self { objects: stock.objects.clone(), damaged: HashSet::new() }
    }

    /// The size of an object, if it is there.
    pub(super) fn size(&self, name: &ObjectName) -> Option<u64> {
        self.objects.get(name).copied()
    }

    /// All objects.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&ObjectName, u64)> {
        self.objects.iter().map(|(name, size)| (name, *size))
    }

    /// An object is there after all.
    pub(super) fn add(&mut self, name: ObjectName, size: u64) {
        self.objects.insert(name, size);
        self.damaged.remove(&name.id());
    }

    /// An object is not what it should be.
    pub(super) fn shun(&mut self, id: ObjectId) {
        self.damaged.insert(id);
    }

    /// Whether it was found to be not what it should be.
    pub(super) fn is_damaged(&self, id: &ObjectId) -> bool {
        self.damaged.contains(id)
    }

    /// Whether a pack is there, with its size, and not known to be damaged.
    pub(super) fn has(&self, class: IndexClass, object: &ObjectRef) -> bool {
        // Bundles were listed when the log was read.
        class == IndexClass::Log
            || self.size(&pack_name(class, object.id)) == Some(object.size) && !self.damaged.contains(&object.id)
    }
}

/// Looks through trees.
pub(super) struct Damage<'a> {
    survey: Survey,
    finder: Finder<'a>,
}

/// What was seen.
pub(super) struct Finder<'a> {
    ctx: &'a Ctx<'a>,
    vault: &'a Vault,
    index: &'a Index,
    presence: &'a Presence,
    /// Blobs that are no part of the index yet.
    found: HashSet<[u8; 16]>,
    /// Whether each list of chunks that was read is whole.
    lists: HashMap<BlobId, Option<(Class, String)>>,
    hits: BTreeMap<(String, String), Hit>,
    at: String,
    is_newest: bool,
    /// Nodes and lists of chunks that were read.
    pub(super) nodes: u64,
    pub(super) entries: u64,
    /// References to chunks that are there.
    pub(super) chunks: u64,
}

impl<'a> Damage<'a> {
    pub(super) fn new(ctx: &'a Ctx<'a>, vault: &'a Vault, index: &'a Index, presence: &'a Presence) -> Self {
        let finder = Finder {
            ctx,
            vault,
            index,
            presence,
            found: HashSet::new(),
            lists: HashMap::new(),
            hits: BTreeMap::new(),
            at: String::new(),
            is_newest: false,
            nodes: 0,
            entries: 0,
            chunks: 0,
        };
        Self { survey: Survey::default(), finder }
    }

    /// With blobs that are about to be part of the index.
    pub(super) fn knowing(mut self, found: &HashSet<[u8; 16]>) -> Self {
        self.finder.found.clone_from(found);
        self
    }

    /// Looks at the tree as the heads show it now.
    ///
    /// # Errors
    /// The remote's, or cancelled.
    pub(super) fn newest(&mut self, root: &Root) -> Result<(), VaultError> {
        self.finder.is_newest = true;
        self.finder.at = "the newest state".into();
        let done = self.survey.tree(self.finder.vault, root, &mut self.finder);
        self.finder.is_newest = false;
        done
    }

    /// Looks at the trees of all commits that are kept, newest first.
    ///
    /// # Errors
    /// The remote's, or cancelled.
    pub(super) fn history(&mut self) -> Result<(), VaultError> {
        let mut seen = HashSet::new();
        let vault = self.finder.vault;
        let commits = match vault.newest(usize::MAX, |_| true) {
            Err(error) if error.is_lack() => {
                self.finder.hit("the log's history".into(), None, error.class(), error.to_string());
                vault.view().newest_first().into_iter().cloned().collect()
            }
            commits => commits?,
        };
        for commit in commits {
            if vault.forgotten_by(&commit)?.is_some() {
                continue;
            }
            let root = commit.root();
            // Joins and statements have the tree of the commit before them.
            if seen.insert(root.id) {
                self.finder.at = format!("{} ({})", commit.id.short(), commit.record.time.utc());
                self.survey.tree(self.finder.vault, &root, &mut self.finder)?;
            }
        }
        Ok(())
    }

    /// What was found, and what was looked at.
    pub(super) fn finish(self) -> (Vec<Hit>, Finder<'a>) {
        let mut finder = self.finder;
        let hits = std::mem::take(&mut finder.hits).into_values().collect();
        (hits, finder)
    }
}

impl Finder<'_> {
    fn hit(&mut self, what: String, path: Option<TreePath>, class: Class, why: String) {
        let key = (what, why);
        if self.hits.len() >= HITS_MAX && !self.hits.contains_key(&key) {
            return;
        }
        let hit = self.hits.entry(key.clone()).or_insert_with(|| {
            let (what, why) = key;
            Hit { what, path, class, why, commits: Vec::new(), count: 0, newest: false }
        });
        if self.is_newest {
            hit.newest = true;
            return;
        }
        hit.count += 1;
        if hit.commits.len() < COMMITS_SHOWN {
            hit.commits.push(self.at.clone());
        }
    }

    /// Whether some object has a blob.
    fn is_there(&self, id: &BlobId) -> Result<bool, VaultError> {
        let places = self.index.lookup(id)?;
        Ok(places.iter().any(|place| self.presence.has(place.class, &place.object)) || self.found.contains(&id16(id)))
    }

    /// Fails if no object has a node, whatever copies of it are on this machine.
    fn need(&self, id: &BlobId) -> Result<(), VaultError> {
        if self.is_there(id)? || self.vault.is_unrecorded(id)? {
            return Ok(());
        }
        let places = self.index.lookup(id)?;
        match places.iter().find(|place| self.presence.is_damaged(&place.object.id)) {
            Some(place) => {
                let reason = format!("node {} lies in it", id.short());
                Err(VaultError::damaged(pack_name(place.class, place.object.id), &reason))
            }
            None => Err(VaultError::Missing { what: format!("node {} (in no object that is there)", id.short()) }),
        }
    }

    /// What is wrong with a chunk; nothing if an object has it.
    fn chunk(&mut self, id: &BlobId) -> Result<Option<(Class, String)>, VaultError> {
        if self.is_there(id)? {
            self.chunks += 1;
            return Ok(None);
        }
        let places = self.index.lookup(id)?;
        let damaged = places.iter().any(|place| self.presence.is_damaged(&place.object.id));
        let (class, what) = match (places.is_empty(), damaged) {
            (true, _) => (Class::Missing, "is in no index"),
            (false, true) => (Class::Integrity, "is in a pack that is damaged"),
            (false, false) => (Class::Missing, "is in a pack that is missing"),
        };
        Ok(Some((class, format!("chunk {} {what}", id.short()))))
    }

    fn list(
        &mut self,
        id: &BlobId,
        entry: &Entry,
        place: Option<ResolvedPlace>,
    ) -> Result<Option<(Class, String)>, VaultError> {
        if let Some(known) = self.lists.get(id) {
            return Ok(known.clone());
        }
        let found = match self.read_list(id, entry, place) {
            Err(error) if error.is_lack() => Some((error.class(), error.to_string())),
            done => done?,
        };
        self.lists.insert(*id, found.clone());
        Ok(found)
    }

    fn read_list(
        &mut self,
        id: &BlobId,
        entry: &Entry,
        place: Option<ResolvedPlace>,
    ) -> Result<Option<(Class, String)>, VaultError> {
        self.nodes += 1;
        self.need(id)?;
        let mut found = None;
        for piece in ListReader::open(self.vault, id, entry.size, place)? {
            if let Some((id, _)) = piece?.chunk
                && let Some(wrong) = self.chunk(&id)?
            {
                found.get_or_insert(wrong);
            }
        }
        Ok(found)
    }
}

impl Surveyor<Vault> for Finder<'_> {
    fn node(&mut self, id: &BlobId) -> Result<(), VaultError> {
        self.nodes += 1;
        self.vault.checkpoint()?;
        self.need(id)
    }

    fn entry(&mut self, key: &[u8], entry: &Entry, place: Option<ResolvedPlace>) -> Result<bool, VaultError> {
        self.entries += 1;
        if self.entries.is_multiple_of(1024) {
            self.ctx.observer.event(Event::Checked(self.entries));
        }
        let path = match TreeKey::from_bytes(key).to_path() {
            Ok(path) => path,
            Err(error) => {
                self.hit("the tree".into(), None, Class::UnsafePath, error.to_string());
                return Ok(false);
            }
        };
        let wrong = match &entry.content {
            Content::Chunk(id) => self.chunk(id)?,
            Content::List(id) => self.list(id, entry, place)?,
            _ => None,
        };
        let Some((class, why)) = wrong else { return Ok(true) };
        self.hit(format!("`{path}`"), Some(path), class, why);
        Ok(false)
    }

    fn unreadable(&mut self, after: &[u8], last: &[u8], error: VaultError) -> Result<(), VaultError> {
        if !error.is_lack() {
            return Err(error);
        }
        let path =
            |key: &[u8]| TreeKey::from_bytes(key).to_path().map_or_else(|_| "?".to_owned(), |path| path.to_string());
        let what = match (after, last) {
            ([], []) => "the tree".to_owned(),
            ([], last) => format!("the tree up to `{}`", path(last)),
            (after, last) => format!("the tree after `{}`, up to `{}`", path(after), path(last)),
        };
        self.hit(what, None, error.class(), error.to_string());
        Ok(())
    }
}

/// The name of a pack.
pub(super) fn pack_name(class: IndexClass, id: ObjectId) -> ObjectName {
    if class == IndexClass::Data { ObjectName::Data(id) } else { ObjectName::Meta(id) }
}

/// So many are told apart.
const HITS_MAX: usize = 100_000;
/// Of the commits that have one.
const COMMITS_SHOWN: usize = 5;
