//! Reading: from a place to verified bytes. Start at [`Objects::blob`].
//!
//! Owns the read path of docs/format.md, sections 6 and 7: windows, segments, frames, blobs, in this order, each verified
//! before the next looks at it. Never writes to the remote, never returns a byte whose id was not recomputed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use cryptsync_backends::ErrorKind;

use super::cache::Cache;
use super::error::VaultError;
use super::io::RemoteIo;
use super::slots::Slots;
use super::verify_record::bundle_directory;
use crate::crypto::{self, Class as SealClass, Opener, SealContext, VaultKeys, geometry};
use crate::format::hints::{Location, ObjectRef};
use crate::format::limits::PACK_OBJECT_MAX;
use crate::format::name::ObjectName;
use crate::format::pack::decode_frame;
use crate::format::record::LogPlaintext;
use crate::id::{BlobId, BlobKind, ObjectId};

/// The objects of an unlocked vault.
pub struct Objects {
    /// The remote.
    pub io: RemoteIo,
    /// The keys.
    pub keys: Arc<VaultKeys>,
    pub(super) cache: Cache,
    windows: Slots<(ObjectId, u64), Bytes>,
    frames: Slots<(ObjectId, u32, u32), Bytes>,
    bodies: Slots<ObjectId, Arc<Vec<u8>>>,
    /// With their sizes. The same bytes may lie under several names: anybody can put a copy somewhere.
    log_names: RwLock<HashMap<ObjectId, Vec<(ObjectName, u64)>>>,
}

impl Objects {
    /// Readers share `memory` bytes of caches.
    pub(super) fn new(io: RemoteIo, keys: Arc<VaultKeys>, cache: Cache, memory: usize) -> Self {
        Self {
            io,
            keys,
            cache,
            windows: Slots::new(memory / 2),
            frames: Slots::new(memory / 4),
            bodies: Slots::new(memory / 4),
            log_names: RwLock::default(),
        }
    }

    /// Makes a log object known, so that blobs in its body can be read.
    pub(super) fn know_log(&self, name: ObjectName, size: u64) {
        let mut names = self.log_names.write().expect("held only for map operations");
        let known = names.entry(name.id()).or_default();
        if !known.contains(&(name, size)) {
            known.push((name, size));
        }
    }

    /// The size of a log object, if a listing has shown it under this very name.
    pub(super) fn log_size(&self, name: &ObjectName) -> Option<u64> {
        self.named(&name.id()).iter().find(|(known, _)| known == name).map(|(_, size)| *size)
    }

    /// A blob at a place: the stored bytes (for nodes: with their hints), the id recomputed and right.
    ///
    /// # Errors
    /// [`VaultError::Missing`] and the remote's if it can't be had there, [`VaultError::Damaged`] if it is not what it
    /// should be.
    pub fn blob(&self, kind: BlobKind, id: &BlobId, object: &ObjectRef, at: &Location) -> Result<Bytes, VaultError> {
        let frame = self.frame(kind, object, at)?;
        let range = at.blob_offset as usize..at.blob_offset as usize + at.blob_len as usize;
        let blob =
            frame.get(range.clone()).ok_or_else(|| VaultError::damaged(object.id, "a blob lies outside its frame"))?;
        let hashed = if kind == BlobKind::Chunk { blob } else { canonical_part(blob)? };
        if self.keys.blob_id(kind, hashed) != *id {
            return Err(VaultError::damaged(object.id, "a blob is not the one it should be"));
        }
        Ok(frame.slice(range))
    }

    fn frame(&self, kind: BlobKind, object: &ObjectRef, at: &Location) -> Result<Bytes, VaultError> {
        // The length too: a hint may be wrong about it, and must not spoil the frame for those who are right.
        self.frames.get_or(&(object.id, at.frame_offset, at.frame_len), || {
            let stored = self.stored_frame(kind, object, at)?;
            let frame = decode_frame(&stored).map_err(|_| VaultError::damaged(object.id, "a frame does not decode"))?;
            let frame = match frame {
                Cow::Borrowed(content) => stored.slice_ref(content),
                Cow::Owned(content) => content.into(),
            };
            let weight = frame.len();
            Ok((frame, weight))
        })
    }

