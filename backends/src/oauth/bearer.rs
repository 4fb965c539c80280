//! The token of a run: one for all requests, renewed before it ends, or when the service no longer takes it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::app::App;
use super::store::{HeldToken, TokenStore};
use super::token::Token;
use crate::http::{Failure, Http};
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Transport};

/// The token of a run. Cloning is cheap and shares it.
#[derive(Clone)]
pub(crate) struct Bearer(Arc<Inner>);

struct Inner {
    app: App,
    http: Http,
    store: Option<Arc<dyn TokenStore>>,
    /// Locked while it is renewed, so that of many requests one renews it and the others wait for that.
    token: Mutex<Token>,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.app.fmt(f)
    }
}

impl Bearer {
    pub(crate) fn of(values: &Values<'_>, app: App, http: Http, transport: &Transport) -> Result<Self, BadSetting> {
        let name = transport.tokens.as_ref().map_or_else(|| "NAME".to_owned(), |store| store.name());
        let text = values.text("token").ok_or_else(|| {
            BadSetting::new(
                "token",
                format!("is missing: nobody has signed in; `cryptsync config reconnect {name}` does"),
            )
        })?;
        let token = Token::parse(text).map_err(|why| {
            BadSetting::new("token", format!("{why}; `cryptsync config reconnect {name}` signs in again"))
        })?;
        let inner = Inner { app, http, store: transport.tokens.clone(), token: Mutex::new(token) };
        Ok(Self(Arc::new(inner)))
    }

    /// What to show the service now.
    pub(crate) async fn access(&self) -> Result<String, Failure> {
        let now = self.0.now();
        let token = self.0.token.lock().await;
        let stale = token.is_stale(now);
        let access = token.access.clone();
        drop(token);
        if stale { self.renew(&access).await } else { Ok(access) }
    }

    /// Another one, because the service does not take `refused`.
    pub(crate) async fn renew(&self, refused: &str) -> Result<String, Failure> {
        let (inner, refused) = (Arc::clone(&self.0), refused.to_owned());
        // To its end, whatever becomes of the request that needed it: the service may have given the old one up by then.
        let renewed = tokio::spawn(async move { inner.renew(&refused).await }).await;
        let renewed = renewed.unwrap_or_else(|_| Err(Failure::new(ErrorKind::Cancelled, "the program is ending")));
        renewed.map_err(|failure| self.advised(failure))
    }

    /// The service takes nothing that we have.
    pub(crate) fn refused(&self) -> Failure {
        self.advised(Failure::new(ErrorKind::PermissionDenied, "the service no longer takes the sign-in"))
    }

    fn advised(&self, failure: Failure) -> Failure {
        if failure.kind != ErrorKind::PermissionDenied || failure.advice.is_some() {
            return failure;
        }
        let name = self.0.store.as_ref().map_or_else(|| "NAME".to_owned(), |store| store.name());
        failure.advice(format!("sign in again: `cryptsync config reconnect {name}`"))
    }
}

impl Inner {
    fn now(&self) -> Option<i64> {
        self.store.as_ref().map(|store| store.now())
    }

    async fn renew(&self, refused: &str) -> Result<String, Failure> {
        let mut token = self.token.lock().await;
        if token.access != refused && !token.is_stale(self.now()) {
            return Ok(token.access.clone());
        }
        let held = self.hold().await?;
        let kept = held.token.as_deref().and_then(|text| Token::parse(text).ok());
        if let Some(kept) = kept {
            let is_new = kept.access != refused && !kept.is_stale(self.now());
            *token = kept;
            if is_new {
                // Another process has renewed it meanwhile.
                return Ok(token.access.clone());
            }
        }
        let next = self.app.renew(&self.http, &token, self.now()).await?;
        let access = next.access.clone();
        *token = next;
        self.keep(token.text()).await;
        drop(held);
        Ok(access)
    }

    async fn hold(&self) -> Result<HeldToken, Failure> {
        let Some(store) = self.store.clone() else { return Ok(HeldToken { token: None, guard: Box::new(()) }) };
        let held = tokio::task::spawn_blocking(move || store.hold()).await;
        held.map_err(|_| Failure::new(ErrorKind::Cancelled, "the program is ending"))
    }

    async fn keep(&self, text: String) {
        if let Some(store) = self.store.clone() {
            // An error here is a panic of the store, which ends the run anyway.
            drop(tokio::task::spawn_blocking(move || store.keep(&text)).await);
        }
    }
}
