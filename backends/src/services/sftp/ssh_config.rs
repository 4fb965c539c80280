//! `~/.ssh/config`, as much of it as says where a host is and who logs in there: `Host` sections with `HostName`, `Port`, `User`,
//! `IdentityFile`, `UserKnownHostsFile`, `ProxyJump` and `ProxyCommand`, and `Include`. Everything else is left to `ssh`; what stands in a `Match`
//! section counts for nobody.

use std::path::{Path, PathBuf};

/// What a file says of one host. What comes first counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) host_name: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) keys: Vec<PathBuf>,
    pub(super) known_hosts: Option<PathBuf>,
    /// As it is written: `user@host:port`, several with commas between them.
    pub(super) jump: Option<String>,
    /// `ProxyCommand`, as it is written. There is a jump or a command, whichever comes first.
    pub(super) command: Option<String>,
}

/// Looks a host up. A file that is not there says nothing.
///
/// # Errors
/// A sentence about the line that can't be understood, or about the file.
pub(super) fn look_up(file: &Path, host: &str) -> Result<Found, String> {
    let mut found = Found::default();
    read(file, host, &mut found, INCLUDES_MAX)?;
    Ok(found)
}

fn read(file: &Path, host: &str, found: &mut Found, depth: u32) -> Result<(), String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{} can't be read: {error}", file.display())),
    };
    let mut counts = true;
    for (number, line) in text.lines().enumerate() {
        let Some((word, rest)) = taken_apart(line) else { continue };
        let bad = |what: &str| format!("{}:{}: {what}", file.display(), number + 1);
        let first = rest.first().cloned();
        match word.as_str() {
            "host" => counts = is_meant(&rest, host),
            "match" => counts = false,
            _ if !counts => {}
            "include" => {
                for name in &rest {
                    if depth == 0 {
                        return Err(bad("files are included too deeply"));
                    }
                    read(&file.parent().unwrap_or(Path::new("/")).join(path(name)), host, found, depth - 1)?;
                }
            }
            "hostname" => found.host_name = found.host_name.take().or(first.map(|name| name.replace("%h", host))),
            "user" => found.user = found.user.take().or(first),
            "port" => {
                let port = first.and_then(|port| port.parse().ok()).filter(|port| *port != 0);
                found.port = found.port.or(Some(port.ok_or_else(|| bad("a port is a number from 1 to 65535"))?));
            }
            "identityfile" => found.keys.extend(first.filter(|name| name != "none").map(|name| path(&name))),
            "userknownhostsfile" => found.known_hosts = found.known_hosts.take().or(first.map(|name| path(&name))),
            "proxyjump" if found.command.is_none() => found.jump = found.jump.take().or(first),
            "proxycommand" if found.jump.is_none() => found.command = found.command.take().or_else(|| behind(line)),
            _ => {}
        }
    }
    Ok(())
}

/// The first word in lower case, and the others; words may be quoted, and `=` may stand behind the first.
fn taken_apart(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let rest = line[end..].trim_start();
    let mut rest = rest.strip_prefix('=').unwrap_or(rest).trim();
    let mut words = Vec::new();
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    Some((line[..end].to_lowercase(), words))
}

/// Everything behind the first word.
fn behind(line: &str) -> Option<String> {
    let line = line.trim();
    let end = line.find(|c: char| c.is_whitespace() || c == '=')?;
    let rest = line[end..].trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim();
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// Whether a host is meant by patterns: by one of them, and by none that is negated.
fn is_meant(patterns: &[String], host: &str) -> bool {
    let (not, yes): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| pattern.starts_with('!'));
    let fits = |pattern: &str| fits(pattern.as_bytes(), host.as_bytes());
    yes.into_iter().any(|pattern| fits(pattern)) && !not.into_iter().any(|pattern| fits(&pattern[1..]))
}

/// `*` and `?`, without going back more often than there are letters.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || c.eq_ignore_ascii_case(&text[t]) => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    (p, t) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// A file, with `~/` for the home directory.
fn path(name: &str) -> PathBuf {
    match (name.strip_prefix("~/").or_else(|| name.strip_prefix("%d/")), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(name),
    }
}

const INCLUDES_MAX: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_counts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        let text = "# before any section\nPort=2200\nInclude more\nHost nas !nas.old *.home\n\tHostName nas.example.org\n  \
                    User \"some body\"\n IdentityFile /keys/one\n IdentityFile /keys/two\n  ProxyJump me@gate:22,inner\n\
                    Host *\n  User other\n  port 22\n  UserKnownHostsFile /known\nMatch user x\n  HostName wrong\n";
        std::fs::write(&file, text).unwrap();
        std::fs::write(dir.path().join("more"), "Host tv\nHostName %h.lan\n").unwrap();
        let found = look_up(&file, "nas").unwrap();
        assert_eq!((found.host_name.as_deref(), found.port), (Some("nas.example.org"), Some(2200)));
        assert_eq!((found.user.as_deref(), found.jump.as_deref()), (Some("some body"), Some("me@gate:22,inner")));
        assert_eq!(found.keys, [Path::new("/keys/one"), Path::new("/keys/two")]);
        assert_eq!(found.known_hosts.as_deref(), Some(Path::new("/known")));
        let found = look_up(&file, "tv").unwrap();
        assert_eq!((found.host_name.as_deref(), found.user.as_deref()), (Some("tv.lan"), Some("other")));
        assert_eq!(look_up(&file, "nas.old").unwrap().host_name, None);
        assert_eq!(look_up(&file, "x.home").unwrap().host_name.as_deref(), Some("nas.example.org"));
        assert_eq!(look_up(&dir.path().join("none"), "nas").unwrap(), Found::default());
        let text = "Host a\nProxyCommand = nc -x \"q r\" %h %p\nHost b\nProxyJump gate\nHost c\nProxyCommand none\n\
                    Host *\nProxyJump other\nProxyCommand x\n";
        std::fs::write(&file, text).unwrap();
        let way = |host: &str| look_up(&file, host).map(|found| (found.jump, found.command)).unwrap();
        assert_eq!(way("a"), (None, Some("nc -x \"q r\" %h %p".to_owned())));
        assert_eq!(way("b"), (Some("gate".to_owned()), None));
        assert_eq!(way("c"), (None, Some("none".to_owned())));
        std::fs::write(&file, "Host nas\nPort many\n").unwrap();
        assert!(look_up(&file, "nas").unwrap_err().ends_with("config:2: a port is a number from 1 to 65535"));
        std::fs::write(&file, "Include config\n").unwrap();
        assert!(look_up(&file, "nas").is_err());
    }
}
