//! From the settings of a remote to a service.

use std::path::PathBuf;
use std::sync::Arc;

use cryptsync_backends::services::Memory;

use super::Service;

impl Service {
    /// The service of a complete remote: a directory if it has one; what has none is in memory.
    pub fn new(root: Option<PathBuf>) -> Self {
        match root {
            Some(root) => Self::Fs { root },
            None => Self::Custom(Arc::new(Memory::new())),
        }
    }
}
