//! The name of an object on a remote, parsed once. Owns the rules that every service can live with; never touches a
//! file system, so it knows nothing of case folding or of names that a platform reserves.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A relative, `/`-separated path: ASCII without control characters, no empty, `.` or `..` component, and at most
/// [`RemotePath::LEN_MAX`] bytes. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemotePath(Arc<str>);

impl RemotePath {
    /// The longest path in bytes: the limit of S3, the narrowest of the services with one.
    pub const LEN_MAX: usize = 1024;

    /// Parses a path.
    pub fn new(text: impl AsRef<str>) -> std::result::Result<Self, BadRemotePath> {
        let text = text.as_ref();
        if text.len() > Self::LEN_MAX {
            return Err(BadRemotePath::TooLong);
        }
        if let Some(bad) = text.chars().find(|c| !c.is_ascii() || c.is_ascii_control()) {
            return Err(BadRemotePath::Character(bad));
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(BadRemotePath::Component);
        }
        Ok(Self(text.into()))
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for RemotePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for RemotePath {
    type Err = BadRemotePath;

    fn from_str(text: &str) -> std::result::Result<Self, BadRemotePath> {
        Self::new(text)
    }
}

/// Why a text is not a [`RemotePath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRemotePath {
    /// It is longer than [`RemotePath::LEN_MAX`].
    #[error("the path is longer than {max} bytes", max = RemotePath::LEN_MAX)]
    TooLong,
    /// It holds something other than printable ASCII.
    #[error("the path holds the character {0:?}, which some services cannot store")]
    Character(char),
    /// It is empty, absolute, ends in a slash, or has an empty, `.` or `..` component.
    #[error("the path has an empty, `.` or `..` component")]
    Component,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_parse() {
        for good in ["a", "data/a b/.c", "log/c...", "..a/b\\c", &"x".repeat(1024)] {
            assert_eq!(RemotePath::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/."] {
            assert_eq!(RemotePath::new(bad), Err(BadRemotePath::Component), "{bad:?}");
        }
        assert_eq!(RemotePath::new("a\n"), Err(BadRemotePath::Character('\n')));
        assert_eq!("ä".parse::<RemotePath>(), Err(BadRemotePath::Character('ä')));
        assert_eq!(RemotePath::new("x".repeat(1025)), Err(BadRemotePath::TooLong));
    }

    #[test]
    fn the_name_is_the_last_component() {
        assert_eq!(RemotePath::new("a/b/c").unwrap().name(), "c");
        assert_eq!(RemotePath::new("c").unwrap().name(), "c");
    }
}
