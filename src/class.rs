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
    /// A fault of one entry that no repetition helps against: `--immutable`, for example.
    NoRetry = 6,
    /// Refused for safety, or out of reach of retries: permission, full disk, the delete brake.
    Fatal = 7,
    /// `--max-transfer` ended the run.
    MaxTransfer = 8,
    /// Nothing was transferred, and `--error-on-no-transfer` wants to know.
    NothingTransferred = 9,
    /// `--max-duration` ended the run.
    MaxDuration = 10,
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

    /// What the exit code means, in words; docs/cli.md and the help have the same.
    pub fn meaning(self) -> &'static str {
        let row = EXIT_CODES.iter().find(|(class, _)| *class == self);
        row.expect("a test holds the table to the classes").1
    }
}

/// Every exit code but 0, and what it means: the one table that help, documents and tests are made of.
pub const EXIT_CODES: &[(Class, &str)] = &[
    (Class::Failed, "Something failed, some files could not be handled, or `check` found differences"),
    (Class::Usage, "The command line, the configuration or the environment is wrong"),
    (Class::DirNotFound, "A directory was not found"),
    (Class::FileNotFound, "A file was not found"),
    (Class::Temporary, "A passing fault: trying again may help"),
    (Class::NoRetry, "Entries that trying again does not help: `--immutable` found one that has changed, for example"),
    (Class::Fatal, "Refused for safety, or beyond retries: permission, full disk, the delete brake"),
    (Class::MaxTransfer, "`--max-transfer` was reached"),
    (Class::NothingTransferred, "Nothing was transferred, with `--error-on-no-transfer`"),
    (Class::MaxDuration, "`--max-duration` was reached"),
    (Class::Integrity, "Something stored was altered"),
    (Class::Rollback, "The vault shows less than was seen before"),
    (Class::Equivocation, "Two different states claim the same place in the vault's history"),
    (Class::Untrusted, "A key or signature that nothing vouches for, or not the expected vault"),
    (Class::Missing, "An object that the vault refers to is missing"),
    (Class::Version, "A newer format, or weaker parameters than before"),
    (Class::Limit, "A bound on memory, size or depth was reached"),
    (Class::UnsafePath, "A path that would leave its root, or that this system cannot hold"),
    (Class::NoKey, "No key at hand opens the vault: wrong password, for example"),
    (Class::NoVault, "There is no vault at that place"),
    (Class::Conflicts, "Done, and conflicts are waiting: see `cryptsync conflicts`"),
    (Class::Interrupted, "Stopped by a signal"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_class_is_left_out() {
        let source = include_str!("class.rs");
        let variant = |line: &&str| line.starts_with("    ") && line.ends_with(',') && line.contains(" = ");
        let variants: Vec<&str> = source.lines().filter(variant).collect();
        assert_eq!(EXIT_CODES.len(), variants.len());
        for ((class, text), variant) in EXIT_CODES.iter().zip(variants) {
            assert_eq!(format!("    {class:?} = {},", class.code()), variant, "in the order of the codes");
            assert_eq!(class.meaning(), *text);
        }
    }
}
