//! A vault: keys and objects together. Start reading at [`Vault::open`] for reading, [`Session`] for writing.
//!
//! Owns every rule about what may be believed, and the only code that puts objects. Blocking: never called from a thread
//! of the async runtime. Never prints, never looks at the environment.

mod access;
mod alarm;
mod audit;
mod buffers;
mod cache;
mod chain;
mod container;
mod content;
mod create;
mod demands;
mod error;
mod given_up;
mod index;
mod io;
mod journal;
mod judge;
mod listing;
mod log;
mod merged;
mod objects;
mod open;
mod overlay;
mod pins;
mod placed;
mod publish;
mod recorded;
mod rekey;
mod resume;
mod seeds;
mod session;
mod slots;
mod state;
mod state_keys;
mod statement;
mod times;
mod tree;
mod unlock;
mod verify_record;
mod writer;

pub use access::{Access, Asker, kind_name, member_id, role_name};
pub use audit::{verify_bytes, verify_pack};
pub use content::Part;
pub use create::{Created, NewVault};
pub use demands::{BadCheckpoint, BadNewest, Checkpoint, Demands, Newest};
pub use error::{VaultError, class_of_io};
pub use index::{Found, Index};
pub use io::RemoteIo;
pub use judge::{Ended, Why};
pub use log::{Commit, Quarantined, View};
pub use open::{OpenOptions, Vault, exists, identify, is_known};
pub use publish::{CommitInfo, Published};
pub use rekey::{AccessChange, Draft};
pub use seeds::person_seed;
pub use session::{Session, SessionOptions, SessionStats};
pub use state::State;
pub use statement::{Adoption, Ending};
pub use tree::TreeWriter;
