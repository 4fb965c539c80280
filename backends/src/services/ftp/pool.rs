//! A few sessions, each for one use at a time.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::login::Login;
use super::session::Session;
use crate::ErrorKind;
use crate::http::Failure;

/// The sessions with one server. They are made when they are needed.
#[derive(Debug)]
pub(super) struct Pool {
    login: Login,
    places: Semaphore,
    idle: Mutex<Vec<(Session, Instant)>>,
    contacted: AtomicBool,
}

impl Pool {
    pub(super) fn new(login: Login, sessions: usize) -> Self {
        let (places, idle) = (Semaphore::new(sessions), Mutex::default());
        Self { login, places, idle, contacted: AtomicBool::new(false) }
    }

    /// A session for one use.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, Failure> {
        let place = self.places.acquire().await.expect("the semaphore is never closed");
        let session = match self.take() {
            Some(session) => session,
            None => self.login.open(self.contacted.load(Ordering::Relaxed)).await?,
        };
        self.contacted.store(true, Ordering::Relaxed);
        Ok(Lent { pool: self, session, _place: place })
    }

    /// The session that was used last, unless it is so old that the server has given it up.
    fn take(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE_MAX);
        Some(idle.pop()?.0)
    }
}

/// A session while it is used. One whose use breaks off is not used again: an answer may still be on its way.
pub(super) struct Lent<'a> {
    pool: &'a Pool,
    session: Session,
    _place: SemaphorePermit<'a>,
}

impl Lent<'_> {
    /// Ends a use that came to its end, whatever that was.
    pub(super) fn back<T>(self, done: Result<T, Failure>) -> Result<T, Failure> {
        let whole = done.as_ref().err().is_none_or(|failure| is_an_answer(failure.kind));
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if whole && !self.session.is_broken() {
            idle.push((self.session, Instant::now()));
        } else if !whole {
            // What broke this one has most likely broken those that wait, too.
            idle.clear();
        }
        done
    }
}

impl Deref for Lent<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

/// Whether a failure is what the server has answered, and leaves the session as it was.
fn is_an_answer(kind: ErrorKind) -> bool {
    use ErrorKind::{NoSpace, NotADirectory, NotFound, PermissionDenied, RangePastEnd, ReadOnly};
    matches!(kind, NotFound | PermissionDenied | NoSpace | RangePastEnd | NotADirectory | ReadOnly)
}

/// Servers wait from one to fifteen minutes for the next command.
const IDLE_MAX: Duration = Duration::from_secs(45);
