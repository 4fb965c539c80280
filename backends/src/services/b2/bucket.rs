//! The requests of a bucket.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use serde_json::{Value, json};

use super::account::{Account, call, log_in};
use crate::http::{Failure, Http, Reply, described, encoded, encoded_path, endpoint, hidden, verdict};
use crate::services::answers::{changed_on_the_way, not_found};
use crate::services::bodies::{hex, length};
use crate::services::objects::{Bucket, Page, Pass, is_nobody};
use crate::services::store::Tried;
use crate::services::web::ask;
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Put, Transport};

/// A bucket.
pub(in crate::services) struct B2 {
    http: Http,
    endpoint: String,
    key_id: String,
    key: String,
    bucket: String,
    hard_delete: bool,
    pass: Pass<Account>,
    /// Addresses for uploads that nobody uses now. One that has failed is not used again.
    places: Mutex<Vec<Place>>,
}

/// Where an upload goes, and its own token.
struct Place {
    address: String,
    token: String,
}

impl std::fmt::Debug for B2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("B2")
    }
}

impl B2 {
    pub(super) fn of(values: &Values<'_>, transport: &Transport) -> Result<Self, BadSetting> {
        let text = |name: &str| values.text(name).unwrap_or_default().to_owned();
        let bucket = text("bucket");
        if bucket.contains('/') {
            return Err(BadSetting::new("bucket", "holds a `/`; what comes after it belongs to `root`"));
        }
        Ok(Self {
            http: Http::new(transport, values.text("ca_cert"))?,
            endpoint: endpoint("endpoint", &text("endpoint"), "`account` and `key`")?,
            key_id: text("account"),
            key: text("key"),
            bucket,
            hard_delete: values.switch("hard_delete"),
            pass: Pass::new(),
            places: Mutex::default(),
        })
    }

    async fn log_in(&self) -> Tried<(Account, Duration)> {
        log_in(&self.http, &self.endpoint, (&self.key_id, &self.key), &self.bucket).await
    }

    /// Calls a method.
    async fn call(&self, method: &str, arguments: impl Fn(&Account) -> Value) -> Tried<Reply> {
        let send = |account: Arc<Account>| {
            let arguments = arguments(&account);
            async move { call(&self.http, &account.api, &account.token, method, &arguments).await }
        };
        self.pass.send(|| self.log_in(), send, wants_another).await
    }

    /// Reads from the address of downloads.
    async fn download(&self, request: impl Fn(&str) -> http::request::Builder, key: &str) -> Tried<Reply> {
        let send = |account: Arc<Account>| {
            let address = format!("{}/file/{}/{}", account.downloads, encoded(&self.bucket), encoded_path(key));
            let request = request(&address);
            async move { ask(&self.http, request.header("authorization", hidden(&account.token)?), &[]).await }
        };
        // The answer to a HEAD has no body that would say why.
        self.pass.send(|| self.log_in(), send, is_nobody).await
    }

    async fn place(&self) -> Tried<Place> {
        if let Some(place) = self.places.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(place);
        }
        let reply = self.call("b2_get_upload_url", |account| json!({"bucketId": account.bucket_id})).await?;
        let answer = json_of(&reply)?;
        match (answer["uploadUrl"].as_str(), answer["authorizationToken"].as_str()) {
            (Some(address), Some(token)) => Ok(Place { address: address.to_owned(), token: token.to_owned() }),
            _ => Err(Failure::new(ErrorKind::Unexpected, "B2 gives no address for an upload")),
        }
    }

    async fn upload(&self, place: &Place, key: &str, body: &[Bytes], sha1: &str) -> Tried<Reply> {
        let request = Request::post(&place.address)
            .header("authorization", hidden(&place.token)?)
            .header("x-bz-file-name", encoded_path(key))
            .header("content-type", "application/octet-stream")
            .header("x-bz-content-sha1", sha1);
        ask(&self.http, request, body).await
    }
}

#[async_trait]
impl Bucket for B2 {
    fn describe(&self) -> String {
        format!("b2:{}", self.bucket)
    }

