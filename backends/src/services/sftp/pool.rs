//! Few connections, each with many requests on its way.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use russh::client::Handle;
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error;
use russh_sftp::protocol::StatusCode;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::login::{Client, Login};
use crate::ErrorKind;
use crate::http::Failure;
use crate::services::answers::{not_found, past_end};

/// The connections to one server. They are made when they are needed, and again when one has broken.
#[derive(Debug)]
pub(super) struct Pool {
    login: Login,
    links: Vec<Mutex<Option<Arc<Link>>>>,
    /// A server has only so many open files for each of us.
    places: Semaphore,
    busy: AtomicUsize,
    contacted: AtomicBool,
}

/// One connection.
pub(super) struct Link {
    /// The server's, and before it those of machines on the way.
    handles: Vec<Handle<Client>>,
    session: RawSftpSession,
    broken: AtomicBool,
}

/// A connection while it is used.
pub(super) struct Lent<'a> {
    pool: &'a Pool,
    link: Arc<Link>,
    _place: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(login: Login, connections: usize) -> Self {
        let links = (0..connections.max(1)).map(|_| Mutex::default()).collect();
        let places = Semaphore::new(FILES_MAX);
        Self { login, links, places, busy: AtomicUsize::new(0), contacted: AtomicBool::new(false) }
    }

    /// A connection to use. Another one is made only when those that are there have much to do.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, Failure> {
        let place = self.places.acquire().await.expect("the semaphore is never closed");
        let busy = self.busy.fetch_add(1, Ordering::Relaxed);
        let lent = self.link(if busy < BUSY { 0 } else { busy % self.links.len() }).await;
        match lent {
            Ok(link) => Ok(Lent { pool: self, link, _place: place }),
            Err(failure) => {
                self.busy.fetch_sub(1, Ordering::Relaxed);
                Err(failure)
            }
        }
    }

    /// A connection that was lent before: what is open is open on that one only.
    pub(super) async fn lend_again(&self, link: &Arc<Link>) -> Lent<'_> {
        let place = self.places.acquire().await.expect("the semaphore is never closed");
        self.busy.fetch_add(1, Ordering::Relaxed);
        Lent { pool: self, link: Arc::clone(link), _place: place }
    }

    async fn link(&self, index: usize) -> Result<Arc<Link>, Failure> {
        let mut place = self.links[index].lock().await;
        if let Some(link) = &*place
            && !link.broken.load(Ordering::Relaxed)
            && !link.handles.iter().any(Handle::is_closed)
        {
            return Ok(Arc::clone(link));
        }
        *place = None;
        let (handles, session) = self.login.open(self.contacted.load(Ordering::Relaxed)).await?;
        self.contacted.store(true, Ordering::Relaxed);
        let link = Arc::new(Link { handles, session, broken: AtomicBool::new(false) });
        *place = Some(Arc::clone(&link));
        Ok(link)
    }
}

impl Lent<'_> {
    /// The connection itself.
    pub(super) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    /// What an error of the session means. One of the connection ends its use.
    pub(super) fn failure(&self, error: Error) -> Failure {
        let failure = failure_of(error);
        if failure.kind.is_transient() {
            self.link.broken.store(true, Ordering::Relaxed);
        }
        failure
    }
}

impl Deref for Lent<'_> {
    type Target = RawSftpSession;

    fn deref(&self) -> &RawSftpSession {
        &self.link.session
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.pool.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

fn failure_of(error: Error) -> Failure {
    let Error::Status(status) = error else {
        let kind = if matches!(error, Error::Timeout) { ErrorKind::Timeout } else { ErrorKind::Reset };
        let says =
            if kind == ErrorKind::Timeout { "the server has been silent for too long" } else { "the connection broke" };
        return Failure::new(kind, says);
    };
    let words: String = status.error_message.chars().filter(|c| !c.is_control()).take(200).collect();
    let lower = words.to_lowercase();
    match status.status_code {
        StatusCode::NoSuchFile => not_found(),
        StatusCode::PermissionDenied => Failure::new(ErrorKind::PermissionDenied, "the server does not allow it")
            .advice("check what this user may do there, and `root`"),
        StatusCode::Eof => past_end(),
        StatusCode::OpUnsupported => Failure::new(ErrorKind::Unsupported, "the server can't do this"),
        StatusCode::ConnectionLost | StatusCode::NoConnection => Failure::new(ErrorKind::Reset, "the connection broke"),
        _ if lower.contains("space") || lower.contains("quota") => {
            Failure::new(ErrorKind::NoSpace, format!("the server says: {words}"))
        }
        _ if lower.contains("read-only") => Failure::new(ErrorKind::ReadOnly, format!("the server says: {words}")),
        _ => Failure::new(ErrorKind::Unexpected, format!("the server says: {words}")),
    }
}

/// From so many uses on a connection is not alone.
const BUSY: usize = 4;
const FILES_MAX: usize = 48;
