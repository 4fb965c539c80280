//! New access versions: who has access from now on (docs/format.md, section 4). Start at [`Vault::change_access`].
//!
//! A version is one object, and its PUT is the moment at which it is in force. Whatever fails before leaves nothing behind.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::access::{Access, Material, member_id, public_of};
use super::chain::{common_members, verify_chain};
use super::error::VaultError;
use super::open::Vault;
use super::unlock::{genesis_error, keyring_hash};
use crate::crypto::{
    self, Class as SealClass, KdfParams, Label, MemberKeys, MemberPublic, PasswordEntry, SealContext, Secret32,
    VaultKeys, geometry,
};
use crate::format::access::{
    AccessObject, Body, Chain, Keyring, Member, MemberKind, Parent, PasswordEntryBytes, Public, Role, SignedBody,
};
use crate::format::genesis::Genesis;
use crate::format::limits::{LOG_OBJECT_MAX, MEMBERS_MAX, PASSWORDS_MAX};
use crate::format::name::{ACCESS_NUMBER_MAX, ObjectName, access_logical_name};
use crate::id::{AccessId, CommitId, MemberId, VaultId, WriterId};
use crate::world::{Timestamp, World};

/// The next version as it is being written: begins as the one in force.
pub struct Draft {
    /// Who has access.
    members: Vec<Member>,
    passwords: Vec<PasswordEntry>,
    new_epoch: bool,
    /// What is being done, for the history.
    pub note: String,
}

/// A version that was published.
#[derive(Debug, Clone)]
pub struct AccessChange {
    /// Its number.
    pub n: u32,
    /// Its epoch.
    pub epoch: u32,
    /// Its id.
    pub id: AccessId,
}

impl Draft {
    fn of(members: Vec<Member>, passwords: &[PasswordEntryBytes]) -> Self {
        let entries = passwords.iter().filter_map(PasswordEntry::decode);
        let passwords = entries.filter(|entry| members.iter().any(|member| member.entry_id == entry.id)).collect();
        Self { members, passwords, new_epoch: false, note: String::new() }
    }

    /// Who has access so far.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Lets somebody in.
    ///
    /// # Errors
    /// There are too many members, or this one is one already.
    pub fn add(&mut self, kind: MemberKind, label: &str, role: Role, public: MemberPublic) -> Result<(), VaultError> {
        self.push(Member {
            kind,
            role,
            kem_pk: public.kem,
            sign_pk: public.sign,
            label: label.into(),
            entry_id: [0; 16],
        })
    }

    /// Lets in whoever knows a password; `entry` seals the seed that has these public keys.
    ///
    /// # Errors
    /// There are too many passwords or members.
    pub fn add_password(
        &mut self,
        label: &str,
        role: Role,
        public: MemberPublic,
        entry: PasswordEntry,
    ) -> Result<(), VaultError> {
        if self.passwords.len() >= PASSWORDS_MAX {
            return Err(VaultError::Limit(format!("a vault has at most {PASSWORDS_MAX} passwords; remove one first")));
        }
        let (kem_pk, sign_pk, entry_id) = (public.kem, public.sign, entry.id);
        self.passwords.push(entry);
        self.push(Member { kind: MemberKind::Password, role, kem_pk, sign_pk, label: label.into(), entry_id })
    }

    /// Shuts somebody out: what is written from now on is under keys that they are not given.
    pub fn remove(&mut self, id: &MemberId) {
        self.members.retain(|member| member_id(member) != *id);
        let members = &self.members;
        self.passwords.retain(|entry| members.iter().any(|member| member.entry_id == entry.id));
        self.new_epoch = true;
    }

    /// Gives somebody another role.
    pub fn set_role(&mut self, id: &MemberId, role: Role) {
        self.members.iter_mut().filter(|member| member_id(member) == *id).for_each(|member| member.role = role);
    }

    /// New keys for what is written from now on.
    pub fn rotate(&mut self) {
        self.new_epoch = true;
    }

    fn push(&mut self, member: Member) -> Result<(), VaultError> {
        if self.members.len() >= MEMBERS_MAX {
            return Err(VaultError::Limit(format!("a vault has at most {MEMBERS_MAX} members; remove one first")));
        }
        if self.members.iter().any(|known| member_id(known) == member_id(&member)) {
            return Err(VaultError::Untrusted(format!("`{}` is a member already", member.label)));
        }
        self.members.push(member);
        Ok(())
    }

    /// Password members in the order of their entries, which is how both are found to belong together.
    fn password_bytes(&self) -> Vec<PasswordEntryBytes> {
        let entry = |member: &Member| self.passwords.iter().find(|entry| entry.id == member.entry_id);
        let members = self.members.iter().filter(|member| member.kind == MemberKind::Password);
        members.filter_map(entry).map(PasswordEntry::encode).collect()
    }
}