    fn stored_frame(&self, kind: BlobKind, object: &ObjectRef, at: &Location) -> Result<Bytes, VaultError> {
        let range = u64::from(at.frame_offset)..u64::from(at.frame_offset) + u64::from(at.frame_len);
        if !self.named(&object.id).is_empty() {
            let body = self.bodies.get_or(&object.id, || {
                let body = Arc::new(self.bundle(object)?);
                let weight = body.len();
                Ok::<_, VaultError>((body, weight))
            })?;
            let part = body.get(range.start as usize..range.end as usize);
            return part
                .map(Bytes::copy_from_slice)
                .ok_or_else(|| VaultError::damaged(object.id, "a frame lies outside the body"));
        }
        let class = if kind == BlobKind::Chunk { SealClass::Data } else { SealClass::Meta };
        self.plain_range(class, object, range)
    }

    /// The encoded directory of the bundle that a log object carries.
    ///
    /// # Errors
    /// The object was not listed, can't be had, or is not what it should be.
    pub(super) fn bundle_directory(&self, object: &ObjectRef) -> Result<Vec<u8>, VaultError> {
        let body = self.bundle(object)?;
        Ok(bundle_directory(&body)?)
    }

    /// The body of a log object.
    ///
    /// # Errors
    /// As for its directory.
    pub(super) fn bundle(&self, object: &ObjectRef) -> Result<Vec<u8>, VaultError> {
        let mut failure = VaultError::Missing { what: format!("log object {}", object.id) };
        for (name, size) in self.named(&object.id) {
            match self.log_body(&name, size) {
                Err(error @ (VaultError::Damaged { .. } | VaultError::Missing { .. })) => failure = error,
                Err(error) if error.is_not_found() => failure = error,
                done => return done,
            }
        }
        Err(failure)
    }

    /// The names under which a listing has shown a log object.
    fn named(&self, id: &ObjectId) -> Vec<(ObjectName, u64)> {
        self.log_names.read().expect("held only for map operations").get(id).cloned().unwrap_or_default()
    }

    fn log_body(&self, name: &ObjectName, size: u64) -> Result<Vec<u8>, VaultError> {
        let bytes = self.whole_sealed(name, size)?;
        let logical = name.logical_name();
        let plain = crypto::open(&self.keys, &SealContext { class: SealClass::Log, name: logical.as_bytes() }, &bytes)
            .map_err(|error| VaultError::damaged(name, error))?;
        let parts = LogPlaintext::split(&plain).map_err(|_| VaultError::damaged(name, "the record is malformed"))?;
        Ok(plain[parts.body].to_vec())
    }

    /// The bytes of a whole object, checked against its name, from this machine or the remote.
    ///
    /// # Errors
    /// The remote's; [`VaultError::Damaged`] if the bytes are not what the name says.
    pub(super) fn whole_sealed(&self, name: &ObjectName, size: u64) -> Result<Vec<u8>, VaultError> {
        let id = name.id();
        if let Some(bytes) = self.cache.whole(&id) {
            if crypto::object_id(&[&bytes]) == id {
                return Ok(bytes);
            }
            self.cache.drop_object(&id);
        }
        let bytes = fetch_whole(&self.io, name, size)?;
        self.cache.keep(&id, &bytes);
        Ok(bytes.into())
    }

    /// A range of the plaintext of a sealed object, read in aligned windows.
    ///
    /// # Errors
    /// The remote's; [`VaultError::Damaged`] if a segment does not open.
    pub fn plain_range(&self, class: SealClass, object: &ObjectRef, range: Range<u64>) -> Result<Bytes, VaultError> {
        let name = object_name(class, object.id);
        match self.open_range(class, object, &range, true) {
            Err(VaultError::Damaged { .. }) if class != SealClass::Data => {
                // Perhaps only the copy on this machine is bad: forget it and ask the remote itself.
                self.cache.drop_object(&object.id);
                self.open_range(class, object, &range, false)
            }
            opened => opened,
        }
        .or_else(|error| match error {
            damaged @ VaultError::Damaged { .. } => self.open_whole(class, object, &range, damaged),
            error if error.is_not_found() => Err(VaultError::Missing { what: format!("`{name}`") }),
            error => Err(error),
        })
    }

