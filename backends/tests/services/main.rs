//! The services against real servers on this machine: the contract, and what goes wrong on the way.
#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests, with helpers that are shared as files")]

mod fakes;
mod programs;
mod servers;

mod clouds;
mod files;
mod ftp;
mod matrix;
mod objects;
mod s3;
mod sftp;
mod weather;
mod webdav;
