//! What kind of failure something is, in the terms of the documented exit codes. Every layer's errors answer with one;
//! the command line turns it into a number and a hint.

/// The kinds of failure. Numbers 0–10 are rclone's, 20 and up are cryptsync's own; docs/cli.md has the same table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Something went wrong that fits nothing below; also: some files could not be handled, or `check` found differences.
    Failed = 1,
    /// The command line, the configuration or the environment is wrong.
    Usage = 2,
    /// A directory that should be there is not.
    DirNotFound = 3,
    /// A file that should be there is not.
    FileNotFound = 4,
    /// A passing fault: trying again may help.
    Temporary = 5,
    /// Refused for safety, or out of reach of retries: permission, full disk, the delete brake.
    Fatal = 7,
    /// Something stored was altered: a seal, a hash or a structure does not verify.
    Integrity = 20,
    /// The vault shows less than was seen before.
    Rollback = 21,
    /// Two different states claim the same place in a writer's log or in the access chain.
    Equivocation = 22,
    /// A key or a signature that nothing vouches for; another vault than the pinned one.
    Untrusted = 23,
    /// An object that the vault refers to is missing.
    Missing = 24,
    /// A newer format, another suite, or weaker parameters than before.
    Version = 25,
    /// A bound on memory, size or depth was reached.
    Limit = 26,
    /// A path that would leave its root, or that this system can't hold.
    UnsafePath = 27,
    /// No key at hand opens the vault: wrong password, wrong words, no device key.
    NoKey = 28,
    /// There is no vault at that place.
    NoVault = 29,
    /// The run was successful, and conflicts wait for somebody to settle them.
    Conflicts = 30,
    /// Stopped by a signal.
    Interrupted = 130,
}

impl Class {
    /// The exit code of the process.
    pub fn code(self) -> u8 {
        self as u8
    }
}
