//! From settings to a token and the address of the account.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::http::{Failure, Http, Reply, endpoint, hidden, refusal};
use crate::services::web::ask;
use crate::settings::Values;
use crate::{BadSetting, ErrorKind};

/// What a login gives.
pub(super) struct Account {
    pub(super) token: String,
    /// Without a slash at its end.
    pub(super) address: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Account")
    }
}

/// How one logs in.
pub(super) enum Login {
    /// Not at all.
    Given { token: String, address: String },
    /// Swift's own way.
    One { auth: String, user: String, key: String, address: Option<String> },
    /// Keystone's.
    Three { auth: String, body: String, region: Option<String>, interface: String, address: Option<String> },
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

impl Login {
    pub(super) fn of(values: &Values<'_>) -> Result<Self, BadSetting> {
        let need = |name: &str, why: &str| {
            values.text(name).map(str::to_owned).ok_or_else(|| BadSetting::new(name, format!("is missing{why}")))
        };
        let address =
            values.text("storage_url").map(|url| endpoint("storage_url", url, "`user` and `key`")).transpose()?;
        if let Some(token) = values.text("auth_token") {
            let missing = || BadSetting::new("storage_url", "is missing: it belongs to `auth_token`");
            return Ok(Self::Given { token: token.to_owned(), address: address.ok_or_else(missing)? });
        }
        let auth = endpoint(
            "auth",
            &need("auth", ": where one logs in, for example `https://auth.example.org/v3`")?,
            "`user` and `key`",
        )?;
        let version = values.text("auth_version").unwrap_or(match auth.rsplit('/').next() {
            Some("v1" | "v1.0" | "1.0") => "1",
            _ => "3",
        });
        if version == "1" {
            return Ok(Self::One { auth, user: need("user", "")?, key: need("key", "")?, address });
        }
        let domain = |name: &str| json!({ "name": values.text(name).or(values.text("domain")) });
        let identity = match values.text("application_credential_id") {
            Some(id) => {
                let secret = need("application_credential_secret", ": it belongs to `application_credential_id`")?;
                json!({"methods": ["application_credential"], "application_credential": {"id": id, "secret": secret}})
            }
            None => {
                let (user, key) = (need("user", "")?, need("key", "")?);
                let user = json!({"name": user, "password": key, "domain": domain("domain")});
                json!({"methods": ["password"], "password": {"user": user}})
            }
        };
        let mut request = json!({"auth": {"identity": identity}});
        // A credential of an application is of one project already.
        if values.text("application_credential_id").is_none() {
            request["auth"]["scope"] = match (values.text("tenant_id"), values.text("tenant")) {
                (Some(id), _) => json!({"project": {"id": id}}),
                (None, Some(name)) => json!({"project": {"name": name, "domain": domain("tenant_domain")}}),
                (None, None) => return Err(BadSetting::new("tenant", "is missing: the project")),
            };
        }
        let auth = if auth.ends_with("/v3") { auth } else { format!("{auth}/v3") };
        let interface = values.text("endpoint_type").unwrap_or_default().to_owned();
        let region = values.text("region").map(str::to_owned);
        Ok(Self::Three { auth, body: request.to_string(), region, interface, address })
    }

    /// Where one logs in, or what needs no login.
    pub(super) fn describe(&self) -> &str {
        match self {
            Self::Given { address, .. } => address,
            Self::One { auth, .. } | Self::Three { auth, .. } => auth,
        }
    }

    /// A token, and how long it is used before another is got.
    pub(super) async fn log_in(&self, http: &Http) -> Result<(Account, Duration), Failure> {
        let strange = |what: &str| {
            Failure::new(ErrorKind::Misconfigured, format!("the answer to the login has no {what}"))
                .advice("check `auth`, `auth_version` and `region`")
        };
        match self {
            Self::Given { token, address } => {
                Ok((Account { token: token.clone(), address: address.clone() }, Duration::MAX))
            }
            Self::One { auth, user, key, address } => {
                let request =
                    Request::get(auth).header("x-auth-user", hidden(user)?).header("x-auth-key", hidden(key)?);
                let reply = ask(http, request, &[]).await?;
                checked(&reply)?;
                let token = reply.header("x-auth-token").ok_or_else(|| strange("token"))?;
                let theirs = || reply.header("x-storage-url").map(str::to_owned);
                let address = address.clone().or_else(theirs).ok_or_else(|| strange("address"))?;
                Ok((account(token, &address), HOLDS))
            }
            Self::Three { auth, body, region, interface, address } => {
                let request = Request::post(format!("{auth}/auth/tokens")).header("content-type", "application/json");
                let reply = ask(http, request, &[Bytes::from(body.clone())]).await?;
                checked(&reply)?;
                let token = reply.header("x-subject-token").ok_or_else(|| strange("token"))?;
                let answer: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                let theirs = || storage(&answer, region.as_deref(), interface);
                let address = address.clone().or_else(theirs).ok_or_else(|| strange("storage in this region"))?;
                Ok((account(token, &address), HOLDS))
            }
        }
    }
}

fn account(token: &str, address: &str) -> Account {
    Account { token: token.to_owned(), address: address.trim_end_matches('/').to_owned() }
}

fn checked(reply: &Reply) -> Result<(), Failure> {
    match reply.status.as_u16() {
        200..=299 => Ok(()),
        401 | 403 => Err(Failure::new(ErrorKind::PermissionDenied, "the user or the key is not accepted")
            .advice("check `user`, `key`, `tenant` and `domain`")),
        300 | 404 | 405 => Err(Failure::new(ErrorKind::Misconfigured, "nobody logs in at this address")
            .advice("check `auth`: it ends in `/v3`, or in `/v1.0` for Swift's own login")),
        _ => Err(refusal(reply)),
    }
}

/// The address of the storage in a catalogue.
pub(super) fn storage(answer: &Value, region: Option<&str>, interface: &str) -> Option<String> {
    let services = answer["token"]["catalog"].as_array()?;
    let storage = services.iter().find(|service| service["type"] == "object-store")?;
    let mut endpoints = storage["endpoints"].as_array()?.iter();
    let is_in = |at: &Value| region.is_none_or(|region| at["region"] == region || at["region_id"] == region);
    let found = endpoints.find(|at| at["interface"] == interface && is_in(at))?;
    Some(found["url"].as_str()?.to_owned())
}

/// Tokens hold for an hour at least; one that does not is refused and got again.
const HOLDS: Duration = Duration::from_secs(3600);
