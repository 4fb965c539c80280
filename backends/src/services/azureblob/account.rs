//! How requests show who they are from: a signature with the account's key, a signature that was given, or a token.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use percent_encoding::percent_decode_str;
use ring::hmac;

use crate::http::{Failure, Http, encoded, hidden, refusal};
use crate::services::objects::Pass;
use crate::services::web::ask;
use crate::settings::Values;
use crate::{BadSetting, ErrorKind};

/// Who we are.
pub(super) enum Account {
    /// The account's name and key.
    Key { account: String, key: hmac::Key },
    /// The query of a shared access signature, without its question mark.
    Signature(String),
    /// A service principal and its token.
    Principal { tenant: String, client_id: String, secret: String, pass: Pass<String> },
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Account")
    }
}

impl Account {
    pub(super) fn of(values: &Values<'_>, signature: Option<&str>) -> Result<Self, BadSetting> {
        let principal = ["tenant", "client_id", "client_secret"].map(|name| (name, values.text(name)));
        let any = principal.iter().any(|(_, value)| value.is_some());
        match (values.text("account"), values.text("key"), signature) {
            (_, Some(_), Some(_)) => Err(BadSetting::new("sas_url", "and `key` exclude each other")),
            (_, None, Some(signature)) => Ok(Self::Signature(signature.to_owned())),
            (Some(account), Some(key), None) => {
                let key = BASE64_STANDARD.decode(key.trim()).map_err(|_| {
                    BadSetting::new("key", "is no key of an account: those are Base64, with `==` at the end")
                })?;
                Ok(Self::Key { account: account.to_owned(), key: hmac::Key::new(hmac::HMAC_SHA256, &key) })
            }
            (None, Some(_), None) => Err(BadSetting::new("account", "is missing: it belongs to `key`")),
            (_, None, None) if any => {
                let [tenant, client_id, secret] = principal.map(|(name, value)| {
                    value.map(str::to_owned).ok_or_else(|| BadSetting::new(name, "is missing for a service principal"))
                });
                let (tenant, client_id, secret) = (tenant?, client_id?, secret?);
                Ok(Self::Principal { tenant, client_id, secret, pass: Pass::new() })
            }
            (_, None, None) => Err(BadSetting::new("key", "is missing; or give `sas_url`")),
        }
    }

    /// The query that every request has to have.
    pub(super) fn query(&self) -> &str {
        if let Self::Signature(signature) = self { signature } else { "" }
    }

    /// Adds what a request needs to be believed. It has all its other headers already.
    pub(super) async fn sign(
        &self,
        http: &Http,
        request: http::request::Builder,
        length: u64,
    ) -> Result<http::request::Builder, Failure> {
        match self {
            Self::Signature(_) => Ok(request),
            Self::Key { account, key } => {
                let (Some(method), Some(uri), Some(headers)) =
                    (request.method_ref(), request.uri_ref(), request.headers_ref())
                else {
                    return Ok(request);
                };
                let text = to_sign(account, method, uri, headers, length);
                let signature = BASE64_STANDARD.encode(hmac::sign(key, text.as_bytes()));
                let value = hidden(format!("SharedKey {account}:{signature}"))?;
                Ok(request.header("authorization", value))
            }
            Self::Principal { tenant, client_id, secret, pass } => {
                let token = pass.get(token(http, tenant, client_id, secret)).await?;
                Ok(request.header("authorization", hidden(format!("Bearer {token}"))?))
            }
        }
    }
}

/// What is signed: the request in the service's own order.
fn to_sign(account: &str, method: &Method, uri: &http::Uri, headers: &HeaderMap, length: u64) -> String {
    let plain = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let length = if length == 0 { String::new() } else { length.to_string() };
    let mut text = format!("{method}\n\n\n{length}\n{}\n{}\n\n", plain("content-md5"), plain("content-type"));
    text.push_str(&format!("\n{}\n{}\n\n{}\n", plain("if-match"), plain("if-none-match"), plain("range")));
    let mut own: Vec<_> = headers.iter().filter(|(name, _)| name.as_str().starts_with("x-ms-")).collect();
    own.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in own {
        text.push_str(&format!("{name}:{}\n", value.to_str().unwrap_or_default()));
    }
    text.push_str(&format!("/{account}{}", uri.path()));
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let mut query: Vec<(String, String)> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name).to_lowercase(), decoded(value)))
        .collect();
    query.sort();
    for (name, value) in query {
        text.push_str(&format!("\n{name}:{value}"));
    }
    text
}

/// A token for a service principal, and how long it holds.
async fn token(http: &Http, tenant: &str, client_id: &str, secret: &str) -> Result<(String, Duration), Failure> {
    let address = format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", encoded(tenant));
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
        encoded(client_id),
        encoded(secret),
        encoded("https://storage.azure.com/.default")
    );
    let request = Request::post(address).header("content-type", "application/x-www-form-urlencoded");
    let reply = ask(http, request, &[Bytes::from(form)]).await?;
    if !reply.status.is_success() {
        return Err(match reply.status.as_u16() {
            400 | 401 => Failure::new(ErrorKind::PermissionDenied, "Azure does not know this service principal")
                .advice("check `tenant`, `client_id` and `client_secret`"),
            _ => refusal(&reply),
        });
    }
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let (token, lasts) = (answer["access_token"].as_str(), answer["expires_in"].as_u64());
    match token {
        Some(token) => Ok((token.to_owned(), Duration::from_secs(lasts.unwrap_or(600)))),
        None => Err(Failure::new(ErrorKind::Unexpected, "Azure answers without a token")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_in_order() {
        let request = Request::put("https://me.blob.core.windows.net/c/a%3Db?comp=list&prefix=x%2Fy&Maxresults=5")
            .header("x-ms-version", "2021-08-06")
            .header("x-ms-date", "Sat, 21 Nov 2026 19:32:21 GMT")
            .header("if-none-match", "*")
            .header("content-md5", "md5==")
            .body(())
            .unwrap();
        let text = to_sign("me", request.method(), request.uri(), request.headers(), 7);
        let expected = "PUT\n\n\n7\nmd5==\n\n\n\n\n*\n\n\nx-ms-date:Sat, 21 Nov 2026 19:32:21 GMT\nx-ms-version:2021-08-06\n\
                        /me/c/a%3Db\ncomp:list\nmaxresults:5\nprefix:x/y";
        assert_eq!(text, expected);
    }
}
