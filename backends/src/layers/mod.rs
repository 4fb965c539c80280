//! Layers: each wraps a remote and is one, so that stacks are put together at run time. From the inside out: service,
//! [`Timeout`] (waiting one's turn does not count), [`Shaped`], [`Counted`] (sees every attempt), [`Retry`], [`Limit`] (a
//! call keeps its place while it retries). [`Mirror`] stands where a service does, over several such stacks.

mod count;
mod limit;
pub(crate) mod mirror;
mod retry;
mod shaped;
mod timeout;

pub use count::{Count, Counted, Counts};
pub use limit::Limit;
pub use mirror::{Mirror, Verifier};
pub use retry::{Retry, RetryPolicy};
pub use shaped::Shaped;
pub use timeout::Timeout;
