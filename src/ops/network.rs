//! How remotes are talked to: how fast, how patiently, how often again.

use std::sync::Arc;
use std::time::Duration;

use cryptsync_backends::files::{Files, RetryFiles};
use cryptsync_backends::layers::{Counted, Limit, Retry, RetryPolicy, Shaped, Timeout};
pub use cryptsync_backends::shape::{Rate, Rates, RequestRate, Shaper};
use cryptsync_backends::{Remote, Transport};

use super::service::Reached;

/// Settings for talking to remotes; every value is final here.
#[derive(Debug, Clone)]
pub struct Network {
    /// What all remotes of this process share: bytes and requests a second.
    pub shaper: Arc<Shaper>,
    /// How long a call may take without anything coming; `None` is for ever.
    pub timeout: Option<Duration>,
    /// How long making a connection may take; `None` is for ever.
    pub connect_timeout: Option<Duration>,
    /// How many times in all a call is tried that failed for a passing reason, at least once.
    pub attempts: u32,
}

impl Network {
    /// The layers around what was reached: how often it is asked, how many calls run at once.
    pub(super) fn wrap(&self, reached: &Reached, at_once: usize) -> (Arc<Counted>, Limit) {
        let at_once = if reached.limits_itself { at_once.min(reached.remote.caps().max_concurrency) } else { at_once };
        let counted = Arc::new(Counted::new(self.limited(Arc::clone(&reached.remote), reached.limits_itself)));
        let remote = Arc::clone(&counted) as Arc<dyn Remote>;
        // Each copy of a mirror is tried again by itself: the others need not wait for it.
        let remote = if reached.mirror.is_some() { remote } else { Arc::new(self.retry(remote)) };
        (counted, Limit::new(remote, at_once))
    }

    /// A service that is waited for and tried again.
    pub(super) fn patient(&self, service: Arc<dyn Remote>, limits_itself: bool) -> Arc<dyn Remote> {
        Arc::new(self.retry(self.limited(service, limits_itself)))
    }

    /// A service with its limits of time and speed: one that limits itself has them inside.
    fn limited(&self, service: Arc<dyn Remote>, limits_itself: bool) -> Arc<dyn Remote> {
        match (limits_itself, self.timeout) {
            (true, _) => service,
            (false, Some(limit)) => self.shaped(Arc::new(Timeout::new(service, limit))),
            (false, None) => self.shaped(service),
        }
    }

    fn retry(&self, remote: Arc<dyn Remote>) -> Retry {
        Retry::new(remote, RetryPolicy { attempts: self.attempts, base: PAUSE, cap: PAUSE_MAX })
    }

    /// Plain files of a service, asked again like everything else.
    pub(super) fn patient_files(&self, files: Arc<dyn Files>) -> RetryFiles {
        RetryFiles::new(files, RetryPolicy { attempts: self.attempts, base: PAUSE, cap: PAUSE_MAX })
    }

    /// The same limits for services that keep them themselves.
    pub(super) fn transport(&self) -> Transport {
        let (connect, idle) = (self.connect_timeout.unwrap_or(FOR_EVER), self.timeout.unwrap_or(FOR_EVER));
        Transport::new(connect, idle, Arc::clone(&self.shaper))
    }

    fn shaped(&self, service: Arc<dyn Remote>) -> Arc<dyn Remote> {
        Arc::new(Shaped::new(service, Arc::clone(&self.shaper)))
    }
}

/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
