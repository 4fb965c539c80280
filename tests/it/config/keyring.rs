//! The keyring of the system: none, one that is locked, and a real one behind a bus of its own.
