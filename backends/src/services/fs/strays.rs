//! What runs that ended too early have left in a directory, and directories that are of no more use. Blocking.

use std::fs;
use std::io;
use std::path::Path;

use super::files::{Fault, Files};
use super::walk::{Walk, is_temp};
use crate::{ErrorKind, RemotePath, Stray, StrayKind};

impl Files {
    /// The temporary files below the root. Directories that we may not read hold none of ours and are passed over.
    pub(super) fn strays(&self) -> io::Result<Vec<Stray>> {
        let mut strays = Vec::new();
        for found in Walk::of_prefix(self.root(), "") {
            let found = match found {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
                found => found?,
            };
            if is_temp(&found.path) {
                strays.push(Stray {
                    kind: StrayKind::Temporary,
                    name: found.path.to_string(),
                    id: found.path.to_string(),
                    since: found.metadata.modified().ok(),
                    size: Some(found.metadata.len()),
                });
            }
        }
        Ok(strays)
    }

    /// Removes a temporary file, and nothing else.
    pub(super) fn remove_stray(&self, id: &str) -> Result<(), Fault> {
        let path = RemotePath::new(id).ok().filter(is_temp).ok_or(ErrorKind::Unsupported)?;
        match fs::remove_file(self.root().join(path.as_str())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes a directory and those below it, as far as they hold nothing.
    pub(super) fn remove_directory(&self, directory: &str) -> Result<(), Fault> {
        let path = RemotePath::new(directory.trim_end_matches('/')).map_err(|_| ErrorKind::Unsupported)?;
        let top = self.root().join(path.as_str());
        self.forget_below(&top);
        Ok(remove_empty(&top)?)
    }
}

/// Follows no links.
fn remove_empty(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_empty(&entry.path())?;
        }
    }
    match fs::remove_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
        removed => removed,
    }
}
