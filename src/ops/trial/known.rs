//! What remotes were seen to do, remembered from one run to the next: one line a place in the state directory. A memory, and nothing more:
//! where it is lost, services find out again.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use cryptsync_backends::contract::Observed;

use crate::ops::Ctx;

/// What was seen of the remote that is described so.
pub(in crate::ops) fn recall(state_dir: &Path, place: &str) -> Observed {
    lines(state_dir).into_iter().rev().find(|(known, _)| known == place).map(|(_, seen)| seen).unwrap_or_default()
}

/// Remembers what was seen of a remote. Where the state can't be written it is found out again, and that is all.
pub(in crate::ops) fn remember(ctx: &Ctx<'_>, place: &str, seen: Observed) {
    if ctx.ephemeral || place.contains(['\n', '\r']) {
        return;
    }
    let mut known = lines(&ctx.state_dir);
    known.retain(|(other, _)| other != place);
    known.push((place.to_owned(), seen));
    let text: String = known.iter().map(|(place, seen)| format!("{} {place}\n", written(*seen))).collect();
    write(&ctx.state_dir, &text).unwrap_or_default();
}

fn write(state_dir: &Path, text: &str) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir)?;
    let temp = state_dir.join(format!("{FILE}.tmp-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temp)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&temp, state_dir.join(FILE))
}

/// A line that makes no sense is passed over.
fn lines(state_dir: &Path) -> Vec<(String, Observed)> {
    let text = fs::read_to_string(state_dir.join(FILE)).unwrap_or_default();
    text.lines().filter_map(parsed).collect()
}

fn written(seen: Observed) -> String {
    let word = |known: Option<bool>| known.map_or("-", |is| if is { "yes" } else { "no" });
    let delay = seen.list_delay.map_or("-".to_owned(), |delay| delay.as_millis().to_string());
    format!(
        "once={} ranges={} case={} lag={delay}",
        word(seen.put_new),
        word(seen.read_range),
        word(seen.case_sensitive)
    )
}

fn parsed(line: &str) -> Option<(String, Observed)> {
    let mut parts = line.splitn(5, ' ');
    let mut seen = Observed::default();
    for name in ["once", "ranges", "case", "lag"] {
        let value = parts.next()?.strip_prefix(name)?.strip_prefix('=')?;
        let word = match value {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        match name {
            "once" => seen.put_new = word,
            "ranges" => seen.read_range = word,
            "case" => seen.case_sensitive = word,
            // What somebody else has written must not have us wait for ever.
            _ => seen.list_delay = value.parse().ok().map(|millis: u64| Duration::from_millis(millis.min(LAG_MAX))),
        }
    }
    Some((parts.next()?.to_owned(), seen))
}

const FILE: &str = "known_remotes";
/// In milliseconds.
const LAG_MAX: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back() {
        let seen = Observed {
            put_new: Some(false),
            read_range: Some(true),
            case_sensitive: None,
            list_delay: Some(Duration::from_millis(1500)),
        };
        for (place, seen) in [("s3:b/a place at http://h:1", seen), ("/x", Observed::default())] {
            let line = format!("{} {place}", written(seen));
            assert_eq!(parsed(&line), Some((place.to_owned(), seen)), "{line}");
        }
        for bad in ["", "x", "once=yes ranges=no", "once=yes ranges=no lag=1 case=- /x"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        let long = parsed("once=- ranges=- case=- lag=99999999999 /x").unwrap().1;
        assert_eq!(long.list_delay, Some(Duration::from_secs(60)));
    }
}
