//! Branches: which count, and who may merge them.