impl Vault {
    /// Publishes the next access version: `edit` is given the one in force, again if another one comes in between.
    ///
    /// # Errors
    /// The key at hand is no admin's, `edit` refuses, the remote fails, or somebody else has changed access at the same moment.
    pub fn change_access(
        &self,
        edit: &mut dyn FnMut(&mut Draft) -> Result<(), VaultError>,
    ) -> Result<AccessChange, VaultError> {
        let _alone = self.publish_lock()?;
        self.refresh()?;
        let access = self.access();
        access.may_administer()?;
        let tip = &access.material.tips[0];
        let mut draft = Draft::of(tip.body.members.clone(), &tip.passwords);
        edit(&mut draft)?;
        check_kept(&draft.members)?;
        let rotate = draft.new_epoch || !access.is_sound;
        self.publish_access(&access, &draft, rotate)
    }

    /// Merges branches of access versions into one, with new keys: who was removed in one is removed.
    ///
    /// # Errors
    /// There is nothing to merge, or the key at hand is not an admin's in every branch.
    pub fn merge_access(&self) -> Result<AccessChange, VaultError> {
        let _alone = self.publish_lock()?;
        self.refresh()?;
        let access = self.access();
        if !access.is_forked() {
            return Err(VaultError::Refused("there is nothing to merge: one access version is in force".into()));
        }
        if access.me.role < Role::Admin {
            return Err(VaultError::Untrusted(
                "only a member who is an admin in every branch may merge them, or the recovery words".into(),
            ));
        }
        let passwords: Vec<PasswordEntryBytes> =
            access.material.tips.iter().flat_map(|tip| tip.passwords.iter().copied()).collect();
        let mut draft = Draft::of(merged_members(&access), &passwords);
        draft.note = format!("merge of {} branches", access.material.tips.len());
        self.publish_access(&access, &draft, true)
    }

    fn publish_access(&self, access: &Access, draft: &Draft, rotate: bool) -> Result<AccessChange, VaultError> {
        let Material { tips, keyring, chain } = &access.material;
        let n = tips.iter().map(|tip| tip.body.n).max().unwrap_or_default() + 1;
        let before = tips.iter().map(|tip| tip.body.epoch).max().unwrap_or_default();
        if n > ACCESS_NUMBER_MAX {
            return Err(VaultError::Limit("access has been changed more often than the format allows".into()));
        }
        let secret = if rotate { self.new_secret()? } else { Secret32::new(*tips[0].secret.expose()) };
        let mut parents: Vec<Parent> = tips.iter().map(|tip| Parent { id: tip.id, object: tip.object }).collect();
        parents.sort_unstable_by_key(|parent| parent.id);
        let epoch = before + u32::from(rotate);
        let next = NextVersion {
            vault: &self.id,
            genesis: &tips[0].genesis,
            n,
            epoch,
            secret: &secret,
            keyring,
            chain,
            parents,
            members: &draft.members,
            passwords: draft.password_bytes(),
            frontier: self.view().heads().to_vec(),
            note: &draft.note,
            time: self.world.clock.now(),
            signer: &access.member,
        };
        let (id, bytes) = next.object(&self.world)?;
        if bytes.len() as u64 > LOG_OBJECT_MAX {
            return Err(VaultError::Limit(format!(
                "the list of members and its {n} versions are larger than the format allows: access to this vault can't be changed any more; make a new vault and copy into it (`cryptsync copy OLD: NEW:`)"
            )));
        }
        let name = ObjectName::Access { n, id: crypto::object_id(&[&bytes]) };
        let size = bytes.len() as u64;
        self.objects.io.put_new(&name.to_string(), vec![Bytes::from(bytes)])?;
        self.objects.io.barrier()?;
        self.take_access(&name, size)?;
        let now = self.access();
        if now.is_forked() {
            now.may_write()?;
        }
        Ok(AccessChange { n, epoch, id })
    }

    /// Fresh secret bytes.
    pub(super) fn new_secret(&self) -> Result<Secret32, VaultError> {
        Secret32::random(&*self.world.entropy).map_err(no_entropy())
    }

    /// Seals the seed of a new password member, at the cost of the passwords there are, or `kdf`.
    ///
    /// # Errors
    /// `kdf` is weaker than the passwords there are, or this machine can't pay the cost.
    pub fn new_password(
        &self,
        password: &str,
        kdf: Option<KdfParams>,
    ) -> Result<(MemberPublic, PasswordEntry), VaultError> {
        let least = self.access().least_kdf();
        let params = kdf.or(self.access().strongest_kdf()).unwrap_or(KdfParams::DEFAULT);
        if least.is_some_and(|least| (params.m_kib, params.t) < (least.m_kib, least.t)) {
            return Err(VaultError::Version(
                "a new password may not be cheaper to guess than the ones there are".into(),
            ));
        }
        let seed = self.new_secret()?;
        let entry = PasswordEntry::seal(&self.id, password, &seed, params, &*self.world.entropy)
            .map_err(VaultError::local("cannot protect the password"))?;
        Ok((MemberKeys::from_seed(&seed).public(), entry))
    }
}

