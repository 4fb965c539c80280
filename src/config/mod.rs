//! The configuration: which remotes there are. Start reading at [`Config`].
//!
//! Owns the YAML file ([`Document`] is its text, [`ConfigLock`] the right to replace it), the variables that override it, and the texts
//! that people type for a place ([`parse_place`]). What a setting is comes from the tables of the services (`provider`).
//! Never opens a remote, and never looks up a secret that is kept elsewhere.

mod document;
mod environment;
mod error;
mod file;
mod name;
mod place;
mod provider;
mod remote;
mod store;
mod typed;
mod value;
mod yaml;

pub use document::{Change, Document, checked_setting};
pub use environment::Sources;
pub use error::ConfigError;
pub use file::Config;
pub use name::{check_remote_name, nearest};
pub use place::{RemoteText, Typed, TypedSetting, parse_place, shown_place};
pub use provider::{COMMON, Kind, PROVIDERS, Provider, Setting, nearest_provider, provider, setting, shown_providers};
pub use remote::Remote;
pub use store::{ConfigLock, read_config};
pub use value::{Given, Origin, Value};

#[cfg(test)]
mod tests;
