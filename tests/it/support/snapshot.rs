//! Text that is kept in a file below `tests/it/snapshots`. `UPDATE_SNAPSHOTS=1` writes the files anew.

use std::fs;
use std::path::Path;

use regex::Regex;

/// Compares with the file, line by line.
#[track_caller]
pub fn snapshot(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, kept, "{name} differs from {}; UPDATE_SNAPSHOTS=1 takes it over", path.display());
}

/// The text without what is different each time: temporary places, ids, sizes, rates, times, and ends of lines of terminals.
pub fn scrubbed(text: &str) -> String {
    let rules = [
        ("\r\n", "\n"),
        (r"/[^ \n`:]*/\.tmp[A-Za-z0-9]+", "DIR"),
        (r"\b[a-z2-7]{52}\b", "HASH"),
        (r"[0-9]+(\.[0-9]+)?s\b", "SECONDS"),
        (r"\bETA (-|[0-9hms]+|SECONDS)", "ETA TIME"),
        (r"[0-9.]+ ([KMG]i)?B\b", "SIZE"),
        (r"[0-9]+%", "PART"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, with)| {
        Regex::new(pattern).unwrap().replace_all(&text, *with).into_owned()
    })
}