    /// The same after a range was damaged, from the whole object: of that a remote with several copies can tell whether it is good, and
    /// looks for one that is.
    fn open_whole(
        &self,
        class: SealClass,
        object: &ObjectRef,
        range: &Range<u64>,
        damaged: VaultError,
    ) -> Result<Bytes, VaultError> {
        let name = object_name(class, object.id);
        if object.size > PACK_OBJECT_MAX {
            return Err(damaged);
        }
        let Some(whole) = good_copy(&self.io, &name)?.filter(|whole| whole.len() as u64 == object.size) else {
            return Err(damaged);
        };
        let window = window_len(class);
        let start = geometry::segment_offset(range.start / geometry::SEGMENT).min(object.size);
        let end = geometry::segment_offset(range.end / geometry::SEGMENT + 1).min(object.size);
        for index in start / window..end.div_ceil(window) {
            let part = index * window..((index + 1) * window).min(object.size);
            let part = Bytes::copy_from_slice(&whole[part.start as usize..part.end as usize]);
            let (key, weight) = ((object.id, index), part.len());
            *self.windows.slot(&key).lock().expect("held over requests, which return errors") = Some(part);
            self.windows.filled(&key, weight);
        }
        self.open_range(class, object, range, false)
    }

    fn open_range(
        &self,
        class: SealClass,
        object: &ObjectRef,
        range: &Range<u64>,
        cached: bool,
    ) -> Result<Bytes, VaultError> {
        let damaged = |reason: &str| VaultError::damaged(object_name(class, object.id), reason);
        let plain_len = geometry::plain_len(object.size).ok_or_else(|| damaged("its size is impossible"))?;
        if range.start > range.end || range.end > plain_len || object.size > PACK_OBJECT_MAX * 4 {
            return Err(damaged("a reference points outside of it"));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let (first, last) = (range.start / geometry::SEGMENT, (range.end - 1) / geometry::SEGMENT);
        let last_segment = plain_len.saturating_sub(1) / geometry::SEGMENT;
        let start = geometry::segment_offset(first);
        let end = geometry::segment_offset(last + 1).min(object.size);
        let mut sealed = Pieces::new(self.span(class, object, start..end, cached)?);
        let opener = Opener::from_salt(&self.keys, &SealContext { class, name: b"" }, object.epoch, &object.salt)
            .map_err(|error| damaged(&error.to_string()))?;
        let mut plain = Vec::with_capacity(((last - first + 1) * geometry::SEGMENT) as usize);
        for index in first..=last {
            let len = geometry::segment_offset(index + 1).min(object.size) - geometry::segment_offset(index);
            let opened = opener.open_segment(index, index == last_segment, sealed.take(len as usize), &mut plain);
            opened.map_err(|_| {
                self.forget_windows(class, object, start..end);
                damaged("its seal is broken")
            })?;
        }
        let skip = (range.start - first * geometry::SEGMENT) as usize;
        Ok(Bytes::from(plain).slice(skip..skip + (range.end - range.start) as usize))
    }

    /// Sealed bytes `span` of an object, by way of aligned windows: those at hand, and one request for each run of others.
    fn span(
        &self,
        class: SealClass,
        object: &ObjectRef,
        span: Range<u64>,
        cached: bool,
    ) -> Result<Vec<Bytes>, VaultError> {
        let on_disk = cached && class != SealClass::Data;
        if on_disk && let Some(bytes) = self.cache.range(&object.id, &span) {
            return Ok(vec![bytes.into()]);
        }
        let window = window_len(class);
        let indexes = span.start / window..span.end.div_ceil(window);
        let slots: Vec<_> = indexes.clone().map(|i| self.windows.slot(&(object.id, i))).collect();
        // Locked in ascending order by everybody, so that nobody waits in a circle.
        let mut guards: Vec<_> =
            slots.iter().map(|s| s.lock().expect("held over requests, which return errors")).collect();
        for (guard, index) in guards.iter_mut().zip(indexes.clone()) {
            if guard.is_none() && on_disk {
                // A crash may have cut the copy short.
                let len = window.min(object.size - index * window);
                let kept = self.cache.window(&object.id, index).filter(|bytes| bytes.len() as u64 == len);
                **guard = kept.map(Bytes::from);
            }
        }
        let mut at = 0;
        while at < guards.len() {
            let run = guards[at..].iter().take_while(|guard| guard.is_none()).count();
            if run == 0 {
                at += 1;
                continue;
            }
            let from = (indexes.start + at as u64) * window;
            let to = (from + run as u64 * window).min(object.size);
            let name = object_name(class, object.id);
            let bytes = fetch_range(&self.io, &name, from..to)?;
            for (step, guard) in guards[at..at + run].iter_mut().enumerate() {
                let begin = step * window as usize;
                let part = bytes.slice(begin..(begin + window as usize).min(bytes.len()));
                if class != SealClass::Data {
                    self.cache.keep_window(&object.id, indexes.start + (at + step) as u64, &part);
                }
                **guard = Some(part);
            }
            at += run;
        }
        let mut parts: Vec<Bytes> =
            guards.iter().map(|guard| Option::clone(guard).expect("every window was filled above")).collect();
        drop(guards);
        for (part, index) in parts.iter().zip(indexes.clone()) {
            self.windows.filled(&(object.id, index), part.len());
        }
        let total: usize = parts.iter().map(Bytes::len).sum();
        let mut skip = (span.start - indexes.start * window) as usize;
        if total < skip + (span.end - span.start) as usize {
            return Err(short(&object_name(class, object.id)));
        }
        for part in &mut parts {
            let step = skip.min(part.len());
            *part = part.slice(step..);
            skip -= step;
        }
        Ok(parts)
    }

    fn forget_windows(&self, class: SealClass, object: &ObjectRef, span: Range<u64>) {
        let window = window_len(class);
        for index in span.start / window..span.end.div_ceil(window) {
            self.windows.remove(&(object.id, index));
        }
    }
}

/// The bytes of a whole object from the remote itself, checked against its name.
///
/// # Errors
/// The remote's; [`VaultError::Missing`] if it is not there, [`VaultError::Damaged`] if the bytes are not what the name says.
pub(super) fn fetch_whole(io: &RemoteIo, name: &ObjectName, size: u64) -> Result<Bytes, VaultError> {
    let bytes = fetch_range(io, name, 0..size)?;
    if crypto::object_id(&[&bytes]) == name.id() {
        return Ok(bytes);
    }
    good_copy(io, name)?.ok_or_else(|| VaultError::damaged(name, "its bytes do not hash to its name"))
}

/// The whole object, if there is one that is what its name says: a remote with several copies looks at all of them.
pub(super) fn good_copy(io: &RemoteIo, name: &ObjectName) -> Result<Option<Bytes>, VaultError> {
    match io.get(&name.to_string()) {
        Ok(bytes) => Ok((crypto::object_id(&[&bytes]) == name.id()).then_some(bytes)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes of an object that should have them.
pub(super) fn fetch_range(io: &RemoteIo, name: &ObjectName, range: Range<u64>) -> Result<Bytes, VaultError> {
    io.get_range(&name.to_string(), range).map_err(|error| match error {
        VaultError::Remote(remote) if remote.kind() == ErrorKind::RangePastEnd => short(name),
        error if error.is_not_found() => VaultError::Missing { what: format!("`{name}`") },
        error => error,
    })
}

/// Bytes in the pieces they came in, taken front to back.
struct Pieces {
    pieces: Vec<Bytes>,
    at: usize,
    taken: usize,
    across: Vec<u8>,
}

impl Pieces {
    fn new(pieces: Vec<Bytes>) -> Self {
        Self { pieces, at: 0, taken: 0, across: Vec::new() }
    }

    /// The next `len` bytes, which must be there: copied only where they cross the end of a piece.
    fn take(&mut self, len: usize) -> &[u8] {
        self.across.clear();
        loop {
            let piece = &self.pieces[self.at];
            let step = (len - self.across.len()).min(piece.len() - self.taken);
            let part = self.taken..self.taken + step;
            self.taken += step;
            if step == len {
                return &piece[part];
            }
            self.across.extend_from_slice(&piece[part]);
            if self.across.len() == len {
                return &self.across;
            }
            (self.at, self.taken) = (self.at + 1, 0);
        }
    }
}

fn short(name: &ObjectName) -> VaultError {
    VaultError::damaged(name, "it is shorter than its references say")
}

fn canonical_part(blob: &[u8]) -> Result<&[u8], VaultError> {
    Ok(crate::format::node::split_blob(blob)?.0)
}

/// The name of a pack or index segment.
pub(super) fn object_name(class: SealClass, id: ObjectId) -> ObjectName {
    match class {
        SealClass::Data => ObjectName::Data(id),
        SealClass::Index => ObjectName::Index(id),
        _ => ObjectName::Meta(id),
    }
}

/// docs/format.md, section 6.2: what a reader asks for at a time.
fn window_len(class: SealClass) -> u64 {
    if class == SealClass::Data { 1 << 20 } else { 64 << 10 }
}
