//! The client: requests out, answers in, each with a limit on silence.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, Request, StatusCode};

use super::body::{Pulse, Upload};
#[cfg(any(test, feature = "testing"))]
use super::faults::HttpFault;
use super::{Failure, Reply};
use crate::shape::Direction;
use crate::{BadSetting, ErrorKind, Transport};

/// A client of one service. Cloning is cheap and shares connections.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    transport: Transport,
    /// Whether a server has ever answered.
    contacted: Arc<AtomicBool>,
}

impl Http {
    /// A client without connections yet; `ca_cert` is a PEM file of authorities to trust besides the system's.
    pub(crate) fn new(transport: &Transport, ca_cert: Option<&str>) -> Result<Self, BadSetting> {
        // Ours is the only one: an error means that this was called before.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("cryptsync/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(transport.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_keepalive(KEEP_ALIVE)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            // A redirect would take secrets elsewhere, or turn a PUT into a GET: where one is allowed its service follows it.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = ca_cert {
            let bad = |why: String| BadSetting::new("ca_cert", format!("`{path}` {why}"));
            let pem = std::fs::read(path).map_err(|error| bad(format!("can't be read: {error}")))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).ok().filter(|found| !found.is_empty());
            builder = builder.tls_certs_merge(certificates.ok_or_else(|| bad("holds no PEM certificate".to_owned()))?);
        }
        let client = builder.build().map_err(|error| {
            BadSetting::new("ca_cert", format!("and the system's certificates give no way to check servers: {error}"))
        })?;
        Ok(Self { client, transport: transport.clone(), contacted: Arc::default() })
    }

    /// Sends a request; the answer's body is still to come. An error means that there is none, whatever its status.
    pub(crate) async fn send(&self, request: Request<Vec<Bytes>>) -> Result<Answer, Failure> {
        let host = request.uri().authority().map_or("the server", |host| host.as_str());
        let host = host.rsplit('@').next().unwrap_or(host).to_owned();
        if let Some(shaper) = &self.transport.shaper {
            shaper.request().await;
        }
        let pulse = Pulse::new();
        let (parts, body) = request.into_parts();
        let upload = Upload::new(body, pulse.clone(), self.transport.shaper.clone());
        #[cfg(any(test, feature = "testing"))]
        let fault = self.transport.faults.as_ref().and_then(|faults| faults.next(parts.method.as_str()));
        #[cfg(any(test, feature = "testing"))]
        let upload = match fault {
            Some(HttpFault::Status(status, after)) => return Ok(Answer::planned(status, after)),
            Some(HttpFault::Hang) => {
                tokio::time::sleep(self.transport.idle_timeout).await;
                return Err(silent(&host));
            }
            Some(HttpFault::BreakUpload(bytes)) => upload.breaking_after(bytes),
            _ => upload,
        };
        let method = parts.method.clone();
        let bodiless = upload.len() == 0;
        let body = if bodiless { reqwest::Body::from("") } else { reqwest::Body::wrap(upload) };
        let request = reqwest::Request::try_from(Request::from_parts(parts, body))
            .map_err(|_| Failure::new(ErrorKind::Misconfigured, "the address of the remote is not valid"))?;
        let sent = pulse.watch(self.transport.idle_timeout, self.client.execute(request)).await;
        let answer = match sent {
            None => return Err(silent(&host)),
            Some(Err(error)) => {
                let contacted = self.contacted.load(Ordering::Relaxed);
                return Err(Failure::of_connection(&error.without_url(), &host, contacted));
            }
            Some(Ok(answer)) => answer,
        };
        self.contacted.store(true, Ordering::Relaxed);
        let answer = Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            length: answer.content_length().filter(|_| method != Method::HEAD),
            body: self.downloading(answer, host.clone(), pulse),
        };
        #[cfg(any(test, feature = "testing"))]
        let answer = match fault {
            Some(HttpFault::LoseReply) => {
                return Err(Failure::new(ErrorKind::Reset, format!("{host} has closed the connection")));
            }
            Some(HttpFault::BreakDownload(bytes)) => answer.breaking_after(bytes),
            Some(HttpFault::Truncate(bytes)) if answer.length.is_some() => answer.ending_after(bytes),
            _ => answer,
        };
        Ok(answer)
    }

    fn downloading(
        &self,
        answer: reqwest::Response,
        host: String,
        pulse: Pulse,
    ) -> BoxStream<'static, Result<Bytes, Failure>> {
        let (shaper, idle) = (self.transport.shaper.clone(), self.transport.idle_timeout);
        let state = (Some(answer), host, pulse, shaper);
        futures::stream::unfold(state, move |(answer, host, pulse, shaper)| async move {
            let mut answer = answer?;
            pulse.beat();
            let piece = match pulse.watch(idle, answer.chunk()).await {
                None => Err(silent(&host)),
                Some(Err(error)) => Err(Failure::of_connection(&error.without_url(), &host, true)),
                Some(Ok(None)) => return None,
                Some(Ok(Some(piece))) => Ok(piece),
            };
            if let (Some(shaper), Ok(piece)) = (&shaper, &piece) {
                shaper.take(Direction::Down, piece.len()).await;
            }
            let answer = piece.is_ok().then_some(answer);
            Some((piece, (answer, host, pulse, shaper)))
        })
        .fuse()
        .boxed()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// An answer whose body is still coming.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) length: Option<u64>,
    pub(crate) body: BoxStream<'static, Result<Bytes, Failure>>,
}

