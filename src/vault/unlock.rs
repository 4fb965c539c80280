//! Unlocking: from the access objects of a listing to the version in force (docs/format.md, sections 4.5 and 4.7).
//!
//! Nothing that a slot gives is believed before the whole chain, from the genesis on, has verified. What does not hash to its
//! name, is of another vault, or does not verify counts as absent, so that nobody can stop a vault by putting things there;
//! what this installation remembers has to be among what is left.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::access::{Access, Asker, Material, Tip, UNSOUND, member_id, public_of};
use super::cache::Cache;
use super::chain::{Version, Versions, common_members, verify_chain};
use super::error::VaultError;
use super::io::RemoteIo;
use super::listing::Listing;
use super::objects::fetch_whole;
use super::recorded;
use super::state::State;
use crate::crypto::{
    self, Class as SealClass, KdfError, Label, MemberKeys, MemberPublic, PasswordEntry, SealContext, Secret32,
    VaultKeys, words,
};
use crate::format::access::{AccessObject, Body, Chain, Keyring, MemberKind, Public, Role, SignedBody};
use crate::format::genesis::{BadGenesis, Genesis};
use crate::format::limits::LOG_OBJECT_MAX;
use crate::format::name::ObjectName;
use crate::id::{AccessId, ObjectId, VaultId};

/// What unlocking looks at.
pub(super) struct Unlock<'a> {
    pub(super) io: &'a RemoteIo,
    pub(super) cache: &'a Cache,
    pub(super) state: &'a State,
    pub(super) listing: &'a Listing,
    pub(super) vault: &'a VaultId,
    fetched: RefCell<HashMap<ObjectId, Arc<Vec<u8>>>>,
}

/// Everything that one member opens.
#[derive(Default)]
struct Opened {
    versions: Versions,
    tips: Vec<Tip>,
    keyrings: Vec<Keyring>,
    /// Of this vault by their public part, but not opened by this member.
    shut: Vec<Shut>,
    /// What is wrong with an object that this member can't be meant to open.
    problem: Option<VaultError>,
    /// What is wrong with one whose slot it does open: only who knows its key can have made that.
    refused: Option<VaultError>,
}

impl Opened {
    /// Whether somebody meant this member to open something.
    fn is_meant(&self) -> bool {
        !self.versions.is_empty() || self.refused.is_some()
    }
}

struct Shut {
    n: u32,
    object: ObjectId,
    public_hash: [u8; 32],
    notice: [u8; 64],
}

impl<'a> Unlock<'a> {
    pub(super) fn new(
        io: &'a RemoteIo,
        cache: &'a Cache,
        state: &'a State,
        listing: &'a Listing,
        vault: &'a VaultId,
    ) -> Self {
        Self { io, cache, state, listing, vault, fetched: RefCell::default() }
    }

    /// Opens the access version in force: with a key of this installation if there is one, else with what a person gives.
    pub(super) fn with(&self, asker: &dyn Asker) -> Result<(Access, Genesis), VaultError> {
        if !asker.asks_anyway() {
            for seed in self.state.seeds()? {
                let member = Arc::new(MemberKeys::from_seed(&seed));
                let opened = self.open_all(&member)?;
                if opened.is_meant() {
                    return self.judge(opened, member, None);
                }
            }
        }
        let member = Arc::new(self.ask(asker)?);
        let opened = self.open_all(&member)?;
        self.judge(opened, member, None)
    }

    /// Opens the access version in force with a member's keys, in a vault that is open already.
    pub(super) fn again(&self, member: Arc<MemberKeys>, keys: &Arc<VaultKeys>) -> Result<Access, VaultError> {
        let opened = self.open_all(&member)?;
        Ok(self.judge(opened, member, Some(keys))?.0)
    }

