//! This installation as a writer: the numbers of its records, and how one gets to the remote. Start at [`Vault::send`].
//!
//! A record is journalled before its PUT, so that after an unclear answer the same bytes are sent again; a second record of
//! the same number can't come to be. Numbers are handed out under a lock of the state directory (`journal`).

use std::fs::File;

use bytes::Bytes;

use super::container::Container;
use super::error::VaultError;
use super::history::Facts;
use super::journal::LiveSession;
use super::listing::record_name;
use super::log::{Commit, View};
use super::open::Vault;
use crate::crypto::{self, Class as SealClass, Label, SealContext, geometry};
use crate::format::hints::{Holder, ObjectRef, Place, encode_hints};
use crate::format::limits::{OPERATION_MAX, PARENTS_MAX};
use crate::format::name::{ObjectName, record_logical_name};
use crate::format::node::{NodeWriter, Totals, join_blob};
use crate::format::pack::{BlobEntry, FrameCoder, encode_frame};
use crate::format::record::{Attribute, LogPlaintext, Record, RecordKind, Root as StoredRoot};
use crate::id::{BlobKind, CommitId, ObjectId, WriterId};

/// What a record is to say.
pub(super) struct Draft<'a> {
    pub(super) kind: RecordKind,
    pub(super) root: StoredRoot,
    pub(super) parents: Vec<CommitId>,
    pub(super) segments_added: Vec<ObjectRef>,
    pub(super) segments_superseded: Vec<ObjectId>,
    /// The body and the directory in it.
    pub(super) body: (Vec<u8>, Vec<u8>),
    pub(super) operation: &'a str,
    pub(super) closed: bool,
    /// What it states, ascending by tag.
    pub(super) attributes: Vec<Attribute>,
    /// The run that publishes it.
    pub(super) session: Option<&'a LiveSession>,
}

/// A record that is there.
pub(super) struct Sent {
    pub(super) id: CommitId,
    /// Bytes of the object.
    pub(super) size: u64,
}

struct Sealed {
    name: ObjectName,
    id: CommitId,
    writer: WriterId,
    object: ObjectRef,
    record: Vec<u8>,
    bytes: Vec<u8>,
}

impl Vault {
    /// Makes this installation a writer of the vault, if it is not one yet: its first record is a join. `true` if that was
    /// done now; the log has been read again then, and what was planned before must be planned anew if the tree is another.
    ///
    /// # Errors
    /// The key at hand may not write; the remote or the local state fails.
    pub fn ensure_joined(&self) -> Result<bool, VaultError> {
        self.may_send()?;
        if self.is_joined()? {
            return Ok(false);
        }
        let lock = self.publish_lock()?;
        self.settle_pending(&lock)?;
        // Another run of this installation may have joined meanwhile. The salt is its own, so its memory knows.
        if self.own_is_remembered()? {
            self.refresh()?;
            if self.is_joined()? {
                return Ok(true);
            }
        }
        if self.own_last(&self.view())?.is_some() {
            self.state.renew_writer()?; // closed
        }
        let view = self.view();
        let parent = view.newest_first().into_iter().find(|commit| view.heads().contains(&commit.id));
        let (root, body) = match parent {
            Some(parent) => (inherited(parent), Default::default()),
            None => self.empty_tree(),
        };
        let parents = parent.iter().map(|parent| parent.id).collect();
        let join = Draft {
            kind: RecordKind::Join,
            root,
            parents,
            segments_added: Vec::new(),
            segments_superseded: Vec::new(),
            body,
            operation: "join",
            closed: false,
            attributes: Vec::new(),
            session: None,
        };
        self.send(&lock, join)?;
        drop(lock);
        // Only what is listed after the join may be relied on: until then nobody waits for this writer.
        self.refresh()?;
        Ok(true)
    }

    /// Ends the log of a writer that exists for this run only, unless its last record has done so.
    ///
    /// # Errors
    /// The remote or the local state fails.
    pub fn leave(&self) -> Result<(), VaultError> {
        if self.state.is_persistent() {
            return Ok(());
        }
        let view = self.view();
        let Some(last) = self.own_last(&view)?.filter(|last| !last.closed) else { return Ok(()) };
        let close = Draft {
            kind: RecordKind::Close,
            root: inherited(&self.record_of(&last.id)?),
            parents: Vec::new(),
            segments_added: Vec::new(),
            segments_superseded: Vec::new(),
            body: Default::default(),
            operation: "close",
            closed: true,
            attributes: Vec::new(),
            session: None,
        };
        self.send(&self.publish_lock()?, close).map(|_| ())
    }

