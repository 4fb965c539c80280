//! What the services have in common that are spoken to in JSON: a sign-in on every request, ranges, and uploads in pieces that
//! go on where they broke off. Knows no service.

use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request};
use serde_json::Value;

use super::answers::changed_on_the_way;
use super::store::Tried;
use crate::ErrorKind;
use crate::http::{BODY_MAX, Failure, Http, Reply, hidden};
use crate::oauth::Bearer;

/// A client that says who it is.
#[derive(Debug)]
pub(crate) struct Api {
    http: Http,
    who: Who,
}

/// How a request says who sends it.
#[derive(Debug)]
pub(crate) enum Who {
    /// By a token that ends and is renewed.
    Signed(Bearer),
    /// By the same words every time.
    Always(HeaderValue),
}

/// A request that can be sent again.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: Method,
    url: String,
    headers: Vec<(HeaderName, String)>,
    body: Vec<Bytes>,
    signed: bool,
    limit: u64,
}

impl Ask {
    pub(crate) fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: Vec::new(), signed: true, limit: ANSWER_MAX }
    }

    pub(crate) fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    pub(crate) fn post(url: impl Into<String>) -> Self {
        Self::new(Method::POST, url)
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((HeaderName::from_static(name), value.into()));
        self
    }

    #[must_use]
    pub(crate) fn body(mut self, kind: &'static str, body: Vec<Bytes>) -> Self {
        self.body = body;
        self.header("content-type", kind)
    }

    #[must_use]
    pub(crate) fn json(self, value: &Value) -> Self {
        self.body("application/json", vec![value.to_string().into()])
    }

    /// The same, with a kind of body that is known only now.
    #[must_use]
    pub(crate) fn kind(mut self, kind: String) -> Self {
        self.headers.retain(|(name, _)| *name != CONTENT_TYPE);
        self.headers.push((CONTENT_TYPE, kind));
        self
    }

    /// The same, without saying who we are: the address says what may be done.
    #[must_use]
    pub(crate) fn unsigned(self) -> Self {
        Self { signed: false, ..self }
    }

    /// The same, for an object or a part of one.
    #[must_use]
    pub(crate) fn object(self, range: Option<&Range<u64>>) -> Self {
        let this = Self { limit: BODY_MAX, ..self };
        match range {
            Some(range) => this.header("range", format!("bytes={}-{}", range.start, range.end - 1)),
            None => this,
        }
    }
}

impl Api {
    pub(crate) fn new(http: Http, who: Who) -> Self {
        Self { http, who }
    }

    /// Sends a request and reads the answer. Any answer will do, but one that says we are nobody.
    pub(crate) async fn send(&self, ask: &Ask) -> Tried<Reply> {
        let bearer = match &self.who {
            _ if !ask.signed => return self.once(ask, None).await,
            Who::Always(words) => return self.once(ask, Some(words.clone())).await,
            Who::Signed(bearer) => bearer,
        };
        let mut access = bearer.access().await?;
        for _ in 0..RENEWALS_MAX {
            let reply = self.once(ask, Some(spoken(&access)?)).await?;
            if reply.status.as_u16() != 401 {
                return Ok(reply);
            }
            // What another process has kept meanwhile may have ended too.
            access = bearer.renew(&access).await?;
        }
        let reply = self.once(ask, Some(spoken(&access)?)).await?;
        if reply.status.as_u16() == 401 { Err(bearer.refused()) } else { Ok(reply) }
    }

    /// The service has said in words of its own that we are nobody.
    pub(crate) fn refused(&self) -> Failure {
        match &self.who {
            Who::Signed(bearer) => bearer.refused(),
            Who::Always(_) => Failure::new(ErrorKind::PermissionDenied, "the service does not know us"),
        }
    }

    async fn once(&self, ask: &Ask, who: Option<HeaderValue>) -> Tried<Reply> {
        let length: usize = ask.body.iter().map(Bytes::len).sum();
        let mut request = Request::builder().method(ask.method.clone()).uri(&ask.url);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(who) = who {
            request = request.header(AUTHORIZATION, who);
        }
        if length > 0 || ask.method != Method::GET {
            request = request.header(CONTENT_LENGTH, length);
        }
        let request = request.body(ask.body.clone());
        let request = request.map_err(|_| Failure::new(ErrorKind::Misconfigured, "the address is not valid"))?;
        self.http.send(request).await?.read(ask.limit).await
    }
}

fn spoken(access: &str) -> Tried<HeaderValue> {
    hidden(format!("Bearer {access}"))
}

/// The answer as JSON.
pub(crate) fn json(reply: &Reply) -> Tried<Value> {
    serde_json::from_slice(&reply.body).map_err(|_| Failure::new(ErrorKind::Unexpected, "the answer is not JSON"))
}

/// An upload in pieces that the service does not know any more.
pub(crate) fn forgotten() -> Failure {
    Failure::new(ErrorKind::NotFound, "the service has forgotten the upload")
}

/// How far an upload in pieces has come.
#[derive(Debug)]
pub(crate) enum Progress<T> {
    /// So many bytes are there.
    At(u64),
    /// All of it is, and this came of it.
    Done(T),
}

/// Sends a body in pieces. What breaks off goes on from where the server is (`ask`), as long as it goes on at all and the service
/// has not [`forgotten`] it.
pub(crate) async fn in_pieces<T, S, A>(
    total: u64,
    size: u64,
    send: impl Fn(Range<u64>) -> S,
    ask: impl Fn(u64) -> A,
) -> Tried<T>
where
    S: Future<Output = Tried<Progress<T>>>,
    A: Future<Output = Tried<Progress<T>>>,
{
    let (mut at, mut broken) = (0, 0);
    loop {
        let mut sent = send(at..(at + size).min(total)).await;
        while let Err(failure) = sent {
            broken += 1;
            if failure.kind == ErrorKind::NotFound {
                // With what was sent: the next try begins anew.
                return Err(Failure { kind: ErrorKind::Reset, ..failure });
            }
            if !failure.kind.is_transient() || broken > BREAKS_MAX {
                return Err(failure);
            }
            let pause = PAUSE.mul_f64(fastrand::f64() * f64::from(1 << broken));
            tokio::time::sleep(pause.max(failure.retry_after.unwrap_or_default())).await;
            sent = ask(at).await;
        }
        match sent? {
            Progress::Done(done) => return Ok(done),
            Progress::At(next) if next > total => return Err(changed_on_the_way()),
            Progress::At(next) => {
                if next > at {
                    broken = 0;
                } else {
                    broken += 1;
                }
                if broken > BREAKS_MAX {
                    return Err(Failure::new(ErrorKind::Reset, "the upload does not get on"));
                }
                at = next;
            }
        }
    }
}

/// A listing of half a million objects.
const ANSWER_MAX: u64 = 256 << 20;
/// How often a request is sent again with another token.
const RENEWALS_MAX: u32 = 3;
/// How often an upload may break off at one place.
const BREAKS_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
