//! Calls of Drive's interface, and what its answers mean.

use std::ops::Range;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::ErrorKind;
use crate::http::{Failure, Reply, encoded, refusal};
use crate::services::answers::{changed_on_the_way, not_found};
use crate::services::api::{Api, Ask, Progress, forgotten, in_pieces, json};
use crate::services::bodies::{hex, length, piece};

/// Drive's interface.
#[derive(Debug)]
pub(super) struct Calls {
    pub(super) api: Api,
    /// `https://www.googleapis.com`.
    pub(super) endpoint: String,
}

/// A file or a folder. They are in the order in which they count: the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    /// When it was made, in a form that sorts.
    made: String,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) parent: String,
    /// `None` for a folder.
    pub(super) size: Option<u64>,
}

impl Item {
    fn of(value: &Value) -> Option<Self> {
        let word = |name: &str| value[name].as_str().map(str::to_owned);
        let size = match value["mimeType"].as_str()? {
            FOLDER => None,
            // What has no size is a document of Google's and none of ours.
            _ => Some(value["size"].as_str()?.parse().ok()?),
        };
        let parent = value["parents"][0].as_str().unwrap_or_default().to_owned();
        Some(Self { made: word("createdTime")?, id: word("id")?, name: word("name")?, parent, size })
    }
}

impl Calls {
    /// What is in folders, of this name if one is given; the oldest first.
    pub(super) async fn children(&self, folders: &[String], name: Option<&str>) -> Result<Vec<Item>, Failure> {
        let mut found = Vec::new();
        for some in folders.chunks(FOLDERS_MAX) {
            let within: Vec<String> = some.iter().map(|id| format!("'{}' in parents", quoted(id))).collect();
            let mut query = format!("({}) and trashed = false", within.join(" or "));
            if let Some(name) = name {
                query += &format!(" and name = '{}'", quoted(name));
            }
            let mut page = String::new();
            loop {
                let url = format!(
                    "{}/drive/v3/files?q={}&pageSize=1000&fields={}{page}&{EVERYWHERE}&includeItemsFromAllDrives=true",
                    self.endpoint,
                    encoded(&query),
                    encoded(&format!("nextPageToken,files({FIELDS})")),
                );
                let reply = self.api.send(&Ask::get(url)).await?;
                if !reply.status.is_success() {
                    return Err(refused(&reply));
                }
                let answer = json(&reply)?;
                found.extend(answer["files"].as_array().into_iter().flatten().filter_map(Item::of));
                match answer["nextPageToken"].as_str() {
                    Some(next) => page = format!("&pageToken={}", encoded(next)),
                    None => break,
                }
            }
        }
        found.sort();
        Ok(found)
    }

    pub(super) async fn make_folder(&self, parent: &str, name: &str) -> Result<(), Failure> {
        let url = format!("{}/drive/v3/files?{EVERYWHERE}&fields=id", self.endpoint);
        let wanted = json!({ "name": name, "parents": [parent], "mimeType": FOLDER });
        let reply = self.api.send(&Ask::post(url).json(&wanted)).await?;
        if reply.status.is_success() { Ok(()) } else { Err(refused(&reply)) }
    }

    pub(super) async fn content(&self, id: &str, range: Option<&Range<u64>>) -> Result<Reply, Failure> {
        let url = format!("{}/drive/v3/files/{}?alt=media&{EVERYWHERE}", self.endpoint, encoded(id));
        self.api.send(&Ask::get(url).object(range)).await
    }

    /// Deletes for good, or puts it into the trash.
    pub(super) async fn remove(&self, id: &str, into_trash: bool) -> Result<(), Failure> {
        let url = format!("{}/drive/v3/files/{}?{EVERYWHERE}", self.endpoint, encoded(id));
        let ask = if into_trash {
            Ask::new(Method::PATCH, url).json(&json!({ "trashed": true }))
        } else {
            Ask::new(Method::DELETE, url)
        };
        let reply = self.api.send(&ask).await?;
        match reply.status.as_u16() {
            200..=299 | 404 => Ok(()),
            _ => Err(refused(&reply)),
        }
    }

    /// Makes a file, which may have twins. Compares what has arrived.
    pub(super) async fn upload(&self, parent: &str, name: &str, body: &[Bytes]) -> Result<Item, Failure> {
        let (total, about) = (length(body), json!({ "name": name, "parents": [parent] }));
        let reply = if total <= ONE_CALL {
            self.at_once(&about, body).await?
        } else {
            self.in_session(&about, body, total).await?
        };
        if !reply.status.is_success() {
            return Err(refused(&reply));
        }
        let made = json(&reply)?;
        let item = Item::of(&made).ok_or_else(|| Failure::new(ErrorKind::Unexpected, "the answer is about no file"))?;
        let same = made["sha256Checksum"].as_str().is_none_or(|sum| sum == sum_of(body));
        if item.size == Some(total) && same {
            return Ok(item);
        }
        self.remove(&item.id, false).await?;
        Err(changed_on_the_way())
    }

