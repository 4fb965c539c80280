//! A folder of a OneDrive as a remote.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use http::Method;
use serde_json::{Value, json};

use super::{GRANTS, PROVIDER};
use crate::http::{Failure, Http, Reply, encoded, refusal};
use crate::oauth::{App, Bearer};
use crate::services::answers::{changed_on_the_way, exactly, in_the_way, not_found};
use crate::services::api::{Api, Ask, Progress, Who, forgotten, in_pieces, json};
use crate::services::bodies::{length, piece};
use crate::services::names::root;
use crate::services::store::{Store, Tried, USUAL};
use crate::services::walk::{Entry, walk};
use crate::settings::Values;
use crate::{BadSetting, Caps, ErrorKind, Listed, Put, Transport};

/// A folder of a OneDrive.
#[derive(Debug)]
pub struct OneDrive {
    api: Api,
    /// `https://…/v1.0`.
    endpoint: String,
    /// The drive's address.
    drive: String,
    /// The folder; empty for the top.
    root: String,
}

impl OneDrive {
    /// The remote that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting can't be used, or nobody has signed in.
    pub fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Self, BadSetting> {
        let values = Values::check(&PROVIDER, values)?;
        let http = Http::new(transport, None)?;
        let bearer = Bearer::of(&values, App::of(&values, &GRANTS)?, http.clone(), transport)?;
        let endpoint = values.text("endpoint").unwrap_or(ENDPOINT).trim_end_matches('/').to_owned();
        let drive = match values.text("drive_id") {
            Some(id) => format!("{endpoint}/drives/{}", encoded(id)),
            None => format!("{endpoint}/me/drive"),
        };
        Ok(Self { api: Api::new(http, Who::Signed(bearer)), endpoint, drive, root: root(&values)? })
    }

    /// The address of an item, and what is wanted of it: `content`, `children`.
    fn item(&self, path: &str, what: &str) -> String {
        let whole = [self.root.as_str(), path.trim_end_matches('/')].join("/");
        let parts: Vec<String> = whole.split('/').filter(|part| !part.is_empty()).map(encoded).collect();
        match (parts.is_empty(), what) {
            (true, "") => format!("{}/root", self.drive),
            (true, what) => format!("{}/root/{what}", self.drive),
            (false, "") => format!("{}/root:/{}", self.drive, parts.join("/")),
            (false, what) => format!("{}/root:/{}:/{what}", self.drive, parts.join("/")),
        }
    }

    /// An address that the service names: over TLS like its own, because content and listings travel there.
    fn trusted(&self, to: &str) -> Tried<String> {
        if to.starts_with("https://") || self.endpoint.starts_with("http://") {
            return Ok(to.to_owned());
        }
        Err(Failure::new(ErrorKind::Untrusted, "the service names an address without TLS"))
    }

    async fn find(&self, path: &str) -> Tried<Option<Value>> {
        let reply = self.api.send(&Ask::get(self.item(path, "") + "?$select=id,name,size,file,folder")).await?;
        match reply.status.as_u16() {
            200 => json(&reply).map(Some),
            404 => Ok(None),
            _ => Err(refused(&reply)),
        }
    }

    async fn in_session(&self, path: &str, body: &[Bytes], total: u64) -> Tried<Reply> {
        let wanted = json!({ "item": { "@microsoft.graph.conflictBehavior": "fail" } });
        let reply = self.api.send(&Ask::post(self.item(path, "createUploadSession")).json(&wanted)).await?;
        if !reply.status.is_success() {
            return Ok(reply);
        }
        let session = json(&reply)?;
        let Some(url) = session["uploadUrl"].as_str() else {
            return Err(Failure::new(ErrorKind::Unexpected, "the answer names no session"));
        };
        let url = &self.trusted(url)?;
        let put = |range: Range<u64>| async move {
            let ask = Ask::new(Method::PUT, url)
                .unsigned()
                .header("content-range", format!("bytes {}-{}/{total}", range.start, range.end - 1))
                .body("application/octet-stream", piece(body, range));
            let reply = self.api.send(&ask).await?;
            match reply.status.as_u16() {
                200 | 201 | 409 => Ok(Progress::Done(reply)),
                202 => expected(&reply, total),
                // A piece that is there already.
                416 => self.status(url, path, total).await,
                404 | 410 => Err(forgotten()),
                _ => Err(refused(&reply)),
            }
        };
        let sent = in_pieces(total, PIECE, put, |_| self.status(url, path, total)).await;
        if !matches!(&sent, Ok(reply) if reply.status.is_success()) {
            // What can't be given up now ends by itself; the first failure is the one to tell.
            drop(self.api.send(&Ask::new(Method::DELETE, url).unsigned()).await);
        }
        sent
    }

    /// How far a session is. One that is not there any more may have been finished, with the answer lost.
    async fn status(&self, url: &str, path: &str, total: u64) -> Tried<Progress<Reply>> {
        let reply = self.api.send(&Ask::get(url).unsigned()).await?;
        match reply.status.as_u16() {
            200 => expected(&reply, total),
            404 | 410 => {
                let found = self.api.send(&Ask::get(self.item(path, ""))).await?;
                let whole = found.status.is_success() && json(&found)?["size"].as_u64() == Some(total);
                if whole { Ok(Progress::Done(found)) } else { Err(forgotten()) }
            }
            _ => Err(refused(&reply)),
        }
    }

