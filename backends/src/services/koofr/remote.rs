//! A folder of a Koofr as a remote.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::Method;
use serde_json::json;
use tokio::sync::OnceCell;

use super::PROVIDER;
use crate::http::{Failure, Http, Reply, encoded, hidden, refusal};
use crate::services::answers::{changed_on_the_way, exactly, in_the_way, not_found};
use crate::services::api::{Api, Ask, Who, json};
use crate::services::bodies::length;
use crate::services::names::root;
use crate::services::store::{Store, Tried, USUAL};
use crate::services::walk::{Entry, walk};
use crate::settings::Values;
use crate::{BadSetting, Caps, ErrorKind, Listed, Put, Transport};

/// A folder of a Koofr.
#[derive(Debug)]
pub struct Koofr {
    api: Api,
    endpoint: String,
    root: String,
    /// The place within the account, once it is known.
    mount: OnceCell<String>,
}

impl Koofr {
    /// The remote that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting can't be used.
    pub fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Self, BadSetting> {
        let values = Values::check(&PROVIDER, values)?;
        let word = |name: &str| values.text(name).unwrap_or_default();
        let endpoint = word("endpoint").trim_end_matches('/').to_owned();
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(BadSetting::new("endpoint", "does not begin with `https://`"));
        }
        let words = BASE64_STANDARD.encode(format!("{}:{}", word("user"), word("password")));
        let who =
            hidden(format!("Basic {words}")).map_err(|_| BadSetting::new("password", "can't be sent as it is"))?;
        let api = Api::new(Http::new(transport, None)?, Who::Always(who));
        let mount = OnceCell::new_with(values.text("mountid").map(str::to_owned));
        Ok(Self { api, endpoint, root: root(&values)?, mount })
    }

    /// The whole path, with a slash before each component.
    fn path(&self, path: &str) -> String {
        let parts: Vec<&str> = self.root.split('/').chain(path.split('/')).filter(|part| !part.is_empty()).collect();
        format!("/{}", parts.join("/"))
    }

    async fn mount(&self) -> Tried<&str> {
        let ask = || async {
            let reply = self.api.send(&Ask::get(format!("{}/api/v2/mounts", self.endpoint))).await?;
            if !reply.status.is_success() {
                return Err(refused(&reply));
            }
            let answer = json(&reply)?;
            let mounts = answer["mounts"].as_array().into_iter().flatten();
            let primary = mounts.filter(|mount| mount["isPrimary"] == true).find_map(|mount| mount["id"].as_str());
            primary.map(str::to_owned).ok_or_else(|| {
                Failure::new(ErrorKind::Misconfigured, "the account has no place of its own").advice("set `mountid`")
            })
        };
        self.mount.get_or_try_init(ask).await.map(String::as_str)
    }

    /// The address of a call about a path.
    async fn url(&self, start: &str, call: &str, path: &str) -> Tried<String> {
        let mount = encoded(self.mount().await?);
        Ok(format!("{}{start}/api/v2/mounts/{mount}/files/{call}?path={}", self.endpoint, encoded(&self.path(path))))
    }

    /// Makes the folders above a path, `root` included.
    async fn make_folders(&self, path: &str) -> Tried<()> {
        let (whole, mount) = (self.path(path), encoded(self.mount().await?));
        let (mut at, parts): (String, Vec<&str>) = ("/".to_owned(), whole.split('/').skip(1).collect());
        for part in &parts[..parts.len() - 1] {
            let url = format!("{}/api/v2/mounts/{mount}/files/folder?path={}", self.endpoint, encoded(&at));
            let reply = self.api.send(&Ask::post(url).json(&json!({ "name": part }))).await?;
            match reply.status.as_u16() {
                // 409: it is there.
                200..=299 | 409 => {}
                _ => return Err(refused(&reply)),
            }
            at = format!("{}/{part}", at.trim_end_matches('/'));
        }
        Ok(())
    }

    async fn upload(&self, path: &str, body: &[Bytes]) -> Tried<Reply> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let url = self.url("/content", "put", folder).await?;
        let url = format!("{url}&filename={}&info=true&autorename=false&overwrite=false", encoded(name));
        let boundary = format!("{:032x}", fastrand::u128(..));
        let head = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"object\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        let parts = [vec![Bytes::from(head)], body.to_vec(), vec![Bytes::from(format!("\r\n--{boundary}--\r\n"))]];
        let ask = Ask::post(url).body("application/octet-stream", parts.concat());
        self.api.send(&ask.kind(format!("multipart/form-data; boundary={boundary}"))).await
    }

    async fn look(&self, folder: &str) -> Tried<Vec<Entry>> {
        let reply = self.api.send(&Ask::get(self.url("", "list", folder).await?)).await?;
        match reply.status.as_u16() {
            200 => {}
            404 => return Ok(Vec::new()),
            _ => return Err(refused(&reply)),
        }
        let answer = json(&reply)?;
        let entry = |found: &serde_json::Value| {
            let size = if found["type"] == "dir" { None } else { Some(found["size"].as_u64()?) };
            Some(Entry { name: found["name"].as_str()?.to_owned(), size, changed: None })
        };
        Ok(answer["files"].as_array().into_iter().flatten().filter_map(entry).collect())
    }
}