    async fn at_once(&self, about: &Value, body: &[Bytes]) -> Result<Reply, Failure> {
        let boundary = format!("{:032x}", fastrand::u128(..));
        let head = format!(
            "--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{about}\r\n--{boundary}\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        let parts = [vec![Bytes::from(head)], body.to_vec(), vec![Bytes::from(format!("\r\n--{boundary}--\r\n"))]];
        let url = format!(
            "{}/upload/drive/v3/files?uploadType=multipart&{EVERYWHERE}&fields={}",
            self.endpoint,
            encoded(MADE)
        );
        let ask = Ask::post(url).body("application/octet-stream", parts.concat());
        self.api.send(&ask.kind(format!("multipart/related; boundary={boundary}"))).await
    }

    async fn in_session(&self, about: &Value, body: &[Bytes], total: u64) -> Result<Reply, Failure> {
        let url = format!(
            "{}/upload/drive/v3/files?uploadType=resumable&{EVERYWHERE}&fields={}",
            self.endpoint,
            encoded(MADE)
        );
        let ask = Ask::post(url)
            .json(about)
            .header("x-upload-content-type", "application/octet-stream")
            .header("x-upload-content-length", total.to_string());
        let reply = self.api.send(&ask).await?;
        if !reply.status.is_success() {
            return Ok(reply);
        }
        let Some(session) = reply.header("location") else {
            return Err(Failure::new(ErrorKind::Unexpected, "the answer names no session"));
        };
        // The token goes to the service, and to nobody whom an answer names.
        let ours = session.starts_with(&format!("{}/", self.endpoint));
        let put = |range: String, part: Vec<Bytes>| async move {
            let ask = Ask::new(Method::PUT, session).header("content-range", range);
            let ask = if part.is_empty() { ask } else { ask.body("application/octet-stream", part) };
            let reply = self.api.send(&if ours { ask } else { ask.unsigned() }).await?;
            match reply.status.as_u16() {
                200 | 201 => Ok(Progress::Done(reply)),
                308 => Ok(Progress::At(received(&reply))),
                404 | 410 => Err(forgotten()),
                _ => Err(refused(&reply)),
            }
        };
        let send =
            |range: Range<u64>| put(format!("bytes {}-{}/{total}", range.start, range.end - 1), piece(body, range));
        // A session that is never finished costs nothing, and ends after a week.
        in_pieces(total, PIECE, send, |_| put(format!("bytes */{total}"), Vec::new())).await
    }
}

/// How much of an upload is there.
fn received(reply: &Reply) -> u64 {
    let last = reply.header("range").and_then(|range| range.rsplit_once('-')?.1.parse::<u64>().ok());
    last.map_or(0, |last| last + 1)
}

pub(super) fn refused(reply: &Reply) -> Failure {
    match (reply.code().unwrap_or_default(), reply.status.as_u16()) {
        ("dailyLimitExceeded", _) => {
            Failure::new(ErrorKind::PermissionDenied, "the application has used up its requests for today")
                .advice("raise its limit where it was registered, or wait until tomorrow")
        }
        ("insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT", _) => {
            Failure::new(ErrorKind::PermissionDenied, "the sign-in does not allow that")
                .advice("check `scope`, and sign in again with `cryptsync config reconnect`")
        }
        (_, 404) => not_found(),
        _ => refusal(reply),
    }
}

/// A text in a query.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn sum_of(body: &[Bytes]) -> String {
    let mut sum = Sha256::new();
    body.iter().for_each(|part| sum.update(part));
    hex(sum.finalize())
}

const FOLDER: &str = "application/vnd.google-apps.folder";
const FIELDS: &str = "id,name,size,mimeType,createdTime,parents";
const MADE: &str = "id,name,size,mimeType,createdTime,parents,sha256Checksum";
const EVERYWHERE: &str = "supportsAllDrives=true";
/// How many folders one query may name.
const FOLDERS_MAX: usize = 50;
/// What is sent in one call: the documents allow 5 MB.
const ONE_CALL: u64 = 4 << 20;
/// A multiple of 256 KiB, as the documents demand.
const PIECE: u64 = 8 << 20;
