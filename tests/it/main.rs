//! The integration tests, one binary.
#![expect(unreachable_pub, reason = "what tests share is for this binary alone")]

mod crash;
mod faults;
mod golden;
mod many;
mod properties;
mod requests;
mod round_trip;
mod support;