#[async_trait]
impl Store for Koofr {
    fn caps(&self) -> Caps {
        // That the refusal of a taken name is exclusive is nowhere written.
        Caps { max_concurrency: 4, pack_size: Caps::LARGE_PACK, ..USUAL }
    }

    fn describe(&self) -> String {
        format!("koofr:{}", self.root)
    }

    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        let ask = Ask::get(self.url("/content", "get", path).await?).object(range.as_ref());
        let reply = self.api.send(&ask).await?;
        exactly(reply, range, refused)
    }

    async fn size(&self, path: &str) -> Tried<Option<u64>> {
        let reply = self.api.send(&Ask::get(self.url("", "info", path).await?)).await?;
        match reply.status.as_u16() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(refused(&reply)),
        }
        let found = json(&reply)?;
        if found["type"] == "dir" { Err(in_the_way()) } else { Ok(found["size"].as_u64()) }
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put> {
        // Before anything large is sent for nothing.
        if length(body) > LARGE && self.size(path).await?.is_some() {
            return Ok(Put::Existed);
        }
        let mut reply = self.upload(path, body).await?;
        if reply.status.as_u16() == 404 {
            self.make_folders(path).await?;
            reply = self.upload(path, body).await?;
        }
        match reply.status.as_u16() {
            200..=299 => {}
            // A folder of that name is one too.
            409 => return self.size(path).await.map(|_| Put::Existed),
            _ => return Err(refused(&reply)),
        }
        let made = json(&reply)?;
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let said = made["name"].as_str().unwrap_or(name);
        if said == name && made["size"].as_u64() == Some(length(body)) {
            return Ok(Put::Created);
        }
        self.remove(&format!("{folder}/{said}")).await?;
        if said == name { Err(changed_on_the_way()) } else { Ok(Put::Existed) }
    }

    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
        walk(prefix, 4, move |folder| async move { self.look(&folder).await })
    }

    async fn remove(&self, path: &str) -> Tried<()> {
        let reply = self.api.send(&Ask::new(Method::DELETE, self.url("", "remove", path).await?)).await?;
        match reply.status.as_u16() {
            200..=299 | 404 => Ok(()),
            _ => Err(refused(&reply)),
        }
    }

    async fn remove_directory(&self, path: &str) -> Tried<()> {
        self.remove(path).await
    }
}

fn refused(reply: &Reply) -> Failure {
    match reply.status.as_u16() {
        404 => not_found(),
        401 => Failure::new(ErrorKind::PermissionDenied, "Koofr does not accept the user or the password")
            .advice("check `user` and `password`: the latter is one that was made for this program"),
        _ => refusal(reply),
    }
}

/// From here on it is asked first whether there is something.
const LARGE: u64 = 1 << 20;
