//! The commands, one file each: arguments that are their own help, and a body that calls one op.
//!
//! Shared between them: `filters` (what is in scope), `transfer` (copy and sync), `create` (making vaults).

pub(super) mod cat;
pub(super) mod check;
pub(super) mod config;
pub(super) mod copy;
mod create;
mod filters;
pub(super) mod init;
pub(super) mod listremotes;
pub(super) mod log;
pub(super) mod ls;
pub(super) mod lsf;
pub(super) mod rcat;
pub(super) mod status;
pub(super) mod sync;
mod transfer;
pub(super) mod verify;
pub(super) mod version;
