//! Remotes of the environment: `CRYPTSYNC_CONFIG_<REMOTE>_<OPTION>`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::name::nearest;
use super::remote::{Draft, Kind};

/// Where a configuration comes from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The file; empty or `/dev/null` stands for none.
    pub path: &'a Path,
    /// Whether the file was asked for by name, so that it has to be there.
    pub explicit: bool,
    /// The environment.
    pub vars: &'a BTreeMap<OsString, OsString>,
    /// The home directory, for `~/`.
    pub home: Option<&'a Path>,
    /// The working directory: roots in the environment are relative to it, those in the file to the file's directory.
    pub cwd: &'a Path,
}

/// What the variables say, by the part of their name that stands for a remote.
pub(super) fn drafts(sources: &Sources<'_>) -> Result<BTreeMap<String, Draft>, ConfigError> {
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
    for (variable, value) in sources.vars {
        let Some(rest) = variable.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let (remote, option) = split(rest)?;
        set(drafts.entry(remote.to_uppercase()).or_default(), option, value).map_err(|message| {
            ConfigError::Variable { variable: format!("{PREFIX}{rest}"), message, suggestion: None }
        })?;
    }
    Ok(drafts.into_iter().map(|(form, draft)| (form, draft.with_root_resolved(sources.cwd, sources.home))).collect())
}

fn split(rest: &str) -> Result<(&str, &'static str), ConfigError> {
    for option in OPTIONS {
        if let Some(remote) = rest.strip_suffix(option).and_then(|rest| rest.strip_suffix('_'))
            && !remote.is_empty()
        {
            return Ok((remote, option));
        }
    }
    let (remote, option) = rest.rsplit_once('_').unwrap_or((rest, ""));
    let meant = nearest(option, OPTIONS).map(|option| format!("{PREFIX}{remote}_{option}"));
    Err(ConfigError::Variable {
        variable: format!("{PREFIX}{rest}"),
        message: format!("does not end in the option of a remote: {}", OPTIONS.join(", ")),
        suggestion: meant,
    })
}

fn set(draft: &mut Draft, option: &str, value: &OsStr) -> Result<(), String> {
    let text = || value.to_str().ok_or_else(|| "is not UTF-8".to_owned());
    match option {
        "ROOT" => draft.root = Some(PathBuf::from(value)),
        "VAULT_ID" => draft.vault_id = Some(text()?.to_owned()),
        "CHECKPOINT" => draft.checkpoint = Some(text()?.to_owned()),
        "MAX_STALENESS" => draft.max_staleness = Some(text()?.to_owned()),
        "PLAIN" => match text()? {
            "true" | "1" => draft.plain = Some(true),
            "false" | "0" => draft.plain = Some(false),
            other => return Err(format!("is `{other}`; write `true` or `false`")),
        },
        _ => match text()? {
            "fs" => draft.kind = Some(Kind::Fs),
            "local" => draft.kind = Some(Kind::Local),
            other => return Err(format!("is `{other}`; write `fs` or `local`")),
        },
    }
    Ok(())
}

const PREFIX: &str = "CRYPTSYNC_CONFIG_";
const OPTIONS: [&str; 6] = ["TYPE", "ROOT", "PLAIN", "VAULT_ID", "CHECKPOINT", "MAX_STALENESS"];
