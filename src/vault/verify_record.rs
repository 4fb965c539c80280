//! One object below `log/`: whether it holds a record of a member (docs/format.md, section 10.1). Never whether the record
//! counts among the others: that is `judge`'s.

use super::access::Access;
use super::error::VaultError;
use super::judge::{Candidate, Why, role_in};
use super::listing::record_name;
use super::log::Commit;
use super::objects::Objects;
use crate::crypto::{self, Class as SealClass, Label, ObjectHeader};
use crate::format::access::Role;
use crate::format::hints::ObjectRef;
use crate::format::limits::LOG_OBJECT_MAX;
use crate::format::name::ObjectName;
use crate::format::pack::Directory;
use crate::format::record::{Attribute, LogPlaintext, Record, RecordKind};
use crate::format::summary::Brief;
use crate::format::wire::Malformed;
use crate::id::VaultId;

/// What an object is held against.
pub(super) struct Verifier<'a> {
    pub(super) objects: &'a Objects,
    pub(super) access: &'a Access,
    pub(super) vault: &'a VaultId,
}

/// What an object below `log/` has turned out to be.
pub(super) enum Verdict {
    /// No member has made this object: somebody without a key, or somebody with a key who has sealed what is not theirs.
    Foreign,
    /// A record that a member has signed, and its bytes.
    Signed(Box<Candidate>, Vec<u8>),
}

impl Verifier<'_> {
    /// Judges one object.
    ///
    /// # Errors
    /// The object can't be had, or its bytes do not hash to its name; [`VaultError::Missing`] if the access version that a
    /// member names is not there.
    pub(super) fn verify(&self, name: &ObjectName, size: u64) -> Result<Verdict, VaultError> {
        let Some((header, plain)) = self.objects.open_log(name, size)? else { return Ok(Verdict::Foreign) };
        let Ok(parts) = LogPlaintext::split(&plain) else { return Ok(Verdict::Foreign) };
        let Ok(record) = Record::decode(parts.record) else { return self.unreadable(name, &parts) };
        let writer = crypto::writer_id(&record.writer_sign, &record.writer_salt);
        let ObjectName::Record { lamport, seq, id, .. } = *name else { return Ok(Verdict::Foreign) };
        let named = (record.lamport, record.seq) == (lamport, seq);
        let is_member = self.access.versions.iter().any(|(_, body)| role_in(body, &record.writer_sign).is_some());
        if record.vault != *self.vault
            || !named
            || !is_member
            || !crypto::verify(&record.writer_sign, Label::Commit, self.vault, parts.record, &parts.signature)
        {
            return Ok(Verdict::Foreign);
        }
        let fault = self.fault(name, &record)?;
        // Whoever can read can seal a record of somebody else again. The record is what was signed, the object is not.
        let epoch = self.access.version(record.access_n, &record.access).map(|body| body.epoch);
        let body = &plain[parts.body.clone()];
        if epoch.is_some_and(|epoch| epoch != header.epoch) || crypto::hash(body) != record.body_hash {
            return Ok(Verdict::Foreign);
        }
        let bundled = match record.kind {
            RecordKind::Commit | RecordKind::Join | RecordKind::Close => bundle_directory(body),
            RecordKind::Epoch | RecordKind::Acknowledgement | RecordKind::Completion => Ok(Vec::new()),
        };
        let fault = fault.or(bundled.as_ref().err().map(|_| Why::Malformed));
        let directory = bundled.unwrap_or_default();
        let object = ObjectRef { id, size, epoch: header.epoch, salt: header.salt };
        let id = crypto::commit_id(self.vault, parts.record);
        let commit = Commit { id, writer, object, directory, record };
        Ok(Verdict::Signed(Box::new(Candidate { commit, fault }), parts.record.to_vec()))
    }

    /// A record that a summary tells of, read after all. Its place among the others was judged by whoever signed that.
    pub(super) fn covered(&self, brief: &Brief) -> Result<Commit, VaultError> {
        let name = record_name(&self.objects.keys, brief.lamport, brief.seq, brief.object.id);
        match self.verify(&name, brief.object.size)? {
            Verdict::Signed(candidate, _) if candidate.commit.id == brief.id => Ok(candidate.commit),
            _ => Err(VaultError::damaged(name, "it is not the commit that the log's summary tells of")),
        }
    }

    /// A record that is not laid out as this program knows it. If somebody who may write has signed it, it is no junk: to pass
    /// over it would show less than there is.
    fn unreadable(&self, name: &ObjectName, parts: &LogPlaintext<'_>) -> Result<Verdict, VaultError> {
        let writers = self.access.body().members.iter().filter(|member| member.role >= Role::Writer);
        let signed = |key: &[u8; 32]| crypto::verify(key, Label::Commit, self.vault, parts.record, &parts.signature);
        if writers.map(|member| &member.sign_pk).any(signed) {
            return Err(VaultError::Version(format!("`{name}` was written by another version of cryptsync")));
        }
        Ok(Verdict::Foreign)
    }

    /// What is wrong with a signed record by itself.
    fn fault(&self, name: &ObjectName, record: &Record) -> Result<Option<Why>, VaultError> {
        let Some(body) = self.access.version(record.access_n, &record.access) else {
            if record.access_n > self.access.n && role_in(self.access.body(), &record.writer_sign) >= Some(Role::Writer)
            {
                return Err(VaultError::Missing {
                    what: format!("access version {}, which `{name}` names,", record.access_n),
                });
            }
            return Ok(Some(Why::NoVersion));
        };
        if role_in(body, &record.writer_sign) < Some(Role::Writer) {
            return Ok(Some(Why::Role));
        }
        let malformed = record.attributes.iter().any(Attribute::is_malformed);
        Ok(malformed.then_some(Why::Malformed))
    }
}

/// The encoded directory of a bundle; empty without one.
pub(super) fn bundle_directory(body: &[u8]) -> Result<Vec<u8>, Malformed> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let mut footer = Directory::of_bundle(body)?.encode_footer();
    footer.truncate(footer.len() - 4);
    Ok(footer)
}

impl Objects {
    /// A log object, hash-checked and opened; `None` if it hashes to its name but this vault's keys do not open it: then
    /// somebody put it there who has no key.
    pub(super) fn open_log(&self, name: &ObjectName, size: u64) -> Result<Option<(ObjectHeader, Vec<u8>)>, VaultError> {
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
