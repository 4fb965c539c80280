//! How fast bytes and requests may go: one [`Shaper`] for a whole process, whatever it is connected to.
//!
//! Knows nothing of remotes. A service that sends or takes a body in parts asks for each part ([`Pace::take`]), so that
//! large objects flow evenly; [`Shaped`](crate::layers::Shaped) asks on behalf of services that take a whole body in one
//! call, and asks for all of it before that call.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the remote.
    Up,
    /// From the remote.
    Down,
}

/// Bytes per second in each direction; `None` is as fast as it goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// To the remote.
    pub up: Option<u64>,
    /// From the remote.
    pub down: Option<u64>,
}

impl Rate {
    fn of(self, direction: Direction) -> Option<u64> {
        match direction {
            Direction::Up => self.up,
            Direction::Down => self.down,
        }
    }
}

/// What holds at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// For everything together.
    pub total: Rate,
    /// For each object.
    pub object: Rate,
}

/// Requests per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestRate {
    /// How many a second, above zero.
    pub per_second: f64,
    /// How many may go at once after a pause, at least one.
    pub burst: u32,
}

/// Makes everything that goes to and from remotes wait its turn.
///
/// First come, first served, a tenth of a second's worth at a time, so that a large object delays a small one by that and
/// not by its whole length. What was not used is not saved up. Rates are asked for at each turn, so a change counts at once.
pub struct Shaper {
    rates: Box<dyn Fn() -> Rates + Send + Sync>,
    /// Whether the total is off for now.
    lifted: AtomicBool,
    up: Bucket,
    down: Bucket,
    requests: Option<(RequestRate, Mutex<Option<Instant>>)>,
}

impl Shaper {
    /// Shapes by what `rates` says at each moment; it is called often and must be quick.
    pub fn new(rates: impl Fn() -> Rates + Send + Sync + 'static, requests: Option<RequestRate>) -> Self {
        let (lifted, rates) = (AtomicBool::new(false), Box::new(rates));
        let requests = requests.map(|rate| (rate, Mutex::default()));
        Self { rates, lifted, up: Bucket::default(), down: Bucket::default(), requests }
    }

    /// Lets everything pass.
    pub fn unlimited() -> Self {
        Self::new(Rates::default, None)
    }

    /// Lifts the limit for everything together, or puts it back. Tells whether it holds now.
    pub fn toggle(&self) -> bool {
        self.lifted.fetch_xor(true, Ordering::Relaxed)
    }

    /// Waits until these bytes may go, counted for everything together.
    pub async fn take(&self, direction: Direction, bytes: usize) {
        let bucket = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        let total = || (self.rates)().total.of(direction).filter(|_| !self.lifted.load(Ordering::Relaxed));
        bucket.take(bytes as u64, total).await;
    }

    /// Waits until a request may go.
    pub async fn request(&self) {
        let Some((rate, next)) = &self.requests else { return };
        let now = Instant::now();
        let interval = Duration::try_from_secs_f64(1.0 / rate.per_second).unwrap_or(Duration::MAX).min(INTERVAL_MAX);
        let start = {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let due = next.unwrap_or(now).max(now);
            *next = Some(due + interval);
            due.checked_sub(interval.saturating_mul(rate.burst.saturating_sub(1))).unwrap_or(now)
        };
        sleep_until(start).await;
    }

    /// Begins an object, which has a limit of its own beside the common one.
    pub fn begin(&self, direction: Direction) -> Pace<'_> {
        Pace { shaper: self, direction, own: Bucket::default() }
    }
}

impl fmt::Debug for Shaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shaper").field("rates", &(self.rates)()).finish_non_exhaustive()
    }
}

/// One object on its way.
pub struct Pace<'a> {
    shaper: &'a Shaper,
    direction: Direction,
    own: Bucket,
}

impl Pace<'_> {
    /// Waits until these bytes of the object may go.
    pub async fn take(&self, bytes: usize) {
        let own = self.own.take(bytes as u64, || (self.shaper.rates)().object.of(self.direction));
        futures::join!(self.shaper.take(self.direction, bytes), own);
    }
}

/// When the next bytes may go.
#[derive(Debug, Default)]
struct Bucket(Mutex<Option<Instant>>);