    async fn put(&self, key: &str, body: &[Bytes], _on_condition: bool) -> Tried<Put> {
        let mut sha1 = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        body.iter().for_each(|part| sha1.update(part));
        let sha1 = hex(sha1.finish());
        let mut tries = 0;
        loop {
            let place = self.place().await?;
            tries += 1;
            let reply = self.upload(&place, key, body, &sha1).await?;
            if reply.status.as_u16() == 200 {
                let stored = json_of(&reply)?;
                let whole = stored["contentLength"].as_u64() == Some(length(body));
                if !whole
                    || stored["contentSha1"]
                        .as_str()
                        .is_some_and(|theirs| theirs.trim_start_matches("unverified:") != sha1)
                {
                    return Err(changed_on_the_way());
                }
                self.places.lock().unwrap_or_else(PoisonError::into_inner).push(place);
                return Ok(Put::Created);
            }
            // One that has waited may be too old, and then so are the others; a busy one wants us to go elsewhere.
            if wants_another(&reply) {
                self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            let elsewhere = wants_another(&reply) || reply.status.as_u16() == 503;
            if !elsewhere || tries == PLACES_MAX {
                return Err(match refused(&reply) {
                    failure if wants_another(&reply) => Failure { kind: ErrorKind::Reset, ..failure },
                    failure => failure,
                });
            }
        }
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Tried<Reply> {
        let request = |address: &str| match &range {
            Some(range) => Request::get(address).header("range", format!("bytes={}-{}", range.start, range.end - 1)),
            None => Request::get(address),
        };
        self.download(request, key).await
    }

    async fn size(&self, key: &str) -> Tried<Option<u64>> {
        let reply = self.download(|address| Request::head(address), key).await?;
        match reply.status.as_u16() {
            200 => Ok(reply.header("content-length").and_then(|text| text.parse().ok())),
            404 => Ok(None),
            _ => Err(refused(&reply)),
        }
    }

    async fn page(&self, prefix: &str, from: Option<&str>) -> Tried<Page> {
        let arguments = |account: &Account| {
            let mut arguments = json!({"bucketId": account.bucket_id, "prefix": prefix, "maxFileCount": PAGE});
            if let Some(from) = from {
                arguments["startFileName"] = from.into();
            }
            arguments
        };
        let answer = json_of(&self.call("b2_list_file_names", arguments).await?)?;
        page_of(&answer).ok_or_else(|| Failure::new(ErrorKind::Misconfigured, "the answer is no listing of B2's"))
    }

    async fn delete(&self, key: &str) -> Tried<()> {
        if !self.hard_delete {
            let hide = |account: &Account| json!({"bucketId": account.bucket_id, "fileName": key});
            return done(&self.call("b2_hide_file", hide).await?);
        }
        let versions = |account: &Account| {
            let start = json!({"bucketId": account.bucket_id, "prefix": key, "startFileName": key});
            let mut arguments = start;
            arguments["maxFileCount"] = VERSIONS.into();
            arguments
        };
        loop {
            let answer = json_of(&self.call("b2_list_file_versions", versions).await?)?;
            let strange = || Failure::new(ErrorKind::Misconfigured, "the answer is no listing of B2's");
            let files = answer["files"].as_array().ok_or_else(strange)?;
            let ours: Vec<&Value> = files.iter().filter(|file| file["fileName"] == key).collect();
            for file in &ours {
                let arguments = |_: &Account| json!({"fileName": key, "fileId": file["fileId"]});
                done(&self.call("b2_delete_file_version", arguments).await?)?;
            }
            if ours.len() < VERSIONS {
                return Ok(());
            }
        }
    }

    fn refused(&self, reply: &Reply) -> Failure {
        refused(reply)
    }
}

/// What an answer means that is no success.
pub(super) fn refused(reply: &Reply) -> Failure {
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let (code, message) = (answer["code"].as_str().unwrap_or_default(), answer["message"].as_str().unwrap_or_default());
    let denied = |says: &str, advice: &str| Failure::new(ErrorKind::PermissionDenied, says).advice(advice);
    match (reply.status.as_u16(), code) {
        (_, "cap_exceeded" | "storage_cap_exceeded") => {
            Failure::new(ErrorKind::NoSpace, "the account has reached a limit that was set for it")
                .advice("raise the caps of the account at Backblaze")
        }
        (_, "transaction_cap_exceeded" | "download_cap_exceeded") => {
            denied("the account has reached a limit for today", "raise the caps of the account at Backblaze, or wait")
        }
        (401, "bad_auth_token" | "expired_auth_token") => denied("B2 does not accept its own token", "try again"),
        (401 | 403, _) => denied(
            "the application key allows no such thing",
            "it needs listBuckets, listFiles, readFiles, writeFiles and deleteFiles",
        ),
        (404, "not_found" | "no_such_file" | "file_not_present") | (404, "") => not_found(),
        (400, "bad_bucket_id") => Failure::new(ErrorKind::Misconfigured, "there is no such bucket")
            .advice("create the bucket with the service, or correct `bucket`"),
        (400, _) if message.to_lowercase().contains("sha1 did not match") => changed_on_the_way(),
        _ => verdict(reply).unwrap_or_else(|| {
            let words: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
            Failure::new(ErrorKind::Unexpected, format!("the server answers {} {words}", described(reply)))
        }),
    }
}

/// Whether a token is too old.
fn wants_another(reply: &Reply) -> bool {
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    reply.status.as_u16() == 401 && matches!(answer["code"].as_str(), Some("bad_auth_token" | "expired_auth_token"))
}

fn json_of(reply: &Reply) -> Tried<Value> {
    if reply.status.as_u16() != 200 {
        return Err(refused(reply));
    }
    serde_json::from_slice(&reply.body)
        .map_err(|_| Failure::new(ErrorKind::Misconfigured, "the answer is none of B2's: it is no JSON"))
}

/// A method that takes something away, which may be away already.
fn done(reply: &Reply) -> Tried<()> {
    let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    match (reply.status.as_u16(), answer["code"].as_str()) {
        (200, _) | (_, Some("file_not_present" | "no_such_file" | "already_hidden")) => Ok(()),
        _ => Err(refused(reply)),
    }
}

pub(super) fn page_of(answer: &Value) -> Option<Page> {
    let files = answer["files"].as_array()?.iter();
    let stored = files.filter(|file| file["action"] == "upload" || file["action"].is_null());
    let found = stored.map(|file| Some((file["fileName"].as_str()?.to_owned(), file["contentLength"].as_u64()?)));
    Some(Page { found: found.collect::<Option<_>>()?, next: answer["nextFileName"].as_str().map(str::to_owned) })
}

/// More names cost as much as another page.
const PAGE: usize = 1000;
const VERSIONS: usize = 100;
/// How many addresses are tried at once, one after the other.
const PLACES_MAX: usize = 3;
