//! `--hash-filter K/N`: files dealt out to N parts by their paths, as rclone deals them.

use unicode_normalization::UnicodeNormalization;

/// One of several parts.
#[derive(Debug, Clone, Copy)]
pub struct Partition {
    part: u64,
    parts: u64,
    /// MD5, which is not this module's to compute.
    digest: fn(&[u8]) -> [u8; 16],
}

/// Text that names no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a part; write `K/N`, for example `1/10`, or `@/10` for one of ten by chance")]
pub struct BadPartition(String);

impl Partition {
    /// Reads `K/N`; `K` may be `@`, which `random` decides.
    ///
    /// # Errors
    /// [`BadPartition`] if it is something else.
    pub fn parse(
        text: &str,
        random: impl FnOnce() -> u64,
        digest: fn(&[u8]) -> [u8; 16],
    ) -> Result<Self, BadPartition> {
        let bad = || BadPartition(text.to_owned());
        let (part, parts) = text.split_once('/').ok_or_else(bad)?;
        let parts: u64 = number(parts).filter(|parts| *parts > 0).ok_or_else(bad)?;
        let part = if part == "@" { random() } else { number(part).ok_or_else(bad)? };
        Ok(Self { part: part % parts, parts, digest })
    }

    /// Whether a path belongs to the part. Paths that a file system could take for one belong together.
    pub(super) fn holds(&self, path: &str) -> bool {
        let lower = |c: char| c.to_lowercase().next().unwrap_or(c); // one for one, as Go does it
        let normal: String = path.nfc().map(lower).collect();
        let digest = (self.digest)(normal.as_bytes());
        let [a, b, c, d, e, f, g, h, ..] = digest;
        u64::from_le_bytes([a, b, c, d, e, f, g, h]) % self.parts == self.part
    }

    pub(super) fn shown(&self) -> String {
        format!("{}/{}", self.part, self.parts)
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_parts() {
        let parse = |text: &str| Partition::parse(text, || 23, |_| [0; 16]).map(|part| part.shown());
        assert_eq!(parse("1/10").unwrap(), "1/10");
        assert_eq!(parse("11/10").unwrap(), "1/10");
        assert_eq!(parse("@/10").unwrap(), "3/10");
        for bad in ["", "1", "/", "1/0", "-1/3", "1/3/4", "+1/3", "x/3", "1/ 3"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
