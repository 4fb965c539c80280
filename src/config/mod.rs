//! The configuration: which remotes there are. Start reading at [`Config::load`].
//!
//! Owns the YAML file and the variables `CRYPTSYNC_CONFIG_<REMOTE>_<OPTION>` that override it. Parses only: never opens a
//! remote, never holds a secret, and sees the environment only as the [`Sources`] it is given.

mod environment;
mod error;
mod file;
mod name;
mod remote;

pub use environment::Sources;
pub use error::ConfigError;
pub use file::Config;
pub use name::{check_remote_name, nearest};
pub use remote::{Kind, Remote};

#[cfg(test)]
mod tests;
