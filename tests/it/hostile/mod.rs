//! A storage provider who flips, cuts, swaps, hides, replays and plants. The rows are those of the attack catalogue.
//!
//! Whatever lies at the remote: the outcome is the very same plaintext, or a documented exit code with no data or a
//! verified prefix of it; destinations hold whole files only; and a failed check never writes to the remote.

mod access;
mod forge;
mod named;
mod summaries;
mod sweep;
mod trust;
mod writer;
