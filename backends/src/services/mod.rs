//! The services: one module each, and nothing shared between them but the trait.

mod fs;
mod memory;

pub use fs::Fs;
pub use memory::Memory;
