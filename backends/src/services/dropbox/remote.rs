//! A folder of a Dropbox as a remote.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{GRANTS, PROVIDER};
use crate::http::{Failure, Http, Reply, refusal};
use crate::oauth::{App, Bearer};
use crate::services::answers::{changed_on_the_way, exactly, in_the_way, not_found};
use crate::services::api::{Api, Ask, Progress, Who, in_pieces, json};
use crate::services::bodies::{hex, length, piece};
use crate::services::names::{listed, root};
use crate::services::store::{Store, Tried, USUAL};
use crate::settings::Values;
use crate::{BadSetting, Caps, ErrorKind, Listed, Put, Transport};

/// A folder of a Dropbox.
#[derive(Debug)]
pub struct Dropbox {
    api: Api,
    calls: String,
    content: String,
    /// The folder with a slash before each component; empty for the top.
    base: String,
}

impl Dropbox {
    /// The remote that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting can't be used, or nobody has signed in.
    pub fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Self, BadSetting> {
        let values = Values::check(&PROVIDER, values)?;
        let http = Http::new(transport, None)?;
        let bearer = Bearer::of(&values, App::of(&values, &GRANTS)?, http.clone(), transport)?;
        let root = root(&values)?;
        let at = |usual: &str| format!("{}/2/files", values.text("endpoint").unwrap_or(usual).trim_end_matches('/'));
        Ok(Self {
            api: Api::new(http, Who::Signed(bearer)),
            calls: at("https://api.dropboxapi.com"),
            content: at("https://content.dropboxapi.com"),
            base: if root.is_empty() { root } else { format!("/{root}") },
        })
    }

    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    async fn call(&self, name: &str, argument: &Value) -> Tried<Reply> {
        self.api.send(&Ask::post(format!("{}/{name}", self.calls)).json(argument)).await
    }

    /// A call whose body is content, so that its argument travels in a header.
    async fn send(&self, name: &str, argument: &Value, body: Vec<Bytes>) -> Tried<Reply> {
        let ask = Ask::post(format!("{}/{name}", self.content)).header("dropbox-api-arg", in_header(argument));
        self.api.send(&ask.body("application/octet-stream", body)).await
    }

    /// A session that is never finished costs nothing, and the service forgets it after a week.
    async fn in_session(&self, commit: &Value, body: &[Bytes], total: u64) -> Tried<Reply> {
        let reply = self.send("upload_session/start", &json!({ "close": false }), Vec::new()).await?;
        if !reply.status.is_success() {
            return Err(refused(&reply));
        }
        let started = json(&reply)?;
        let Some(session) = started["session_id"].as_str() else {
            return Err(Failure::new(ErrorKind::Unexpected, "the answer names no session"));
        };
        let append = |range: Range<u64>| async move {
            let cursor = json!({ "session_id": session, "offset": range.start });
            let part = piece(body, range.clone());
            let reply =
                self.send("upload_session/append_v2", &json!({ "cursor": cursor, "close": false }), part).await?;
            if reply.status.is_success() {
                let done = range.end == total;
                return Ok(if done { Progress::Done(()) } else { Progress::At(range.end) });
            }
            match where_it_is(&reply) {
                Some(at) if at == total => Ok(Progress::Done(())),
                Some(at) => Ok(Progress::At(at)),
                None => Err(refused(&reply)),
            }
        };
        // Nothing at the old place: the service says if it is further.
        in_pieces(total, PIECE, append, |at| append(at..at)).await?;
        let cursor = json!({ "session_id": session, "offset": total });
        self.send("upload_session/finish", &json!({ "cursor": cursor, "commit": commit }), Vec::new()).await
    }

    /// One page of a listing, and where the next one begins.
    async fn page(&self, prefix: &str, cursor: Option<&str>) -> Tried<(Vec<Listed>, Option<String>)> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let reply = match cursor {
            Some(cursor) => self.call("list_folder/continue", &json!({ "cursor": cursor })).await?,
            None => {
                let path = self.path(folder);
                let path = path.trim_end_matches('/');
                self.call("list_folder", &json!({ "path": path, "recursive": true, "limit": PAGE })).await?
            }
        };
        if !reply.status.is_success() {
            let failure = refused(&reply);
            let nothing = matches!(failure.kind, ErrorKind::NotFound | ErrorKind::NotADirectory) && cursor.is_none();
            return if nothing { Ok((Vec::new(), None)) } else { Err(failure) };
        }
        let answer = json(&reply)?;
        let entries = answer["entries"].as_array().into_iter().flatten();
        let found = entries.filter(|entry| entry[".tag"] == "file").filter_map(|entry| {
            let path = entry["path_display"].as_str()?;
            // The folder may be written in other letters there than in the settings: to Dropbox they are the same.
            let (base, below) = path.split_at_checked(self.base.len())?;
            let ours = base.to_lowercase() == self.base.to_lowercase();
            listed(below.strip_prefix('/').filter(|_| ours)?, prefix, entry["size"].as_u64()?)
        });
        let more = answer["has_more"].as_bool().unwrap_or(false);
        let next = answer["cursor"].as_str().filter(|_| more).map(str::to_owned);
        Ok((found.collect(), next))
    }
}

#[async_trait]
impl Store for Dropbox {
    fn caps(&self) -> Caps {
        // More at once only brings `too_many_write_operations`.
        Caps { max_concurrency: 4, put_new: true, pack_size: Caps::LARGE_PACK, ..USUAL }
    }

    fn describe(&self) -> String {
        format!("dropbox:{}", self.base)
    }

