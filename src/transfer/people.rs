//! Names of users and groups of this machine, as its files `passwd` and `group` have them.

use std::collections::HashMap;
use std::path::Path;

use crate::format::attribute::Owner;

/// Both tables.
#[derive(Debug, Default)]
pub(super) struct People {
    users: Names,
    groups: Names,
}

#[derive(Debug, Default)]
struct Names {
    by_id: HashMap<u32, Vec<u8>>,
    by_name: HashMap<Vec<u8>, u32>,
}

impl People {
    /// Of this machine.
    pub(super) fn of_system() -> Self {
        Self { users: Names::read("/etc/passwd".as_ref()), groups: Names::read("/etc/group".as_ref()) }
    }

    /// An owner with names, as far as they are known.
    pub(super) fn owner(&self, uid: u32, gid: u32) -> Owner {
        let name = |names: &Names, id| names.by_id.get(&id).cloned().unwrap_or_default();
        Owner { uid, gid, user: name(&self.users, uid), group: name(&self.groups, gid) }
    }

    /// The numbers that an owner has here: those of his names if they are known here. Root is root by number alone.
    pub(super) fn ids(&self, owner: &Owner) -> (u32, u32) {
        let id = |names: &Names, id, name: &[u8]| match names.by_name.get(name) {
            Some(here) if id != 0 && *here != 0 => *here,
            _ => id,
        };
        (id(&self.users, owner.uid, &owner.user), id(&self.groups, owner.gid, &owner.group))
    }
}

impl Names {
    /// Lines of `name:password:number:…`. What is not to be read is not there.
    fn read(path: &Path) -> Self {
        let mut names = Self::default();
        for line in std::fs::read(path).unwrap_or_default().split(|b| *b == b'\n') {
            let mut fields = line.split(|b| *b == b':');
            let (Some(name), Some(number)) = (fields.next(), fields.nth(1)) else { continue };
            let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
            if let (Some(id), 1..=255) = (number, name.len()) {
                names.by_id.entry(id).or_insert_with(|| name.to_vec());
                names.by_name.entry(name.to_vec()).or_insert(id);
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_where_they_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("passwd");
        std::fs::write(&file, "root:x:0:0:root:/root:/bin/sh\nanna:x:1007:100::\nbad line\nwheel:x:0:\n").unwrap();
        let people = People { users: Names::read(&file), groups: Names::read(&dir.path().join("missing")) };
        assert_eq!(people.owner(1007, 5).user, b"anna");
        let owner = |uid, user: &str| Owner { uid, gid: 5, user: user.into(), group: b"staff".to_vec() };
        assert_eq!(people.ids(&owner(1000, "anna")), (1007, 5));
        assert_eq!(people.ids(&owner(1000, "bert")), (1000, 5));
        assert_eq!(people.ids(&owner(0, "anna")), (0, 5));
        assert_eq!(people.ids(&owner(1000, "root")), (1000, 5), "nobody becomes root by his name");
    }
}
