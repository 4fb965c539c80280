//! The primitives, and every key and hash of the vault (docs/format.md, sections 4–6). Start reading at [`seal`] and
//! [`VaultKeys`].
//!
//! Pure: bytes in, bytes out; entropy comes in by hand. The only module that names a cipher, a hash or a curve.
//! Secrets have no `Debug`, `Clone` or `Serialize`, and are wiped when dropped.

mod domain;
pub mod geometry;
mod keys;
mod member;
mod password;
mod rclone;
mod seal;
mod sealed_text;
mod slot;
pub mod words;

pub use keys::{ObjectHasher, Secret32, VaultKeys, access_id, commit_id, hash, object_id, vault_id};
pub use member::{BadKey, Label, MemberKeys, MemberPublic, verify, writer_id};
pub use password::{KdfError, KdfParams, PASSWORD_ENTRY_LEN, PasswordEntry};
pub use rclone::{is_sealed_by_rclone, open_sealed_by_rclone, reveal};
pub use seal::{
    Class, OBJECT_HEADER_LEN, ObjectHeader, OpenError, Opener, SealBuffer, SealContext, Sealed, open, seal,
};
pub use sealed_text::{SealedTextError, is_sealed_text, open_text, seal_text, sealed_text_params};
pub use slot::{SLOT_LEN, open_slot, slot_list};