    /// The member of a password or of the recovery words.
    fn ask(&self, asker: &dyn Asker) -> Result<MemberKeys, VaultError> {
        let (entries, problem) = self.password_entries()?;
        if entries.is_empty()
            && let Some(problem) = problem
        {
            return Err(problem);
        }
        let password = asker.password(&self.vault.short()).map_err(VaultError::local("cannot get the password"))?;
        // 24 words where the password is asked for are the recovery words: whoever needs them has nothing else.
        let as_words = words::from_words(&password);
        if let Ok(seed) = &as_words {
            let member = MemberKeys::from_seed(seed);
            if self.open_all(&member)?.is_meant() {
                return Ok(member);
            }
        }
        for entry in &entries {
            match entry.open(self.vault, &password) {
                Ok(seed) => {
                    let member = MemberKeys::from_seed(&seed);
                    if self.open_all(&member)?.is_meant() {
                        return Ok(member);
                    }
                }
                Err(KdfError::Wrong) => {}
                Err(error) => return Err(VaultError::NoKey(error.to_string())),
            }
        }
        Err(VaultError::NoKey(match as_words {
            Ok(_) => "these are recovery words, but not of this vault".into(),
            Err(bad) if password.split_whitespace().count() > 12 => {
                format!("the password is wrong, and as recovery words: {bad}")
            }
            Err(_) => "the password is wrong".into(),
        }))
    }

