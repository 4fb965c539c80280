//! The requests of a container.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use md5::{Digest, Md5};
use serde_json::Value;

use super::login::{Account, Login};
use crate::http::{Failure, Http, Reply, encoded, encoded_path, hidden, refusal};
use crate::services::answers::{changed_on_the_way, not_found};
use crate::services::bodies::hex;
use crate::services::objects::{Bucket, Page, Pass, is_nobody};
use crate::services::store::Tried;
use crate::services::web::ask;
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Put, Transport};

/// A container.
#[derive(Debug)]
pub(in crate::services) struct Container {
    http: Http,
    login: Login,
    container: String,
    pass: Pass<Account>,
}

impl Container {
    pub(super) fn of(values: &Values<'_>, transport: &Transport) -> Result<Self, BadSetting> {
        let container = values.text("container").unwrap_or_default();
        if container.contains('/') {
            return Err(BadSetting::new("container", "holds a `/`; what comes after it belongs to `root`"));
        }
        Ok(Self {
            http: Http::new(transport, values.text("ca_cert"))?,
            login: Login::of(values)?,
            container: container.to_owned(),
            pass: Pass::new(),
        })
    }

    /// Sends a request to what `place` says within the container.
    async fn send(
        &self,
        place: &str,
        request: impl Fn(&str) -> http::request::Builder,
        body: &[Bytes],
    ) -> Tried<Reply> {
        let send = |account: Arc<Account>| {
            let request = request(&format!("{}/{}{place}", account.address, encoded(&self.container)));
            async move { ask(&self.http, request.header("x-auth-token", hidden(&account.token)?), body).await }
        };
        self.pass.send(|| self.login.log_in(&self.http), send, is_nobody).await
    }

    /// Swift says the same of an object and of a container that is not there; who asks for the container learns which.
    async fn absent(&self) -> Tried<()> {
        let reply = self.send("", |address| Request::head(address), &[]).await?;
        match reply.status.as_u16() {
            404 => Err(Failure::new(ErrorKind::Misconfigured, "there is no such container")
                .advice("create the container with the service, or correct `container`")),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Bucket for Container {
    fn describe(&self) -> String {
        format!("swift:{} at {}", self.container, self.login.describe())
    }

    async fn put(&self, key: &str, body: &[Bytes], on_condition: bool) -> Tried<Put> {
        let mut md5 = Md5::new();
        body.iter().for_each(|part| md5.update(part));
        let md5 = hex(md5.finalize());
        let request = |address: &str| {
            let request = Request::put(address).header("etag", md5.as_str());
            let request = request.header("content-type", "application/octet-stream");
            if on_condition { request.header("if-none-match", "*") } else { request }
        };
        let reply = self.send(&place(key), request, body).await?;
        match reply.status.as_u16() {
            201 | 202 => Ok(Put::Created),
            412 if on_condition => Ok(Put::Existed),
            // Two at once: which of them is there shows when it is asked for again.
            409 => Err(Failure::new(ErrorKind::Reset, "somebody else writes the same object")),
            422 => Err(changed_on_the_way()),
            404 => {
                self.absent().await?;
                Err(self.refused(&reply))
            }
            _ => Err(self.refused(&reply)),
        }
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Tried<Reply> {
        let request = |address: &str| match &range {
            Some(range) => Request::get(address).header("range", format!("bytes={}-{}", range.start, range.end - 1)),
            None => Request::get(address),
        };
        let reply = self.send(&place(key), request, &[]).await?;
        if reply.status.as_u16() == 404 {
            self.absent().await?;
        }
        Ok(reply)
    }

    async fn size(&self, key: &str) -> Tried<Option<u64>> {
        let reply = self.send(&place(key), |address| Request::head(address), &[]).await?;
        match reply.status.as_u16() {
            200 | 204 => Ok(reply.header("content-length").and_then(|text| text.parse().ok())),
            404 => self.absent().await.map(|()| None),
            _ => Err(self.refused(&reply)),
        }
    }

    async fn page(&self, prefix: &str, from: Option<&str>) -> Tried<Page> {
        let from = from.map(|from| format!("&marker={}", encoded(from))).unwrap_or_default();
        let place = format!("?format=json&limit={PAGE}{from}&prefix={}", encoded(prefix));
        let reply = self.send(&place, |address| Request::get(address), &[]).await?;
        match reply.status.as_u16() {
            200 => page_of(&reply.body)
                .ok_or_else(|| Failure::new(ErrorKind::Misconfigured, "the answer is no listing of Swift's")),
            204 => Ok(Page::default()),
            404 => {
                self.absent().await?;
                Err(self.refused(&reply))
            }
            _ => Err(self.refused(&reply)),
        }
    }

    async fn delete(&self, key: &str) -> Tried<()> {
        let reply = self.send(&place(key), |address| Request::delete(address), &[]).await?;
        match reply.status.as_u16() {
            200..=299 => Ok(()),
            404 => self.absent().await,
            _ => Err(self.refused(&reply)),
        }
    }

    fn refused(&self, reply: &Reply) -> Failure {
        match reply.status.as_u16() {
            401 | 403 => Failure::new(ErrorKind::PermissionDenied, "the account allows this user no such thing")
                .advice("check what `user` may do with the container"),
            404 => not_found(),
            498 | 429 => {
                Failure::new(ErrorKind::Throttled, "the server asks for fewer requests").after(reply.retry_after())
            }
            413 => Failure::new(ErrorKind::NoSpace, "the account's quota does not allow it")
                .advice("free some space at the service or buy more"),
            _ => refusal(reply),
        }
    }
}

fn place(key: &str) -> String {
    format!("/{}", encoded_path(key))
}

/// The next page begins after the last name, and one that has nothing is the last.
pub(super) fn page_of(body: &[u8]) -> Option<Page> {
    let json: Value = serde_json::from_slice(body).ok()?;
    let entries = json.as_array()?.iter().filter(|entry| entry["subdir"].is_null());
    let found = entries.map(|entry| Some((entry["name"].as_str()?.to_owned(), entry["bytes"].as_u64()?)));
    let found: Vec<(String, u64)> = found.collect::<Option<_>>()?;
    let next = found.last().map(|(name, _)| name.clone());
    Some(Page { found, next })
}

const PAGE: usize = 10_000;
