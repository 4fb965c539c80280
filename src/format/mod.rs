//! The bytes of a vault: encode and decode pairs for every structure of docs/format.md, without I/O and without keys.
//!
//! Never trusts a length: every count is held against [`limits`] before anything is allocated for it.

pub mod access;
pub mod attribute;
pub mod card;
pub mod entry;
pub mod genesis;
pub mod hints;
pub mod index;
pub mod index_builder;
pub mod key;
pub mod limits;
pub mod list;
pub mod name;
pub mod node;
pub mod pack;
pub mod policy;
pub mod record;
pub mod statement;
pub mod summary;
pub mod wire;
