//! docs/format.md, section 9.2: the attributes of entries that this version knows.

use super::limits::ATTRIBUTES_MAX;
use super::wire::{Malformed, Put, Reader};
use crate::path::{DEPTH_MAX, PATH_MAX, TreePath};

/// Attribute: owner and group.
pub const OWNER: u64 = 1;
/// Attribute: extended attributes.
pub const XATTRS: u64 = 2;
/// Attribute: hashes of the content.
pub const CONTENT_HASHES: u64 = 3;
/// Attribute: the entry that this one is a hard link to.
pub const HARD_LINK: u64 = 4;

/// Attribute: the content was found to be missing, and is to be stored again.
pub const LOST: u64 = 7;

/// Who owns an entry, by numbers and by names. Names that are not known are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Name of the user.
    pub user: Vec<u8>,
    /// Name of the group.
    pub group: Vec<u8>,
}

impl Owner {
    /// The bytes of the attribute.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.uid.into());
        out.put_varint(self.gid.into());
        out.put_bytes(&self.user);
        out.put_bytes(&self.group);
        out
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Malformed`] if they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "owner");
        let owner = Self {
            uid: reader.varint32()?,
            gid: reader.varint32()?,
            user: reader.bytes(NAME_MAX)?.to_vec(),
            group: reader.bytes(NAME_MAX)?.to_vec(),
        };
        reader.finish()?;
        Ok(owner)
    }

    /// Whether both are the same people: by names where both sides have them, otherwise by numbers.
    pub fn same(&self, other: &Self) -> bool {
        let same = |a: &[u8], b: &[u8], numbers| if a.is_empty() || b.is_empty() { numbers } else { a == b };
        same(&self.user, &other.user, self.uid == other.uid) && same(&self.group, &other.group, self.gid == other.gid)
    }
}

/// Extended attributes: names and values, ascending by name, each name once.
pub type Xattrs = std::collections::BTreeMap<Vec<u8>, Vec<u8>>;

/// The bytes of the attribute.
pub fn encode_xattrs(xattrs: &Xattrs) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_varint(xattrs.len() as u64);
    for (name, value) in xattrs {
        out.put_bytes(name);
        out.put_bytes(value);
    }
    out
}

/// Reads them.
///
/// # Errors
/// [`Malformed`] if they are none, or a name is empty, too long, holds a NUL byte or is out of order.
pub fn decode_xattrs(bytes: &[u8]) -> Result<Xattrs, Malformed> {
    let mut reader = Reader::new(bytes, "extended attributes");
    let mut xattrs = Xattrs::new();
    for _ in 0..reader.count(ATTRIBUTES_MAX)? {
        let name = reader.bytes(NAME_MAX)?;
        let ascends = xattrs.last_key_value().is_none_or(|(last, _)| last.as_slice() < name);
        if name.is_empty() || name.contains(&0) || !ascends {
            return Err(reader.bad());
        }
        xattrs.insert(name.to_vec(), reader.bytes(ATTRIBUTES_MAX)?.to_vec());
    }
    reader.finish()?;
    Ok(xattrs)
}

/// Where the first entry of a group of hard links is, seen from the directory of another: so many directories up, and down
/// that path. Moving both together leaves it true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HardLink {
    /// Directories up.
    pub up: usize,
    /// The path down from there.
    pub down: TreePath,
}

impl HardLink {
    /// From the entry `from` to the entry `to`; `None` if one of them is the root.
    pub fn between(from: &TreePath, to: &TreePath) -> Option<Self> {
        let (dir, to_dir) = (from.parent()?, to.parent()?);
        let shared = dir.components().zip(to_dir.components()).take_while(|(a, b)| a == b).count();
        let down: Vec<&[u8]> = to.components().skip(shared).collect();
        let down = TreePath::from_bytes(&down.join(&b'/')).ok()?;
        Some(Self { up: dir.components().count() - shared, down })
    }

    /// Where it leads from the entry `from`; `None` if that is no path.
    pub fn resolve(&self, from: &TreePath) -> Option<TreePath> {
        let mut dir = from.parent()?;
        for _ in 0..self.up {
            dir = dir.parent()?;
        }
        dir.join_path(&self.down).ok()
    }

    /// The bytes of the attribute.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_varint(self.up as u64);
        out.put_bytes(self.down.as_bytes());
        out
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Malformed`] if they are none, or the path is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes, "hard link");
        let up = reader.count(DEPTH_MAX)?;
        let down = TreePath::from_bytes(reader.bytes(PATH_MAX)?).map_err(|_| reader.bad())?;
        if down.is_root() {
            return Err(reader.bad());
        }
        reader.finish()?;
        Ok(Self { up, down })
    }
}

const NAME_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::from_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn hard_links_lead_back() {
        for (from, to, up, down) in [
            ("b", "a", 0, "a"),
            ("d/b", "d/a", 0, "a"),
            ("d/e/b", "d/a", 1, "a"),
            ("d/b", "a", 1, "a"),
            ("x/y/b", "d/e/a", 2, "d/e/a"),
            ("a/b", "a/c/d", 0, "c/d"),
        ] {
            let link = HardLink::between(&path(from), &path(to)).unwrap();
            assert_eq!((link.up, link.down.clone()), (up, path(down)), "{from} {to}");
            assert_eq!(link.resolve(&path(from)), Some(path(to)));
            assert_eq!(HardLink::decode(&link.encode()), Ok(link));
        }
        let out = HardLink { up: 2, down: path("a") };
        assert_eq!(out.resolve(&path("d/b")), None, "above the root");
        for bad in [&b""[..], &[0, 0], &[0, 2, b'.', b'.'], &[0, 2, b'/', b'a'], &[0, 1, b'a', 0]] {
            assert!(HardLink::decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn owners_and_extended_attributes() {
        let owner = |uid, user: &str| Owner { uid, gid: 5, user: user.into(), group: Vec::new() };
        assert_eq!(Owner::decode(&owner(7, "anna").encode()), Ok(owner(7, "anna")));
        assert!(owner(7, "anna").same(&owner(8, "anna")), "by name");
        assert!(!owner(7, "").same(&owner(8, "anna")), "by number where one has no name");
        let xattrs = Xattrs::from([(b"user.a".to_vec(), vec![0, 1]), (b"user.b".to_vec(), vec![])]);
        assert_eq!(decode_xattrs(&encode_xattrs(&xattrs)), Ok(xattrs));
        for bad in [&[1, 0, 0][..], &[2, 1, b'b', 0, 1, b'a', 0], &[1, 1, 0, 0], &[0, 0], &[2, 1, b'b', 0]] {
            assert!(decode_xattrs(bad).is_err(), "{bad:?}");
        }
    }
}
