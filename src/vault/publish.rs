//! Publishing: from stored chunks and a way to build the tree to one signed commit. Start at [`Session::commit`].
//!
//! Order: packs, index segment, barrier; then under the lock of the state directory listing, commit, barrier. The commit's
//! PUT is the only moment at which anything becomes visible. If the listing shows that others have published, the lock is
//! let go and their tree is merged in; the source is not read again.

use std::sync::Arc;

use super::checkpoint::Fold;
use super::container::Container;
use super::error::VaultError;
use super::index::keep_segment;
use super::relied::ended;
use super::rules::Rule;
use super::session::Session;
use super::tree::TreeWriter;
use super::writer::{Draft, Sent};
use crate::crypto::{Class as SealClass, SealBuffer};
use crate::format::hints::{Holder, ObjectRef, Place};
use crate::format::record::{RecordKind, Root as StoredRoot};
use crate::history::merge::{Side, merge};
use crate::history::source::{ResolvedPlace, Root, same_tree};
use crate::id::CommitId;

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
    /// The tree is what it was, or what others have made of it meanwhile: nothing was published.
    Unchanged,
}

/// A way to build a tree.
type Build<'b> = &'b mut dyn FnMut(&TreeWriter<'_>) -> Result<Root, VaultError>;

/// A tree and where its root lies.
type Built = (Root, Option<Place>);

/// A tree that is ready to be published.
struct Staged {
    root: Root,
    place: Option<Place>,
    payload: Payload,
}

enum Payload {
    /// Everything new lies in the commit object itself: chunks first, so many frames, then nodes.
    Bundle { container: Container, data_frames: usize },
    /// Everything new is stored, and these segments tell where.
    Packs { segments: Vec<ObjectRef> },
}

impl Session {
    /// Ends the session with a commit of the tree that `build` makes of `base`, merged with what others have published since
    /// `base` was read. `build` may be called several times: a tree that turns out too large for a bundle is built again into
    /// packs.
    ///
    /// # Errors
    /// The vault's. Nothing is published then, and what was stored is in the journal for the next run.
    pub fn commit(
        &mut self,
        base: Option<&Root>,
        info: &CommitInfo,
        build: Build<'_>,
    ) -> Result<Published, VaultError> {
        let vault = Arc::clone(&self.shared.vault);
        let mut staged = self.stage(build)?;
        let mends = self.mends();
        if !mends && same_tree(base, Some(&staged.root)) {
            return Ok(Published::Unchanged);
        }
        // A checkpoint would merge segments that are mended just now.
        let fold = if !mends && vault.wants_fold() { self.fold_staged(&mut staged, build)? } else { None };
        let ours = staged.root;
        let mut taken_in = if same_tree(base, vault.root()?.as_ref()) { Some(vault.view()) } else { None };
        for round in 0.. {
            self.make_durable(&mut staged)?;
            let lock = vault.publish_lock()?;
            vault.settle_pending(&lock)?;
            vault.refresh()?;
            if !vault.is_joined()? {
                // A copy of this machine was found at work, or the writer has been retired: go on as another.
                drop(lock);
                vault.ensure_joined()?;
                self.shared.look_again()?;
                continue;
            }
            if taken_in.is_some_and(|view| view.heads() == vault.view().heads()) {
                return self.put(lock, staged, fold, info).map(Published::Commit);
            }
            // Others may go on for ever: after a few rounds at least those of this installation wait until this one is done,
            // and what somebody else puts in that moment makes a second head, which is no harm.
            let held = if round < ROUNDS { None } else { Some(lock) };
            taken_in = Some(vault.view());
            let theirs = vault.root()?;
            staged = self.merge_onto(staged, build, base, &ours, theirs.as_ref())?;
            if !mends && same_tree(theirs.as_ref(), Some(&staged.root)) {
                return Ok(Published::Unchanged);
            }
            if let Some(lock) = held {
                self.make_durable(&mut staged)?;
                return self.put(lock, staged, fold, info).map(Published::Commit);
            }
        }
        unreachable!("the rounds above end with a commit")
    }

    /// Publishes a commit that records what several heads come to, and changes nothing else; `false` if there was no need.
    ///
    /// # Errors
    /// The vault's.
    pub fn merge_heads(&mut self, info: &CommitInfo) -> Result<bool, VaultError> {
        let vault = Arc::clone(&self.shared.vault);
        for _ in 0..=ROUNDS {
            let view = vault.view();
            let Some(root) = vault.root()?.filter(|_| view.heads().len() > 1) else { return Ok(false) };
            let mut staged = self.stage(&mut |_| Ok(root))?;
            self.make_durable(&mut staged)?;
            let lock = vault.publish_lock()?;
            vault.settle_pending(&lock)?;
            vault.refresh()?;
            if !vault.is_joined()? {
                return Err(ended());
            }
            if vault.view().heads() == view.heads() {
                return self.put(lock, staged, None, info).map(|_| true);
            }
            self.shared.reload_index()?;
        }
        Err(VaultError::Busy("others keep publishing: run the command again later".into()))
    }

    fn stage(&mut self, build: Build<'_>) -> Result<Staged, VaultError> {
        let small = self.shared.vault.rules.hold(Rule::Bundle);
        if let Some(data) = self.finish_data(if small { BUNDLE_DATA_MAX } else { 0 })? {
            let data_frames = data.frame_count();
            let (built, container) = self.in_bundle(data, build)?;
            if let Some((root, place)) = built {
                return Ok(Staged { root, place, payload: Payload::Bundle { container, data_frames } });
            }
            let mut container = container;
            container.truncate(data_frames);
            self.spill(container)?;
        }
        self.wait_uploads()?;
        let (root, place) = self.in_packs(build)?;
        Ok(Staged { root, place, payload: Payload::Packs { segments: Vec::new() } })
    }

    /// Folds the log into packs, and builds the tree there again: its hints are to point at what stays.
    fn fold_staged(&mut self, staged: &mut Staged, build: Build<'_>) -> Result<Option<Fold>, VaultError> {
        let payload = std::mem::replace(&mut staged.payload, Payload::Packs { segments: Vec::new() });
        match payload {
            Payload::Bundle { mut container, data_frames } => {
                container.truncate(data_frames);
                self.spill(container)?;
                self.wait_uploads()?;
            }
            packs @ Payload::Packs { .. } => staged.payload = packs,
        }
        self.restart_uploads();
        let writer = TreeWriter::packs(self);
        let mut fold = self.fold(&writer)?;
        let root = build(&writer)?;
        writer.record(&root.id)?;
        writer.finish()?;
        self.wait_uploads()?;
        let stored = TreeWriter::packs(self);
        if let Some(fold) = &mut fold {
            fold.stored(stored.place_of(&fold.root)?);
        }
        staged.place = place_of_root(&stored, &root)?;
        staged.root = root;
        Ok(fold)
    }

    /// The tree as merged with theirs. What `staged` holds stays: the merged tree is made of it.
    fn merge_onto(
        &mut self,
        staged: Staged,
        build: Build<'_>,
        base: Option<&Root>,
        ours: &Root,
        theirs: Option<&Root>,
    ) -> Result<Staged, VaultError> {
        self.shared.reload_index()?;
        let (vault, base) = (Arc::clone(&self.shared.vault), base.copied());
        let Some(theirs) = theirs else { return Ok(staged) };
        let view = vault.view();
        let newest = view.newest_first().into_iter().find(|commit| view.heads().contains(&commit.id)).cloned();
        let Some(newest) = newest else { return Ok(staged) };
        let label = vault.access().me.label.clone();
        let side = Side {
            root: ours,
            rank: (newest.record.lamport + 1, vault.writer()?),
            time: vault.world.clock.now(),
            label: &label,
            commit: CommitId::new([0; 32]),
        };
        let other = Side {
            root: theirs,
            rank: (newest.record.lamport, newest.writer),
            time: newest.record.time,
            label: &newest.record.writer_label,
            commit: newest.id,
        };
        let mut merged = |writer: &TreeWriter<'_>| merge(writer, base.as_ref(), &side, &other);
        let segments = match staged.payload {
            Payload::Bundle { container, data_frames } => {
                let (built, mut container) = self.in_bundle(container, &mut merged)?;
                if let Some((root, place)) = built {
                    return Ok(Staged { root, place, payload: Payload::Bundle { container, data_frames } });
                }
                container.truncate(data_frames);
                self.spill(container)?;
                self.wait_uploads()?;
                self.in_packs(build)?;
                Vec::new()
            }
            Payload::Packs { segments } => segments,
        };
        let (root, place) = self.in_packs(&mut merged)?;
        Ok(Staged { root, place, payload: Payload::Packs { segments } })
    }

    /// Builds into a bundle; without a tree if that is too small, and then the container is as it was.
    fn in_bundle(&self, container: Container, build: Build<'_>) -> Result<(Option<Built>, Container), VaultError> {
        let writer = TreeWriter::bundle(self, container);
        let built = build(&writer).and_then(|root| writer.record(&root.id).map(|()| root));
        let overflowed = writer.overflowed();
        let place = match &built {
            Ok(root) => place_of_root(&writer, root)?,
            Err(_) => None,
        };
        let container = writer.finish()?.unwrap_or_default();
        Ok((if overflowed { None } else { Some((built?, place)) }, container))
    }

    /// Builds into packs, and waits until they are stored.
    fn in_packs(&mut self, build: Build<'_>) -> Result<Built, VaultError> {
        self.restart_uploads();
        let writer = TreeWriter::packs(self);
        let root = build(&writer)?;
        writer.record(&root.id)?;
        writer.finish()?;
        self.wait_uploads()?;
        let place = place_of_root(&TreeWriter::packs(self), &root)?;
        Ok((root, place))
    }

    /// Makes sure that everything the commit will rest on survives.
    fn make_durable(&self, staged: &mut Staged) -> Result<(), VaultError> {
        if let Payload::Packs { segments } = &mut staged.payload {
            self.store_segments(segments)?;
            self.shared.vault.objects.io.barrier()?;
        }
        Ok(())
    }

    /// Stores index segments of what this session (and dead ones before it) has stored since it did so last.
    pub(super) fn store_segments(&self, stored: &mut Vec<ObjectRef>) -> Result<(), VaultError> {
        self.shared.placed.segments(&mut |plaintext| {
            let mut buffer = SealBuffer::default();
            buffer.reserve(plaintext.len() as u64);
            buffer.push(&plaintext);
            let (object, _) = self.shared.put_sealed(SealClass::Index, buffer)?;
            keep_segment(&self.shared.vault.state, &object.id, &plaintext)?;
            stored.push(object);
            Ok(())
        })
    }

    fn put(
        &self,
        lock: std::fs::File,
        staged: Staged,
        fold: Option<Fold>,
        info: &CommitInfo,
    ) -> Result<CommitId, VaultError> {
        let vault = &self.shared.vault;
        let Staged { root, place, payload } = staged;
        if matches!(payload, Payload::Packs { .. }) && vault.epoch() != self.shared.epoch {
            // Whoever was removed has the keys of the packs.
            return Err(VaultError::KeysChanged);
        }
        let (mut container, mut segments_added) = match payload {
            Payload::Bundle { container, .. } => (container, Vec::new()),
            Payload::Packs { segments } => (Container::default(), segments),
        };
        let view = vault.view();
        let summary = vault.summarise(&view, fold.as_ref(), self.compression(), &mut container)?;
        // Without a summary nobody would hear of what was folded: then nothing was.
        let fold = fold.filter(|_| summary.is_some());
        let (merged, mut segments_superseded) = fold.as_ref().map(Fold::segments).unwrap_or_default();
        segments_added.extend(merged);
        self.add_mended(&mut segments_added, &mut segments_superseded);
        let body = container.into_body();
        let draft = Draft {
            kind: RecordKind::Commit,
            root: StoredRoot { id: root.id, place, totals: root.totals },
            parents: view.heads().to_vec(),
            segments_added,
            segments_superseded,
            body,
            operation: &info.operation,
            closed: !vault.state.is_persistent(),
            attributes: summary.into_iter().collect(),
            session: Some(&self.shared.live),
        };
        let Sent { id, size } = vault.send(&lock, draft)?;
        drop(lock);
        self.shared.count_sent(size);
        vault.state.journal_remove(&self.shared.placed.objects())?;
        if let Some(fold) = fold {
            self.sweep(&fold.doomed)?;
        }
        Ok(id)
    }
}

fn place_of_root(writer: &TreeWriter<'_>, root: &Root) -> Result<Option<Place>, VaultError> {
    match root.place {
        Some(ResolvedPlace { object, location }) => Ok(Some(Place { holder: Holder::Object(object), location })),
        None => writer.place_of(&root.id),
    }
}

/// Chunks of a commit up to this many bytes may travel in the commit itself, leaving room for nodes.
const BUNDLE_DATA_MAX: u64 = 768 << 10;
/// How often what others have published is merged in without keeping the lock meanwhile.
const ROUNDS: u32 = 4;
