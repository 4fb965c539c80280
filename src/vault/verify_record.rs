//! One object below `log/`: whether it holds a record that counts (docs/format.md, section 10). Never whether others
//! follow from it: that is the view's (`log`).

use super::access::{Access, public_of};
use super::error::VaultError;
use super::log::{Commit, View, parents};
use super::objects::Objects;
use crate::crypto::{self, Class as SealClass, Label, ObjectHeader};
use crate::format::access::Role;
use crate::format::hints::ObjectRef;
use crate::format::limits::LOG_OBJECT_MAX;
use crate::format::name::ObjectName;
use crate::format::pack::Directory;
use crate::format::record::{LogPlaintext, Record};
use crate::id::{VaultId, WriterId};

/// What a record is held against.
pub(super) struct Verifier<'a> {
    pub(super) objects: &'a Objects,
    pub(super) access: &'a Access,
    pub(super) vault: &'a VaultId,
    pub(super) view: &'a View,
}

impl Verifier<'_> {
    /// The record in an object; `None` if it was not sealed with this vault's keys at all.
    pub(super) fn verify(&self, name: &ObjectName, size: u64) -> Result<Option<(Commit, Vec<u8>)>, VaultError> {
        let Some((header, plain)) = self.objects.open_log(name, size)? else { return Ok(None) };
        let parts = LogPlaintext::split(&plain).map_err(|_| VaultError::damaged(name, "the record is malformed"))?;
        let record = Record::decode(parts.record).map_err(|_| VaultError::damaged(name, "the record is malformed"))?;
        if let Some(tag) = record.unknown_attribute() {
            return Err(VaultError::Version(format!("`{name}` needs a newer cryptsync: it has attribute {tag}")));
        }
        let writer = crypto::writer_id(&record.writer_sign, &record.writer_salt);
        let refuse = |why: &str| Err(VaultError::Untrusted(format!("`{name}` is not accepted: {why}")));
        let ObjectName::Record { lamport, tag, seq, id } = *name else { return Ok(None) };
        let named = (record.lamport, record.seq, self.objects.keys.writer_tag(&writer)) == (lamport, seq, tag);
        if record.vault != *self.vault || !named {
            return refuse("its name and its content do not agree");
        }
        let Some(body) = self.access.version(record.access_n, &record.access) else {
            return refuse("it names an access version that is not on the vault's chain");
        };
        let member = body.members.iter().find(|member| public_of(member).sign == record.writer_sign);
        if member.is_none_or(|member| member.role < Role::Writer) {
            return refuse("its writer was not allowed to write");
        }
        if !crypto::verify(&record.writer_sign, Label::Commit, self.vault, parts.record, &parts.signature) {
            return refuse("its signature is wrong");
        }
        if header.epoch != body.epoch {
            return refuse("it is sealed in another epoch than it says");
        }
        self.check_ancestry(name, &record, &writer)?;
        let body = &plain[parts.body.clone()];
        if crypto::hash(body) != record.body_hash {
            return refuse("its body is not the one that was signed");
        }
        let directory = if body.is_empty() { Vec::new() } else { bundle_directory(body)? };
        let object = ObjectRef { id, size, epoch: header.epoch, salt: header.salt };
        let id = crypto::commit_id(self.vault, parts.record);
        Ok(Some((Commit { id, writer, object, directory, record }, parts.record.to_vec())))
    }

    fn check_ancestry(&self, name: &ObjectName, record: &Record, writer: &WriterId) -> Result<(), VaultError> {
        let refuse = |why: &str| Err(VaultError::Untrusted(format!("`{name}` is not accepted: {why}")));
        let mut lamport = 0;
        for parent in parents(record) {
            let Some(parent) = self.view.commit(&parent) else {
                return Err(VaultError::Missing {
                    what: format!("commit {}, which `{name}` follows,", parent.short()),
                });
            };
            lamport = lamport.max(parent.record.lamport);
            if parent.record.access_n > record.access_n {
                return refuse("it names an older access version than a commit it follows");
            }
        }
        if record.lamport != lamport + 1 {
            return refuse("its place in time does not follow from its parents");
        }
        let Some(prev) = record.prev else { return Ok(()) };
        let prev = self.view.commit(&prev);
        if prev.is_some_and(|prev| prev.writer == *writer && prev.record.seq + 1 == record.seq) {
            return Ok(());
        }
        refuse("it does not follow its writer's previous commit")
    }
}

/// The encoded directory of a bundle.
fn bundle_directory(body: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut footer = Directory::of_bundle(body)?.encode_footer();
    footer.truncate(footer.len() - 4);
    Ok(footer)
}

impl Objects {
    /// A log object, hash-checked and opened; `None` if it hashes to its name but this vault's keys do not open it: then
    /// somebody put it there who has no key.
    fn open_log(&self, name: &ObjectName, size: u64) -> Result<Option<(ObjectHeader, Vec<u8>)>, VaultError> {
        if size > LOG_OBJECT_MAX {
            return Err(VaultError::Limit(format!("`{name}` is larger than the format allows")));
        }
        let bytes = self.whole_sealed(name, size)?;
        let Ok(header) = ObjectHeader::parse(&bytes) else { return Ok(None) };
        let logical = name.logical_name();
        let context = crypto::SealContext { class: SealClass::Log, name: logical.as_bytes() };
        match crypto::open(&self.keys, &context, &bytes) {
            Ok(plain) => Ok(Some((header, plain))),
            Err(_) => Ok(None),
        }
    }
}
