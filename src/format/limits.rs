//! The limits of docs/format.md, section 12: checked before allocating, on reading and on writing alike.

/// Access version and log objects, in bytes.
pub const LOG_OBJECT_MAX: u64 = 4 << 20;
/// The bodies of all access versions that one of them comes with, in bytes.
pub const CHAIN_MAX: u64 = 64 << 20;
/// A pack object, in bytes.
pub const PACK_OBJECT_MAX: u64 = 256 << 20;
/// An index segment object, in bytes.
pub const INDEX_OBJECT_MAX: u64 = 1 << 30;
/// A frame, stored or decoded, in bytes: what a u24 holds.
pub const FRAME_MAX: usize = (1 << 24) - 1;
/// A chunk, in bytes.
pub const CHUNK_MAX: usize = 8 << 20;
/// A node blob with its hints, in bytes.
pub const NODE_BLOB_MAX: usize = 1 << 20;
/// The items of one node.
pub const NODE_ITEMS_MAX: usize = 65_536;
/// The levels of a tree or of a chunk list.
pub const LEVELS_MAX: u8 = 16;
/// The attributes of one entry, in bytes.
pub const ATTRIBUTES_MAX: usize = 16_384;
/// Content kept in the entry itself, in bytes.
pub const INLINE_MAX: usize = 512;
/// The body of a bundle, in bytes.
pub const BUNDLE_MAX: usize = 1 << 20;
/// Members of an access version.
pub const MEMBERS_MAX: usize = 256;
/// Slots of an access version.
pub const SLOTS_MAX: usize = 512;
/// Password entries of an access version.
pub const PASSWORDS_MAX: usize = 8;
/// Parents of a commit, features of an access version.
pub const PARENTS_MAX: usize = 64;
/// A label, in bytes.
pub const LABEL_MAX: usize = 255;
/// A note, in bytes.
pub const NOTE_MAX: usize = 1024;
/// The operation of a commit, in bytes.
pub const OPERATION_MAX: usize = 4096;
/// Writers or commits that one record makes statements about, and commits kept of a retired writer.
pub const STATEMENTS_MAX: usize = 64;
/// Commits that an accepted rollback names as given up.
pub const GIVEN_UP_MAX: usize = 256;
/// Rules of a retention policy.
pub const POLICY_RULES_MAX: usize = 64;
/// The name of a tag or a pin, in bytes.
pub const TAG_MAX: usize = 128;
