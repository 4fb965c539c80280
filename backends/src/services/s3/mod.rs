//! S3 and what speaks its language. Start reading at [`open`].
//!
//! Owns the settings and what is known of those who offer it. Requests are made and signed by OpenDAL (`dal.rs`).

mod providers;
mod remote;
mod uploads;

#[cfg(test)]
mod tests;

pub(super) use providers::PROVIDER;
pub(super) use remote::{open, open_files};
pub(super) use uploads::Uploads;
