//! Who may open the vault and do what in it: the access version in force (docs/format.md, sections 4.5 and 4.7).
//!
//! Start at [`Access`]. How it is opened is in `unlock.rs`, how versions follow from each other in `chain.rs`, how new ones
//! are made in `rekey.rs`.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::VaultError;
use crate::crypto::{KdfParams, MemberKeys, MemberPublic, PasswordEntry, Secret32, VaultKeys};
use crate::format::access::{Body, Keyring, Member, MemberKind, PasswordEntryBytes, Role, SignedBody};
use crate::format::limits::LOG_OBJECT_MAX;
use crate::format::name::ObjectName;
use crate::id::{AccessId, MemberId, ObjectId, VaultId};

/// What opening may have to ask a person.
pub trait Asker {
    /// The password of the vault.
    ///
    /// # Errors
    /// There is nobody to ask and no other source.
    fn password(&self, vault: &str) -> std::io::Result<zeroize::Zeroizing<String>>;
    /// Whether this is the right vault, at first contact. `None` if there is nobody to ask.
    fn confirm_vault(&self, location: &str, vault: &VaultId) -> Option<bool>;
    /// Whether to ask even if a key of this installation opens the vault.
    fn asks_anyway(&self) -> bool {
        false
    }
}

/// The access version in force, verified, and opened by one of its members. After a fork: what its branches have in common.
pub struct Access {
    /// Number of the version.
    pub n: u32,
    /// Its id.
    pub id: AccessId,
    /// Its epoch.
    pub epoch: u32,
    /// All versions that count, parents first. In branches of a fork that is not merged, every version has only the members
    /// that all branches have, with the least of their roles.
    pub versions: Vec<(AccessId, Body)>,
    /// That member's entry.
    pub me: Member,
    /// What is wrong with the access versions there are, a sentence each; nothing that stops reading.
    pub warnings: Vec<String>,
    /// What the version in force says.
    pub(super) body: Body,
    /// The secret half of the member that opened it.
    pub(super) member: Arc<MemberKeys>,
    pub(super) keys: Arc<VaultKeys>,
    pub(super) material: Material,
    /// Whether slots and password entries are those of the members.
    pub(super) is_sound: bool,
    /// Every access object that the listing showed.
    pub(super) seen: HashSet<ObjectId>,
}

/// What the next version is made from.
pub(super) struct Material {
    /// The ends of the branches: one, unless there is a fork.
    pub(super) tips: Vec<Tip>,
    /// The keys of all epochs.
    pub(super) keyring: Keyring,
    /// All versions that count, as signed, parents first.
    pub(super) chain: Vec<SignedBody>,
}

/// The end of a branch.
pub(super) struct Tip {
    pub(super) id: AccessId,
    pub(super) object: ObjectId,
    pub(super) body: Body,
    pub(super) genesis: Vec<u8>,
    pub(super) passwords: Vec<PasswordEntryBytes>,
    pub(super) secret: Secret32,
}

impl Access {
    /// The body of this version.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// A version by number and id.
    pub(super) fn version(&self, n: u32, id: &AccessId) -> Option<&Body> {
        self.versions.iter().find(|(known, body)| known == id && body.n == n).map(|(_, body)| body)
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

    /// Whether two branches of access versions wait to be merged.
    pub fn is_forked(&self) -> bool {
        self.material.tips.len() > 1
    }

    /// Whether the key at hand may write commits now.
    ///
    /// # Errors
    /// There is a fork, slots that are nobody's, or the role is too low.
    pub fn may_write(&self) -> Result<(), VaultError> {
        self.is_settled()?;
        if self.me.role < Role::Writer {
            return Err(VaultError::Untrusted("the key at hand may read this vault, but not write to it".into()));
        }
        if !self.is_sound {
            return Err(VaultError::Untrusted(format!(
                "{UNSOUND}; nobody writes until an admin has run `cryptsync key rotate`"
            )));
        }
        Ok(())
    }

    /// Whether the key at hand may change who has access now.
    ///
    /// # Errors
    /// There is a fork, or the role is too low.
    pub fn may_administer(&self) -> Result<(), VaultError> {
        self.is_settled()?;
        if self.me.role < Role::Admin {
            return Err(VaultError::Untrusted(
                "the key at hand may not change who has access: that takes a member with the role admin".into(),
            ));
        }
        Ok(())
    }

    fn is_settled(&self) -> Result<(), VaultError> {
        if !self.is_forked() {
            return Ok(());
        }
        let branches: Vec<String> = self
            .material
            .tips
            .iter()
            .map(|tip| format!("version {} ({}) by {}", tip.body.n, tip.id.short(), self.label_of(&tip.body.signer)))
            .collect();
        Err(VaultError::Equivocation(format!(
            "who has access was changed at two places at the same moment: {}; nobody writes until an admin has run `cryptsync key merge`",
            branches.join(", ")
        )))
    }

    /// What to say if access can't be changed very often any more, by the sizes of the objects that hold it.
    pub(super) fn fullness<'o>(&self, objects: impl Iterator<Item = &'o (ObjectName, u64)>) -> Option<String> {
        let is_tip = |name: &ObjectName| self.material.tips.iter().any(|tip| tip.object == name.id());
        let size = objects.filter(|(name, _)| is_tip(name)).map(|(_, size)| *size).max()?;
        let percent = size * 100 / LOG_OBJECT_MAX;
        (percent >= FULL_PERCENT).then(|| {
            format!(
                "the members and the history of who had access take {percent} % of the room that the format has for them; when it is full, access can't be changed any more: plan to copy to a new vault"
            )
        })
    }

    /// What a member is called, in the newest version that lists it.
    pub fn label_of(&self, id: &MemberId) -> String {
        let bodies =
            self.versions.iter().rev().map(|(_, body)| body).chain(self.material.tips.iter().map(|tip| &tip.body));
        let mut members = bodies.flat_map(|body| &body.members);
        members
            .find(|member| member_id(member) == *id)
            .map_or_else(|| id.short(), |member| format!("`{}`", member.label))
    }

    /// The strongest of the password settings in force.
    pub(super) fn strongest_kdf(&self) -> Option<KdfParams> {
        self.kdfs().max_by_key(|params| (params.m_kib, params.t))
    }

    /// The weakest of the password settings in force.
    pub(super) fn least_kdf(&self) -> Option<KdfParams> {
        self.kdfs().min_by_key(|params| (params.m_kib, params.t))
    }

    fn kdfs(&self) -> impl Iterator<Item = KdfParams> {
        let entries = self.material.tips.iter().flat_map(|tip| &tip.passwords).filter_map(PasswordEntry::decode);
        entries.map(|entry| entry.params)
    }
}

/// The public keys of a member's entry.
pub(super) fn public_of(member: &Member) -> MemberPublic {
    MemberPublic { kem: member.kem_pk.clone(), sign: member.sign_pk }
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

/// From here on people are told how full the list of members is.
const FULL_PERCENT: u64 = 75;

/// What is said of slots that are not those of the members.
pub(super) const UNSOUND: &str =
    "the vault's keys are wrapped for somebody who is not on the list of members, or not for all who are";
