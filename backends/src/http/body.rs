//! Bodies on their way: out in pieces that are not copied, in as they come, both shaped and watched.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use crate::shape::{Direction, Shaper};

/// When bytes last moved, in either direction.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits for `work`, but no longer than `idle` from the last beat on.
    pub(super) async fn watch<T>(&self, idle: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match tokio::time::timeout_at(last + idle, &mut work).await {
                Ok(done) => return Some(done),
                Err(_) if last == *self.0.lock().unwrap_or_else(PoisonError::into_inner) => return None,
                Err(_) => {}
            }
        }
    }
}

/// A body that is sent: the parts as they are, in slices that a shaper can weigh.
pub(super) struct Upload {
    parts: VecDeque<Bytes>,
    left: u64,
    pulse: Pulse,
    shaper: Option<Arc<Shaper>>,
    /// In a mutex because a body has to be shareable, though nobody shares it.
    waiting: Mutex<Option<BoxFuture<'static, ()>>>,
    /// Breaks off when so many bytes are left: a test's doing.
    breaks_at: Option<u64>,
}

impl Upload {
    pub(super) fn new(parts: Vec<Bytes>, pulse: Pulse, shaper: Option<Arc<Shaper>>) -> Self {
        let left = parts.iter().map(|part| part.len() as u64).sum();
        let parts = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self { parts, left, pulse, shaper, waiting: Mutex::default(), breaks_at: None }
    }

    pub(super) fn len(&self) -> u64 {
        self.left
    }

    /// Breaks off after `sent` bytes.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn breaking_after(mut self, sent: u64) -> Self {
        self.breaks_at = Some(self.left.saturating_sub(sent));
        self
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let waiting = this.waiting.get_mut().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_none()
            && let (Some(shaper), Some(part)) = (&this.shaper, this.parts.front())
        {
            let (shaper, bytes) = (Arc::clone(shaper), part.len().min(SLICE));
            *waiting = Some(Box::pin(async move { shaper.take(Direction::Up, bytes).await }));
        }
        if let Some(turn) = waiting {
            std::task::ready!(turn.as_mut().poll(context));
            *waiting = None;
        }
        if self.breaks_at.is_some_and(|left| self.left <= left) {
            return Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())));
        }
        let Some(part) = self.parts.front_mut() else { return Poll::Ready(None) };
        let slice = part.split_to(part.len().min(SLICE));
        if part.is_empty() {
            self.parts.pop_front();
        }
        self.left -= slice.len() as u64;
        self.pulse.beat();
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// What is handed on at once: small enough to be shaped evenly, large enough to cost nothing.
const SLICE: usize = 64 << 10;
