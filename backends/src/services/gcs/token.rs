//! Tokens: a service account signs that it wants one, a machine at Google asks its neighbour.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::http::{Failure, Http, Reply, encoded, endpoint, hidden, refusal};
use crate::services::web::{ask, now};
use crate::settings::Values;
use crate::{BadSetting, ErrorKind};

/// Where tokens come from.
pub(super) enum Source {
    /// None is needed.
    Nobody,
    /// This one.
    Given(String),
    /// A service account.
    Account { email: String, key: Box<RsaKeyPair>, key_id: String, token_uri: String },
    /// A person who has signed in with Google's own tool.
    Person { client_id: String, client_secret: String, refresh_token: String },
    /// The machine that this runs on.
    Machine,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

impl Source {
    pub(super) fn of(values: &Values<'_>) -> Result<Self, BadSetting> {
        if values.switch("anonymous") {
            return Ok(Self::Nobody);
        }
        if let Some(token) = values.text("access_token") {
            return Ok(Self::Given(token.to_owned()));
        }
        if let Some(text) = values.text("service_account_credentials") {
            return Self::parse(text, "service_account_credentials");
        }
        if let Some(file) = values.text("service_account_file") {
            return Self::read(Path::new(file), "service_account_file");
        }
        if !values.switch("env_auth") {
            let message = "is missing; or set `env_auth: true`, or `anonymous: true` for a public bucket";
            return Err(BadSetting::new("service_account_file", message));
        }
        match file_of_environment() {
            Some(file) => Self::read(&file, "env_auth"),
            None => Ok(Self::Machine),
        }
    }

    fn read(file: &Path, setting: &str) -> Result<Self, BadSetting> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| BadSetting::new(setting, format!("`{}` can't be read: {error}", file.display())))?;
        Self::parse(&text, setting)
    }

    fn parse(text: &str, setting: &str) -> Result<Self, BadSetting> {
        let bad = |what: &str| BadSetting::new(setting, format!("is no key file of Google's: {what}"));
        let json: Value = serde_json::from_str(text).map_err(|_| bad("it is no JSON"))?;
        let field = |name: &str| {
            let value = json[name].as_str().filter(|text| !text.is_empty());
            value.map(str::to_owned).ok_or_else(|| bad(&format!("it has no `{name}`")))
        };
        match json["type"].as_str() {
            Some("service_account") => {
                let pem = field("private_key")?;
                let inner: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
                let der = BASE64_STANDARD.decode(inner.trim()).map_err(|_| bad("`private_key` is no PEM"))?;
                let key = RsaKeyPair::from_pkcs8(&der).map_err(|_| bad("`private_key` is no RSA key"))?;
                let token_uri = endpoint(setting, &field("token_uri")?, "`client_email` and `private_key`")?;
                let key_id = json["private_key_id"].as_str().unwrap_or_default().to_owned();
                Ok(Self::Account { email: field("client_email")?, key: Box::new(key), key_id, token_uri })
            }
            Some("authorized_user") => Ok(Self::Person {
                client_id: field("client_id")?,
                client_secret: field("client_secret")?,
                refresh_token: field("refresh_token")?,
            }),
            _ => Err(bad("its `type` is neither `service_account` nor `authorized_user`")),
        }
    }

    /// A token, and how long it holds; an empty one where none is needed.
    pub(super) async fn token(&self, http: &Http) -> Result<(String, Duration), Failure> {
        let form = "application/x-www-form-urlencoded";
        let reply = match self {
            Self::Nobody => return Ok((String::new(), Duration::MAX)),
            Self::Given(token) => return Ok((token.clone(), Duration::MAX)),
            Self::Account { email, key, key_id, token_uri } => {
                let body = format!(
                    "grant_type={}&assertion={}",
                    encoded("urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    assertion(email, key, key_id, token_uri)?
                );
                ask(http, Request::post(token_uri).header("content-type", form), &[Bytes::from(body)]).await?
            }
            Self::Person { client_id, client_secret, refresh_token } => {
                let body = format!(
                    "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
                    encoded(client_id),
                    encoded(client_secret),
                    encoded(refresh_token)
                );
                let request = Request::post("https://oauth2.googleapis.com/token").header("content-type", form);
                ask(http, request, &[Bytes::from(body)]).await?
            }
            Self::Machine => {
                let address =
                    "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token";
                let request = Request::get(address).header("metadata-flavor", hidden("Google")?);
                ask(http, request, &[]).await.map_err(|failure| {
                    failure.advice("this is no machine at Google: set `service_account_file` to a key file")
                })?
            }
        };
        token_of(&reply)
    }
}

/// Where Google's own programs look.
#[expect(clippy::disallowed_methods, reason = "`env_auth` asks for the environment")]
fn file_of_environment() -> Option<PathBuf> {
    let named = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let usual = || Some(std::env::home_dir()?.join(".config/gcloud/application_default_credentials.json"));
    named.or_else(|| usual().filter(|file| file.is_file()))
}

fn token_of(reply: &Reply) -> Result<(String, Duration), Failure> {
    let json: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if let (true, Some(token)) = (reply.status.is_success(), json["access_token"].as_str()) {
        return Ok((token.to_owned(), Duration::from_secs(json["expires_in"].as_u64().unwrap_or(600))));
    }
    let said = json["error_description"].as_str().unwrap_or_default();
    Err(match reply.status.as_u16() {
        400 | 401 if said.contains("short-lived") || said.contains("timeframe") => {
            Failure::new(ErrorKind::Misconfigured, "the clock of this machine is wrong")
                .advice("set the clock of this machine and run the command again")
        }
        400 | 401 | 403 => Failure::new(ErrorKind::PermissionDenied, "Google does not accept this key file")
            .advice("get a new key for the service account, and check that it is not disabled"),
        _ => refusal(reply),
    })
}

/// What a service account signs to get a token.
fn assertion(email: &str, key: &RsaKeyPair, key_id: &str, audience: &str) -> Result<String, Failure> {
    let now = now();
    let head = json!({"alg": "RS256", "typ": "JWT", "kid": key_id});
    let claims = json!({"iss": email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + 3600});
    let text = [head, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| Failure::new(ErrorKind::Misconfigured, "the key of the service account can't sign"))?;
    Ok(format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
