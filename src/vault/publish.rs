//! Publishing: from stored chunks and a way to build the tree to one signed commit. Start at [`Session::commit`].
//!
//! Order: packs, index segment, barrier, listing, commit, barrier. The commit's PUT is the only moment at which anything
//! becomes visible; it is journalled before, so that an unclear answer is cleared up by sending the same bytes again.

use bytes::Bytes;

use super::container::Container;
use super::error::VaultError;
use super::index::keep_segment;
use super::log::{Commit, View};
use super::open::Vault;
use super::session::Session;
use super::tree::TreeWriter;
use crate::crypto::{self, Class as SealClass, Label, SealBuffer, SealContext, geometry};
use crate::format::hints::{Holder, ObjectRef, Place};
use crate::format::name::{ObjectName, record_logical_name};
use crate::format::record::{LogPlaintext, Record, RecordKind, Root as StoredRoot};
use crate::history::source::{ResolvedPlace, Root};
use crate::id::{CommitId, WriterId};

/// What a commit says besides the tree.
#[derive(Debug, Clone)]
pub struct CommitInfo {
    /// What was done, in one line.
    pub operation: String,
}

/// How publishing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// A new commit is there.
    Commit(CommitId),
    /// The tree is what it was: nothing was published.
    Unchanged,
    /// Somebody else has published meanwhile: plan again on top of that.
    HeadsMoved,
}

enum Payload {
    /// Chunks first: so many frames; then nodes.
    Bundle {
        container: Container,
        data_frames: usize,
    },
    Packs {
        segments: Vec<ObjectRef>,
    },
}

impl Session {
    /// Ends the session with a commit of the tree that `build` makes. `build` may be called twice: a tree that turns out
    /// too large for a bundle is built again into packs.
    ///
    /// # Errors
    /// The vault's. Nothing is published then, and what was stored is in the journal for the next run.
    pub fn commit(
        &mut self,
        base: Option<&Root>,
        info: &CommitInfo,
        build: &mut dyn FnMut(&TreeWriter<'_>) -> Result<Root, VaultError>,
    ) -> Result<Published, VaultError> {
        let unchanged = |root: &Root| base.is_some_and(|base| base.id == root.id);
        if let Some(data) = self.finish_data(BUNDLE_DATA_MAX)? {
            let data_frames = data.frame_count();
            let writer = TreeWriter::bundle(self, data);
            let built = build(&writer);
            let overflowed = writer.overflowed();
            let place = match &built {
                Ok(root) => place_of_root(&writer, root)?,
                Err(_) => None,
            };
            let container = writer.finish()?.unwrap_or_default();
            if !overflowed {
                let root = built?;
                if unchanged(&root) {
                    return Ok(Published::Unchanged);
                }
                return self.publish(&root, place, Payload::Bundle { container, data_frames }, info);
            }
            self.spill(container)?;
        }
        self.wait_uploads()?;
        self.restart_uploads();
        let writer = TreeWriter::packs(self);
        let root = build(&writer)?;
        writer.finish()?;
        self.wait_uploads()?;
        if unchanged(&root) {
            return Ok(Published::Unchanged);
        }
        let writer = TreeWriter::packs(self);
        let place = place_of_root(&writer, &root)?;
        drop(writer);
        let segments = self.store_segments()?;
        self.publish(&root, place, Payload::Packs { segments }, info)
    }

    /// Index segments of everything this session (and interrupted ones before it) has stored.
    fn store_segments(&self) -> Result<Vec<ObjectRef>, VaultError> {
        let mut stored = Vec::new();
        self.shared.placed.segments(&mut |plaintext| {
            let mut buffer = SealBuffer::default();
            buffer.reserve(plaintext.len() as u64);
            buffer.push(&plaintext);
            let (object, _) = self.shared.put_sealed(SealClass::Index, buffer)?;
            keep_segment(&self.shared.vault.state, &object.id, &plaintext)?;
            stored.push(object);
            Ok(())
        })?;
        Ok(stored)
    }

    fn publish(
        &mut self,
        root: &Root,
        place: Option<Place>,
        payload: Payload,
        info: &CommitInfo,
    ) -> Result<Published, VaultError> {
        if let Payload::Packs { .. } = payload {
            self.shared.vault.objects.io.barrier()?;
        }
        let moved = self.shared.vault.refresh()?;
        let packed = matches!(payload, Payload::Packs { .. });
        if packed && self.shared.vault.epoch() != self.shared.epoch {
            // Whoever was removed has the keys of the packs.
            return Err(VaultError::KeysChanged);
        }
        if moved {
            if let Payload::Bundle { mut container, data_frames } = payload {
                // The edits still speak of these chunks, and whoever builds on the new head may not be able to read them
                // again: like those of larger runs they wait in a pack, and in the journal.
                container.truncate(data_frames);
                self.spill(container)?;
                self.wait_uploads()?;
            }
            return Ok(Published::HeadsMoved);
        }
        let vault = &self.shared.vault;
        let view = vault.view();
        let (body, directory, added) = match payload {
            Payload::Bundle { container, .. } => {
                let (body, directory) = container.into_body();
                (body, directory, Vec::new())
            }
            Payload::Packs { segments } => (Vec::new(), Vec::new(), segments),
        };
        let record = vault.next_record(&view, root, place, added, crypto::hash(&body), info)?;
        let sealed = vault.seal_record(&record, &body)?;
        vault.state.set_pending(&sealed.name.to_string(), &sealed.bytes)?;
        let size = sealed.bytes.len() as u64;
        vault.send_pending(&sealed.name, Bytes::from(sealed.bytes))?;
        self.shared.count_sent(size);
        let commit = Commit { id: sealed.id, writer: sealed.writer, record, object: sealed.object, directory };
        vault.adopt(&sealed.name, commit, sealed.record)?;
        vault.state.journal_remove(&self.shared.placed.objects())?;
        Ok(Published::Commit(sealed.id))
    }
}

fn place_of_root(writer: &TreeWriter<'_>, root: &Root) -> Result<Option<Place>, VaultError> {
    match root.place {
        Some(ResolvedPlace { object, location }) => Ok(Some(Place { holder: Holder::Object(object), location })),
        None => writer.place_of(&root.id),
    }
}

struct SealedRecord {
    name: ObjectName,
    id: CommitId,
    writer: WriterId,
    object: ObjectRef,
    record: Vec<u8>,
    bytes: Vec<u8>,
}

impl Vault {
    fn next_record(
        &self,
        view: &View,
        root: &Root,
        place: Option<Place>,
        segments_added: Vec<ObjectRef>,
        body_hash: [u8; 32],
        info: &CommitInfo,
    ) -> Result<Record, VaultError> {
        // Taken once: a reading run that finds a copy of this machine at work may end the writer at any time.
        let writer_salt = self.state.writer_salt(&*self.world.entropy)?;
        let access = self.access();
        access.may_write()?;
        let public = access.member.public();
        let prev = view.last_of(&public.writer_id(&writer_salt));
        let parents: Vec<CommitId> =
            view.heads().iter().copied().filter(|id| prev.is_none_or(|p| p.id != *id)).collect();
        let before = parents.iter().filter_map(|id| view.commit(id)).chain(prev);
        let lamport = before.map(|commit| commit.record.lamport).max().unwrap_or(0) + 1;
        Ok(Record {
            kind: RecordKind::Commit,
            vault: self.id,
            access_n: access.n,
            access: access.id,
            writer_sign: public.sign,
            writer_salt,
            seq: prev.map_or(0, |prev| prev.record.seq) + 1,
            prev: prev.map(|prev| prev.id),
            parents,
            lamport,
            time: self.world.clock.now(),
            operation: truncated(&info.operation, crate::format::limits::OPERATION_MAX),
            writer_label: access.me.label.clone(),
            closed: false,
            root: StoredRoot { id: root.id, place, totals: root.totals },
            segments_added,
            segments_superseded: Vec::new(),
            epochs_seen: Vec::new(),
            body_hash,
            attributes: self.state.rollback_note()?.into_iter().collect(),
        })
    }

