//! A new vault: genesis and access version 1.

use std::path::Path;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::error::VaultError;
use super::io::RemoteIo;
use super::open::geneses;
use super::pins::Pins;
use super::rekey::{NextVersion, no_entropy};
use super::seeds::KeyPlace;
use super::state::State;
use crate::crypto::{self, KdfParams, MemberKeys, MemberPublic, PasswordEntry, Secret32, words};
use crate::format::access::{Keyring, Member, MemberKind, Role};
use crate::format::genesis::{ChunkerPolicy, Genesis};
use crate::format::name::ObjectName;
use crate::id::VaultId;
use crate::world::World;

/// What a new vault is to be.
pub struct NewVault<'a> {
    /// Clock and entropy.
    pub world: &'a World,
    /// Where installations keep their state.
    pub state_dir: &'a Path,
    /// The first password.
    pub password: &'a str,
    /// What it may do.
    pub password_role: Role,
    /// The cost of guessing it.
    pub kdf: KdfParams,
    /// What this machine is called in the list of members.
    pub device_label: &'a str,
    /// Where this machine's key is kept.
    pub key_place: KeyPlace,
    /// How file content is cut.
    pub chunker: ChunkerPolicy,
}

/// A vault just made.
pub struct Created {
    /// Its id.
    pub vault: VaultId,
    /// The recovery words: shown once, kept nowhere.
    pub words: Zeroizing<String>,
}

struct Seeds {
    root: Secret32,
    password: Secret32,
    device: Secret32,
}

impl NewVault<'_> {
    /// Makes the vault. `keep_words` is called before anything is published: if the words can't be kept, there is no vault.
    ///
    /// # Errors
    /// There is one already, or the remote or this machine fails.
    pub fn create(
        &self,
        io: &RemoteIo,
        keep_words: &mut dyn FnMut(&str) -> Result<(), VaultError>,
    ) -> Result<Created, VaultError> {
        if !geneses(io)?.is_empty() {
            return Err(VaultError::Exists { location: io.describe() });
        }
        let seeds = Seeds { root: self.secret()?, password: self.secret()?, device: self.secret()? };
        let root = MemberKeys::from_seed(&seeds.root);
        let mut nonce = [0; 32];
        self.world.entropy.fill(&mut nonce).map_err(no_entropy())?;
        let MemberPublic { kem, sign } = root.public();
        let genesis = Genesis { chunker: self.chunker, root_kem: kem, root_sign: sign, nonce }.encode();
        let vault = crypto::vault_id(&genesis);
        let access = self.first_access(&genesis, &vault, &root, &seeds)?;
        let words = words::to_words(&seeds.root);
        keep_words(&words)?;

        let state = State::open(self.state_dir, &vault)?;
        if state.is_persistent() {
            state.set_device_seed(&seeds.device, self.key_place, &*self.world.entropy)?;
        }
        // The genesis last: before it is there, there is no vault, and a second try starts afresh.
        let access_name = ObjectName::Access { n: 1, id: crypto::object_id(&[&access]) };
        io.put_new(&access_name.to_string(), vec![Bytes::from(access)])?;
        io.barrier()?;
        let genesis_name = ObjectName::Genesis(crypto::object_id(&[&genesis]));
        io.put_new(&genesis_name.to_string(), vec![Bytes::from(genesis)])?;
        io.barrier()?;
        let there = geneses(io)?;
        if there.len() > 1 {
            return Err(VaultError::Exists {
                location: format!("{} (somebody else made one at the same moment)", io.describe()),
            });
        }
        Pins::load(self.state_dir).add(&io.describe(), &vault)?;
        Ok(Created { vault, words })
    }

    fn first_access(
        &self,
        genesis: &[u8],
        vault: &VaultId,
        root: &MemberKeys,
        seeds: &Seeds,
    ) -> Result<Vec<u8>, VaultError> {
        let (s0, secret) = (self.secret()?, self.secret()?);
        let entry = PasswordEntry::seal(vault, self.password, &seeds.password, self.kdf, &*self.world.entropy)
            .map_err(VaultError::local("cannot protect the password"))?;
        let of = |seed: &Secret32| MemberKeys::from_seed(seed).public();
        let members = [
            member(MemberKind::Recovery, Role::Admin, "recovery words", root.public(), [0; 16]),
            member(MemberKind::Password, self.password_role, "password", of(&seeds.password), entry.id),
            member(MemberKind::Device, Role::Admin, self.device_label, of(&seeds.device), [0; 16]),
        ];
        let first = NextVersion {
            vault,
            genesis,
            n: 1,
            epoch: 1,
            secret: &secret,
            keyring: &Keyring { s0: Zeroizing::new(*s0.expose()), epochs: Vec::new() },
            chain: &[],
            parents: Vec::new(),
            members: &members,
            passwords: vec![entry.encode()],
            frontier: Vec::new(),
            note: "init",
            time: self.world.clock.now(),
            signer: root,
        };
        Ok(first.object(self.world)?.1)
    }

    fn secret(&self) -> Result<Secret32, VaultError> {
        Secret32::random(&*self.world.entropy).map_err(no_entropy())
    }
}

fn member(kind: MemberKind, role: Role, label: &str, public: MemberPublic, entry_id: [u8; 16]) -> Member {
    let MemberPublic { kem, sign } = public;
    Member { kind, role, kem_pk: kem, sign_pk: sign, label: label.into(), entry_id }
}
