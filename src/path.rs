//! Paths inside a vault: bytes, `/`-separated, relative, with no empty, `.` or `..` part.
//!
//! Only the constructors here make one, so a [`TreePath`] in hand can be joined beneath a root without further checks.
//! Names are bytes, not text: what the file system holds is kept as it is.

use std::fmt;

/// Longest name of one component, in bytes.
pub const NAME_MAX: usize = 255;
/// Longest whole path, in bytes.
pub const PATH_MAX: usize = 32 * 1024;
/// Deepest path, in components.
pub const DEPTH_MAX: usize = 1024;

/// Why bytes are not a path or a name. The text completes "unsafe path `x`: …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// `//`, a leading or a trailing slash.
    #[error("it has an empty component")]
    Empty,
    /// `.` or `..` as a component.
    #[error("`.` and `..` are not allowed as components")]
    Dots,
    /// A NUL byte, or a slash inside a name.
    #[error("a name holds a NUL byte or a slash")]
    Separator,
    /// Longer than the limits of the format.
    #[error("it is longer than the format allows")]
    TooLong,
}

/// A path inside a vault. The empty path is the root.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TreePath(Box<[u8]>);

impl TreePath {
    /// The root of the vault.
    pub fn root() -> Self {
        Self::default()
    }

    /// Parses strictly: no leading, trailing or doubled slash.
    ///
    /// # Errors
    /// [`BadPath`] names what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadPath> {
        if bytes.is_empty() {
            return Ok(Self::root());
        }
        if bytes.len() > PATH_MAX {
            return Err(BadPath::TooLong);
        }
        let mut depth = 0;
        for name in bytes.split(|&b| b == b'/') {
            check_name(name)?;
            depth += 1;
        }
        if depth > DEPTH_MAX { Err(BadPath::TooLong) } else { Ok(Self(bytes.into())) }
    }

    /// Parses what a person types: leading, trailing and doubled slashes and `.` components are forgiven, `..` is not.
    ///
    /// # Errors
    /// [`BadPath`] names what is wrong.
    pub fn from_user(bytes: &[u8]) -> Result<Self, BadPath> {
        let parts: Vec<&[u8]> = bytes.split(|&b| b == b'/').filter(|p| !p.is_empty() && *p != b".").collect();
        Self::from_bytes(&parts.join(&b'/'))
    }

    /// This path with one more component.
    ///
    /// # Errors
    /// [`BadPath`] if `name` is no valid component or the result is too long.
    pub fn join(&self, name: &[u8]) -> Result<Self, BadPath> {
        check_name(name)?;
        if self.is_root() {
            return Ok(Self(name.into()));
        }
        let joined = [&self.0, &b"/"[..], name].concat();
        let depth = joined.iter().filter(|&&b| b == b'/').count() + 1;
        if joined.len() > PATH_MAX || depth > DEPTH_MAX { Err(BadPath::TooLong) } else { Ok(Self(joined.into())) }
    }

    /// This path followed by all components of `below`.
    ///
    /// # Errors
    /// [`BadPath::TooLong`] if the result is too long.
    pub fn join_path(&self, below: &TreePath) -> Result<Self, BadPath> {
        if self.is_root() || below.is_root() {
            return Ok(if self.is_root() { below.clone() } else { self.clone() });
        }
        Self::from_bytes(&[&self.0, &b"/"[..], &below.0].concat())
    }

    /// Whether this is the empty path.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, components separated by `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|p| !p.is_empty())
    }

    /// The last component; `None` at the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The path without its last component; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        let cut = match self.0.iter().rposition(|&b| b == b'/') {
            Some(cut) => cut,
            None if self.is_root() => return None,
            None => 0,
        };
        Some(Self(self.0[..cut].into()))
    }

    /// What remains of this path below `dir`; `None` if it is not `dir` or beneath it.
    pub fn strip_prefix(&self, dir: &TreePath) -> Option<TreePath> {
        if dir.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(&*dir.0)? {
            [] => Some(Self::root()),
            [b'/', rest @ ..] => Some(Self(rest.into())),
            _ => None,
        }
    }
}

/// Checks one component.
///
/// # Errors
/// [`BadPath`] names what is wrong.
pub fn check_name(name: &[u8]) -> Result<(), BadPath> {
    match name {
        b"" => Err(BadPath::Empty),
        b"." | b".." => Err(BadPath::Dots),
        _ if name.len() > NAME_MAX => Err(BadPath::TooLong),
        _ if name.iter().any(|&b| b == 0 || b == b'/') => Err(BadPath::Separator),
        _ => Ok(()),
    }
}

/// The path as a person may safely see it: control characters and bytes that are not UTF-8 are escaped.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreePath({self})")
    }
}

/// Bytes as text that can't move a cursor, ring a bell or reverse a line: control and bidirectional-override characters
/// and invalid UTF-8 become `\xNN` escapes, a backslash is doubled only where something was escaped.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || is_bidi(c) {
                let mut buf = [0; 4];
                c.encode_utf8(&mut buf).bytes().for_each(|b| push_escape(&mut out, b));
            } else {
                out.push(c);
            }
        }
        chunk.invalid().iter().for_each(|&b| push_escape(&mut out, b));
    }
    out
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_escape(out: &mut String, byte: u8) {
    use fmt::Write;
    write!(out, "\\x{byte:02x}").expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_paths() {
        for bad in [&b"/a"[..], b"a/", b"a//b", b"a/../b", b".", b"a\0b"] {
            assert!(TreePath::from_bytes(bad).is_err(), "{}", printable(bad));
        }
        let path = TreePath::from_bytes(b"a/b/\xff").unwrap();
        assert_eq!(path.name(), Some(&b"\xff"[..]));
        assert_eq!(path.parent().unwrap().as_bytes(), b"a/b");
        assert_eq!(path.to_string(), "a/b/\\xff");
    }

    #[test]
    fn users_are_forgiven_slashes_but_not_dots() {
        assert_eq!(TreePath::from_user(b"/a//./b/").unwrap().as_bytes(), b"a/b");
        assert_eq!(TreePath::from_user(b"../x"), Err(BadPath::Dots));
    }

    #[test]
    fn what_can_be_joined_can_be_parsed() {
        let mut path = TreePath::root();
        while let Ok(longer) = path.join(b"d") {
            path = longer;
        }
        assert_eq!(path.components().count(), DEPTH_MAX);
        assert_eq!(TreePath::from_bytes(path.as_bytes()), Ok(path));
    }

    #[test]
    fn prefixes() {
        let dir = TreePath::from_bytes(b"a/b").unwrap();
        let below = TreePath::from_bytes(b"a/b/c").unwrap();
        let beside = TreePath::from_bytes(b"a/bc").unwrap();
        assert_eq!(below.strip_prefix(&dir).unwrap().as_bytes(), b"c");
        assert_eq!(beside.strip_prefix(&dir), None);
        assert!(dir.strip_prefix(&dir).unwrap().is_root());
    }

    #[test]
    fn escapes_what_moves_a_terminal() {
        assert_eq!(printable("é\u{1b}[0m\u{202e}".as_bytes()), "é\\x1b[0m\\xe2\\x80\\xae");
    }
}
