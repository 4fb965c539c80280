//! Who may open the vault: unlocking, and verifying the chain of access versions (docs/format.md, section 4.5).
//!
//! Nothing that a slot gives is believed before the whole chain, from the genesis on, has verified.

use std::collections::HashSet;
use std::sync::Arc;

use super::cache::Cache;
use super::error::VaultError;
use super::io::RemoteIo;
use super::listing::Listing;
use super::objects::fetch_whole;
use super::state::State;
use crate::crypto::{
    self, Class as SealClass, KdfError, Label, MemberKeys, MemberPublic, PasswordEntry, SealContext, Secret32,
    VaultKeys, words,
};
use crate::format::access::{AccessObject, Body, Chain, Keyring, Member, MemberKind, Public, Role};
use crate::format::genesis::{BadGenesis, Genesis};
use crate::format::limits::LOG_OBJECT_MAX;
use crate::format::name::ObjectName;
use crate::id::{AccessId, MemberId, VaultId};

/// What opening may have to ask a person.
pub trait Asker {
    /// The password of the vault.
    ///
    /// # Errors
    /// There is nobody to ask and no other source.
    fn password(&self, vault: &str) -> std::io::Result<zeroize::Zeroizing<String>>;
    /// Whether this is the right vault, at first contact. `None` if there is nobody to ask.
    fn confirm_vault(&self, location: &str, vault: &VaultId) -> Option<bool>;
}

/// A verified access version, opened by one of its members.
pub struct Access {
    /// Number of the version.
    pub n: u32,
    /// Its id.
    pub id: AccessId,
    /// Its epoch.
    pub epoch: u32,
    /// All versions up to it, from the first.
    pub versions: Vec<(AccessId, Body)>,
    /// The secret half of the member that opened it.
    pub(super) member: MemberKeys,
    /// That member's entry.
    pub me: Member,
    pub(super) keys: Arc<VaultKeys>,
}

impl Access {
    /// The body of this version.
    pub fn body(&self) -> &Body {
        &self.versions.last().expect("a chain has at least one version").1
    }

    /// A version by number and id.
    pub(super) fn version(&self, n: u32, id: &AccessId) -> Option<&Body> {
        let (known, body) = self.versions.get((n as usize).checked_sub(1)?)?;
        (known == id).then_some(body)
    }

    /// Whether everybody who could write under version `n` still can.
    pub(super) fn keeps_writers_since(&self, n: u32) -> bool {
        let writers = |body: &Body| -> HashSet<[u8; 32]> {
            let members = body.members.iter().filter(|member| member.role >= Role::Writer);
            members.map(|member| member.sign_pk).collect()
        };
        let since: Vec<_> =
            self.versions.iter().filter(|(_, body)| body.n >= n).map(|(_, body)| writers(body)).collect();
        since.windows(2).all(|pair| pair[0].is_subset(&pair[1]))
    }
}

/// Opens the newest access version: with this device's key if there is one, else with the password.
pub(super) fn unlock(
    io: &RemoteIo,
    cache: &Cache,
    state: &State,
    listing: &Listing,
    vault: &VaultId,
    asker: &dyn Asker,
) -> Result<(Access, Genesis), VaultError> {
    let (name, bytes) = newest(io, cache, state, listing, vault)?;
    let (object, public) = split(&name, &bytes)?;
    let genesis = Genesis::decode(&public.genesis).map_err(genesis_error)?;
    let (member, secret) = open_some_slot(state, vault, &public, asker)?;
    let opened = Unlocked { name, vault, genesis: &genesis, public: &public, object: &object };
    let access = opened.verify(member, &secret)?;
    remember(state, &access, &public)?;
    Ok((access, genesis))
}

