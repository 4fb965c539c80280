//! How remotes are talked to: how fast, how patiently, how often again.

use std::sync::Arc;
use std::time::Duration;

use cryptsync_backends::Remote;
use cryptsync_backends::layers::{Counted, Limit, Retry, RetryPolicy, Shaped, Timeout};
pub use cryptsync_backends::shape::{Rate, Rates, RequestRate, Shaper};

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
    /// The layers around a service that neither shapes nor measures time itself.
    pub(super) fn wrap(&self, service: Arc<dyn Remote>, at_once: usize) -> (Arc<Counted>, Limit) {
        let timed: Arc<dyn Remote> = match self.timeout {
            Some(limit) => Arc::new(Timeout::new(service, limit)),
            None => service,
        };
        let counted = Arc::new(Counted::new(Arc::new(Shaped::new(timed, Arc::clone(&self.shaper)))));
        let policy = RetryPolicy { attempts: self.attempts, base: PAUSE, cap: PAUSE_MAX };
        let retry = Retry::new(Arc::clone(&counted) as Arc<dyn Remote>, policy);
        (counted, Limit::new(Arc::new(retry), at_once))
    }
}

const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