    /// Clears up what became of a record whose PUT an earlier run did not see through. `true` if there was one: it is in the log
    /// now, and counts or not.
    ///
    /// # Errors
    /// The remote or the local state fails.
    pub fn settle(&self) -> Result<bool, VaultError> {
        if self.state.pending()?.is_none() {
            return Ok(false);
        }
        self.may_send()?;
        let lock = self.publish_lock()?;
        self.settle_pending(&lock)?;
        Ok(true)
    }

    /// Whether this key may write now. If it may not, a record that it made while it might, and that may not have arrived, stays
    /// where it is: it is sent when the key may write again, and an admin decides then whether it counts.
    pub(super) fn may_send(&self) -> Result<(), VaultError> {
        match self.access().may_write() {
            Err(VaultError::Untrusted(why)) if self.state.pending()?.is_some() => Err(VaultError::Untrusted(format!(
                "{why}; a commit that may not have arrived before that is kept on this machine, and is sent again once the key may write"
            ))),
            other => other,
        }
    }

    /// The lock under which records get their numbers.
    pub(super) fn publish_lock(&self) -> Result<File, VaultError> {
        self.state.lock(&mut || self.checkpoint())
    }

    /// Sends a record again that a dead run may not have sent: the same bytes, so that nothing can be there twice. That
    /// others have published since makes it a second head, and no more.
    pub(super) fn settle_pending(&self, _lock: &File) -> Result<(), VaultError> {
        let Some((name, bytes)) = self.state.pending()? else { return Ok(()) };
        let name: ObjectName = name.parse().map_err(|_| VaultError::damaged("journal", "it names no record"))?;
        let size = bytes.len() as u64;
        self.put_record(&name, bytes.into())?;
        self.read_log(Some((name, size)))?;
        self.state.clear_pending()
    }

    /// Numbers, signs, seals, journals and puts a record, and takes it into the view.
    pub(super) fn send(&self, _lock: &File, draft: Draft<'_>) -> Result<Sent, VaultError> {
        self.access().may_write()?;
        let directory = draft.body.1.clone();
        let (record, body) = self.record(&self.view(), draft)?;
        let sealed = self.seal_record(&record, &body)?;
        self.state.set_pending(&sealed.name.to_string(), &sealed.bytes)?;
        let size = sealed.bytes.len() as u64;
        self.put_record(&sealed.name, Bytes::from(sealed.bytes))?;
        let commit = Commit { id: sealed.id, writer: sealed.writer, record, object: sealed.object, directory };
        self.adopt(&sealed.name, commit, sealed.record)?;
        Ok(Sent { id: sealed.id, size })
    }

    /// The last record of this installation's writer.
    pub(super) fn own_last(&self, view: &View) -> Result<Option<Facts>, VaultError> {
        let salt = self.state.known_writer_salt()?;
        Ok(salt.and_then(|salt| view.last_of(&self.access().member.public().writer_id(&salt))))
    }

    /// Whether this installation has a writer whose log is open.
    pub(super) fn is_joined(&self) -> Result<bool, VaultError> {
        Ok(self.own_last(&self.view())?.is_some_and(|last| !last.closed))
    }

    /// Whether a run of this installation has sent or seen records of its writer.
    fn own_is_remembered(&self) -> Result<bool, VaultError> {
        let Some(salt) = self.state.known_writer_salt()? else { return Ok(false) };
        let own = self.access().member.public().writer_id(&salt);
        Ok(self.state.records()?.iter().any(|seen| seen.writer == own))
    }

