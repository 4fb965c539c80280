//! The application that signs in, and what it asks of the service's token endpoint.

use std::fmt;

use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::Value;

use super::token::Token;
use crate::http::{Failure, Http, Reply, described, encoded, verdict};
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Kind, Setting};

/// How a service does OAuth.
#[derive(Debug)]
pub(crate) struct Grants {
    /// Where a person is sent.
    pub(crate) auth_url: &'static str,
    /// Where tokens are got.
    pub(crate) token_url: &'static str,
    /// What is asked for, unless the remote has a setting `scope`.
    pub(crate) scope: &'static str,
    /// What words of a scope begin with that are written without it.
    pub(crate) scope_base: &'static str,
    /// What else the person's address has to say.
    pub(crate) more: &'static [(&'static str, &'static str)],
    /// Whether the service knows PKCE.
    pub(crate) pkce: bool,
    /// This machine, as the service wants to read it.
    pub(crate) this_machine: &'static str,
    /// Settings that the service may send along with the code.
    pub(crate) told: &'static [&'static str],
}

pub(crate) const CLIENT_SECRET: Setting =
    Setting::new("client_secret", Kind::Text, "The secret of the application, if it has one").secret();
pub(crate) const TOKEN: Setting =
    Setting::new("token", Kind::Text, "What signing in has given; `authorize` prints one").secret().advanced();
pub(crate) const AUTH_URL: Setting =
    Setting::new("auth_url", Kind::Text, "Where a person signs in, if not at the usual place").advanced();
pub(crate) const TOKEN_URL: Setting =
    Setting::new("token_url", Kind::Text, "Where tokens are got, if not at the usual place").advanced();
pub(crate) const REDIRECT_PORT: Setting =
    Setting::new("redirect_port", Kind::Text, "The port of this machine that the browser is sent back to")
        .or("53682")
        .advanced();

/// An application, as its owner has registered it with the service.
pub(crate) struct App {
    pub(super) grants: &'static Grants,
    pub(super) client_id: String,
    client_secret: Option<String>,
    pub(super) auth_url: String,
    token_url: String,
    pub(super) scope: String,
    pub(super) port: u16,
}

/// Shows no secret.
impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("App").field(&self.client_id).finish()
    }
}

impl App {
    pub(crate) fn of(values: &Values<'_>, grants: &'static Grants) -> Result<Self, BadSetting> {
        let url = |name: &str, usual: &str| {
            let url = values.text(name).unwrap_or(usual);
            let good = url.starts_with("https://") || url.starts_with("http://");
            if good { Ok(url.to_owned()) } else { Err(BadSetting::new(name, "does not begin with `https://`")) }
        };
        let port = values.text("redirect_port").and_then(|port| port.parse().ok()).filter(|port| *port != 0);
        Ok(Self {
            grants,
            client_id: values.text("client_id").unwrap_or_default().to_owned(),
            client_secret: values.text("client_secret").map(str::to_owned),
            auth_url: url("auth_url", grants.auth_url)?,
            token_url: url("token_url", grants.token_url)?,
            scope: scope(values.text("scope").unwrap_or(grants.scope), grants.scope_base),
            port: port.ok_or_else(|| BadSetting::new("redirect_port", "is not a number from 1 to 65535"))?,
        })
    }

    /// Where the browser is sent back to.
    pub(super) fn redirect(&self) -> String {
        format!("http://{}:{}/", self.grants.this_machine, self.port)
    }

    /// A token for the code that the browser has brought.
    pub(super) async fn redeem(
        &self,
        http: &Http,
        code: &str,
        verifier: &str,
        now: Option<i64>,
    ) -> Result<Token, Failure> {
        let redirect = self.redirect();
        let mut pairs = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect.as_str())];
        if self.grants.pkce {
            pairs.push(("code_verifier", verifier));
        }
        let answer = self.ask(http, &pairs).await?;
        Token::of_answer(&answer, now, None).ok_or_else(|| no_token(&answer))
    }

    /// The next token.
    pub(super) async fn renew(&self, http: &Http, old: &Token, now: Option<i64>) -> Result<Token, Failure> {
        let Some(refresh) = &old.refresh else {
            return Err(Failure::new(ErrorKind::PermissionDenied, "the sign-in has ended and can't be renewed"));
        };
        let answer = self.ask(http, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await?;
        Token::of_answer(&answer, now, Some(old)).ok_or_else(|| no_token(&answer))
    }

    async fn ask(&self, http: &Http, pairs: &[(&str, &str)]) -> Result<Value, Failure> {
        let mut all = pairs.to_vec();
        all.push(("client_id", &self.client_id));
        all.extend(self.client_secret.as_ref().map(|secret| ("client_secret", secret.as_str())));
        let body = Bytes::from(form(&all));
        let request = Request::post(&self.token_url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(CONTENT_LENGTH, body.len())
            .body(vec![body]);
        let request = request.map_err(|_| Failure::new(ErrorKind::Misconfigured, "`token_url` is not an address"))?;
        let reply = http.send(request).await?.read(ANSWER_MAX).await?;
        let answer = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
        if reply.status.is_success() { Ok(answer) } else { Err(refused(&reply, &answer)) }
    }
}

/// Words of a scope, with commas between them as rclone has it or without.
fn scope(words: &str, base: &str) -> String {
    let whole = |word: &str| if word.contains("://") { word.to_owned() } else { format!("{base}{word}") };
    words.split([' ', ',']).filter(|word| !word.is_empty()).map(whole).collect::<Vec<_>>().join(" ")
}

/// `name=value` pairs as a form or a query has them.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encoded(name), encoded(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn refused(reply: &Reply, answer: &Value) -> Failure {
    let denied = |says: &str| Failure::new(ErrorKind::PermissionDenied, says);
    match answer["error"].as_str().unwrap_or_default() {
        "invalid_grant" | "interaction_required" | "consent_required" | "login_required" | "access_denied" => {
            denied("the sign-in has ended or was revoked")
        }
        "invalid_client" | "unauthorized_client" => Failure::new(
            ErrorKind::Misconfigured,
            "the service does not know this `client_id`, or its `client_secret` is another one",
        )
        .advice("compare both with what the service shows where the application was registered"),
        "temporarily_unavailable" | "server_error" => {
            Failure::new(ErrorKind::Reset, "the sign-in service is not available").after(reply.retry_after())
        }
        _ => match verdict(reply) {
            Some(failure) if failure.kind.is_transient() => failure,
            _ => Failure::new(ErrorKind::Unexpected, format!("no token was given: {}", said(reply, answer))),
        },
    }
}

fn no_token(answer: &Value) -> Failure {
    let why = answer["error"].as_str().unwrap_or("the answer holds none");
    let why: String = why.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
    Failure::new(ErrorKind::PermissionDenied, format!("no token was given: {why}"))
}

fn said(reply: &Reply, answer: &Value) -> String {
    let word = |name: &str| answer[name].as_str().unwrap_or_default();
    let words = format!("{} {}", word("error"), word("error_description"));
    let words: String = words.trim().chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
    if words.is_empty() { format!("the service answers {}", described(reply)) } else { words }
}

const ANSWER_MAX: u64 = 1 << 20;
const WORDS_MAX: usize = 200;
