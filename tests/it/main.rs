//! The integration tests, one binary.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests: a failed unwrap is a failed test, helpers are shared by `pub`"
)]

mod asking;
mod at;
mod bad_input;
mod care;
mod checkpoints;
mod cleanup;
mod clouds;
mod compare;
mod completion;
mod config;
mod conflicts;
mod copies;
mod crash;
mod diff;
mod docs;
mod ending;
mod faults;
mod filters;
mod filters_rclone;
mod find;
mod gc;
mod golden;
mod hints;
mod hostile;
mod interop;
mod json;
mod limits;
mod links;
mod listings;
mod locks;
mod long_log;
mod malformed;
mod manners;
mod many;
mod members;
mod metadata;
mod model;
mod moves;
mod moving;
mod ncdu;
mod output;
mod pack_size;
mod pending;
mod plain;
mod properties;
mod races;
mod read_only;
mod remote_test;
mod remotes;
mod requests;
mod retention;
mod round_trip;
mod secrets;
mod sign_in;
mod slow_link;
mod standing;
mod sums;
mod support;
mod targets;
mod terminal;
mod tidy;
mod undo;
mod verbs;
mod writers;
