//! Every purpose that a key or a hash has, in one table: no two purposes share a context.

/// A purpose, and with it a context string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Domain {
    ChunkId,
    Cdc,
    Hedge,
    RecordName,
    Split,
    Object,
    Commit,
    Access,
    Member,
    Writer,
    MemberKem,
    MemberSign,
    Slot,
    Encapsulate,
    Dummy,
    Password,
    SignCommit,
    SignAccess,
    SignAdopt,
    SignNotice,
}

impl Domain {
    /// docs/format.md, section 1: `context(name)`.
    pub(super) const fn context(self) -> &'static str {
        match self {
            Self::ChunkId => "cryptsync 2026-11 v1 chunk-id",
            Self::Cdc => "cryptsync 2026-11 v1 cdc",
            Self::Hedge => "cryptsync 2026-11 v1 hedge",
            Self::RecordName => "cryptsync 2026-11 v1 record-name",
            Self::Split => "cryptsync 2026-11 v1 split",
            Self::Object => "cryptsync 2026-11 v1 object",
            Self::Commit => "cryptsync 2026-11 v1 commit",
            Self::Access => "cryptsync 2026-11 v1 access",
            Self::Member => "cryptsync 2026-11 v1 member-id",
            Self::Writer => "cryptsync 2026-11 v1 writer-id",
            Self::MemberKem => "cryptsync 2026-11 v1 member-kem",
            Self::MemberSign => "cryptsync 2026-11 v1 member-sign",
            Self::Slot => "cryptsync 2026-11 v1 slot",
            Self::Encapsulate => "cryptsync 2026-11 v1 encapsulate",
            Self::Dummy => "cryptsync 2026-11 v1 dummy-slot",
            Self::Password => "cryptsync 2026-11 v1 password",
            Self::SignCommit => "cryptsync 2026-11 v1 sign commit",
            Self::SignAccess => "cryptsync 2026-11 v1 sign access",
            Self::SignAdopt => "cryptsync 2026-11 v1 sign adopt",
            Self::SignNotice => "cryptsync 2026-11 v1 sign notice",
        }
    }

    /// A hasher in key derivation mode for this purpose.
    pub(super) fn hasher(self) -> blake3::Hasher {
        blake3::Hasher::new_derive_key(self.context())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Domain; 20] = [
        Domain::ChunkId,
        Domain::Cdc,
        Domain::Hedge,
        Domain::RecordName,
        Domain::Split,
        Domain::Object,
        Domain::Commit,
        Domain::Access,
        Domain::Member,
        Domain::Writer,
        Domain::MemberKem,
        Domain::MemberSign,
        Domain::Slot,
        Domain::Encapsulate,
        Domain::Dummy,
        Domain::Password,
        Domain::SignCommit,
        Domain::SignAccess,
        Domain::SignAdopt,
        Domain::SignNotice,
    ];

    #[test]
    fn contexts_are_unique_and_prefix_free() {
        for (i, a) in ALL.iter().enumerate() {
            for (j, b) in ALL.iter().enumerate() {
                assert!(i == j || !b.context().starts_with(a.context()), "{a:?} and {b:?}");
            }
        }
    }
}
