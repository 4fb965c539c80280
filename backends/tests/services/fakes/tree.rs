//! Files by path, for services whose names are paths.

use std::collections::BTreeMap;

/// A file: its name as it was written, and its content. Folders are there when something below them is, or when they were made.
#[derive(Debug, Clone)]
pub struct Kept {
    pub shown: String,
    /// `None` for a folder.
    pub content: Option<Vec<u8>>,
}

/// Why nothing can be put at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    File,
    Folder,
    /// A file is where a folder belongs.
    Ancestor,
    /// A folder above it is not there.
    NoParent,
}

/// Files and folders by paths that begin with a slash.
#[derive(Debug)]
pub struct Tree {
    pub kept: BTreeMap<String, Kept>,
    /// Whether `A` and `a` are the same.
    folds: bool,
}

impl Tree {
    pub fn new(folds: bool) -> Self {
        Self { kept: BTreeMap::new(), folds }
    }

    pub fn key(&self, path: &str) -> String {
        if self.folds { path.to_lowercase() } else { path.to_owned() }
    }

    pub fn get(&self, path: &str) -> Option<&Kept> {
        self.kept.get(&self.key(path))
    }

    pub fn file(&self, path: &str) -> Option<&Vec<u8>> {
        self.get(path)?.content.as_ref()
    }

    /// What is in the way of a new file.
    pub fn bar(&self, path: &str, makes_folders: bool) -> Option<Bar> {
        for (at, _) in path.match_indices('/').filter(|(at, _)| *at > 0) {
            match self.get(&path[..at]) {
                Some(Kept { content: Some(_), .. }) => return Some(Bar::Ancestor),
                None if !makes_folders => return Some(Bar::NoParent),
                _ => {}
            }
        }
        self.get(path).map(|there| if there.content.is_some() { Bar::File } else { Bar::Folder })
    }

    /// Puts a file, and makes the folders above it.
    pub fn put(&mut self, path: &str, content: Vec<u8>) {
        for (at, _) in path.match_indices('/').filter(|(at, _)| *at > 0) {
            self.folder(&path[..at]);
        }
        self.kept.insert(self.key(path), Kept { shown: path.to_owned(), content: Some(content) });
    }

    pub fn folder(&mut self, path: &str) {
        let key = self.key(path);
        self.kept.entry(key).or_insert_with(|| Kept { shown: path.to_owned(), content: None });
    }

    /// Removes a file, or a folder with all that is in it.
    pub fn remove(&mut self, path: &str) -> bool {
        let (key, there) = (self.key(path), self.get(path).is_some());
        let below = format!("{key}/");
        self.kept.retain(|at, _| *at != key && !at.starts_with(&below));
        there
    }

    /// What is below a folder: all of it, or only what is in it.
    pub fn below<'a>(&'a self, folder: &str, deep: bool) -> impl Iterator<Item = &'a Kept> {
        let start = format!("{}/", self.key(folder).trim_end_matches('/'));
        let inside = move |key: &str| {
            key.strip_prefix(&start).is_some_and(|rest| !rest.is_empty() && (deep || !rest.contains('/')))
        };
        self.kept.iter().filter(move |(key, _)| inside(key)).map(|(_, kept)| kept)
    }
}
