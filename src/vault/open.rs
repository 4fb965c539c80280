//! An open vault: keys verified, log read, heads known. Start at [`Vault::open`].

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use super::access::{Access, Asker};
use super::cache::Cache;
use super::demands::Demands;
use super::epochs;
use super::error::VaultError;
use super::forgive::Forgiven;
use super::index::{Found, Index};
use super::io::RemoteIo;
use super::listing::Listing;
use super::log::{Commit, Reading, View, seen_record};
use super::merged;
use super::objects::Objects;
use super::overlay::Overlay;
use super::pins::Pins;
use super::rules::Rules;
use super::state::State;
use super::unlock::Unlock;
use crate::chunk::{Cutter, Policy};
use crate::crypto::VaultKeys;
use crate::format::genesis::{ChunkerPolicy, Genesis};
use crate::format::name::ObjectName;
use crate::format::record::Attribute;
use crate::history::source::Root;
use crate::id::{BlobId, ObjectId, VaultId, WriterId};
use crate::world::World;

/// What opening a vault needs besides the remote.
pub struct OpenOptions<'a> {
    /// Clock and entropy.
    pub world: World,
    /// Where installations keep their state.
    pub state_dir: &'a Path,
    /// Whether to keep nothing there.
    pub ephemeral: bool,
    /// Where sealed metadata is cached.
    pub cache_dir: &'a Path,
    /// The vault that must be there.
    pub vault_id: Option<VaultId>,
    /// Bytes for caches.
    pub memory: usize,
    /// Who is asked.
    pub asker: &'a dyn Asker,
    /// What the state at the remote has to be.
    pub demands: Demands,
}

/// An open vault.
pub struct Vault {
    /// Its id.
    pub id: VaultId,
    /// Clock and entropy.
    pub world: World,
    /// Its genesis.
    pub genesis: Genesis,
    /// The read path.
    pub objects: Objects,
    /// What this installation remembers.
    pub state: State,
    access: RwLock<Arc<Access>>,
    demands: Demands,
    view: RwLock<Arc<View>>,
    index: Mutex<Option<Arc<Index>>>,
    /// The same without what lies in bundles.
    packed: Mutex<Option<Arc<Index>>>,
    pub(super) overlay: Overlay,
    pub(super) merged: Mutex<merged::Known>,
    pub(super) collected: Mutex<epochs::Read>,
    pub(super) rules: Rules,
    /// The index of a view read later, for what is not where the view had it.
    later: Mutex<Option<Arc<Index>>>,
    /// The tree that commands look at, if it is not the newest.
    pub(super) shown: OnceLock<Option<Root>>,
    pub(super) forgiven: Forgiven,
}

impl Vault {
    /// Opens the vault at `io`: one listing of `log/`, and whatever is new in it.
    ///
    /// # Errors
    /// There is no vault, no key opens it, or what is there does not verify.
    pub fn open(io: RemoteIo, options: &OpenOptions<'_>) -> Result<Self, VaultError> {
        let location = io.describe();
        let mut pins = Pins::load(options.state_dir);
        let told = options.vault_id.or(options.demands.checkpoint.map(|checkpoint| checkpoint.vault));
        let pinned = told.or_else(|| pins.get(&location));
        let listing = Listing::read(&io)?;
        let vault = match pinned {
            Some(vault) => vault,
            None => first_contact(&io, options)?,
        };
        if listing.access.is_empty() {
            return Err(nothing_there(&io, vault)?);
        }
        let state = if options.ephemeral {
            State::ephemeral(options.state_dir, &vault)?
        } else {
            State::open(options.state_dir, &vault)?
        };
        let cache = Cache::open(options.cache_dir, &vault);
        let (access, genesis) = Unlock::new(&io, &cache, &state, &listing, &vault).with(options.asker)?;
        // Also a vault that was named: whoever names it once need not do so again.
        if pins.get(&location).is_none() && !options.ephemeral {
            pins.add(&location, &vault)?;
        }
        let objects = Objects::new(io, Arc::clone(&access.keys), cache, options.memory);
        let now = options.world.clock.now();
        let demands = options.demands.clone();
        let reading =
            Reading { objects: &objects, state: &state, access: &access, vault: &vault, now, demands: &demands };
        let view = View::load(&reading, listing, None)?;
        let claims = view.newest_first().into_iter().map(|commit| commit.record.time);
        demands.check_age(&location, now, claims.chain([access.body().time]))?;
        let vault = Self {
            id: vault,
            world: options.world.clone(),
            genesis,
            objects,
            state,
            access: RwLock::new(Arc::new(access)),
            demands: demands.clone(),
            view: RwLock::new(Arc::new(view)),
            index: Mutex::default(),
            packed: Mutex::default(),
            overlay: Overlay::default(),
            merged: Mutex::default(),
            collected: Mutex::default(),
            rules: Rules::default(),
            later: Mutex::default(),
            shown: OnceLock::new(),
            forgiven: Forgiven::default(),
        };
        if demands.salvage {
            vault.forgive();
        }
        Ok(vault)
    }

