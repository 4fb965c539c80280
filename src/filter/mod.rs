//! Filters: what was asked for in, decisions about entries out. Start reading at [`Definition::build`].
//!
//! Owns the pattern language, the order of rules, and everything else that decides what is in scope. Pure: never touches a
//! file system, never reads rules from anywhere. Paths are bytes; a byte that is not UTF-8 counts as one character, U+FFFD,
//! as it does in rclone.

mod decide;
mod definition;
mod glob;
mod lines;
mod names;
mod partition;
mod pattern;
mod re2;
mod rules;

pub use decide::{Facts, Filter};
pub use definition::{BadFilter, Definition, Rule, Stated};
pub use lines::{ListForm, lines};
pub use names::Names;
pub use partition::{BadPartition, Partition};
pub use pattern::BadPattern;

#[cfg(test)]
mod tests;
