//! Signing in: a person is shown an address, says yes there, and the browser brings a code back.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use super::app::{App, form};
use super::loopback::{Query, visit};
use crate::http::{Failure, Http};
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Transport, services};

/// What signing in has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The value of the setting `token`: a secret.
    pub token: String,
    /// Further settings that the service has told.
    pub settings: Vec<(&'static str, String)>,
}

/// Why nobody is signed in. `Display` is a sentence without secrets.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// A setting can't be used.
    #[error(transparent)]
    Setting(#[from] BadSetting),
    /// It came to nothing.
    #[error("{says}")]
    Failed {
        /// The kind of failure.
        kind: ErrorKind,
        /// What happened.
        says: String,
        /// What a person can do about it.
        advice: Option<String>,
    },
}

impl From<Failure> for SignInError {
    fn from(failure: Failure) -> Self {
        Self::Failed { kind: failure.kind, says: failure.says, advice: failure.advice }
    }
}

/// Signs in to a service of this kind. `show` is given the address that a person has to visit; `now` is the time in
/// seconds since 1970. Waits for as long as it is not dropped.
///
/// # Errors
/// A setting can't be used, nobody signs in to such a service, the port is taken, or the service does not let us in.
pub async fn sign_in(
    kind: &str,
    values: &BTreeMap<String, String>,
    transport: &Transport,
    now: i64,
    show: &(dyn Fn(&str) + Send + Sync),
) -> Result<SignedIn, SignInError> {
    let (provider, grants) = services::signed(kind)
        .ok_or_else(|| BadSetting::new("type", format!("is `{kind}`, which needs no sign-in")))?;
    let values = Values::check(provider, values)?;
    let app = App::of(&values, grants)?;
    let http = Http::new(transport, None)?;
    let listener = TcpListener::bind(("127.0.0.1", app.port)).await.map_err(|error| {
        let says = format!("the browser can't be waited for at port {} of this machine: {error}", app.port);
        Failure::new(ErrorKind::Misconfigured, says)
            .advice("end what listens there, or choose another with `redirect_port` (and register it with the service)")
    })?;
    let (state, verifier) = (random()?, random()?);
    show(&address(&app, &state, &verifier));
    let query = visit(listener, &state)
        .await
        .map_err(|error| Failure::new(ErrorKind::Unexpected, format!("waiting for the browser failed: {error}")))?;
    let code = match query.get("code") {
        Some(code) => code,
        None => return Err(not_let_in(&query).into()),
    };
    let token = app.redeem(&http, code, &verifier, Some(now)).await?;
    let told = |name: &&'static str| Some((*name, plain(query.get(*name)?)));
    Ok(SignedIn { token: token.text(), settings: grants.told.iter().filter_map(told).collect() })
}

/// Where a person says yes.
fn address(app: &App, state: &str, verifier: &str) -> String {
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let redirect = app.redirect();
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", app.client_id.as_str()),
        ("redirect_uri", redirect.as_str()),
        ("state", state),
    ];
    if !app.scope.is_empty() {
        pairs.push(("scope", &app.scope));
    }
    if app.grants.pkce {
        pairs.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
    }
    pairs.extend(app.grants.more);
    let joint = if app.auth_url.contains('?') { '&' } else { '?' };
    format!("{}{joint}{}", app.auth_url, form(&pairs))
}

fn not_let_in(query: &Query) -> Failure {
    let word = |name: &str| query.get(name).map(|word| plain(word)).filter(|word| !word.is_empty());
    let why = word("error_description").or_else(|| word("error")).unwrap_or_else(|| "it does not say why".to_owned());
    Failure::new(ErrorKind::PermissionDenied, format!("the service has not let us in: {why}"))
        .advice("run the command again, and allow what the page asks for")
}

/// What nobody guesses: 43 characters.
fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(ErrorKind::Unexpected, format!("this machine has no random bytes: {error}")))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

const WORDS_MAX: usize = 200;
