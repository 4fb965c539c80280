//! A log in a file, which is put aside when it gets too large.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;

/// When a log is put aside, and what becomes of those that were.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rotation {
    /// How large the file may get.
    pub(crate) max_size: Option<u64>,
    /// How long those put aside are kept.
    pub(crate) max_age: Option<Duration>,
    /// How many of them are kept.
    pub(crate) max_backups: Option<usize>,
}

/// A file that lines are added to.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    rotation: Rotation,
}

impl LogFile {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn open(path: PathBuf, rotation: Rotation) -> io::Result<Self> {
        let file = append(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size, rotation })
    }

    pub(super) fn write_line(&mut self, line: &str, now: &Zoned) -> io::Result<()> {
        let bytes = format!("{line}\n");
        let size = self.size + bytes.len() as u64;
        if self.size > 0 && self.rotation.max_size.is_some_and(|max| size > max) {
            self.put_aside(now)?;
        }
        self.size += bytes.len() as u64;
        self.file.write_all(bytes.as_bytes()) // in one piece, so that runs which share a log do not mix their lines
    }

    /// `name.log` becomes `name-2006-01-02T15-04-05.000.log`.
    fn put_aside(&mut self, now: &Zoned) -> io::Result<()> {
        let (stem, ending) = self.name_parts();
        let aside = format!("{stem}-{}{ending}", now.strftime(ASIDE));
        fs::rename(&self.path, self.path.with_file_name(aside))?;
        self.file = append(&self.path)?;
        self.size = 0;
        self.forget(now)
    }

    /// Removes those that are too old or too many.
    fn forget(&self, now: &Zoned) -> io::Result<()> {
        let (stem, ending) = self.name_parts();
        let time = |name: &str| {
            let time = name.strip_prefix(&format!("{stem}-"))?.strip_suffix(&ending)?;
            jiff::civil::DateTime::strptime(ASIDE_PARSED, time).ok()
        };
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut aside = Vec::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            aside.extend(name.to_str().and_then(time).map(|time| (time, dir.join(&name))));
        }
        aside.sort();
        aside.reverse();
        let oldest = self.rotation.max_age.and_then(|age| now.datetime().checked_sub(age).ok());
        for (nth, (time, path)) in aside.iter().enumerate() {
            let too_many = self.rotation.max_backups.is_some_and(|most| nth >= most);
            if too_many || oldest.is_some_and(|oldest| *time < oldest) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn name_parts(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let ending = self.path.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
        (text(self.path.file_stem()), ending.unwrap_or_default())
    }
}

/// Names of files are in it, which are nobody else's business.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

const ASIDE: &str = "%Y-%m-%dT%H-%M-%S.%3f";
const ASIDE_PARSED: &str = "%Y-%m-%dT%H-%M-%S%.f";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Zoned {
        jiff::Timestamp::from_second(secs).unwrap().to_zoned(jiff::tz::TimeZone::UTC)
    }

    #[test]
    fn keeps_as_much_as_it_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.log");
        let other = dir.path().join("run-notes.log");
        fs::write(&other, "mine").unwrap();
        let rotation = Rotation { max_size: Some(20), max_age: Some(Duration::from_secs(300)), max_backups: Some(2) };
        for round in 0..6 {
            let mut log = LogFile::open(path.clone(), rotation).unwrap();
            log.write_line(&format!("line {round} of ten"), &at(1_700_000_000 + round * 100)).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "line 5 of ten\n");
        let mut aside: Vec<String> =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        aside.sort();
        assert_eq!(
            aside,
            ["run-2023-11-14T22-20-00.000.log", "run-2023-11-14T22-21-40.000.log", "run-notes.log", "run.log"]
        );
        let mut log = LogFile::open(path, rotation).unwrap();
        log.write_line("much later, and longer", &at(1_800_000_000)).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 3, "the old ones are gone, the newest was made just now");
    }
}
