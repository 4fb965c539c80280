//! A folder of a pCloud as a remote.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http::Method;
use serde_json::Value;

use super::{GRANTS, PROVIDER};
use crate::http::{Failure, Http, encoded, refusal};
use crate::oauth::{App, Bearer};
use crate::services::answers::{changed_on_the_way, exactly, in_the_way, not_found};
use crate::services::api::{Api, Ask, Who, json};
use crate::services::bodies::length;
use crate::services::names::{listed, root};
use crate::services::store::{Store, Tried, USUAL};
use crate::services::walk::{RETRIES, patiently};
use crate::settings::Values;
use crate::{BadSetting, Caps, ErrorKind, Listed, Put, Transport};

/// A folder of a pCloud.
#[derive(Debug)]
pub struct PCloud {
    api: Api,
    endpoint: String,
    root: String,
}

impl PCloud {
    /// The remote that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting can't be used, or nobody has signed in.
    pub fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Self, BadSetting> {
        let values = Values::check(&PROVIDER, values)?;
        let http = Http::new(transport, None)?;
        let bearer = Bearer::of(&values, App::of(&values, &GRANTS)?, http.clone(), transport)?;
        let hostname = values.text("hostname").unwrap_or_default();
        if !hostname.ends_with(".pcloud.com") || hostname.contains(['/', '@', ':']) {
            return Err(BadSetting::new("hostname", "is neither `api.pcloud.com` nor `eapi.pcloud.com`"));
        }
        let endpoint = values.text("endpoint").map_or_else(|| format!("https://{hostname}"), str::to_owned);
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self { api: Api::new(http, Who::Signed(bearer)), endpoint, root: root(&values)? })
    }

    /// The whole path, with a slash before each component.
    fn path(&self, path: &str) -> String {
        let parts: Vec<&str> = self.root.split('/').chain(path.split('/')).filter(|part| !part.is_empty()).collect();
        format!("/{}", parts.join("/"))
    }

    fn url(&self, call: &str, path: &str, more: &str) -> String {
        format!("{}/{call}?path={}{more}", self.endpoint, encoded(&self.path(path)))
    }

    /// Asks, and reads the answer. What is wrong is a number in it.
    async fn ask(&self, ask: &Ask) -> Tried<Value> {
        let reply = self.api.send(ask).await?;
        if !reply.status.is_success() {
            return Err(refusal(&reply));
        }
        let answer = json(&reply)?;
        match answer["result"].as_u64() {
            Some(0) => Ok(answer),
            Some(number) => Err(self.refused(number, answer["error"].as_str().unwrap_or_default())),
            None => Err(Failure::new(ErrorKind::Unexpected, "the answer says not whether it is one")),
        }
    }

    fn refused(&self, number: u64, words: &str) -> Failure {
        let plain: String = words.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
        match number {
            1000 | 2000 | 2012 | 2094 | 2095 => self.api.refused(),
            2002 | 2005 | 2009 | 2055 => not_found(),
            2001 | 2010 => Failure::new(ErrorKind::Unsupported, "pCloud takes no such name").advice("check `root`"),
            2003 => Failure::new(ErrorKind::PermissionDenied, "the account may not do that there"),
            2008 => Failure::new(ErrorKind::NoSpace, "this pCloud is full").advice("free some space in it or buy more"),
            4000 | 4001 | 4007 => Failure::new(ErrorKind::Throttled, "the server asks for fewer requests"),
            5000..=5999 => Failure::new(ErrorKind::Reset, format!("the server has failed: {number} {plain}")),
            _ => Failure::new(ErrorKind::Unexpected, format!("the server answers {number}: {plain}")),
        }
    }

    /// Makes the folders above a path, `root` included.
    async fn make_folders(&self, path: &str) -> Tried<()> {
        let whole = self.path(path);
        let (mut at, parts): (String, Vec<&str>) = (String::new(), whole.split('/').skip(1).collect());
        for part in &parts[..parts.len() - 1] {
            at = format!("{at}/{part}");
            let url = format!("{}/createfolderifnotexists?path={}", self.endpoint, encoded(&at));
            self.ask(&Ask::post(url)).await?;
        }
        Ok(())
    }

    async fn all(&self, prefix: &str) -> Tried<Vec<Listed>> {
        let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let listing = Ask::get(self.url("listfolder", start, "&recursive=1"));
        let found = match patiently(RETRIES, || self.ask(&listing)).await {
            Err(failure) if failure.kind == ErrorKind::NotFound => return Ok(Vec::new()),
            found => found?,
        };
        let below = if start.is_empty() { String::new() } else { format!("{start}/") };
        let (mut all, mut waiting) = (Vec::new(), vec![(below, &found["metadata"]["contents"])]);
        while let Some((folder, contents)) = waiting.pop() {
            for item in contents.as_array().into_iter().flatten() {
                let Some(name) = item["name"].as_str().filter(|name| !name.contains('/')) else { continue };
                let path = format!("{folder}{name}");
                match item["size"].as_u64() {
                    _ if item["isfolder"] == true => waiting.push((format!("{path}/"), &item["contents"])),
                    Some(size) => all.extend(listed(&path, prefix, size)),
                    None => {}
                }
            }
        }
        Ok(all)
    }
}

