//! The integration tests, one binary.
#![expect(unreachable_pub, reason = "what tests share is for this binary alone")]

mod crash;
mod faults;
mod properties;
mod round_trip;
mod support;