    /// The password entries that may be tried, newest version first, held against floor, ceiling and what was seen before:
    /// all before anybody is asked anything. And what is wrong with others.
    fn password_entries(&self) -> Result<(Vec<PasswordEntry>, Option<VaultError>), VaultError> {
        let strongest = recorded::strongest_kdf(self.state)?;
        let (mut entries, mut problem) = (Vec::<PasswordEntry>::new(), None);
        let mut any = false;
        for name in self.names() {
            let public = match self.candidate(&name) {
                Ok((_, public)) => public,
                Err(error) if is_absent(&error) => {
                    problem = problem.or(Some(error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            any = true;
            for bytes in &public.passwords {
                match judged(bytes, strongest) {
                    Ok(entry) if entries.contains(&entry) => {}
                    Ok(entry) if entries.len() < ENTRIES_MAX => entries.push(entry),
                    Ok(_) => {}
                    Err(error) => problem = problem.or(Some(error)),
                }
            }
        }
        if !any {
            return Err(problem.unwrap_or_else(|| VaultError::NoVault { location: self.io.describe() }));
        }
        Ok((entries, problem))
    }

    /// The access objects of the listing, highest number first.
    fn names(&self) -> Vec<ObjectName> {
        self.listing.access.values().rev().flatten().map(|(name, _)| *name).collect()
    }

    /// Opens and verifies what `member` opens.
    fn open_all(&self, member: &MemberKeys) -> Result<Opened, VaultError> {
        let mut all = Opened::default();
        for name in self.names() {
            if all.versions.explains(&name.id()) {
                continue;
            }
            match self.open_one(&name, member, &mut all) {
                Ok(()) => {}
                Err(error) if is_absent(&error) => all.problem = all.problem.take().or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        let versions = &all.versions;
        all.shut.retain(|shut| !versions.explains(&shut.object));
        Ok(all)
    }

    fn open_one(&self, name: &ObjectName, member: &MemberKeys, all: &mut Opened) -> Result<(), VaultError> {
        let (bytes, public) = self.candidate(name)?;
        let object = split(name, &bytes)?;
        let slots = (0u32..).zip(&public.slots);
        let secret =
            slots.into_iter().find_map(|(id, slot)| crypto::open_slot(member, self.vault, public.epoch, id, slot));
        let Some(secret) = secret else {
            let public_hash = crypto::hash(object.public);
            all.shut.push(Shut { n: public.n, object: name.id(), public_hash, notice: *object.notice });
            return Ok(());
        };
        let genesis = Genesis::decode(&public.genesis).map_err(genesis_error)?;
        let (versions, keyring) = match self.verify(name, &object, &public, &genesis, &secret) {
            Err(error) if is_absent(&error) => {
                all.refused = all.refused.take().or(Some(error));
                return Ok(());
            }
            other => other?,
        };
        let last = versions.last().expect("a verified chain has a last version");
        let Public { genesis, passwords, .. } = public;
        let tip = Tip { id: last.id, object: name.id(), body: last.body.clone(), genesis, passwords, secret };
        if all.versions.get(&tip.id).is_none() {
            all.tips.push(tip);
            all.keyrings.push(keyring);
        }
        versions.into_iter().for_each(|version| all.versions.add(version));
        Ok(())
    }

    fn verify(
        &self,
        name: &ObjectName,
        object: &AccessObject<'_>,
        public: &Public,
        genesis: &Genesis,
        secret: &Secret32,
    ) -> Result<(Vec<Version>, Keyring), VaultError> {
        let bad = |reason: &str| VaultError::damaged(name, reason);
        let untrusted = |reason: &str| VaultError::Untrusted(format!("`{name}`: {reason}"));
        // Opened with keys that hold this epoch alone: S0 is in the very thing that is being opened.
        let candidate = VaultKeys::new(*self.vault, &Secret32::new([0; 32]));
        candidate.add_epoch(public.epoch, secret);
        let logical = name.logical_name();
        let context = SealContext { class: SealClass::Access, name: logical.as_bytes() };
        let plain = crypto::open(&candidate, &context, object.sealed).map_err(|error| bad(&error.to_string()))?;
        let plain = zeroize::Zeroizing::new(plain);
        let chain = Chain::decode(&plain).map_err(|_| bad("its chain is malformed"))?;
        let versions = verify_chain(self.vault, genesis, &chain.versions)?;
        let Version { body, .. } = versions.last().ok_or_else(|| bad("its chain is empty"))?;
        let named = matches!(name, ObjectName::Access { n, .. } if *n == public.n);
        let (n, epoch, hash) = (public.n, public.epoch, crypto::hash(object.public));
        if !named || body.n != n || body.epoch != epoch || body.public_hash != hash {
            return Err(untrusted("its public part is not the one that was signed"));
        }
        if body.keyring_hash != keyring_hash(&chain.keyring, epoch) {
            return Err(untrusted("its keyring is not the one that was signed"));
        }
        let signer = versions.iter().rev().flat_map(|v| &v.body.members).find(|m| member_id(m) == body.signer);
        let noticed = |sign: &[u8; 32]| crypto::verify(sign, Label::Notice, self.vault, &hash, object.notice);
        if !signer.is_some_and(|signer| noticed(&signer.sign_pk)) {
            return Err(untrusted("its notice is not signed by who signed the rest"));
        }
        if let Some(feature) = body.features.iter().find(|feature| !FEATURES.contains(&feature.as_str())) {
            return Err(VaultError::Version(format!(
                "this vault needs a newer cryptsync: it uses the feature `{feature}`"
            )));
        }
        Ok((versions, chain.keyring))
    }

    /// What is in force, by what was opened and what is remembered.
    fn judge(
        &self,
        opened: Opened,
        member: Arc<MemberKeys>,
        keys: Option<&Arc<VaultKeys>>,
    ) -> Result<(Access, Genesis), VaultError> {
        let Opened { versions, mut tips, keyrings, shut, problem, refused } = opened;
        let problem = refused.or(problem);
        if versions.is_empty() {
            let gone = || VaultError::NoKey("the key at hand opens this vault no more".into());
            return Err(problem.unwrap_or_else(gone));
        }
        let known = recorded::tips(self.state)?;
        let is_shut = |object: &ObjectId| shut.iter().any(|shut| shut.object == *object);
        recorded::check(&known, &versions, &is_shut, &self.io.describe(), problem)?;
        let counting = versions.tips(&known.iter().map(|tip| tip.id).collect::<Vec<_>>());
        tips.retain(|tip| counting.contains(&tip.id));
        // What was recorded comes first: of a fork, it is the branch that this installation is on.
        tips.sort_by_key(|tip| (!known.iter().any(|known| versions.line(&tip.id).contains(&known.id)), tip.id));
        let keys = keys.cloned().unwrap_or_else(|| Arc::new(VaultKeys::new(*self.vault, &s0(&keyrings))));
        let material = Material { keyring: merged(&keyrings, &tips, &keys)?, chain: chain(&versions, &tips), tips };
        let genesis = Genesis::decode(&material.tips[0].genesis).map_err(genesis_error)?;
        let mut access = Self::in_force(&versions, material, member, keys)?;
        self.check_shut(&shut, &mut access)?;
        access.warnings.extend(recorded::news(&known, &versions, &access));
        access.is_sound = self.is_sound(&access)?;
        if !access.is_sound {
            access.warnings.push(UNSOUND.to_owned());
        }
        access.seen = self.names().iter().map(ObjectName::id).collect();
        access.warnings.extend(access.fullness(self.listing.access.values().flatten()));
        recorded::remember(self.state, &access)?;
        Ok((access, genesis))
    }

    fn in_force(
        versions: &Versions,
        material: Material,
        member: Arc<MemberKeys>,
        keys: Arc<VaultKeys>,
    ) -> Result<Access, VaultError> {
        let bodies: Vec<&Body> = material.tips.iter().map(|tip| &tip.body).collect();
        let first = &material.tips[0];
        let body = Body { members: common_members(&bodies), ..first.body.clone() };
        let id = member.public().id();
        let me = body.members.iter().find(|m| member_id(m) == id).cloned();
        let me = me.ok_or_else(|| VaultError::NoKey("the key at hand is not a member of the vault any more".into()))?;
        let lines: Vec<_> = material.tips.iter().map(|tip| versions.line(&tip.id)).collect();
        let all = lines.iter().flatten().copied().collect();
        let restricted = |version: &Version| {
            let common = lines.iter().all(|line| line.contains(&version.id));
            let members = if common { version.body.members.clone() } else { common_members(&[&version.body, &body]) };
            (version.id, Body { members, ..version.body.clone() })
        };
        Ok(Access {
            n: first.body.n,
            id: first.id,
            epoch: first.body.epoch,
            versions: versions.ordered(&all).into_iter().map(restricted).collect(),
            me,
            warnings: Vec::new(),
            body,
            member,
            keys,
            is_sound: true,
            seen: Default::default(),
            material,
        })
    }

    /// Versions that the key at hand does not open. If they are by an admin it is no member any more; else they may be anybody's.
    fn check_shut(&self, shut: &[Shut], access: &mut Access) -> Result<(), VaultError> {
        for shut in shut {
            let admins = access.body.members.iter().filter(|member| member.role == Role::Admin);
            let by = |m: &&_| {
                let sign = public_of(m).sign;
                crypto::verify(&sign, Label::Notice, self.vault, &shut.public_hash, &shut.notice)
            };
            if let Some(admin) = admins.into_iter().find(by) {
                let what = match access.me.kind {
                    MemberKind::Password => "this password was changed or removed",
                    MemberKind::Device => "this device was removed from the vault",
                    _ => "the key at hand was removed from the vault",
                };
                return Err(VaultError::NoKey(format!("{what} in access version {} by `{}`", shut.n, admin.label)));
            }
            if shut.n > access.n {
                access.warnings.push(format!(
                    "access version {} is not one that the key at hand opens, nor signed by an admin that it knows: somebody put it there, or much has changed since this key last saw the vault",
                    shut.n
                ));
            }
        }
        Ok(())
    }

    /// Whether the slots and password entries of the version in force are those of its members, and no others. What was found
    /// sound once is not looked at again.
    fn is_sound(&self, access: &Access) -> Result<bool, VaultError> {
        if access.is_forked() || recorded::is_sound(self.state, &access.id)? {
            return Ok(true);
        }
        let tip = &access.material.tips[0];
        let Some((_, public)) =
            self.names().iter().find(|name| name.id() == tip.object).map(|name| self.candidate(name)).transpose()?
        else {
            return Ok(false);
        };
        let members: Vec<MemberPublic> = tip.body.members.iter().map(public_of).collect();
        let slots = crypto::slot_list(&members, self.vault, tip.body.n, tip.body.epoch, &tip.secret);
        let entries = tip.passwords.iter().map(|bytes| PasswordEntry::decode(bytes).map(|entry| entry.id));
        let passwords = tip.body.members.iter().filter(|m| m.kind == MemberKind::Password).map(|m| Some(m.entry_id));
        let sound = slots.is_ok_and(|slots| slots == public.slots) && entries.eq(passwords);
        if sound {
            recorded::set_sound(self.state, &access.id)?;
        }
        Ok(sound)
    }

    /// The bytes of an access version, if it is one of this vault by what its public part says.
    fn candidate(&self, name: &ObjectName) -> Result<(Arc<Vec<u8>>, Public), VaultError> {
        let bytes = self.fetch(name)?;
        let public = Public::decode(split(name, &bytes)?.public);
        let public = public.map_err(|_| VaultError::damaged(name, "its public part is malformed"))?;
        let found = crypto::vault_id(&public.genesis);
        if found == *self.vault {
            Genesis::decode(&public.genesis).map_err(genesis_error)?;
            return Ok((bytes, public));
        }
        let (location, pinned) = (self.io.describe(), self.vault.to_string());
        Err(VaultError::OtherVault { location, found: found.to_string(), pinned })
    }

    fn fetch(&self, name: &ObjectName) -> Result<Arc<Vec<u8>>, VaultError> {
        let id = name.id();
        if let Some(bytes) = self.fetched.borrow().get(&id) {
            return Ok(Arc::clone(bytes));
        }
        let here = self.cache.whole(&id).filter(|bytes| crypto::object_id(&[bytes]) == id);
        let bytes = match here {
            Some(bytes) => bytes,
            None => {
                let size = self.listing.access.values().flatten().find(|(listed, _)| listed == name).map_or(0, |l| l.1);
                if size > LOG_OBJECT_MAX {
                    return Err(VaultError::Limit(format!("`{name}` is larger than the format allows")));
                }
                let bytes = fetch_whole(self.io, name, size)?;
                self.cache.keep(&id, &bytes);
                bytes.into()
            }
        };
        let bytes = Arc::new(bytes);
        self.fetched.borrow_mut().insert(id, Arc::clone(&bytes));
        Ok(bytes)
    }
}

fn split<'b>(name: &ObjectName, bytes: &'b [u8]) -> Result<AccessObject<'b>, VaultError> {
    AccessObject::split(bytes).map_err(|_| VaultError::damaged(name, "it is no access version"))
}

/// What is wrong with an object alone: it counts as absent.
fn is_absent(error: &VaultError) -> bool {
    use VaultError as E;
    error.is_not_found() || matches!(error, E::Damaged { .. } | E::Limit(_) | E::OtherVault { .. } | E::Untrusted(_))
}

/// An entry within floor and ceiling, and not weaker than what was seen before.
fn judged(bytes: &[u8; 152], strongest: Option<(u32, u32)>) -> Result<PasswordEntry, VaultError> {
    let entry = PasswordEntry::decode(bytes)
        .ok_or_else(|| VaultError::damaged("access version", "a password entry is malformed"))?;
    entry.params.check().map_err(|error| match error {
        KdfError::TooCostly => VaultError::Limit(error.to_string()),
        _ => VaultError::Version(error.to_string()),
    })?;
    if strongest.is_some_and(|strongest| (entry.params.m_kib, entry.params.t) < strongest) {
        return Err(VaultError::Version(
            "the vault's password is protected by weaker settings than were seen here before".into(),
        ));
    }
    Ok(entry)
}

fn s0(keyrings: &[Keyring]) -> Secret32 {
    Secret32::new(*keyrings[0].s0)
}

/// The keys of all epochs, those of the ends among them, in one ring; each is added to `keys`.
fn merged(keyrings: &[Keyring], tips: &[Tip], keys: &VaultKeys) -> Result<Keyring, VaultError> {
    let first = &keyrings[0];
    if keyrings.iter().any(|ring| *ring.s0 != *first.s0) {
        return Err(VaultError::Untrusted("two access versions do not agree on the secret of the vault".into()));
    }
    let ends = tips.iter().map(|tip| (tip.body.epoch, zeroize::Zeroizing::new(*tip.secret.expose())));
    let before = keyrings.iter().flat_map(|ring| ring.epochs.iter().map(|(epoch, key)| (*epoch, key.clone())));
    let mut epochs: Vec<_> = ends.chain(before).collect();
    for (epoch, key) in &epochs {
        keys.add_epoch(*epoch, &Secret32::new(**key));
    }
    epochs.sort_by(|a, b| (a.0, &*a.1).cmp(&(b.0, &*b.1)));
    epochs.dedup_by(|a, b| a.0 == b.0 && *a.1 == *b.1);
    Ok(Keyring { s0: first.s0.clone(), epochs })
}

fn chain(versions: &Versions, tips: &[Tip]) -> Vec<SignedBody> {
    let all: HashSet<AccessId> = tips.iter().flat_map(|tip| versions.line(&tip.id)).collect();
    versions.ordered(&all).into_iter().map(|version| version.signed.clone()).collect()
}

/// What a body says of the keyring that comes with it.
pub(super) fn keyring_hash(keyring: &Keyring, epoch: u32) -> [u8; 32] {
    crypto::hash(&keyring.encode_for(epoch))
}

pub(super) fn genesis_error(error: BadGenesis) -> VaultError {
    match error {
        BadGenesis::NotAGenesis => VaultError::damaged("genesis", error),
        _ => VaultError::Version(format!("this vault needs a newer cryptsync: {error}")),
    }
}

/// Features of the format that this program knows beyond version 1: none yet.
const FEATURES: [&str; 0] = [];
/// Password entries tried at most: eight of the newest version, and those of versions before.
const ENTRIES_MAX: usize = 16;
