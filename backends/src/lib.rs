//! Bytes at a path: the storage beneath cryptsync. Start reading at [`Remote`].
//!
//! Owns the trait, its error, the services that implement it, what these can be told, and the layers that wrap them. Never
//! sees a key, a chunk or a configuration file: what it stores is opaque, and what it says is safe to print.

pub mod contract;
pub mod files;
pub mod layers;
pub mod services;
pub mod shape;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod error;
mod http;
mod oauth;
mod path;
mod provider;
mod remote;
mod settings;

#[cfg(any(test, feature = "testing"))]
pub use http::{HttpFault, HttpFaults};

pub use error::{ErrorKind, Op, RemoteError, Result};
pub use oauth::{HeldToken, SignInError, SignedIn, TokenStore, sign_in};
pub use path::{BadRemotePath, RemotePath};
pub use provider::{Kind, Provider, Setting};
pub use remote::{Caps, Listed, Put, Remote, Stat, Stray, StrayKind};
pub use settings::{BadSetting, Transport};