    /// The log as last read.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().expect("swapping does not panic"))
    }

    /// Reads the log again; `true` if the heads are others now.
    ///
    /// # Errors
    /// As for opening.
    pub fn refresh(&self) -> Result<bool, VaultError> {
        self.read_log(None)
    }

    /// Reads the log again. `sent` is there even if the listing does not show it yet.
    pub(super) fn read_log(&self, sent: Option<(ObjectName, u64)>) -> Result<bool, VaultError> {
        let listing = Listing::read(&self.objects.io)?;
        self.follow_access(&listing)?;
        let view = self.load_view(listing, sent)?;
        let changed = self.view().heads() != view.heads();
        self.show(view, changed);
        Ok(changed)
    }

    fn load_view(&self, listing: Listing, sent: Option<(ObjectName, u64)>) -> Result<View, VaultError> {
        let (now, access) = (self.world.clock.now(), self.access());
        let (objects, state, access, demands) = (&self.objects, &self.state, &*access, &self.demands);
        View::load(&Reading { objects, state, access, vault: &self.id, now, demands }, listing, sent)
    }

    /// Takes in access versions that a listing shows and that were not there before.
    fn follow_access(&self, listing: &Listing) -> Result<(), VaultError> {
        let access = self.access();
        if listing.access.values().flatten().all(|(name, _)| access.seen.contains(&name.id())) {
            return Ok(());
        }
        let unlock = Unlock::new(&self.objects.io, &self.objects.cache, &self.state, listing, &self.id);
        let access = unlock.again(Arc::clone(&access.member), &access.keys)?;
        *self.access.write().expect("swapping does not panic") = Arc::new(access);
        Ok(())
    }

    /// Takes in an access version just made, even if a listing does not show it yet.
    pub(super) fn take_access(&self, name: &ObjectName, size: u64) -> Result<(), VaultError> {
        let mut listing = Listing::read(&self.objects.io)?;
        listing.add(*name, size);
        self.follow_access(&listing)
    }

    fn show(&self, view: View, changed: bool) {
        // One lock after the other: whoever loads the index looks at the view meanwhile.
        *self.view.write().expect("swapping does not panic") = Arc::new(view);
        if changed {
            *self.index.lock().expect("held over requests, which return errors") = None;
            *self.packed.lock().expect("held over requests, which return errors") = None;
        }
    }

    /// Takes a commit of this installation into the view, and remembers it.
    pub(super) fn adopt(&self, name: &ObjectName, commit: Commit, record: Vec<u8>) -> Result<(), VaultError> {
        self.state.remember(&[seen_record(name, &commit, record, self.world.clock.now())])?;
        self.state.clear_pending()?;
        if commit.record.attribute(Attribute::ACCEPTED_ROLLBACK).is_some() {
            self.state.clear_rollback_note()?;
        }
        self.objects.know_log(*name, commit.object.size);
        let view = self.view().with(commit)?;
        self.show(view, true);
        Ok(())
    }

    /// The keys.
    pub fn keys(&self) -> &VaultKeys {
        &self.objects.keys
    }

    /// The epoch that new objects are sealed in.
    pub fn epoch(&self) -> u32 {
        self.access().epoch
    }

    /// How file content is cut.
    pub fn cutter(&self) -> Cutter {
        let policy = match self.genesis.chunker {
            ChunkerPolicy::Gear { min, avg, max } => Policy::Gear { min, avg, max },
            ChunkerPolicy::Fixed(size) => Policy::Fixed(size),
        };
        Cutter::new(policy, self.keys().gear_table())
    }

    /// The writer id of this installation.
    ///
    /// # Errors
    /// The local state fails.
    pub fn writer(&self) -> Result<WriterId, VaultError> {
        Ok(self.access().member.public().writer_id(&self.state.writer_salt(&*self.world.entropy)?))
    }

    /// The same, if this installation has written already.
    ///
    /// # Errors
    /// The local state fails.
    pub fn known_writer(&self) -> Result<Option<WriterId>, VaultError> {
        let salt = self.state.known_writer_salt()?;
        Ok(salt.map(|salt| self.access().member.public().writer_id(&salt)))
    }

    /// The index of the current view. Fetches segments that are not on this machine.
    ///
    /// # Errors
    /// A segment can't be had or does not verify.
    pub fn index(&self) -> Result<Arc<Index>, VaultError> {
        let mut loaded = self.index.lock().expect("held over requests, which return errors");
        if let Some(index) = &*loaded {
            return Ok(Arc::clone(index));
        }
        let view = self.view();
        let index = Arc::new(self.load_index(&view)?);
        *loaded = Some(Arc::clone(&index));
        Ok(index)
    }

    /// Places of a blob in packs, by the segments alone; none if the index is loaded, or if they do not tell.
    pub(super) fn packed_places(&self, id: &BlobId) -> Result<Vec<Found>, VaultError> {
        if self.index.lock().expect("held over requests, which return errors").is_some() {
            return Ok(Vec::new());
        }
        let mut packed = self.packed.lock().expect("held over requests, which return errors");
        let index = match &*packed {
            Some(index) => Arc::clone(index),
            None => match Index::load(&self.objects, &self.state, &self.view().segment_refs(), &[], false) {
                Ok(index) => Arc::clone(packed.insert(Arc::new(index))),
                Err(VaultError::Missing { .. } | VaultError::Damaged { .. }) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            },
        };
        index.lookup(id)
    }

    fn load_index(&self, view: &View) -> Result<Index, VaultError> {
        let (segments, bundles) = (view.segment_refs(), view.bundles());
        Index::load(&self.objects, &self.state, &segments, &bundles, self.forgives())
    }

    /// The index of a view that is read once more when something is not where this one has it; `None` if nothing is new.
    /// The view itself stays: a run plans on what it has seen.
    pub(super) fn later_index(&self) -> Result<Option<Arc<Index>>, VaultError> {
        let mut later = self.later.lock().expect("held over requests, which return errors");
        if let Some(index) = &*later {
            return Ok(Some(Arc::clone(index)));
        }
        let mut listing = Listing::read(&self.objects.io)?;
        listing.keep_genuine(self.keys());
        let names: Vec<String> = listing.records.keys().map(ToString::to_string).collect();
        if names == self.view().names() {
            return Ok(None);
        }
        let view = self.load_view(listing, None)?;
        let index = Arc::new(self.load_index(&view)?);
        *later = Some(Arc::clone(&index));
        Ok(Some(index))
    }

    /// All packs that the current view's index names.
    ///
    /// # Errors
    /// A segment can't be had or does not verify.
    pub fn committed_objects(&self) -> Result<HashSet<ObjectId>, VaultError> {
        self.index()?.objects()
    }

    /// Whether the run should stop.
    ///
    /// # Errors
    /// [`VaultError::Cancelled`] if so.
    pub fn checkpoint(&self) -> Result<(), VaultError> {
        self.objects.io.checkpoint()
    }

    /// The access version and the members in words.
    pub fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().expect("swapping does not panic"))
    }
}