/// The newest access version of this vault, by number. What an `init` that came to nothing has left, and what somebody put
/// there under such a name, does not count.
fn newest(
    io: &RemoteIo,
    cache: &Cache,
    state: &State,
    listing: &Listing,
    vault: &VaultId,
) -> Result<(ObjectName, Vec<u8>), VaultError> {
    let mut problem = None;
    for (n, candidates) in listing.access.iter().rev() {
        let mut ours = Vec::new();
        for (name, size) in candidates {
            match candidate(io, cache, name, *size, vault) {
                Ok(bytes) => ours.push((*name, bytes)),
                Err(error @ (VaultError::Damaged { .. } | VaultError::Limit(_) | VaultError::OtherVault { .. })) => {
                    problem = problem.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        let Some(found) = ours.pop() else { continue };
        if !ours.is_empty() {
            return Err(VaultError::Equivocation(format!("there are {} access versions numbered {n}", ours.len() + 1)));
        }
        let known = state.meta("access_n")?.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
        return match known {
            Some(known) if known > *n => Err(VaultError::Rollback(format!(
                "the vault at {} has gone back to access version {n}; version {known} was seen here before",
                io.describe()
            ))),
            _ => Ok(found),
        };
    }
    Err(problem.unwrap_or_else(|| VaultError::NoVault { location: io.describe() }))
}

/// The bytes of an access version, if it is one of this vault by what its public part says.
fn candidate(
    io: &RemoteIo,
    cache: &Cache,
    name: &ObjectName,
    size: u64,
    vault: &VaultId,
) -> Result<Vec<u8>, VaultError> {
    let bytes = fetch(io, cache, name, size)?;
    let found = crypto::vault_id(&split(name, &bytes)?.1.genesis);
    if found == *vault {
        return Ok(bytes);
    }
    Err(VaultError::OtherVault { location: io.describe(), found: found.to_string(), pinned: vault.to_string() })
}

fn split<'b>(name: &ObjectName, bytes: &'b [u8]) -> Result<(AccessObject<'b>, Public), VaultError> {
    let object = AccessObject::split(bytes).map_err(|_| VaultError::damaged(name, "it is no access version"))?;
    let public =
        Public::decode(object.public).map_err(|_| VaultError::damaged(name, "its public part is malformed"))?;
    Ok((object, public))
}

fn fetch(io: &RemoteIo, cache: &Cache, name: &ObjectName, size: u64) -> Result<Vec<u8>, VaultError> {
    let id = name.id();
    if let Some(bytes) = cache.whole(&id).filter(|bytes| crypto::object_id(&[bytes]) == id) {
        return Ok(bytes);
    }
    if size > LOG_OBJECT_MAX {
        return Err(VaultError::Limit(format!("`{name}` is larger than the format allows")));
    }
    let bytes = fetch_whole(io, name, size)?;
    cache.keep(&id, &bytes);
    Ok(bytes.into())
}

/// The member and the epoch's secret: by the device key or, failing that, by the password or the recovery words.
fn open_some_slot(
    state: &State,
    vault: &VaultId,
    public: &Public,
    asker: &dyn Asker,
) -> Result<(MemberKeys, Secret32), VaultError> {
    if let Some(seed) = state.device_seed()? {
        let member = MemberKeys::from_seed(&Secret32::new(*seed));
        if let Some(secret) = open_slot(&member, vault, public) {
            return Ok((member, secret));
        }
    }
    let entries = password_entries(state, public)?;
    let password = asker.password(&vault.short()).map_err(VaultError::local("cannot get the password"))?;
    // 24 words where the password is asked for are the recovery words: whoever needs them has nothing else.
    if let Ok(seed) = words::from_words(&password) {
        let member = MemberKeys::from_seed(&seed);
        if let Some(secret) = open_slot(&member, vault, public) {
            return Ok((member, secret));
        }
    }
    for entry in &entries {
        match entry.open(vault, &password) {
            Ok(seed) => {
                let member = MemberKeys::from_seed(&seed);
                if let Some(secret) = open_slot(&member, vault, public) {
                    return Ok((member, secret));
                }
            }
            Err(KdfError::Wrong) => {}
            Err(error) => return Err(VaultError::NoKey(error.to_string())),
        }
    }
    let words = password.split_whitespace().count();
    Err(VaultError::NoKey(match words::from_words(&password) {
        Ok(_) => "these are recovery words, but not of this vault".into(),
        Err(bad) if words > 12 => format!("the password is wrong, and as recovery words: {bad}"),
        Err(_) => "the password is wrong".into(),
    }))
}

fn open_slot(member: &MemberKeys, vault: &VaultId, public: &Public) -> Option<Secret32> {
    (0u32..).zip(&public.slots).find_map(|(id, slot)| crypto::open_slot(member, vault, public.epoch, id, slot))
}

/// The password entries, held against floor, ceiling and what was seen before: all before anybody is asked anything.
fn password_entries(state: &State, public: &Public) -> Result<Vec<PasswordEntry>, VaultError> {
    let strongest = state.meta("kdf_m")?.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
    let mut entries = Vec::new();
    for bytes in &public.passwords {
        let entry = PasswordEntry::decode(bytes)
            .ok_or_else(|| VaultError::damaged("access version", "a password entry is malformed"))?;
        entry.params.check().map_err(|error| match error {
            KdfError::TooCostly => VaultError::Limit(error.to_string()),
            _ => VaultError::Version(error.to_string()),
        })?;
        if strongest.is_some_and(|strongest| entry.params.m_kib < strongest) {
            return Err(VaultError::Version(
                "the vault's password is protected by weaker settings than were seen here before".into(),
            ));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn remember(state: &State, access: &Access, public: &Public) -> Result<(), VaultError> {
    let strongest = public.passwords.iter().filter_map(PasswordEntry::decode).map(|entry| entry.params.m_kib).max();
    let known = state.meta("access_n")?;
    if known.as_deref() == Some(&access.n.to_le_bytes()[..]) {
        if state.meta("access_id")?.is_some_and(|id| id != access.id.as_bytes()) {
            return Err(VaultError::Equivocation(format!(
                "access version {} is another one than seen before",
                access.n
            )));
        }
        return Ok(());
    }
    state.set_meta("access_n", &access.n.to_le_bytes())?;
    state.set_meta("access_id", access.id.as_bytes())?;
    strongest.map_or(Ok(()), |m_kib| state.set_meta("kdf_m", &m_kib.to_le_bytes()))
}

fn genesis_error(error: BadGenesis) -> VaultError {
    match error {
        BadGenesis::NotAGenesis => VaultError::damaged("genesis", error),
        _ => VaultError::Version(format!("this vault needs a newer cryptsync: {error}")),
    }
}

struct Unlocked<'a> {
    name: ObjectName,
    vault: &'a VaultId,
    genesis: &'a Genesis,
    public: &'a Public,
    object: &'a AccessObject<'a>,
}

impl Unlocked<'_> {
    fn verify(&self, member: MemberKeys, secret: &Secret32) -> Result<Access, VaultError> {
        let bad = |reason: &str| VaultError::damaged(self.name, reason);
        let (n, epoch) = (self.public.n, self.public.epoch);
        let logical = self.name.logical_name();
        // Opened with keys that hold this epoch alone: S0 is in the very thing that is being opened.
        let mut candidate = VaultKeys::new(*self.vault, &Secret32::new([0; 32]));
        candidate.add_epoch(epoch, secret);
        let context = SealContext { class: SealClass::Access, name: logical.as_bytes() };
        let plain = zeroize::Zeroizing::new(
            crypto::open(&candidate, &context, self.object.sealed).map_err(|error| bad(&error.to_string()))?,
        );
        let chain = Chain::decode(&plain).map_err(|_| bad("its chain is malformed"))?;
        let versions = self.verify_bodies(&chain)?;
        let (id, body) = versions.last().ok_or_else(|| bad("its chain is empty"))?;
        let named = matches!(self.name, ObjectName::Access { n: named, .. } if named == n);
        if !named || body.n != n || body.epoch != epoch || body.public_hash != crypto::hash(self.object.public) {
            return Err(VaultError::Untrusted(format!(
                "`{}`: its public part is not the one that was signed",
                self.name
            )));
        }
        if body.keyring_hash != keyring_hash(&chain.keyring, epoch) {
            return Err(VaultError::Untrusted(format!("`{}`: its keyring is not the one that was signed", self.name)));
        }
        if let Some(feature) = body.features.iter().find(|feature| !FEATURES.contains(&feature.as_str())) {
            return Err(VaultError::Version(format!(
                "this vault needs a newer cryptsync: it uses the feature `{feature}`"
            )));
        }
        let me = MemberPublic::id(&member.public());
        let me = body.members.iter().find(|m| public_of(m).id() == me).cloned();
        let me = me.ok_or_else(|| VaultError::Untrusted("the key at hand is not a member of the vault".into()))?;
        let mut keys = VaultKeys::new(*self.vault, &Secret32::new(*chain.keyring.s0));
        for (epoch, key) in &chain.keyring.epochs {
            keys.add_epoch(*epoch, &Secret32::new(**key));
        }
        keys.add_epoch(epoch, secret);
        Ok(Access { n, id: *id, epoch, member, me, keys: Arc::new(keys), versions })
    }

    /// Every body from the first: numbered on, signed by an admin of the one before (the first by the root).
    fn verify_bodies(&self, chain: &Chain) -> Result<Vec<(AccessId, Body)>, VaultError> {
        let mut versions: Vec<(AccessId, Body)> = Vec::new();
        for signed in &chain.versions {
            let body = Body::decode(&signed.body)?;
            let untrusted = |why: &str| VaultError::Untrusted(format!("access version {}: {why}", body.n));
            let id = crypto::access_id(self.vault, &signed.body);
            let previous = versions.last();
            let follows = match previous {
                None => body.n == 1 && body.epoch == 1 && body.parents.is_empty(),
                Some((parent, before)) => {
                    body.n == before.n + 1 && body.parents[..] == [*parent] && body.epoch >= before.epoch
                }
            };
            if !follows {
                return Err(untrusted("it does not follow from the one before"));
            }
            let key = self
                .signer_key(&body, previous.map(|(_, before)| before))
                .ok_or_else(|| untrusted("its signer may not change access"))?;
            if !crypto::verify(&key, Label::Access, self.vault, &signed.body, &signed.signature) {
                return Err(untrusted("its signature is wrong"));
            }
            if body.members.iter().any(|member| public_of(member).check().is_err()) {
                return Err(untrusted("it admits a member with a weak key"));
            }
            versions.push((id, body));
        }
        Ok(versions)
    }

    fn signer_key(&self, body: &Body, before: Option<&Body>) -> Option<[u8; 32]> {
        let root = MemberPublic { kem: self.genesis.root_kem.clone(), sign: self.genesis.root_sign };
        if body.signer == root.id() {
            return Some(root.sign);
        }
        let admins = before?.members.iter().filter(|member| member.role == Role::Admin);
        admins.map(public_of).find(|public| public.id() == body.signer).map(|public| public.sign)
    }
}

/// The public keys of a member's entry.
pub(super) fn public_of(member: &Member) -> MemberPublic {
    MemberPublic { kem: member.kem_pk.clone(), sign: member.sign_pk }
}

/// What a body says of the keyring that comes with it.
pub(super) fn keyring_hash(keyring: &Keyring, epoch: u32) -> [u8; 32] {
    crypto::hash(&keyring.encode_for(epoch))
}

/// The id of a member.
pub fn member_id(member: &Member) -> MemberId {
    public_of(member).id()
}

/// What a kind of member is called.
pub fn kind_name(kind: MemberKind) -> &'static str {
    match kind {
        MemberKind::Password => "password",
        MemberKind::Recovery => "recovery words",
        MemberKind::Device => "device",
        MemberKind::Person => "person",
    }
}

/// What a role is called.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Writer => "writer",
        Role::Admin => "admin",
    }
}

/// Features of the format that this program knows beyond version 1: none yet.
const FEATURES: [&str; 0] = [];
