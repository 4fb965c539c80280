//! A directory of a local or mounted file system. Start reading at [`Fs`].
//!
//! Owns how an object is written whole and exactly once, and how it is made to survive a loss of power. All work on
//! files happens on blocking threads and runs to its end even when the future that asked for it is dropped.

mod files;
mod remote;
mod strays;
mod walk;

#[cfg(test)]
mod tests;

use crate::{Kind, Provider, Setting};

pub use remote::Fs;

/// The settings of a directory.
pub(super) const PROVIDER: Provider = Provider {
    name: "fs",
    aliases: &["local"],
    about: "a directory of this machine, or one that is mounted",
    settings: &[Setting::new(
        "root",
        Kind::Directory,
        "The directory that holds the vault's objects: absolute, `~/` below the home directory, or relative to the configuration file",
    )
    .required()],
    sign_in: false,
    hidden: false,
};
