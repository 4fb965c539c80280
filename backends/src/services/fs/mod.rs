//! A directory of a local or mounted file system. Start reading at [`Fs`].
//!
//! Owns how an object is written whole and exactly once, and how it is made to survive a loss of power. All work on
//! files happens on blocking threads and runs to its end even when the future that asked for it is dropped.

mod files;
mod remote;
mod walk;

#[cfg(test)]
mod tests;

pub use remote::Fs;