/// Whether there is a vault, without opening it.
///
/// # Errors
/// The remote fails.
pub fn exists(io: &RemoteIo) -> Result<bool, VaultError> {
    Ok(!geneses(io)?.is_empty())
}

/// Whether this installation has met a vault at this place before.
pub fn is_known(state_dir: &Path, location: &str) -> bool {
    Pins::load(state_dir).get(location).is_some()
}

pub(super) fn geneses(io: &RemoteIo) -> Result<Vec<VaultId>, VaultError> {
    let mut found = Vec::new();
    io.list(crate::format::name::VAULT_PREFIX, &mut |listed| {
        if let Ok(id) = listed.path.name().parse::<VaultId>() {
            found.push(id);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Which vault is there, by what is pinned or by consent, without opening it.
///
/// # Errors
/// There is none, or another one than is pinned.
pub fn identify(io: &RemoteIo, options: &OpenOptions<'_>) -> Result<VaultId, VaultError> {
    let location = io.describe();
    let mut pins = Pins::load(options.state_dir);
    match options.vault_id.or_else(|| pins.get(&location)) {
        Some(vault) if geneses(io)?.contains(&vault) => {
            if pins.get(&location).is_none() {
                pins.add(&location, &vault)?;
            }
            Ok(vault)
        }
        Some(vault) => Err(nothing_there(io, vault)?),
        None => {
            let vault = first_contact(io, options)?;
            pins.add(&location, &vault)?;
            Ok(vault)
        }
    }
}

/// Nobody has pinned a vault here: find the only one, and have a person confirm it.
fn first_contact(io: &RemoteIo, options: &OpenOptions<'_>) -> Result<VaultId, VaultError> {
    let location = io.describe();
    let found = geneses(io)?;
    let [vault] = found[..] else {
        return Err(match found.len() {
            0 => VaultError::NoVault { location },
            n => VaultError::Untrusted(format!("{n} vaults are at {location}: name yours with `--vault-id`")),
        });
    };
    match options.asker.confirm_vault(&location, &vault) {
        Some(true) => Ok(vault),
        Some(false) => Err(VaultError::Untrusted(format!("vault {vault} at {location} was not confirmed"))),
        None => Err(VaultError::Untrusted(format!(
            "this machine meets the vault at {location} for the first time: if it is yours, say so with `--vault-id {vault}`"
        ))),
    }
}

/// A vault is pinned, but there is no access version: another vault, a wiped one, or none.
fn nothing_there(io: &RemoteIo, pinned: VaultId) -> Result<VaultError, VaultError> {
    let location = io.describe();
    Ok(match geneses(io)?.first() {
        None => VaultError::NoVault { location },
        Some(found) if *found != pinned => {
            VaultError::OtherVault { location, found: found.to_string(), pinned: pinned.to_string() }
        }
        Some(_) => VaultError::Missing { what: format!("every access version of the vault at {location}") },
    })
}
