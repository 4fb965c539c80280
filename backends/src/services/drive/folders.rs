//! Which ids a folder's path has, remembered for a run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::calls::{Calls, Item};
use crate::http::Failure;

/// Folders by their paths below the top. A folder has several ids if several writers made it at once; the first one counts.
#[derive(Debug)]
pub(super) struct Folders {
    top: String,
    known: Mutex<HashMap<String, Vec<String>>>,
    /// One folder is made at a time, so that this process makes no twins.
    making: tokio::sync::Mutex<()>,
}

impl Folders {
    pub(super) fn below(top: &str) -> Self {
        Self { top: top.to_owned(), known: Mutex::default(), making: tokio::sync::Mutex::default() }
    }

    /// The ids of a folder; none if it is not there. `anew` asks even if they are known.
    pub(super) async fn find(&self, calls: &Calls, path: &str, anew: bool) -> Result<Vec<String>, Failure> {
        let mut at = vec![self.top.clone()];
        let mut walked = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            walked = format!("{walked}/{part}");
            let known = self.known().get(&walked).cloned().filter(|_| !anew);
            at = match known {
                Some(ids) => ids,
                None => self.look(calls, &at, part).await?,
            };
            if at.is_empty() {
                return Ok(at);
            }
            self.known().insert(walked.clone(), at.clone());
        }
        Ok(at)
    }

    /// The same, and makes what is not there.
    pub(super) async fn make(&self, calls: &Calls, path: &str) -> Result<Vec<String>, Failure> {
        let found = self.find(calls, path, false).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let _one = self.making.lock().await;
        let mut walked = String::new();
        let mut at = vec![self.top.clone()];
        for part in path.split('/').filter(|part| !part.is_empty()) {
            walked = format!("{walked}/{part}");
            let mut ids = self.find(calls, &walked, false).await?;
            if ids.is_empty() {
                calls.make_folder(&at[0], part).await?;
                // Somebody else may have made it too: whoever looks after both were made knows which one is older.
                ids = self.find(calls, &walked, false).await?;
            }
            at = ids;
            if at.is_empty() {
                return Ok(at);
            }
        }
        Ok(at)
    }

    /// Forgets everything: something is not where it was.
    pub(super) fn forget(&self) {
        self.known().clear();
    }

    async fn look(&self, calls: &Calls, within: &[String], name: &str) -> Result<Vec<String>, Failure> {
        let found: Vec<Item> = calls.children(within, Some(name)).await?;
        Ok(found.into_iter().filter(|item| item.size.is_none()).map(|item| item.id).collect())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