/// Somebody other than the recovery words has to be able to change access: they are for the worst day, not for every one.
fn check_kept(members: &[Member]) -> Result<(), VaultError> {
    let root = members.iter().any(|m| m.kind == MemberKind::Recovery && m.role == Role::Admin);
    if !root {
        return Err(VaultError::Refused("the recovery words of a vault can't be removed, and stay an admin".into()));
    }
    if members.iter().any(|m| m.kind != MemberKind::Recovery && m.role == Role::Admin) {
        return Ok(());
    }
    Err(VaultError::Refused(
        "this would leave nobody but the recovery words who can change access: make somebody else an admin first"
            .into(),
    ))
}

/// Who is a member in every branch, with the least role, and whom a branch has let in. Removals win.
fn merged_members(access: &Access) -> Vec<Member> {
    let tips = &access.material.tips;
    let bodies: Vec<&Body> = tips.iter().map(|tip| &tip.body).collect();
    let mut members = common_members(&bodies);
    // Whom all branches know of: a member of a version that lies before all of them.
    let was_known = |id: &MemberId| {
        let common = access.versions.iter().map(|(_, body)| body).take_while(|body| {
            tips.iter().all(|tip| body.n < tip.body.n) && !tips.iter().any(|tip| tip.body.n == body.n)
        });
        common.flat_map(|body| &body.members).any(|member| member_id(member) == *id)
    };
    for member in bodies.iter().flat_map(|body| &body.members) {
        let id = member_id(member);
        if members.len() < MEMBERS_MAX && !members.iter().any(|known| member_id(known) == id) && !was_known(&id) {
            members.push(member.clone());
        }
    }
    members
}

/// A version about to be made.
pub(super) struct NextVersion<'a> {
    pub(super) vault: &'a VaultId,
    pub(super) genesis: &'a [u8],
    pub(super) n: u32,
    pub(super) epoch: u32,
    pub(super) secret: &'a Secret32,
    /// The keys of all epochs so far; what is not before this epoch is left out.
    pub(super) keyring: &'a Keyring,
    pub(super) chain: &'a [SignedBody],
    pub(super) parents: Vec<Parent>,
    pub(super) members: &'a [Member],
    pub(super) passwords: Vec<PasswordEntryBytes>,
    pub(super) frontier: Vec<CommitId>,
    pub(super) note: &'a str,
    pub(super) time: Timestamp,
    pub(super) signer: &'a MemberKeys,
}

impl NextVersion<'_> {
    /// Its id, and the object that holds it.
    pub(super) fn object(self, world: &World) -> Result<(AccessId, Vec<u8>), VaultError> {
        let genesis = Genesis::decode(self.genesis).map_err(genesis_error)?;
        let members: Vec<MemberPublic> = self.members.iter().map(public_of).collect();
        let slots = crypto::slot_list(&members, self.vault, self.n, self.epoch, self.secret)
            .map_err(|error| VaultError::Untrusted(error.to_string()))?;
        let public =
            Public { genesis: self.genesis.to_vec(), n: self.n, epoch: self.epoch, passwords: self.passwords, slots }
                .encode()?;
        let before = |(epoch, _): &&(u32, Zeroizing<[u8; 32]>)| *epoch < self.epoch;
        let keyring = Keyring {
            s0: self.keyring.s0.clone(),
            epochs: self.keyring.epochs.iter().filter(before).cloned().collect(),
        };
        let public_hash = crypto::hash(&public);
        let body = Body {
            n: self.n,
            epoch: self.epoch,
            public_hash,
            keyring_hash: keyring_hash(&keyring, self.epoch),
            parents: self.parents,
            time: self.time,
            features: Vec::new(),
            members: self.members.to_vec(),
            frontier: self.frontier,
            note: self.note.into(),
            signer: self.signer.public().id(),
        }
        .encode()?;
        let signature = self.signer.sign(Label::Access, self.vault, &body);
        let notice = self.signer.sign(Label::Notice, self.vault, &public_hash);
        let id = crypto::access_id(self.vault, &body);
        let versions: Vec<SignedBody> = self.chain.iter().cloned().chain([SignedBody { body, signature }]).collect();
        // What others would not take is not made.
        verify_chain(self.vault, &genesis, &versions)?;
        let keys = VaultKeys::new(*self.vault, &Secret32::new(*keyring.s0));
        keys.add_epoch(self.epoch, self.secret);
        let chain = Chain { versions, keyring };
        let content = chain.encode(0)?.len() as u64;
        let padded = chain.encode((geometry::padded_plain_len(content) - content) as usize)?;
        let logical = access_logical_name(self.n);
        let context = SealContext { class: SealClass::Access, name: logical.as_bytes() };
        let nobody = WriterId::new([0; 16]);
        let sealed =
            crypto::seal(&keys, self.epoch, &context, &nobody, &*world.entropy, &[&padded]).map_err(no_entropy())?;
        Ok((id, AccessObject { public: &public, notice: &notice, sealed: &sealed.bytes }.join()))
    }
}

pub(super) fn no_entropy() -> impl FnOnce(std::io::Error) -> VaultError {
    VaultError::local("cannot get random bytes from the system")
}
