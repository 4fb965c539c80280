//! A folder of a Google Drive as a remote.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::calls::{Calls, Item, refused};
use super::folders::Folders;
use super::{GRANTS, PROVIDER};
use crate::http::{Failure, Http};
use crate::oauth::{App, Bearer};
use crate::services::answers::{exactly, in_the_way, not_found};
use crate::services::api::{Api, Who};
use crate::services::names::{is_prefix, listed, root};
use crate::services::store::{Store, Tried, USUAL};
use crate::services::walk::{RETRIES, patiently};
use crate::settings::Values;
use crate::{BadSetting, Caps, ErrorKind, Listed, Put, Transport};

/// A folder of a Google Drive.
#[derive(Debug)]
pub struct Drive {
    calls: Calls,
    folders: Folders,
    root: String,
    into_trash: bool,
    /// Ids of objects by path. Objects never change, so an id is right until its object is deleted.
    ids: Mutex<HashMap<String, String>>,
}

impl Drive {
    /// The remote that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting can't be used, or nobody has signed in.
    pub fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Self, BadSetting> {
        let values = Values::check(&PROVIDER, values)?;
        let http = Http::new(transport, None)?;
        let bearer = Bearer::of(&values, App::of(&values, &GRANTS)?, http.clone(), transport)?;
        let endpoint = values.text("endpoint").unwrap_or(ENDPOINT).trim_end_matches('/').to_owned();
        Ok(Self {
            calls: Calls { api: Api::new(http, Who::Signed(bearer)), endpoint },
            folders: Folders::below(values.text("root_folder_id").unwrap_or("root")),
            root: root(&values)?,
            into_trash: values.switch("use_trash"),
            ids: Mutex::default(),
        })
    }

    /// The folder of a path, from the top, and its last component.
    fn split<'p>(&self, path: &'p str) -> (String, &'p str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        (format!("{}/{folder}", self.root), name)
    }

    /// All that has the name of an object; the one that counts is the first.
    async fn twins(&self, path: &str) -> Tried<Vec<Item>> {
        let (folder, name) = self.split(path);
        let folders = self.folders.find(&self.calls, &folder, false).await?;
        let found = self.calls.children(&folders, Some(name)).await?;
        // Drive finds names whatever their case.
        Ok(found.into_iter().filter(|item| item.name == name).collect())
    }

    async fn find(&self, path: &str) -> Tried<Option<Item>> {
        let found = self.twins(path).await?;
        if found.iter().any(|item| item.size.is_none()) && found.iter().all(|item| item.size.is_none()) {
            return Err(in_the_way());
        }
        let found = found.into_iter().find(|item| item.size.is_some());
        if let Some(item) = &found {
            self.remember(path, &item.id);
        }
        Ok(found)
    }

    fn remember(&self, path: &str, id: &str) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() >= IDS_MAX {
            ids.clear();
        }
        ids.insert(path.to_owned(), id.to_owned());
    }

    fn forget(&self, path: &str) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    /// Everything below a prefix. Level by level, many folders in one question; of twins the oldest, so the end has to be known
    /// before the first is shown.
    async fn all(&self, prefix: &str) -> Tried<Vec<Listed>> {
        let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = format!("{}/{start}", self.root);
        let ids = patiently(RETRIES, || self.folders.find(&self.calls, &folder, true)).await?;
        let below = |path: &str| if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut level: HashMap<String, String> = ids.into_iter().map(|id| (id, below(start))).collect();
        let mut found: BTreeMap<String, Item> = BTreeMap::new();
        for _ in 0..DEPTH_MAX {
            if level.is_empty() {
                break;
            }
            let folders: Vec<String> = level.keys().cloned().collect();
            let mut next = HashMap::new();
            for item in patiently(RETRIES, || self.calls.children(&folders, None)).await? {
                let Some(folder) = level.get(&item.parent).filter(|_| !item.name.contains('/')) else { continue };
                let path = format!("{folder}{}", item.name);
                if item.size.is_some() {
                    // They come oldest first.
                    found.entry(path).or_insert(item);
                    continue;
                }
                let below = format!("{path}/");
                if (below.starts_with(prefix) || prefix.starts_with(&below)) && is_prefix(&below) {
                    next.insert(item.id, below);
                }
            }
            level = next;
        }
        let ours = |(path, item): (&String, &Item)| {
            let entry = listed(path, prefix, item.size?)?;
            self.remember(path, &item.id);
            Some(entry)
        };
        Ok(found.iter().filter_map(ours).collect())
    }
}

#[async_trait]
impl Store for Drive {
    fn caps(&self) -> Caps {
        // Two writers of one name both make a file; one of them takes its own back, but both may have been told `Created`.
        Caps { max_concurrency: 8, pack_size: Caps::LARGE_PACK, ..USUAL }
    }

    fn describe(&self) -> String {
        format!("drive:{}", self.root)
    }

    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        let known = self.ids.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some(id) = known {
            let reply = self.calls.content(&id, range.as_ref()).await?;
            if reply.status.as_u16() != 404 {
                return exactly(reply, range, refused);
            }
            self.forget(path);
        }
        let item = self.find(path).await?.ok_or_else(not_found)?;
        let reply = self.calls.content(&item.id, range.as_ref()).await?;
        exactly(reply, range, refused)
    }

    async fn size(&self, path: &str) -> Tried<Option<u64>> {
        Ok(self.find(path).await?.and_then(|item| item.size))
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put> {
        if self.find(path).await?.is_some() {
            return Ok(Put::Existed);
        }
        let (folder, name) = self.split(path);
        let folders = self.folders.make(&self.calls, &folder).await?;
        let within =
            folders.first().ok_or_else(|| Failure::new(ErrorKind::Reset, "a folder that was made is not there"))?;
        let made = match self.calls.upload(within, name, body).await {
            Err(failure) if failure.kind == ErrorKind::NotFound => {
                self.folders.forget();
                return Err(Failure::new(ErrorKind::Reset, "the folder is not there any more"));
            }
            made => made?,
        };
        let oldest = self.twins(path).await?.into_iter().find(|item| item.size.is_some());
        match oldest {
            Some(oldest) if oldest.id != made.id => {
                self.remember(path, &oldest.id);
                self.calls.remove(&made.id, false).await?;
                Ok(Put::Existed)
            }
            _ => {
                self.remember(path, &made.id);
                Ok(Put::Created)
            }
        }
    }

    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
        let all = async move { Ok(stream::iter(self.all(prefix).await?.into_iter().map(Ok))) };
        futures::TryStreamExt::try_flatten(stream::once(all)).boxed()
    }

    async fn remove(&self, path: &str) -> Tried<()> {
        let twins = self.twins(path).await?;
        // The youngest first: should this break off, the one that counts is still the one that counts.
        for item in twins.iter().rev().filter(|item| item.size.is_some()) {
            self.calls.remove(&item.id, self.into_trash).await?;
        }
        self.forget(path);
        Ok(())
    }

    async fn remove_directory(&self, path: &str) -> Tried<()> {
        // Twins of it too: each holds a part of what is gone.
        for id in self.folders.find(&self.calls, &format!("{}/{path}", self.root), true).await? {
            self.calls.remove(&id, self.into_trash).await?;
        }
        self.folders.forget();
        Ok(())
    }
}

const ENDPOINT: &str = "https://www.googleapis.com";
const IDS_MAX: usize = 200_000;
/// Folders may not be nested deeper than the paths of objects are.
const DEPTH_MAX: usize = 64;
