//! The ambient things that come in by hand: the clock and the entropy. Built once at the top; tests and simulations
//! bring their own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A moment: seconds since 1970-01-01 UTC and nanoseconds within the second. Nanoseconds are below 10^9 always.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds, negative before 1970.
    pub secs: i64,
    /// Nanoseconds after `secs`.
    pub nanos: u32,
}

impl Timestamp {
    /// A moment from its parts; `None` if `nanos` is not below 10^9.
    pub fn new(secs: i64, nanos: u32) -> Option<Self> {
        (nanos < 1_000_000_000).then_some(Self { secs, nanos })
    }

    /// `2006-01-02 15:04 UTC`, for messages. A writer may claim any moment; one that no calendar holds is shown as seconds
    /// since 1970.
    pub fn utc(&self) -> String {
        match jiff::Timestamp::from_second(self.secs) {
            Ok(moment) => moment.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            Err(_) => format!("@{}", self.secs),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.secs, self.nanos)
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The time now, as this machine believes it.
    fn now(&self) -> Timestamp;
}

/// Where random bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills `out` with bytes nobody can predict.
    ///
    /// # Errors
    /// The operating system has none to give: nothing may be sealed or generated then.
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()>;
}

/// The clock and the entropy of one run.
#[derive(Clone)]
pub struct World {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The entropy.
    pub entropy: Arc<dyn Entropy>,
}

impl World {
    /// The machine's own clock and random generator.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

/// Set once by Ctrl-C; everything long-running looks at it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks everybody to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one door by which time comes in")]
        let now = std::time::SystemTime::now();
        match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Timestamp { secs: since.as_secs() as i64, nanos: since.subsec_nanos() },
            Err(_) => Timestamp::default(), // a clock before 1970 is a broken clock
        }
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) -> std::io::Result<()> {
        getrandom::fill(out).map_err(std::io::Error::other)
    }
}
