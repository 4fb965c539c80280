//! The commands, one file each: arguments that are their own help, and a body that calls one op.
//!
//! Shared between them: `filters` (what is in scope), `transfer` (copy, sync and move), `changes` (verbs that change a tree
//! without a transfer), `create` (making vaults).

pub(super) mod about;
pub(super) mod adopt;
pub(super) mod cat;
mod changes;
pub(super) mod check;
pub(super) mod completion;
pub(super) mod config;
pub(super) mod conflicts;
pub(super) mod copy;
pub(super) mod cp;
mod create;
pub(super) mod dedupe;
pub(super) mod delete;
pub(super) mod device;
pub(super) mod diff;
pub(super) mod du;
mod filters;
pub(super) mod find;
pub(super) mod gendocs;
pub(super) mod hashsum;
pub(super) mod help;
pub(super) mod init;
pub(super) mod key;
pub(super) mod listremotes;
pub(super) mod log;
pub(super) mod ls;
pub(super) mod lsd;
pub(super) mod lsf;
pub(super) mod lsjson;
pub(super) mod lsl;
pub(super) mod mkdir;
pub(super) mod move_;
pub(super) mod mv;
pub(super) mod ncdu;
pub(super) mod purge;
pub(super) mod rcat;
mod reports;
pub(super) mod rm;
pub(super) mod rmdir;
pub(super) mod rmdirs;
pub(super) mod size;
pub(super) mod stat;
pub(super) mod status;
pub(super) mod sync;
pub(super) mod touch;
mod transfer;
pub(super) mod tree;
pub(super) mod verify;
pub(super) mod version;
pub(super) mod writer;
