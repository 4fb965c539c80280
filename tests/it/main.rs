//! The integration tests, one binary.
#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests: a failed unwrap is a failed test, helpers are shared by `pub`"
)]

mod bad_input;
mod hostile;
mod round_trip;
mod support;
