//! Sealed metadata kept on this machine: whole objects and windows of objects, exactly as the remote has them.
//!
//! Holds ciphertext only, and is believed no more than the remote: whoever reads from it verifies, and drops what does not.
//! Any file here may vanish at any time. Writing is best effort: a full disk makes the cache smaller, nothing else.

use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::id::{ObjectId, VaultId};

/// The cache of one vault.
#[derive(Clone)]
pub(super) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// The cache of `vault` below `base`. Trims it to [`CAPACITY`] first.
    pub(super) fn open(base: &Path, vault: &VaultId) -> Self {
        let dir = base.join(vault.to_string());
        if fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).is_ok() {
            trim(&dir);
        }
        Self { dir }
    }

    /// A whole object.
    pub(super) fn whole(&self, id: &ObjectId) -> Option<Vec<u8>> {
        fs::read(self.dir.join(id.to_string())).ok()
    }

    /// A range of an object that is here whole.
    pub(super) fn range(&self, id: &ObjectId, range: &Range<u64>) -> Option<Vec<u8>> {
        let file = File::open(self.dir.join(id.to_string())).ok()?;
        let mut out = vec![0; usize::try_from(range.end - range.start).ok()?];
        file.read_exact_at(&mut out, range.start).ok()?;
        Some(out)
    }

    /// One window of an object.
    pub(super) fn window(&self, id: &ObjectId, index: u64) -> Option<Vec<u8>> {
        fs::read(self.dir.join(format!("{id}.{index}"))).ok()
    }

    /// An object whose windows are all here.
    pub(super) fn joined(&self, id: &ObjectId, size: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for index in 0.. {
            if bytes.len() as u64 >= size {
                break;
            }
            bytes.extend(self.window(id, index)?);
        }
        Some(bytes)
    }

    /// Keeps a whole object.
    pub(super) fn keep(&self, id: &ObjectId, bytes: &[u8]) {
        self.write(&id.to_string(), bytes);
    }

    /// Keeps one window of an object.
    pub(super) fn keep_window(&self, id: &ObjectId, index: u64, bytes: &[u8]) {
        self.write(&format!("{id}.{index}"), bytes);
    }

    /// Drops all that is kept of an object: something of it did not verify.
    pub(super) fn drop_object(&self, id: &ObjectId) {
        let id = id.to_string();
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(&id)) {
            fs::remove_file(entry.path()).unwrap_or_default();
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        // A random name: containers that share a cache share process ids too.
        let write = || {
            let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(&self.dir)?;
            file.write_all(bytes)?;
            file.persist(self.dir.join(name)).map_err(|error| error.error)
        };
        // It is removed where it can't be completed, and nothing rests on it.
        drop(write());
    }
}

/// Removes the files read longest ago until the rest fits.
fn trim(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut files: Vec<(i64, u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| entry.metadata().ok().map(|m| (m.atime().max(m.mtime()), m.len(), entry.path())))
        .collect();
    let mut total: u64 = files.iter().map(|file| file.1).sum();
    if total <= CAPACITY {
        return;
    }
    files.sort_unstable();
    for (_, len, path) in files {
        if total <= CAPACITY {
            break;
        }
        if fs::remove_file(path).is_ok() {
            total -= len;
        }
    }
}

/// How many bytes the cache of one vault may hold: the metadata of about 15 million files.
const CAPACITY: u64 = 1 << 30;
