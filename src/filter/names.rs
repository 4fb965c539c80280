//! Lists of names (`--files-from`): which files they hold, and which directories are on the way to them.

use crate::path::TreePath;

/// A set of paths. Costs eight bytes a path beside the path itself.
#[derive(Debug, Default)]
pub struct Names {
    text: Vec<u8>,
    /// Where each path begins in `text` and how long it is, in the order of the paths.
    spans: Vec<(u32, u16)>,
}

impl Names {
    /// A set of these paths.
    pub fn new(paths: impl IntoIterator<Item = TreePath>) -> Self {
        let mut names = Self::default();
        for path in paths {
            names.push(&path);
        }
        names.finish()
    }

    /// Adds a path; [`Names::finish`] has to follow. What comes after 4 GiB of names is left out, and `false` says so.
    pub fn push(&mut self, path: &TreePath) -> bool {
        let (start, len) = (u32::try_from(self.text.len()), u16::try_from(path.as_bytes().len()));
        let (Ok(start), Ok(len)) = (start, len) else { return false };
        self.text.extend_from_slice(path.as_bytes());
        self.spans.push((start, len));
        true
    }

    /// Sorts what was added.
    #[must_use]
    pub fn finish(mut self) -> Self {
        let text = &self.text;
        self.spans.sort_unstable_by_key(|span| slice(text, *span));
        self.spans.dedup_by_key(|span| slice(text, *span));
        self
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(super) fn holds(&self, path: &[u8]) -> bool {
        self.spans.binary_search_by_key(&path, |span| slice(&self.text, *span)).is_ok()
    }

    /// Whether one of them is below the directory.
    pub(super) fn leads_through(&self, dir: &[u8]) -> bool {
        let below = [dir, b"/"].concat();
        let at = self.spans.partition_point(|span| slice(&self.text, *span) < &below[..]);
        self.spans.get(at).is_some_and(|span| slice(&self.text, *span).starts_with(&below))
    }
}

fn slice(text: &[u8], (start, len): (u32, u16)) -> &[u8] {
    &text[start as usize..start as usize + usize::from(len)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_files_and_the_way_to_them() {
        let path = |text: &str| TreePath::from_bytes(text.as_bytes()).unwrap();
        let names = Names::new(["b/c/d", "a", "b/c/d", "b-/x"].map(path));
        assert_eq!(names.len(), 3);
        for (text, file, dir) in
            [("a", true, false), ("b", false, true), ("b/c", false, true), ("b/c/d", true, false), ("c", false, false)]
        {
            assert_eq!((names.holds(text.as_bytes()), names.leads_through(text.as_bytes())), (file, dir), "{text}");
        }
    }
}