impl Bucket {
    async fn take(&self, mut bytes: u64, rate: impl Fn() -> Option<u64>) {
        while bytes > 0 {
            let Some(rate) = rate().filter(|rate| *rate > 0) else { return };
            let slice = bytes.min((rate / SLICES_PER_SECOND).max(1));
            let takes = Duration::from_nanos((u128::from(slice) * 1_000_000_000 / u128::from(rate)) as u64);
            let now = Instant::now();
            let start = {
                let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let start = next.unwrap_or(now).max(now);
                *next = Some(start + takes);
                start
            };
            sleep_until(start).await;
            bytes -= slice;
        }
    }
}

const SLICES_PER_SECOND: u64 = 10;
/// One request an hour is as slow as it gets.
const INTERVAL_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    const KIB: usize = 1024;

    fn at(up: Option<u64>, object: Option<u64>) -> Shaper {
        let rates = Rates { total: Rate { up, down: None }, object: Rate { up: object, down: None } };
        Shaper::new(move || rates, None)
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_take_their_time_in_one_direction() {
        let (shaper, start) = (at(Some(10 * KIB as u64), None), Instant::now());
        shaper.take(Direction::Up, 100 * KIB).await;
        shaper.take(Direction::Down, 1 << 40).await;
        let elapsed = start.elapsed().as_secs_f64();
        assert!((9.8..10.1).contains(&elapsed), "{elapsed}");
        tokio::time::advance(Duration::from_secs(60)).await;
        let start = Instant::now();
        shaper.take(Direction::Up, 20 * KIB).await;
        assert!(start.elapsed().as_secs_f64() > 1.8, "a pause saves nothing up");
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_object_does_not_wait_for_a_large_one() {
        let (shaper, start) = (at(Some(KIB as u64), None), Instant::now());
        let small = async {
            tokio::task::yield_now().await;
            shaper.take(Direction::Up, 100).await;
            start.elapsed()
        };
        let ((), small) = futures::join!(shaper.take(Direction::Up, 60 * KIB), small);
        assert!(small < Duration::from_secs(1), "{small:?}");
        assert!(start.elapsed() > Duration::from_secs(59));
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_has_a_limit_of_its_own() {
        let (shaper, start) = (at(None, Some(KIB as u64)), Instant::now());
        let (one, two) = (shaper.begin(Direction::Up), shaper.begin(Direction::Up));
        futures::join!(one.take(10 * KIB), two.take(10 * KIB));
        let elapsed = start.elapsed().as_secs_f64();
        assert!((9.8..10.1).contains(&elapsed), "side by side: {elapsed}");
    }

    #[tokio::test(start_paused = true)]
    async fn rates_change_under_way_and_can_be_lifted() {
        let rate = Arc::new(AtomicU64::new(KIB as u64));
        let now = Arc::clone(&rate);
        let up =
            move || Rates { total: Rate { up: Some(now.load(Ordering::Relaxed)), down: None }, ..Rates::default() };
        let (shaper, start) = (Arc::new(Shaper::new(up, None)), Instant::now());
        let task = tokio::spawn({
            let shaper = Arc::clone(&shaper);
            async move { shaper.take(Direction::Up, 110 * KIB).await }
        });
        tokio::time::sleep(Duration::from_secs(10)).await;
        rate.store(10 * KIB as u64, Ordering::Relaxed);
        task.await.unwrap();
        let elapsed = start.elapsed().as_secs_f64();
        assert!((19.0..20.5).contains(&elapsed), "{elapsed}");
        assert!(!shaper.toggle());
        shaper.take(Direction::Up, 1 << 40).await;
        assert!(shaper.toggle());
        let start = Instant::now();
        shaper.take(Direction::Up, 20 * KIB).await;
        assert!(start.elapsed() > Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_take_turns_after_a_burst() {
        for (burst, least) in [(1, 9.0), (4, 6.0)] {
            let shaper = Shaper::new(Rates::default, Some(RequestRate { per_second: 1.0, burst }));
            let start = Instant::now();
            for _ in 0..10 {
                shaper.request().await;
            }
            let elapsed = start.elapsed().as_secs_f64();
            assert!((least - 0.01..least + 0.1).contains(&elapsed), "{burst}: {elapsed}");
        }
    }
}
