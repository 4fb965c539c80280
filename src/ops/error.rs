//! How verbs fail: a class for the exit code, a line for each level of what happened, and what to do next.

use std::error::Error;

use crate::class::Class;
use crate::transfer::TransferError;
use crate::vault::VaultError;

/// Why a verb failed.
#[derive(Debug)]
pub struct OpsError {
    /// The class.
    pub class: Class,
    /// What was being done and what is wrong; the first is the headline, the rest are causes.
    pub chain: Vec<String>,
    /// What to do next, if that is known here.
    pub hint: Option<String>,
    /// The path that it is about, if it is about one: in the vault or on this machine.
    pub path: Option<Vec<u8>>,
}

impl OpsError {
    /// A failure without deeper causes.
    pub fn new(class: Class, headline: impl Into<String>) -> Self {
        Self { class, chain: vec![headline.into()], hint: None, path: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, about one path.
    #[must_use]
    pub fn about(mut self, path: &[u8]) -> Self {
        self.path = Some(path.to_vec());
        self
    }
}

impl From<VaultError> for OpsError {
    fn from(error: VaultError) -> Self {
        Self { class: error.class(), chain: chain(&error), hint: error.hint(), path: None }
    }
}

impl From<TransferError> for OpsError {
    fn from(error: TransferError) -> Self {
        let hint = match &error {
            TransferError::Vault(vault) => vault.hint(),
            TransferError::InTheWay { .. } => Some("move it away; what is at the destination `sync` replaces".into()),
            TransferError::Late => Some("give it more time".into()),
            TransferError::Local { .. } => None,
        };
        Self { class: error.class(), chain: chain(&error), hint, path: None }
    }
}

fn chain(error: &dyn Error) -> Vec<String> {
    let mut lines = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        lines.push(error.to_string());
        cause = error.source();
    }
    lines.dedup();
    lines
}
