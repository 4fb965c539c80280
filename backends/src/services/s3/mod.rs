//! S3 and what speaks its language. Start reading at [`S3`].
//!
//! Owns the settings, how an object is created exactly once where the server can do that, and how it is noticed where it can't.
//! Requests are made and signed by OpenDAL, and sent by our own client.

mod providers;
mod remote;

#[cfg(test)]
mod tests;

pub(super) use providers::PROVIDER;
pub use remote::S3;
