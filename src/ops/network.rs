//! How remotes are talked to: how fast, how patiently, how often again.

use std::sync::Arc;
use std::time::Duration;

use cryptsync_backends::layers::{Counted, Limit, Retry, RetryPolicy, Shaped, Timeout};
pub use cryptsync_backends::shape::{Rate, Rates, RequestRate, Shaper};
use cryptsync_backends::{Remote, Transport};

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
    /// The layers around a service. One that limits itself shapes and measures time inside, and knows how many calls it serves well.
    pub(super) fn wrap(&self, service: Arc<dyn Remote>, at_once: usize, limits_itself: bool) -> (Arc<Counted>, Limit) {
        let (limited, at_once): (Arc<dyn Remote>, _) = match (limits_itself, self.timeout) {
            (true, _) => (Arc::clone(&service), at_once.min(service.caps().max_concurrency)),
            (false, Some(limit)) => (self.shaped(Arc::new(Timeout::new(service, limit))), at_once),
            (false, None) => (self.shaped(service), at_once),
        };
        let counted = Arc::new(Counted::new(limited));
        let policy = RetryPolicy { attempts: self.attempts, base: PAUSE, cap: PAUSE_MAX };
        let retry = Retry::new(Arc::clone(&counted) as Arc<dyn Remote>, policy);
        (counted, Limit::new(Arc::new(retry), at_once))
    }

    /// The same for services that limit themselves.
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