    fn record(&self, view: &View, draft: Draft<'_>) -> Result<(Record, Vec<u8>), VaultError> {
        // Taken once: a reading run that finds a copy of this machine at work may end the writer at any time.
        let writer_salt = self.state.writer_salt(&*self.world.entropy)?;
        let access = self.access();
        let public = access.member.public();
        let prev = view.last_of(&public.writer_id(&writer_salt));
        let mut parents = draft.parents;
        parents.retain(|id| prev.is_none_or(|prev| prev.id != *id));
        parents.sort_unstable_by_key(|id| (view.facts(id).map(|facts| facts.lamport), *id));
        parents.truncate(PARENTS_MAX);
        parents.sort_unstable();
        let follows = parents.iter().copied().chain(prev.map(|prev| prev.id)).collect();
        let epochs_seen = self.claims(view, &follows, draft.session)?;
        let before = parents.iter().filter_map(|id| view.facts(id)).chain(prev);
        let lamport = before.map(|facts| facts.lamport).max().unwrap_or(0) + 1;
        let (body, _) = draft.body;
        let mut attributes = draft.attributes;
        if draft.kind == RecordKind::Commit {
            attributes.extend(self.state.rollback_note()?);
            attributes.sort_unstable_by_key(|attribute| attribute.tag);
        }
        let record = Record {
            kind: draft.kind,
            vault: self.id,
            access_n: access.n,
            access: access.id,
            writer_sign: public.sign,
            writer_salt,
            seq: prev.map_or(0, |prev| prev.seq) + 1,
            prev: prev.map(|prev| prev.id),
            parents,
            lamport,
            time: self.world.clock.now(),
            operation: truncated(draft.operation, OPERATION_MAX),
            writer_label: access.me.label.clone(),
            closed: draft.closed,
            root: draft.root,
            segments_added: draft.segments_added,
            segments_superseded: draft.segments_superseded,
            epochs_seen,
            body_hash: crypto::hash(&body),
            attributes,
        };
        Ok((record, body))
    }

    fn seal_record(&self, record: &Record, body: &[u8]) -> Result<Sealed, VaultError> {
        let bytes = record.encode()?;
        let signature = self.access().member.sign(Label::Commit, &self.id, &bytes);
        let content = LogPlaintext::join(&bytes, &signature, body, 0).len() as u64;
        let zeros = (geometry::padded_plain_len(content) - content) as usize;
        let plaintext = LogPlaintext::join(&bytes, &signature, body, zeros);
        let writer = crypto::writer_id(&record.writer_sign, &record.writer_salt);
        let logical = record_logical_name(record.lamport, record.seq);
        let context = SealContext { class: SealClass::Log, name: logical.as_bytes() };
        let epoch = self.epoch();
        let sealed = crypto::seal(self.keys(), epoch, &context, &writer, &*self.world.entropy, &[&plaintext])
            .map_err(VaultError::local("cannot get random bytes"))?;
        let name = record_name(self.keys(), record.lamport, record.seq, sealed.id);
        let object = ObjectRef { id: sealed.id, size: sealed.bytes.len() as u64, epoch, salt: sealed.salt };
        let id = crypto::commit_id(&self.id, &bytes);
        Ok(Sealed { name, id, writer, object, record: bytes, bytes: sealed.bytes })
    }

    /// Puts a journalled record and makes it durable.
    fn put_record(&self, name: &ObjectName, bytes: Bytes) -> Result<(), VaultError> {
        self.objects.io.put_new(&name.to_string(), vec![bytes.clone()])?;
        self.objects.io.barrier()?;
        self.objects.cache.keep(&name.id(), &bytes);
        Ok(())
    }

    /// The empty tree, with a body that holds its one node.
    fn empty_tree(&self) -> (StoredRoot, (Vec<u8>, Vec<u8>)) {
        let canonical = NodeWriter::new(0).finish();
        let id = self.keys().blob_id(BlobKind::Node, &canonical);
        let blob = join_blob(&canonical, &encode_hints(&[]));
        let entry = BlobEntry { kind: BlobKind::Node, id, len: blob.len() as u32 };
        let mut container = Container::default();
        let placed = container.append(encode_frame(&blob, None, &mut FrameCoder::default()), vec![entry]);
        let place = placed.first().map(|(_, location)| Place { holder: Holder::SameObject, location: *location });
        (StoredRoot { id, place, totals: Totals::default() }, container.into_body())
    }
}

/// The tree of a record, as a record that follows it states it.
pub(super) fn inherited(parent: &Commit) -> StoredRoot {
    let named = |place: Place| match place.holder {
        Holder::SameObject => Place { holder: Holder::Object(parent.object), ..place },
        Holder::Object(_) => place,
    };
    StoredRoot { place: parent.record.root.place.map(named), ..parent.record.root }
}

fn truncated(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
