//! Log records made by hand with the real keys of a machine: each as it should be, but for what a test spoils.

use std::fs;
use std::io;
use std::sync::Arc;

use cryptsync::crypto::{self, Class, Label, MemberKeys, SealContext, Secret32};
use cryptsync::format::hints::{Holder, Place};
use cryptsync::format::name::{ObjectName, record_logical_name};
use cryptsync::format::record::{LogPlaintext, Record, Root};
use cryptsync::id::{CommitId, VaultId};
use cryptsync::vault::{Asker, Commit, OpenOptions, RemoteIo, Vault};
use cryptsync::world::{Cancel, World};
use cryptsync_backends::services::Fs;

use crate::support::cli::Machine;

struct Nobody;

impl Asker for Nobody {
    fn password(&self, _: &str) -> io::Result<zeroize::Zeroizing<String>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn confirm_vault(&self, _: &str, _: &VaultId) -> Option<bool> {
        None
    }
}

/// The one vault that a machine has met.
fn met(machine: &Machine) -> VaultId {
    let names = fs::read_dir(machine.state_dir()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).next().expect("it keeps a directory for each vault")
}

/// A machine's vault, open, and its key.
pub struct Forge {
    pub vault: Vault,
    pub member: MemberKeys,
    machine: Machine,
    _runtime: tokio::runtime::Runtime,
}

/// How an object is sealed around a record.
pub struct Sealing {
    pub record: Record,
    pub body: Vec<u8>,
    pub epoch: u32,
    pub spoil_signature: bool,
}

impl Forge {
    /// Opens the vault as the machine would, with its device key.
    pub fn new(machine: &Machine) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let io = RemoteIo::new(Arc::new(Fs::open(machine.root.clone())), runtime.handle().clone(), Cancel::default());
        let options = OpenOptions {
            world: World::system(),
            state_dir: &machine.state_dir(),
            ephemeral: false,
            cache_dir: &machine.cache_dir(),
            vault_id: Some(met(machine)),
            memory: 16 << 20,
            asker: &Nobody,
            demands: Default::default(),
        };
        let vault = Vault::open(io, &options).unwrap();
        let key = machine.state_dir().join(vault.id.to_string()).join("device.key");
        let seed = cryptsync::id::unbase32(fs::read_to_string(key).unwrap().trim_end()).unwrap();
        let member = MemberKeys::from_seed(&Secret32::new(seed.try_into().unwrap()));
        Self { vault, member, machine: machine.clone(), _runtime: runtime }
    }

    /// The newest commit.
    pub fn newest(&self) -> Commit {
        self.vault.view().newest_first()[0].clone()
    }

    /// A record of a writer that is new, after `parent`: as it should be. It shows the parent's tree.
    pub fn after(&self, parent: &Commit) -> Record {
        let access = self.vault.access();
        let root = parent.record.root;
        let place = root.place.map(|place| match place.holder {
            Holder::SameObject => Place { holder: Holder::Object(parent.object), ..place },
            Holder::Object(_) => place,
        });
        Record {
            access_n: access.n,
            access: access.id,
            writer_sign: self.member.public().sign,
            writer_salt: [77; 16],
            seq: 1,
            prev: None,
            parents: vec![parent.id],
            lamport: parent.record.lamport + 1,
            operation: "forged".into(),
            root: Root { place, ..root },
            segments_added: Vec::new(),
            segments_superseded: Vec::new(),
            body_hash: crypto::hash(b""),
            attributes: Vec::new(),
            ..parent.record.clone()
        }
    }

    /// Signs, seals and stores a record. Gives its id.
    pub fn plant(&self, record: Record) -> CommitId {
        self.plant_with(Sealing { record, body: Vec::new(), epoch: self.vault.epoch(), spoil_signature: false }).1
    }

    /// The same, with everything in hand. Gives the object's name too.
    pub fn plant_with(&self, sealing: Sealing) -> (String, CommitId) {
        let Sealing { record, body, epoch, spoil_signature } = sealing;
        let bytes = record.encode().unwrap();
        let mut signature = self.member.sign(Label::Commit, &self.vault.id, &bytes);
        signature[3] ^= u8::from(spoil_signature);
        let content = LogPlaintext::join(&bytes, &signature, &body, 0).len() as u64;
        let zeros = (crypto::geometry::padded_plain_len(content) - content) as usize;
        let plaintext = LogPlaintext::join(&bytes, &signature, &body, zeros);
        let writer = crypto::writer_id(&record.writer_sign, &record.writer_salt);
        let keys = self.vault.keys();
        let logical = record_logical_name(record.lamport, record.seq);
        let context = SealContext { class: Class::Log, name: logical.as_bytes() };
        let entropy = &*self.vault.world.entropy;
        let sealed = crypto::seal(keys, epoch, &context, &writer, entropy, &[&plaintext]).unwrap();
        let (lamport, seq, id) = (record.lamport, record.seq, sealed.id);
        let name = ObjectName::Record { lamport, tag: keys.name_tag(lamport, seq, &id), seq, id }.to_string();
        fs::write(self.machine.root.join(&name), &sealed.bytes).unwrap();
        (name, crypto::commit_id(&self.vault.id, &bytes))
    }
}