impl Answer {
    /// Reads the body. A success larger than `limit` is refused; of anything else the beginning is kept.
    pub(crate) async fn read(mut self, limit: u64) -> Result<Reply, Failure> {
        let success = self.status.is_success();
        let limit = if success { limit } else { ERROR_BODY_MAX };
        let large = || Failure::new(ErrorKind::Unsupported, format!("the answer is larger than {limit} bytes"));
        if success && self.length.is_some_and(|length| length > limit) {
            return Err(large());
        }
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut length = 0;
        while let Some(piece) = self.body.next().await {
            let piece = piece?;
            length += piece.len() as u64;
            pieces.push(piece);
            if length > limit {
                if success {
                    return Err(large());
                }
                break;
            }
        }
        if length <= limit && self.length.is_some_and(|expected| expected != length) {
            return Err(Failure::new(ErrorKind::Reset, "the answer breaks off"));
        }
        let body = if pieces.len() == 1 { pieces.remove(0) } else { pieces.concat().into() };
        Ok(Reply { status: self.status, headers: self.headers, body })
    }

    #[cfg(any(test, feature = "testing"))]
    fn planned(status: u16, after: Option<u32>) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            headers.insert(http::header::RETRY_AFTER, after.into());
        }
        let status = StatusCode::from_u16(status).expect("tests plan statuses that exist");
        Self { status, headers, length: Some(0), body: futures::stream::empty().boxed() }
    }

    #[cfg(any(test, feature = "testing"))]
    fn ending_after(mut self, bytes: u64) -> Self {
        let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
        let shortened = self.body.map(move |piece| {
            let piece = piece.map(|piece| piece.slice(..piece.len().min(left)));
            left -= piece.as_ref().map_or(0, Bytes::len);
            piece
        });
        self.body = shortened
            .take_while(|piece| futures::future::ready(!matches!(piece, Ok(piece) if piece.is_empty())))
            .boxed();
        self
    }

    #[cfg(any(test, feature = "testing"))]
    fn breaking_after(mut self, bytes: u64) -> Self {
        let mut left = bytes;
        self.body = self
            .body
            .map(move |piece| {
                let piece = piece?;
                let Some(rest) = left.checked_sub(piece.len() as u64) else {
                    return Err(Failure::new(ErrorKind::Reset, "the answer breaks off"));
                };
                left = rest;
                Ok(piece)
            })
            .boxed();
        self
    }
}

fn silent(host: &str) -> Failure {
    Failure::new(ErrorKind::Timeout, format!("{host} has been silent for too long"))
}

const POOL_IDLE: std::time::Duration = std::time::Duration::from_secs(60);
const KEEP_ALIVE: std::time::Duration = std::time::Duration::from_secs(30);
/// What is looked at of an answer that is no success.
const ERROR_BODY_MAX: u64 = 64 << 10;
