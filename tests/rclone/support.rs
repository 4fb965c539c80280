//! What the tests of the verbs have for running programs.

#[path = "../it/support/cli.rs"]
pub mod cli;
#[path = "../it/support/rclone.rs"]
pub mod rclone;
