//! docs/format.md, section 9.1: the keys of the tree. Bytewise order is the order of a walk that lists a directory, sorted,
//! before it enters the directories found there, in the same order.
//!
//! A key that came out of a vault is only bytes: [`TreeKey::to_path`] is the one door to a path, and checks every name.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Range;

use crate::path::{BadPath, DEPTH_MAX, PATH_MAX, TreePath, check_name, printable};

/// Longest key, in bytes: two marks for each component of the longest path, and no slashes.
pub const KEY_MAX: usize = PATH_MAX + DEPTH_MAX + 1;

/// A key of the tree, or a bound of a range of keys. Orders bytewise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeKey(Box<[u8]>);

impl TreeKey {
    /// The key of a path; `None` for the root, which has no entry.
    pub fn from_path(path: &TreePath) -> Option<Self> {
        let name = path.name()?;
        let mut key = Vec::with_capacity(path.as_bytes().len() + 16);
        let mut dirs = path.components();
        dirs.next_back();
        dirs.for_each(|dir| push_part(&mut key, DIR, dir));
        push_part(&mut key, LEAF, name);
        Some(Self(key.into()))
    }

    /// Wraps bytes as they stand in a node. They need not be the key of any path.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path of this key.
    ///
    /// # Errors
    /// [`UnsafePath`] unless this is exactly the key of a path that a file system may see.
    pub fn to_path(&self) -> Result<TreePath, UnsafePath> {
        self.parse().map_err(|reason| UnsafePath { shown: self.to_string(), reason })
    }

    fn parse(&self) -> Result<TreePath, BadPath> {
        let mut path = Vec::with_capacity(self.0.len());
        let mut rest = &self.0[..];
        loop {
            let [0, mark, tail @ ..] = rest else { return Err(BadPath::Empty) };
            let end = match *mark {
                LEAF => tail.len(),
                DIR => tail.iter().position(|&b| b == 0).unwrap_or(tail.len()),
                _ => return Err(BadPath::Separator),
            };
            let (name, next) = tail.split_at(end);
            check_name(name)?;
            path.extend_from_slice(name);
            if *mark == LEAF {
                return TreePath::from_bytes(&path);
            }
            path.push(b'/');
            rest = next;
        }
    }
}

impl Borrow<[u8]> for TreeKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for TreeKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The key as a person may safely see it, cut off where it grows too long for a message.
impl fmt::Display for TreeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.strip_prefix(&[0, LEAF]).or_else(|| self.0.strip_prefix(&[0, DIR])).unwrap_or(&self.0);
        let mut shown = Vec::new();
        let mut bytes = text.iter().copied().take(SHOWN_MAX).peekable();
        while let Some(byte) = bytes.next() {
            let mark = byte == 0 && bytes.next_if(|next| [LEAF, DIR].contains(next)).is_some();
            shown.push(if mark { b'/' } else { byte });
        }
        write!(f, "{}{}", printable(&shown), if text.len() > SHOWN_MAX { "…" } else { "" })
    }
}

impl fmt::Debug for TreeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeKey({self})")
    }
}

/// A key in a vault that is not the key of a safe path: whoever wrote it was broken or means harm.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unsafe path `{shown}`")]
pub struct UnsafePath {
    /// The path as far as it can be shown.
    pub shown: String,
    /// What is wrong with it.
    #[source]
    pub reason: BadPath,
}

/// The keys of the direct children of a directory.
pub fn children_range(dir: &TreePath) -> Range<TreeKey> {
    let prefix = dir_prefix(dir);
    bound(&prefix, &[0, LEAF])..bound(&prefix, &[0, DIR])
}

/// The keys of everything below a directory. Its own key is not among them.
pub fn subtree_range(dir: &TreePath) -> Range<TreeKey> {
    let prefix = dir_prefix(dir);
    let first: &[u8] = if dir.is_root() { &[] } else { &[0] };
    bound(&prefix, first)..bound(&prefix, &[1])
}

fn dir_prefix(dir: &TreePath) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(dir.as_bytes().len() + 16);
    dir.components().for_each(|name| push_part(&mut prefix, DIR, name));
    prefix
}

