//! Bytes at a path.
