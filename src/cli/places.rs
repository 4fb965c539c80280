//! Paths as people type them: `name:path` is in the vault of a remote, everything else on this machine.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::output::CliError;
use super::settings::{Settings, parse_age};
use crate::class::Class;
use crate::config::check_remote_name;
use crate::ops::{BadCheckpoint, Place, RemoteProfile, Service};
use crate::path::{TreePath, printable};

impl Settings {
    /// One side of a transfer.
    pub(super) fn place(&self, text: &OsStr) -> Result<Place, CliError> {
        if text.is_empty() {
            return Err(CliError::usage("a path is empty").hint("write `.` for the current directory"));
        }
        match split(text)? {
            Some((name, path)) => Ok(Place::Vault(self.profile(name)?, tree_path(path)?)),
            None => Ok(Place::Local(self.cwd.join(Path::new(text)))),
        }
    }

    /// A whole remote: `name:` with nothing after it.
    pub(super) fn remote(&self, text: &OsStr) -> Result<RemoteProfile, CliError> {
        let shown = printable(text.as_bytes());
        match split(text)? {
            Some((name, b"" | b"/")) => self.profile(name),
            Some((name, _)) => Err(CliError::usage(format!("`{shown}` is a path; this command takes a whole remote"))
                .hint(format!("write `{name}:`"))),
            None if self.config.has(&shown) || shown == BUILTIN => {
                Err(CliError::usage(format!("`{shown}` is a local path")).hint(format!("did you mean `{shown}:`?")))
            }
            None => Err(CliError::usage(format!("`{shown}` is a local path; this command takes a remote"))
                .hint("write the name of a remote and a colon, for example `local:`")),
        }
    }

    fn profile(&self, name: &str) -> Result<RemoteProfile, CliError> {
        let pinned = self.vault_id.clone();
        if name == BUILTIN && !self.config.has(name) {
            let service = Service::Fs { root: self.dirs.local_vault()? };
            let (name, demands) = (name.to_owned(), Box::new(self.demands.clone()));
            return Ok(RemoteProfile { name, service, vault_id: pinned, builtin: true, demands });
        }
        let remote = self.config.remote(name)?;
        let vault_id = pinned.or(remote.vault_id);
        let mut demands = Box::new(self.demands.clone());
        let wrong = |option: &str, why: String| {
            CliError::usage(format!("the option `{option}` of the remote `{name}` is wrong")).caused_by(why)
        };
        if let (None, Some(text)) = (demands.checkpoint, &remote.checkpoint) {
            demands.checkpoint = Some(text.parse().map_err(|bad: BadCheckpoint| wrong("checkpoint", bad.to_string()))?);
        }
        if let (None, Some(text)) = (demands.max_staleness, &remote.max_staleness) {
            demands.max_staleness = Some(parse_age(text).map_err(|why| wrong("max_staleness", why))?);
        }
        let service = Service::Fs { root: remote.root };
        Ok(RemoteProfile { name: remote.name, service, vault_id, builtin: false, demands })
    }
}

/// The place as the messages show it.
pub(super) fn shown(place: &Place) -> String {
    match place {
        Place::Local(path) => printable(path.as_os_str().as_bytes()),
        Place::Vault(remote, path) => format!("{}:{path}", remote.name),
    }
}

/// The place as the history of a vault shows it: without the remote's name, which is this machine's business.
pub(super) fn shown_in_vault(place: &Place) -> String {
    match place {
        Place::Vault(_, path) if path.is_root() => "/".to_owned(),
        Place::Vault(_, path) => path.to_string(),
        Place::Local(_) => shown(place),
    }
}

/// The remote's name and the path, if there is a colon before the first slash.
fn split(text: &OsStr) -> Result<Option<(&str, &[u8])>, CliError> {
    let bytes = text.as_bytes();
    let Some(end) = bytes.iter().position(|b| matches!(b, b':' | b'/')).filter(|&at| bytes[at] == b':') else {
        return Ok(None);
    };
    let shown = printable(&bytes[..end]);
    if end == 0 || bytes[..end].contains(&b',') {
        let what = "remotes on the command line (`:backend:path`, `name,option=value:path`) are not supported";
        return Err(CliError::usage(what).hint("add the remote to the configuration file and use its name"));
    }
    let checked = match std::str::from_utf8(&bytes[..end]) {
        Ok(name) => check_remote_name(name).map(|()| name),
        Err(_) => Err("it is not UTF-8"),
    };
    match checked {
        Ok(name) => Ok(Some((name, &bytes[end + 1..]))),
        Err(why) => Err(CliError::usage(format!("`{shown}` is not the name of a remote: {why}"))
            .hint(format!("write `./{}` for a local file of that name", printable(bytes)))),
    }
}

fn tree_path(bytes: &[u8]) -> Result<TreePath, CliError> {
    TreePath::from_user(bytes)
        .map_err(|why| CliError::new(Class::UnsafePath, format!("unsafe path `{}`", printable(bytes))).caused_by(why))
}

const BUILTIN: &str = "local";
