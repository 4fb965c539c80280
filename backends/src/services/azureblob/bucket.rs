//! The requests: each is a line of the service's REST reference.

use std::ops::Range;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Request;
use md5::{Digest, Md5};

use super::account::Account;
use super::listing::page_of;
use crate::http::{Failure, Http, Reply, encoded, encoded_path, endpoint, refusal};
use crate::services::answers::{changed_on_the_way, not_found};
use crate::services::bodies::length;
use crate::services::objects::{Bucket, Page};
use crate::services::store::Tried;
use crate::services::web::{ask, http_date};
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Put, Transport};

/// A container.
#[derive(Debug)]
pub(in crate::services) struct Container {
    http: Http,
    /// The container's whole address, without a slash at its end.
    address: String,
    name: String,
    account: Account,
    tier: Option<String>,
}

impl Container {
    pub(super) fn of(values: &Values<'_>, transport: &Transport) -> Result<Self, BadSetting> {
        let name = values.text("container").unwrap_or_default();
        if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-$".contains(c)) {
            return Err(BadSetting::new("container", "is not the name of a container: lower case, digits and `-`"));
        }
        let (base, signature) = match values.text("sas_url").map(|url| url.split_once('?')) {
            None => (None, None),
            Some(Some((base, query))) if query.contains("sig=") => {
                (Some(endpoint("sas_url", base, SECRETS)?), Some(query))
            }
            Some(_) => return Err(BadSetting::new("sas_url", "has no signature: what comes after the `?`")),
        };
        let account = Account::of(values, signature)?;
        let base = match (base, values.text("endpoint"), values.text("account")) {
            (Some(base), _, _) => base,
            (None, Some(given), _) => endpoint("endpoint", given, SECRETS)?,
            (None, None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
            (None, None, None) => return Err(BadSetting::new("account", "is missing")),
        };
        // A signature may be for the container alone, and then its address is the container's.
        let of_container = signature.is_some() && base.ends_with(&format!("/{name}"));
        let address = if of_container { base } else { format!("{base}/{name}") };
        let tier = values.text("access_tier").map(|tier| tier[..1].to_uppercase() + &tier[1..]);
        Ok(Self { http: Http::new(transport, values.text("ca_cert"))?, address, name: name.to_owned(), account, tier })
    }

    fn object(&self, key: &str) -> String {
        format!("{}/{}?{}", self.address, encoded_path(key), self.account.query())
    }

    async fn send(&self, request: http::request::Builder, body: &[Bytes]) -> Tried<Reply> {
        let request = request.header("x-ms-version", VERSION).header("x-ms-date", http_date());
        let request = self.account.sign(&self.http, request, length(body)).await?;
        ask(&self.http, request, body).await
    }
}

#[async_trait]
impl Bucket for Container {
    fn describe(&self) -> String {
        let host = self.address.strip_suffix(&format!("/{}", self.name)).unwrap_or(&self.address);
        format!("azureblob:{} at {host}", self.name)
    }

