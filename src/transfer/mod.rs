//! The engine: two sides, a plan, and what carries it out. Start reading at [`plan`].
//!
//! Memory is bounded by budgets, windows and spools, never by the number or size of files. Local reads and CPU work run on
//! threads of their own.

mod apply;
mod beneath;
mod budget;
mod clashes;
mod departed;
mod dest;
mod download;
mod edit;
mod edit_list;
mod fold;
mod item;
mod kept;
mod links;
mod local;
mod metadata;
mod outcome;
mod people;
mod pieces;
mod plan;
mod read;
mod relay;
mod shadow;
mod spelling;
mod spool;
mod stream;
mod temp;
mod traits;
mod upload;
mod vault_side;
mod walk;
mod xattr;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use apply::commit_edits;
pub use beneath::Beneath;
pub use departed::{Departed, remove_departed};
pub use download::{Download, Downloaded};
pub use edit_list::EditList;
pub use item::{Item, SideError, TransferError};
pub use kept::Kept;
pub use links::LinkTargets;
pub use local::Local;
pub use metadata::attributes;
pub use plan::{MARKS_MAX, Plan, PlanOptions, Step, Totals, path_mark};
pub use relay::Relay;
pub use shadow::Shadow;
pub use spelling::Spelling;
pub use stream::StreamUpload;
pub use traits::Traits;
pub use upload::{Upload, Uploaded};
pub use vault_side::{VaultSide, base_root, entry_in_scope, lookup};
pub use walk::{Walk, stat_item, stat_with_metadata};

use crate::path::TreePath;

/// A path of a vault below a directory of this machine.
pub fn local_path(root: &Path, path: &TreePath) -> PathBuf {
    root.join(std::ffi::OsStr::from_bytes(path.as_bytes()))
}

/// The system's words for an error, without the number.
pub fn os_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