    fn seal_record(&self, record: &Record, body: &[u8]) -> Result<SealedRecord, VaultError> {
        let bytes = record.encode()?;
        let signature = self.access().member.sign(Label::Commit, &self.id, &bytes);
        let content = LogPlaintext::join(&bytes, &signature, body, 0).len() as u64;
        let zeros = (geometry::padded_plain_len(content) - content) as usize;
        let plaintext = LogPlaintext::join(&bytes, &signature, body, zeros);
        let writer = crypto::writer_id(&record.writer_sign, &record.writer_salt);
        let tag = self.keys().writer_tag(&writer);
        let logical = record_logical_name(record.lamport, tag, record.seq);
        let context = SealContext { class: SealClass::Log, name: logical.as_bytes() };
        let epoch = self.epoch();
        let sealed = crypto::seal(self.keys(), epoch, &context, &writer, &*self.world.entropy, &[&plaintext])
            .map_err(VaultError::local("cannot get random bytes"))?;
        let name = ObjectName::Record { lamport: record.lamport, tag, seq: record.seq, id: sealed.id };
        let object = ObjectRef { id: sealed.id, size: sealed.bytes.len() as u64, epoch, salt: sealed.salt };
        let id = crypto::commit_id(&self.id, &bytes);
        Ok(SealedRecord { name, id, writer, object, record: bytes, bytes: sealed.bytes })
    }

    /// Puts a journalled commit, makes it durable, and clears the journal.
    pub(super) fn send_pending(&self, name: &ObjectName, bytes: Bytes) -> Result<(), VaultError> {
        self.objects.io.put_new(&name.to_string(), vec![bytes.clone()])?;
        self.objects.io.barrier()?;
        self.objects.cache.keep(&name.id(), &bytes);
        Ok(())
    }
}

fn truncated(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// Chunks of a commit up to this many bytes may travel in the commit itself, leaving room for nodes.
const BUNDLE_DATA_MAX: u64 = 768 << 10;