    async fn read(&self, path: &str, range: Option<Range<u64>>) -> Tried<Bytes> {
        let ask = Ask::post(format!("{}/download", self.content))
            .header("dropbox-api-arg", in_header(&json!({ "path": self.path(path) })))
            .object(range.as_ref());
        let reply = self.api.send(&ask).await?;
        exactly(reply, range, refused)
    }

    async fn size(&self, path: &str) -> Tried<Option<u64>> {
        let reply = self.call("get_metadata", &json!({ "path": self.path(path) })).await?;
        if !reply.status.is_success() {
            let failure = refused(&reply);
            return if failure.kind == ErrorKind::NotFound { Ok(None) } else { Err(failure) };
        }
        let found = json(&reply)?;
        match found[".tag"].as_str() {
            Some("file") => Ok(found["size"].as_u64()),
            Some("deleted") => Ok(None),
            _ => Err(in_the_way()),
        }
    }

    async fn put(&self, path: &str, body: &[Bytes]) -> Tried<Put> {
        // Strict: a file of the same content is a conflict too, so that of two writers one is told that it was there.
        let commit = json!({
            "path": self.path(path), "mode": "add", "autorename": false, "mute": true, "strict_conflict": true,
        });
        let total = length(body);
        let reply = if total <= ONE_CALL {
            self.send("upload", &commit, body.to_vec()).await?
        } else {
            // Before anything large is sent for nothing.
            if self.size(path).await?.is_some() {
                return Ok(Put::Existed);
            }
            self.in_session(&commit, body, total).await?
        };
        if !reply.status.is_success() {
            return match said(&reply) {
                words if words.contains("conflict/file/") => Ok(Put::Existed),
                _ => Err(refused(&reply)),
            };
        }
        let made = json(&reply)?;
        if made["size"].as_u64() == Some(total)
            && made["content_hash"].as_str().is_none_or(|hash| hash == hash_of(body))
        {
            return Ok(Put::Created);
        }
        self.call("delete_v2", &json!({ "path": self.path(path) })).await?;
        Err(changed_on_the_way())
    }

    fn walk<'a>(&'a self, prefix: &'a str) -> BoxStream<'a, Tried<Listed>> {
        // The first page has no cursor, and after the last one there is none.
        let pages = stream::try_unfold(Some(None::<String>), move |next| async move {
            let Some(cursor) = next else { return Ok(None) };
            let (found, cursor) = self.page(prefix, cursor.as_deref()).await?;
            Ok(Some((stream::iter(found.into_iter().map(Ok)), cursor.map(Some))))
        });
        futures::TryStreamExt::try_flatten(pages).boxed()
    }

    async fn remove(&self, path: &str) -> Tried<()> {
        let reply = self.call("delete_v2", &json!({ "path": self.path(path) })).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        let failure = refused(&reply);
        if failure.kind == ErrorKind::NotFound { Ok(()) } else { Err(failure) }
    }

    async fn remove_directory(&self, path: &str) -> Tried<()> {
        self.remove(path).await
    }
}

/// The service's word for what is wrong.
fn said(reply: &Reply) -> &str {
    reply.code().unwrap_or_default()
}

/// Where a session really is, if that is what is wrong.
fn where_it_is(reply: &Reply) -> Option<u64> {
    let answer = json(reply).ok()?;
    let error = &answer["error"];
    error["correct_offset"].as_u64().or_else(|| error["lookup_failed"]["correct_offset"].as_u64())
}

fn refused(reply: &Reply) -> Failure {
    let words = said(reply);
    if reply.status.as_u16() != 409 {
        return refusal(reply);
    }
    if words.contains("too_many_write_operations") || words.contains("too_many_requests") {
        return Failure::new(ErrorKind::Throttled, "the server asks for fewer requests").after(reply.retry_after());
    }
    if words.contains("insufficient_space") {
        return Failure::new(ErrorKind::NoSpace, "this Dropbox is full").advice("free some space in it or buy more");
    }
    if words.contains("conflict/folder") || words.contains("not_file") {
        return in_the_way();
    }
    if words.contains("conflict") || words.contains("not_folder") {
        return Failure::new(ErrorKind::NotADirectory, "a file is where a folder belongs");
    }
    if words.starts_with("not_found") || words.starts_with("lookup_failed") || words.starts_with("closed") {
        return Failure::new(ErrorKind::Reset, "the service has forgotten the upload");
    }
    if words.contains("not_found") {
        return not_found();
    }
    if words.contains("malformed_path") || words.contains("disallowed_name") {
        return Failure::new(ErrorKind::Unsupported, "Dropbox takes no such name");
    }
    if words.contains("no_write_permission") {
        return Failure::new(ErrorKind::PermissionDenied, "this folder may be read only");
    }
    refusal(reply)
}

/// JSON in ASCII, as a header needs it.
fn in_header(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() && c != '\x7f' {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            write!(text, "\\u{unit:04x}").unwrap_or_default();
        }
    }
    text
}

/// Dropbox's hash of a content: of the hashes of its blocks.
fn hash_of(body: &[Bytes]) -> String {
    let (total, mut all) = (length(body), Sha256::new());
    for start in (0..total).step_by(BLOCK as usize) {
        let mut block = Sha256::new();
        for part in piece(body, start..(start + BLOCK).min(total)) {
            block.update(&part);
        }
        all.update(block.finalize());
    }
    hex(all.finalize())
}

const BLOCK: u64 = 4 << 20;
/// What is sent in one call: far below the 150 MiB that it may be, because what breaks off is sent again.
const ONE_CALL: u64 = 4 << 20;
const PIECE: u64 = 8 << 20;
const PAGE: u32 = 2000;
