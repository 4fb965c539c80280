//! The engine: two sides, a plan, and what carries it out. Start reading at [`plan`].
//!
//! Memory is bounded by budgets, windows and spools, never by the number or size of files. Local reads and CPU work run on
//! threads of their own.

mod apply;
mod attempt;
mod backups;
mod beneath;
mod budget;
mod chosen;
mod clashes;
mod compare;
mod contents;
mod deadline;
mod deliver;
mod departed;
mod dest;
mod download;
mod edit;
mod edit_list;
mod elsewhere;
mod files_contents;
mod files_departed;
mod files_side;
mod fold;
mod item;
mod judging;
mod kept;
mod links;
mod local;
mod looker;
mod maker;
mod metadata;
mod order;
mod outcome;
mod pass;
mod past;
mod people;
mod pieces;
mod plan;
mod read;
mod relay;
mod shadow;
mod sorter;
mod source_tree;
mod spelling;
mod spool;
mod step;
mod stream;
mod supply;
mod symlinks;
mod temp;
mod traits;
mod upload;
mod vault_side;
mod walk;
mod xattr;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub use apply::commit_edits;
pub use backups::{Backups, LocalBackup, Naming, keep_old};
pub use beneath::Beneath;
pub use compare::{By, Comparison, Replace};
pub use contents::{Contents, LocalContents, VaultContents};
pub use deadline::Deadline;
pub use deliver::{Deliver, Delivered};
pub use departed::{Departed, remove_departed};
pub use download::{Download, Downloaded};
pub use edit_list::EditList;
pub use elsewhere::{Elsewhere, Found, LocalPlaces, VaultPlaces};
pub use files_contents::{FileReader, FilesContents, unwrapped};
pub use files_departed::remove_files;
pub use files_side::{FilesSide, FilesTree, stat_file};
pub use item::{Item, SideError, TransferError};
pub use kept::Kept;
pub use links::LinkTargets;
pub use local::Local;
pub use metadata::attributes;
pub use order::{Order, OrderBy, OrderFrom};
pub use past::keep_content;
pub use plan::{Leaves, MARKS_MAX, Plan, PlanOptions, Relation, Rows, Totals, path_mark};
pub use relay::Relay;
pub use shadow::Shadow;
pub use source_tree::SourceTree;
pub use spelling::Spelling;
pub use step::Step;
pub use stream::StreamUpload;
pub use supply::Supply;
pub use symlinks::{LINK_SUFFIX, Symlinks};
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
