//! The client beneath OpenDAL's services, and the way back from their errors to ours.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use http::{Request, Response};
use opendal::{Buffer, Error, ErrorKind as DalKind, HttpBody, HttpTransport};

use super::client::Answer;
use super::{Failure, Http, verdict};
use crate::{ErrorKind, Op, RemoteError};

impl HttpTransport for Http {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let answer = self.send(request.map(Iterator::collect)).await.map_err(from_failure)?;
        if answer.status.is_success() {
            return streamed(answer);
        }
        let reply = answer.read(BODY_MAX).await.map_err(from_failure)?;
        match verdict(&reply) {
            Some(failure) => Err(from_failure(failure)),
            None => {
                let body = Buffer::from(reply.body);
                let length = body.len() as u64;
                let body = HttpBody::new(Synced::new(futures::stream::iter([Ok(body)]).boxed()), Some(length));
                Ok(response(reply.status, reply.headers, body))
            }
        }
    }
}

fn streamed(answer: Answer) -> opendal::Result<Response<HttpBody>> {
    if answer.length.is_some_and(|length| length > BODY_MAX) {
        return Err(from_failure(Failure::new(ErrorKind::Unsupported, "the object is larger than any of ours")));
    }
    let mut left = BODY_MAX;
    let pieces = answer.body.map(move |piece: Result<Bytes, Failure>| {
        let piece = piece.map_err(from_failure)?;
        left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
            from_failure(Failure::new(ErrorKind::Unsupported, "the answer is larger than any object of ours"))
        })?;
        Ok(Buffer::from(piece))
    });
    Ok(response(answer.status, answer.headers, HttpBody::new(Synced::new(pieces.boxed()), answer.length)))
}

fn response(status: http::StatusCode, headers: http::HeaderMap, body: HttpBody) -> Response<HttpBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn from_failure(failure: Failure) -> Error {
    let kind = match failure.kind {
        ErrorKind::PermissionDenied => DalKind::PermissionDenied,
        ErrorKind::Throttled => DalKind::RateLimited,
        ErrorKind::Misconfigured => DalKind::ConfigInvalid,
        _ => DalKind::Unexpected,
    };
    Error::new(kind, failure.says.clone()).set_source(failure)
}

/// Our error for OpenDAL's. What our client has said before is found again; the rest goes by the kind.
pub(crate) fn from_dal(error: &Error, op: Op, path: &str, remote: &str) -> RemoteError {
    let mut cause = error.source();
    while let Some(at) = cause {
        if let Some(failure) = at.downcast_ref::<Failure>() {
            return failure.clone().of(op, path, remote);
        }
        cause = at.source();
    }
    let kind = match error.kind() {
        DalKind::NotFound => ErrorKind::NotFound,
        DalKind::PermissionDenied => ErrorKind::PermissionDenied,
        DalKind::RangeNotSatisfied => ErrorKind::RangePastEnd,
        DalKind::RateLimited => ErrorKind::Throttled,
        DalKind::ConfigInvalid => ErrorKind::Misconfigured,
        DalKind::IsADirectory | DalKind::NotADirectory => ErrorKind::NotADirectory,
        DalKind::Unsupported => ErrorKind::Unsupported,
        _ if error.is_temporary() => ErrorKind::Reset,
        _ => ErrorKind::Unexpected,
    };
    // The message alone: the context that goes with it names addresses and headers.
    let said: String = error.message().chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect();
    RemoteError::new(kind, op, path).on(remote).with_source(said)
}

/// A stream that may be shared, because nobody can reach it twice.
struct Synced(Mutex<BoxStream<'static, opendal::Result<Buffer>>>);

impl Synced {
    fn new(stream: BoxStream<'static, opendal::Result<Buffer>>) -> Self {
        Self(Mutex::new(stream))
    }
}

impl Stream for Synced {
    type Item = opendal::Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).poll_next_unpin(context)
    }
}

/// No object of a vault is near this, so an answer that is comes from no vault.
pub(crate) const BODY_MAX: u64 = u32::MAX as u64;
const WORDS_MAX: usize = 300;
