//! The services: one module each, and nothing shared between them but the trait.

mod memory;

pub use memory::Memory;
