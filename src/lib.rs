//! cryptsync: an encrypted, deduplicated, versioned tree over any storage.

pub mod class;
pub mod id;
pub mod path;
pub mod units;
pub mod world;

pub mod age;
pub mod chunk;
pub mod config;
pub mod crypto;
pub mod event;
pub mod filter;
pub mod spool;
pub mod sum;
pub mod system_keyring;

pub mod format;

pub mod history;

pub mod vault;

pub mod transfer;

pub mod ops;

pub mod cli;
