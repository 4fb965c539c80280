//! The requests: each is a method of the service's JSON API.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use md5::{Digest, Md5};
use serde_json::Value;

use super::token::Source;
use crate::http::{Failure, Http, Reply, encoded, endpoint, hidden, refusal};
use crate::services::answers::{changed_on_the_way, not_found};
use crate::services::objects::{Bucket, Page, Pass, is_nobody};
use crate::services::store::Tried;
use crate::services::web::ask;
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Put, Transport};

/// A bucket.
#[derive(Debug)]
pub(in crate::services) struct Storage {
    http: Http,
    endpoint: String,
    bucket: String,
    class: Option<String>,
    source: Source,
    pass: Pass<String>,
}

impl Storage {
    pub(super) fn of(values: &Values<'_>, transport: &Transport) -> Result<Self, BadSetting> {
        let bucket = values.text("bucket").unwrap_or_default();
        if bucket.contains('/') {
            return Err(BadSetting::new("bucket", "holds a `/`; what comes after it belongs to `root`"));
        }
        let given = values.text("endpoint").unwrap_or(GOOGLES);
        let given = given.trim_end_matches('/').trim_end_matches("/storage/v1");
        Ok(Self {
            http: Http::new(transport, values.text("ca_cert"))?,
            endpoint: endpoint("endpoint", given, "`service_account_file`")?,
            bucket: bucket.to_owned(),
            class: values.text("storage_class").map(str::to_owned),
            source: Source::of(values)?,
            pass: Pass::new(),
        })
    }

    pub(super) fn is_googles(&self) -> bool {
        self.endpoint == GOOGLES
    }

    fn object(&self, key: &str, query: &str) -> String {
        format!("{}/storage/v1/b/{}/o/{}?{query}", self.endpoint, encoded(&self.bucket), encoded(key))
    }

    /// Sends a request with a token.
    async fn send(&self, request: impl Fn() -> http::request::Builder, body: &[Bytes]) -> Tried<Reply> {
        let send = |token: Arc<String>| {
            let request = request();
            async move {
                let request = match token.as_str() {
                    "" => request,
                    token => request.header("authorization", hidden(format!("Bearer {token}"))?),
                };
                ask(&self.http, request, body).await
            }
        };
        self.pass.send(|| self.source.token(&self.http), send, is_nobody).await
    }
}

#[async_trait]
impl Bucket for Storage {
    fn describe(&self) -> String {
        format!("gcs:{} at {}", self.bucket, self.endpoint)
    }

    async fn put(&self, key: &str, body: &[Bytes], on_condition: bool) -> Tried<Put> {
        let condition = if on_condition { "&ifGenerationMatch=0" } else { "" };
        let class = self.class.as_ref().map(|class| format!("&storageClass={}", encoded(class))).unwrap_or_default();
        let address = format!(
            "{}/upload/storage/v1/b/{}/o?uploadType=media&fields=size,md5Hash{condition}{class}&name={}",
            self.endpoint,
            encoded(&self.bucket),
            encoded(key)
        );
        let request = || Request::post(&address).header("content-type", "application/octet-stream");
        let reply = self.send(request, body).await?;
        match reply.status.as_u16() {
            200 | 201 => {}
            412 if on_condition => return Ok(Put::Existed),
            _ => return Err(self.refused(&reply)),
        }
        let stored: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let mut md5 = Md5::new();
        body.iter().for_each(|part| md5.update(part));
        match stored["md5Hash"].as_str() {
            Some(theirs) if theirs != BASE64_STANDARD.encode(md5.finalize()) => {
                self.delete(key).await?;
                Err(changed_on_the_way())
            }
            _ => Ok(Put::Created),
        }
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Tried<Reply> {
        let address = self.object(key, "alt=media");
        let request = || match &range {
            Some(range) => Request::get(&address).header("range", format!("bytes={}-{}", range.start, range.end - 1)),
            None => Request::get(&address),
        };
        self.send(request, &[]).await
    }

    async fn size(&self, key: &str) -> Tried<Option<u64>> {
        let address = self.object(key, "fields=size");
        let reply = self.send(|| Request::get(&address), &[]).await?;
        if reply.status.as_u16() != 200 {
            let refused = self.refused(&reply);
            return if refused.kind == ErrorKind::NotFound { Ok(None) } else { Err(refused) };
        }
        let found: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let size = number(&found["size"]);
        Ok(Some(size.ok_or_else(|| Failure::new(ErrorKind::Misconfigured, "the answer is none of Google's"))?))
    }

    async fn page(&self, prefix: &str, from: Option<&str>) -> Tried<Page> {
        let from = from.map(|from| format!("&pageToken={}", encoded(from))).unwrap_or_default();
        let address = format!(
            "{}/storage/v1/b/{}/o?maxResults=1000&fields=items(name,size),nextPageToken{from}&prefix={}",
            self.endpoint,
            encoded(&self.bucket),
            encoded(prefix)
        );
        let reply = self.send(|| Request::get(&address), &[]).await?;
        if reply.status.as_u16() != 200 {
            let refused = self.refused(&reply);
            return Err(match refused.kind {
                ErrorKind::NotFound => no_bucket(),
                _ => refused,
            });
        }
        page_of(&reply.body)
            .ok_or_else(|| Failure::new(ErrorKind::Misconfigured, "the answer is no listing of Google's"))
    }

    async fn delete(&self, key: &str) -> Tried<()> {
        let address = self.object(key, "");
        let reply = self.send(|| Request::delete(&address), &[]).await?;
        match reply.status.as_u16() {
            200..=299 => Ok(()),
            _ => match self.refused(&reply) {
                refused if refused.kind == ErrorKind::NotFound => Ok(()),
                refused => Err(refused),
            },
        }
    }

    fn refused(&self, reply: &Reply) -> Failure {
        let said = String::from_utf8_lossy(&reply.body);
        match reply.status.as_u16() {
            404 if said.contains("bucket does not exist") || said.contains("Bucket not found") => no_bucket(),
            404 => not_found(),
            401 => Failure::new(ErrorKind::PermissionDenied, "Google does not accept the token")
                .advice("check `service_account_file` or `access_token`"),
            403 if !said.contains("ateLimit") && !said.contains("uota") => {
                Failure::new(ErrorKind::PermissionDenied, "the bucket allows this account no such thing")
                    .advice("give the account the role `Storage Object Admin` on the bucket")
            }
            _ => refusal(reply),
        }
    }
}

fn no_bucket() -> Failure {
    Failure::new(ErrorKind::Misconfigured, "there is no such bucket")
        .advice("create the bucket with the service, or correct `bucket`")
}

/// Google writes large numbers as texts.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

pub(super) fn page_of(body: &[u8]) -> Option<Page> {
    let json: Value = serde_json::from_slice(body).ok()?;
    json.as_object()?;
    let next = json["nextPageToken"].as_str().filter(|next| !next.is_empty()).map(str::to_owned);
    let Some(items) = json["items"].as_array() else { return Some(Page { found: Vec::new(), next }) };
    let found = items.iter().map(|item| Some((item["name"].as_str()?.to_owned(), number(&item["size"])?)));
    Some(Page { found: found.collect::<Option<_>>()?, next })
}

const GOOGLES: &str = "https://storage.googleapis.com";