    async fn put(&self, key: &str, body: &[Bytes], on_condition: bool) -> Tried<Put> {
        let mut md5 = Md5::new();
        body.iter().for_each(|part| md5.update(part));
        let mut request = Request::put(self.object(key))
            .header("x-ms-blob-type", "BlockBlob")
            .header("content-md5", BASE64_STANDARD.encode(md5.finalize()));
        if on_condition {
            request = request.header("if-none-match", "*");
        }
        if let Some(tier) = &self.tier {
            request = request.header("x-ms-access-tier", tier.as_str());
        }
        let reply = self.send(request, body).await?;
        match (reply.status.as_u16(), code(&reply)) {
            (201, _) => Ok(Put::Created),
            (409 | 412, Some("BlobAlreadyExists" | "ConditionNotMet")) => Ok(Put::Existed),
            _ => Err(self.refused(&reply)),
        }
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Tried<Reply> {
        let mut request = Request::get(self.object(key));
        if let Some(range) = range {
            request = request.header("x-ms-range", format!("bytes={}-{}", range.start, range.end - 1));
        }
        self.send(request, &[]).await
    }

    async fn size(&self, key: &str) -> Tried<Option<u64>> {
        let reply = self.send(Request::head(self.object(key)), &[]).await?;
        match reply.status.as_u16() {
            200 => Ok(reply.header("content-length").and_then(|text| text.parse().ok())),
            404 if code(&reply) != Some("ContainerNotFound") => Ok(None),
            _ => Err(self.refused(&reply)),
        }
    }

    async fn page(&self, prefix: &str, from: Option<&str>) -> Tried<Page> {
        let mut address = format!("{}?restype=container&comp=list&maxresults=5000", self.address);
        address.push_str(&format!("&prefix={}", encoded(prefix)));
        if let Some(from) = from {
            address.push_str(&format!("&marker={}", encoded(from)));
        }
        if !self.account.query().is_empty() {
            address.push_str(&format!("&{}", self.account.query()));
        }
        let reply = self.send(Request::get(address), &[]).await?;
        if reply.status.as_u16() != 200 {
            return Err(self.refused(&reply));
        }
        page_of(&reply.body)
            .ok_or_else(|| Failure::new(ErrorKind::Misconfigured, "the answer is no listing of Azure's"))
    }

    async fn delete(&self, key: &str) -> Tried<()> {
        let request = Request::delete(self.object(key)).header("x-ms-delete-snapshots", "include");
        let reply = self.send(request, &[]).await?;
        match reply.status.as_u16() {
            200..=299 => Ok(()),
            404 if code(&reply) != Some("ContainerNotFound") => Ok(()),
            _ => Err(self.refused(&reply)),
        }
    }

    fn refused(&self, reply: &Reply) -> Failure {
        let denied = |says: &str, advice: &str| Failure::new(ErrorKind::PermissionDenied, says).advice(advice);
        let wrong = |says: &str, advice: &str| Failure::new(ErrorKind::Misconfigured, says).advice(advice);
        let detail = reply.element("AuthenticationErrorDetail").unwrap_or_default();
        match code(reply).unwrap_or_default() {
            "AuthenticationFailed"
                if detail.contains("date") || detail.contains("expiry") || detail.contains("time") =>
            {
                wrong(
                    "the clock of this machine is wrong, or the signature has expired",
                    "set the clock; if it is right, get a new `sas_url`",
                )
            }
            "AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation" => denied(
                "the account does not accept this key or signature",
                "check `account` and `key`, or get a new `sas_url`",
            ),
            "AuthorizationFailure"
            | "AuthorizationPermissionMismatch"
            | "AuthorizationResourceTypeMismatch"
            | "AuthorizationServiceMismatch"
            | "InsufficientAccountPermissions"
            | "PublicAccessNotPermitted" => {
                denied("the account allows no such thing", "it needs reading, writing, deleting and listing of blobs")
            }
            "AccountIsDisabled" => denied("the account is disabled", "see the portal of Azure"),
            "ContainerNotFound" => {
                wrong("there is no such container", "create it with the service, or correct `container`")
            }
            "ContainerBeingDeleted" => wrong("the container is being deleted", "create it again in a while"),
            "InvalidResourceName" => wrong("the service takes no container of this name", "correct `container`"),
            "BlobNotFound" => not_found(),
            "Md5Mismatch" => changed_on_the_way(),
            "ServerBusy" | "OperationTimedOut" => {
                Failure::new(ErrorKind::Throttled, "the server is too busy").after(reply.retry_after())
            }
            _ if reply.status.as_u16() == 404 => not_found(),
            _ => refusal(reply),
        }
    }
}

/// The service's word for what is wrong: a header says it where there is no body.
fn code(reply: &Reply) -> Option<&str> {
    reply.header("x-ms-error-code").or_else(|| reply.code())
}

const SECRETS: &str = "`account` and `key`";
const VERSION: &str = "2021-08-06";
