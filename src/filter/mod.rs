//! Filters: rules with rclone's patterns in, decisions about paths out. Start reading at [`Filter::from_rules`].
//!
//! Owns the pattern language and the order of rules. Pure: never touches a file system, never reads rules from anywhere.
//! Paths are bytes; a byte that is not UTF-8 counts as one character, U+FFFD, as it does in rclone.

mod pattern;
mod rules;

pub use pattern::BadPattern;
pub use rules::{Filter, Rule};

#[cfg(test)]
mod tests;
