//! The integration tests, one binary.

mod round_trip;
mod support;
