//! Our own way to speak HTTP: one client for all services that do. Start reading at [`Http`].
//!
//! Owns connections, time limits, the shaping of bodies, and what an answer that is no success means in words. Knows no service:
//! what only one of them says is read where that service is. Never logs, and no error it makes holds a header, a query or a
//! body that was sent, because secrets travel there.

mod address;
mod body;
mod client;
mod failure;
#[cfg(any(test, feature = "testing"))]
mod faults;
mod opendal;
mod reply;

#[cfg(test)]
mod tests;

pub(crate) use address::{encoded, encoded_path, endpoint, hidden};
pub(crate) use client::{Answer, Http};
pub(crate) use failure::Failure;
#[cfg(any(test, feature = "testing"))]
pub use faults::{HttpFault, HttpFaults};
pub(crate) use opendal::{BODY_MAX, from_dal};
pub(crate) use reply::{Reply, described, refusal, verdict};
