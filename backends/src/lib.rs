//! Bytes at a path: the storage beneath cryptsync. Start reading at [`Remote`].
//!
//! Owns the trait, its error, the services that implement it, the tables of their settings, and the layers that wrap it. Never sees a key, a chunk,
//! a configuration file or a secret: what it stores is opaque and what it says is safe to print.

pub mod layers;
pub mod services;
pub mod shape;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod error;
mod path;
mod provider;
mod remote;

pub use error::{ErrorKind, Op, RemoteError, Result};
pub use path::{BadRemotePath, RemotePath};
pub use provider::{Kind, Provider, Setting};
pub use remote::{Caps, Listed, Put, Remote, Stat};
