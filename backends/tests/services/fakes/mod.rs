//! Services that nobody can run on a machine of their own, as far as their published interfaces describe them: strict, small, and
//! in this process. What the real one refuses is refused, with its words; what can go wrong on the way goes wrong when a
//! test says so. They prove what we send against the documents, and nothing about the services themselves.

mod accounts;
mod drive;
mod dropbox;
mod koofr;
mod onedrive;
mod pcloud;
mod server;
mod tree;

pub use accounts::{Accounts, CLIENT_ID, CLIENT_SECRET, Rules};
pub use drive::FakeDrive;
pub use dropbox::FakeDropbox;
pub use koofr::{FakeKoofr, KOOFR_PASSWORD, KOOFR_USER};
pub use onedrive::FakeOneDrive;
pub use pcloud::FakePCloud;
pub use server::{Fake, Fault, Service};