#[async_trait]
impl Store for PCloud {
    fn caps(&self) -> Caps {
        // That a name is given away once only is nowhere written.
        Caps { max_concurrency: 4, pack_size: Caps::LARGE_PACK, ..USUAL }
    }

    fn describe(&self) -> String {
        format!("pcloud:{}", self.root)
    }

    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        let link = self.ask(&Ask::get(self.url("getfilelink", path, ""))).await?;
        let (Some(host), Some(at)) = (link["hosts"][0].as_str(), link["path"].as_str()) else {
            return Err(Failure::new(ErrorKind::Unexpected, "the answer says not where the content is"));
        };
        let scheme = self.endpoint.split_once("://").map_or("https", |(scheme, _)| scheme);
        let ask = Ask::get(format!("{scheme}://{host}{at}")).unsigned().object(range.as_ref());
        let reply = self.api.send(&ask).await?;
        if matches!(reply.status.as_u16(), 403 | 404 | 410) {
            return Err(Failure::new(ErrorKind::Reset, "the address of the content has ended"));
        }
        exactly(reply, range, refusal)
    }

    async fn size(&self, path: &str) -> Tried<Option<u64>> {
        let found = match self.ask(&Ask::get(self.url("stat", path, ""))).await {
            Err(failure) if failure.kind == ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        let about = &found["metadata"];
        if about["isfolder"] == true { Err(in_the_way()) } else { Ok(about["size"].as_u64()) }
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put> {
        // An upload whose name is taken is stored under another: nothing is sent for that alone.
        if self.size(path).await?.is_some() {
            return Ok(Put::Existed);
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        // `nopartial`: what breaks off is not kept.
        let more = format!("&filename={}&nopartial=1&renameifexists=1", encoded(name));
        let url = self.url("uploadfile", folder, &more);
        let upload = Ask::new(Method::PUT, url).body("application/octet-stream", body.to_vec());
        let made = match self.ask(&upload).await {
            Err(failure) if failure.kind == ErrorKind::NotFound => {
                self.make_folders(path).await?;
                self.ask(&upload).await?
            }
            made => made?,
        };
        let about = &made["metadata"][0];
        let (said, size) = (about["name"].as_str(), about["size"].as_u64());
        if said == Some(name) && size == Some(length(body)) {
            return Ok(Put::Created);
        }
        let Some(id) = about["fileid"].as_u64() else {
            return Err(Failure::new(ErrorKind::Unexpected, "the answer is about no file"));
        };
        self.ask(&Ask::post(format!("{}/deletefile?fileid={id}", self.endpoint))).await?;
        if said == Some(name) { Err(changed_on_the_way()) } else { Ok(Put::Existed) }
    }

    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
        let all = async move { Ok(stream::iter(self.all(prefix).await?.into_iter().map(Ok))) };
        futures::TryStreamExt::try_flatten(stream::once(all)).boxed()
    }

    async fn remove(&self, path: &str) -> Tried<()> {
        match self.ask(&Ask::post(self.url("deletefile", path, ""))).await {
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }

    async fn remove_directory(&self, path: &str) -> Tried<()> {
        match self.ask(&Ask::post(self.url("deletefolderrecursive", path, ""))).await {
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(()),
            done => done.map(drop),
        }
    }
}

const WORDS_MAX: usize = 200;
