//! A new vault: genesis and access version 1.

use std::path::Path;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::access::keyring_hash;
use super::error::VaultError;
use super::io::RemoteIo;
use super::open::geneses;
use super::pins::Pins;
use super::state::State;
use crate::crypto::{
    self, Class as SealClass, KdfParams, Label, MemberKeys, MemberPublic, PasswordEntry, SealContext, Secret32,
    VaultKeys, geometry, words,
};
use crate::format::access::{AccessObject, Body, Chain, Keyring, Member, MemberKind, Public, Role, SignedBody};
use crate::format::genesis::{ChunkerPolicy, Genesis};
use crate::format::name::{ObjectName, access_logical_name};
use crate::id::{VaultId, WriterId};
use crate::world::World;

/// What a new vault is to be.
pub struct NewVault<'a> {
    /// Clock and entropy.
    pub world: &'a World,
    /// Where installations keep their state.
    pub state_dir: &'a Path,
    /// The first password.
    pub password: &'a str,
    /// The cost of guessing it.
    pub kdf: KdfParams,
    /// What this machine is called in the list of members.
    pub device_label: &'a str,
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
            state.set_device_seed(seeds.device.expose())?;
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
        let (s0, epoch_secret) = (self.secret()?, self.secret()?);
        let entropy = &*self.world.entropy;
        let entry = PasswordEntry::seal(vault, self.password, &seeds.password, self.kdf, entropy)
            .map_err(VaultError::local("cannot protect the password"))?;
        let members = [
            (MemberKind::Recovery, "recovery words", root.public(), [0; 16]),
            (MemberKind::Password, "password", MemberKeys::from_seed(&seeds.password).public(), entry.id),
            (MemberKind::Device, self.device_label, MemberKeys::from_seed(&seeds.device).public(), [0; 16]),
        ];
        let mut slots = Vec::new();
        for slot_id in 0..SLOTS {
            // Unused slots are sealed to a key that nobody keeps: random bytes could be told from them, because neither
            // half of a ciphertext is uniform.
            let (nobody, nothing) = (MemberKeys::from_seed(&self.secret()?).public(), self.secret()?);
            let (public, secret) = match members.get(slot_id as usize) {
                Some((.., public, _)) => (public, &epoch_secret),
                None => (&nobody, &nothing),
            };
            slots.push(crypto::seal_slot(public, vault, EPOCH, slot_id, secret, entropy).map_err(no_entropy())?);
        }
        let public = Public { genesis: genesis.to_vec(), n: 1, epoch: EPOCH, passwords: vec![entry.encode()], slots }
            .encode()?;
        let keyring = Keyring { s0: Zeroizing::new(*s0.expose()), epochs: Vec::new() };
        let body = Body {
            n: 1,
            epoch: EPOCH,
            public_hash: crypto::hash(&public),
            keyring_hash: keyring_hash(&keyring, EPOCH),
            parents: Vec::new(),
            time: self.world.clock.now(),
            features: Vec::new(),
            members: members
                .into_iter()
                .map(|(kind, label, public, entry_id)| admin(kind, label, public, entry_id))
                .collect(),
            frontier: Vec::new(),
            note: "init".into(),
            signer: root.public().id(),
        }
        .encode()?;
        let signature = root.sign(Label::Access, vault, &body);
        let chain = Chain { versions: vec![SignedBody { body, signature }], keyring };
        let content = chain.encode(0).len() as u64;
        let padded = chain.encode((geometry::padded_plain_len(content) - content) as usize);
        let mut keys = VaultKeys::new(*vault, &s0);
        keys.add_epoch(EPOCH, &epoch_secret);
        let logical = access_logical_name(1);
        let context = SealContext { class: SealClass::Access, name: logical.as_bytes() };
        let sealed =
            crypto::seal(&keys, EPOCH, &context, &WriterId::new([0; 16]), entropy, &[&padded]).map_err(no_entropy())?;
        Ok(AccessObject { public: &public, sealed: &sealed.bytes }.join())
    }

    fn secret(&self) -> Result<Secret32, VaultError> {
        Secret32::random(&*self.world.entropy).map_err(no_entropy())
    }
}

fn admin(kind: MemberKind, label: &str, public: MemberPublic, entry_id: [u8; 16]) -> Member {
    let MemberPublic { kem, sign } = public;
    Member { kind, role: Role::Admin, kem_pk: kem, sign_pk: sign, label: label.into(), entry_id }
}

fn no_entropy() -> impl FnOnce(std::io::Error) -> VaultError {
    VaultError::local("cannot get random bytes from the system")
}

const EPOCH: u32 = 1;
const SLOTS: u32 = 8;