    async fn look(&self, folder: &str) -> Tried<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut next = Some(self.item(folder, "children") + "?$top=999&$select=name,size,file,folder");
        while let Some(url) = next {
            let reply = self.api.send(&Ask::get(url)).await?;
            match reply.status.as_u16() {
                200 => {}
                404 => return Ok(Vec::new()),
                _ => return Err(refused(&reply)),
            }
            let page = json(&reply)?;
            for found in page["value"].as_array().into_iter().flatten() {
                let Some(name) = found["name"].as_str() else { continue };
                let size = if found["folder"].is_object() { None } else { found["size"].as_u64() };
                if size.is_some() || found["folder"].is_object() {
                    entries.push(Entry { name: name.to_owned(), size, changed: None });
                }
            }
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
            // The token goes to the service, and to nobody whom an answer names.
            if next.as_ref().is_some_and(|next| !next.starts_with(&format!("{}/", self.endpoint))) {
                return Err(Failure::new(ErrorKind::Untrusted, "the listing goes on at another address"));
            }
        }
        Ok(entries)
    }
}

#[async_trait]
impl Store for OneDrive {
    fn caps(&self) -> Caps {
        Caps { max_concurrency: 4, put_new: true, pack_size: Caps::LARGE_PACK, ..USUAL }
    }

    fn describe(&self) -> String {
        format!("onedrive:{}", self.root)
    }

    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        let mut reply = self.api.send(&Ask::get(self.item(path, "content")).object(range.as_ref())).await?;
        if reply.status.as_u16() == 302 {
            let to = reply.header("location").map(|to| self.trusted(to)).transpose()?;
            let to =
                to.ok_or_else(|| Failure::new(ErrorKind::Unexpected, "the answer says not where the content is"))?;
            reply = self.api.send(&Ask::get(to).unsigned().object(range.as_ref())).await?;
            if matches!(reply.status.as_u16(), 401 | 403 | 404 | 410) {
                // The address has ended meanwhile: the next try gets another.
                return Err(Failure::new(ErrorKind::Reset, "the address of the content has ended"));
            }
        }
        exactly(reply, range, refused)
    }

    async fn size(&self, path: &str) -> Tried<Option<u64>> {
        let Some(found) = self.find(path).await? else { return Ok(None) };
        if found["folder"].is_object() { Err(in_the_way()) } else { Ok(found["size"].as_u64()) }
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put> {
        let total = length(body);
        let made = if total <= ONE_CALL {
            let ask = Ask::new(Method::PUT, self.item(path, "content") + "?@microsoft.graph.conflictBehavior=fail")
                .body("application/octet-stream", body.to_vec());
            self.api.send(&ask).await?
        } else {
            // Before anything large is sent for nothing.
            if self.size(path).await?.is_some() {
                return Ok(Put::Existed);
            }
            self.in_session(path, body, total).await?
        };
        match made.status.as_u16() {
            200 | 201 => {}
            409 if code(&made) == "nameAlreadyExists" => {
                // A folder of that name is one too.
                return self.size(path).await.map(|_| Put::Existed);
            }
            _ => return Err(refused(&made)),
        }
        if json(&made)?["size"].as_u64() == Some(total) {
            return Ok(Put::Created);
        }
        self.api.send(&Ask::new(Method::DELETE, self.item(path, ""))).await?;
        Err(changed_on_the_way())
    }

    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
        walk(prefix, 4, move |folder| async move { self.look(&folder).await })
    }

    async fn remove(&self, path: &str) -> Tried<()> {
        let reply = self.api.send(&Ask::new(Method::DELETE, self.item(path, ""))).await?;
        match reply.status.as_u16() {
            200..=299 | 404 => Ok(()),
            _ => Err(refused(&reply)),
        }
    }

    async fn remove_directory(&self, path: &str) -> Tried<()> {
        self.remove(path).await
    }
}

/// Where a session wants to go on. The last piece has an answer of its own.
fn expected(reply: &Reply, total: u64) -> Tried<Progress<Reply>> {
    let answer = json(reply)?;
    let next = answer["nextExpectedRanges"][0].as_str().and_then(|range| range.split('-').next()?.parse().ok());
    match next {
        Some(next) if next < total => Ok(Progress::At(next)),
        _ => Err(Failure::new(ErrorKind::Reset, "the service does not say how far the upload is")),
    }
}

/// Graph's word for what is wrong.
fn code(reply: &Reply) -> String {
    json(reply).ok().and_then(|answer| answer["error"]["code"].as_str().map(str::to_owned)).unwrap_or_default()
}

fn refused(reply: &Reply) -> Failure {
    match (code(reply).as_str(), reply.status.as_u16()) {
        ("activityLimitReached" | "throttledRequest", _) => {
            Failure::new(ErrorKind::Throttled, "the server asks for fewer requests").after(reply.retry_after())
        }
        ("quotaLimitReached", _) | (_, 507) => {
            Failure::new(ErrorKind::NoSpace, "this OneDrive is full").advice("free some space in it or buy more")
        }
        ("accessDenied", _) => Failure::new(ErrorKind::PermissionDenied, "these credentials may not do that there")
            .advice("check `scope`, and what the account may do with this folder"),
        ("invalidRequest" | "invalidName" | "nameContainsInvalidCharacters", 400) => {
            Failure::new(ErrorKind::Unsupported, "OneDrive takes no such name or request").advice("check `root`")
        }
        ("resourceLocked", _) | (_, 423) => Failure::new(ErrorKind::Reset, "somebody has locked it"),
        (_, 404) => not_found(),
        _ => refusal(reply),
    }
}

const ENDPOINT: &str = "https://graph.microsoft.com/v1.0";
/// What is sent in one call: the least that any edition of the documents allows.
const ONE_CALL: u64 = 4 << 20;
/// A multiple of 320 KiB, as Graph demands.
const PIECE: u64 = 10 << 20;