fn push_part(key: &mut Vec<u8>, mark: u8, name: &[u8]) {
    key.extend_from_slice(&[0, mark]);
    key.extend_from_slice(name);
}

fn bound(prefix: &[u8], end: &[u8]) -> TreeKey {
    TreeKey([prefix, end].concat().into())
}

/// Before the last component.
const LEAF: u8 = 1;
/// Before every other one.
const DIR: u8 = 2;
/// How many bytes of a key a message shows.
const SHOWN_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> TreePath {
        TreePath::from_bytes(text.as_bytes()).unwrap()
    }

    fn key(text: &str) -> TreeKey {
        TreeKey::from_path(&path(text)).unwrap()
    }

    #[test]
    fn frozen() {
        assert_eq!(TreeKey::from_path(&TreePath::root()), None);
        assert_eq!(key("a").as_bytes(), b"\0\x01a");
        assert_eq!(key("dir/sub/n").as_bytes(), b"\0\x02dir\0\x02sub\0\x01n");
        assert_eq!(key("dir/sub/n").to_string(), "dir/sub/n");
        assert_eq!(children_range(&path("a")).start.as_bytes(), b"\0\x02a\0\x01");
        assert_eq!(children_range(&path("a")).end.as_bytes(), b"\0\x02a\0\x02");
        assert_eq!(subtree_range(&path("a")), TreeKey::from_bytes(b"\0\x02a\0")..TreeKey::from_bytes(b"\0\x02a\x01"));
    }

    #[test]
    fn longest_paths_fit() {
        let deep = vec!["abcdefghijklmnopqrstuvwxyzabcde"; DEPTH_MAX].join("/");
        assert_eq!(deep.len(), PATH_MAX - 1);
        assert!(key(&deep).as_bytes().len() <= KEY_MAX);
        assert_eq!(key(&deep).to_path().unwrap(), path(&deep));
    }

    #[test]
    fn ranges_hold_what_they_say() {
        let (dir, root) = (path("a/b"), TreePath::root());
        for (text, child, below) in [
            ("a/b", false, false),
            ("a/b/c", true, true),
            ("a/b/c/d", false, true),
            ("a/b!", false, false),
            ("a/b\u{1}/c", false, false),
            ("a/bc/d", false, false),
            ("b", false, false),
        ] {
            assert_eq!(children_range(&dir).contains(&key(text)), child, "{text}");
            assert_eq!(subtree_range(&dir).contains(&key(text)), below, "{text}");
            assert!(subtree_range(&root).contains(&key(text)));
            assert_eq!(children_range(&root).contains(&key(text)), !text.contains('/'));
        }
    }

    #[test]
    fn unsafe_keys_are_refused() {
        for (bytes, reason) in [
            (&b""[..], BadPath::Empty),
            (b"a", BadPath::Empty),
            (b"\0\x01", BadPath::Empty),
            (b"\0\x02a", BadPath::Empty),
            (b"\0\x02\0\x01a", BadPath::Empty),
            (b"\0\x01..", BadPath::Dots),
            (b"\0\x02..\0\x01a", BadPath::Dots),
            (b"\0\x01a/b", BadPath::Separator),
            (b"\0\x01a\0\x01b", BadPath::Separator),
            (b"\0\x03a", BadPath::Separator),
        ] {
            assert_eq!(TreeKey::from_bytes(bytes).to_path().unwrap_err().reason, reason, "{bytes:?}");
        }
        assert_eq!(TreeKey::from_bytes(b"\0\x02..\0\x01a").to_path().unwrap_err().to_string(), "unsafe path `../a`");
    }

    proptest! {
        #[test]
        fn accepted_keys_are_the_keys_of_their_paths(bytes in proptest::collection::vec(0u8..5, 0..12)) {
            let key = TreeKey::from_bytes(&bytes);
            if let Ok(path) = key.to_path() {
                prop_assert_eq!(TreeKey::from_path(&path), Some(key));
            }
        }
    }
}
