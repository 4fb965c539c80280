//! Paths as people type them: `name:path` is in the vault of a remote, everything else on this machine.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::output::CliError;
use super::settings::{Settings, parse_age};
use super::tokens::Tokens;
use crate::class::Class;
use crate::config::{Origin, Remote, RemoteText, Typed, parse_place, shown_place};
use crate::ops::{BadCheckpoint, Place, PlainProfile, RemoteProfile, Service, ServiceSettings};
use crate::path::{TreePath, printable};

impl Settings {
    /// What a verb looks at. With `--at` it has to be in a vault.
    pub(super) fn place(&self, text: &OsStr) -> Result<Place, CliError> {
        let place = self.any_place(text)?;
        self.heed_at(&place)?;
        Ok(place)
    }

    /// A place beside the one that is looked at.
    pub(super) fn any_place(&self, text: &OsStr) -> Result<Place, CliError> {
        if text.is_empty() {
            return Err(CliError::usage("a path is empty").hint("write `.` for the current directory"));
        }
        match parse_place(text.as_bytes())? {
            Typed::Remote { remote, path } => match self.plain(&remote)? {
                Some(plain) => plain_place(plain, path),
                None => Ok(Place::Vault(self.profile(&remote)?, tree_path(path)?)),
            },
            Typed::Local => Ok(Place::Local(self.cwd.join(Path::new(text)))),
        }
    }

    /// A whole remote: `name:` with nothing after it.
    pub(super) fn remote(&self, text: &OsStr) -> Result<RemoteProfile, CliError> {
        let shown = printable(text.as_bytes());
        match parse_place(text.as_bytes())? {
            Typed::Remote { remote, path: b"" | b"/" } => self.profile(&remote),
            Typed::Remote { remote, path } => {
                let (remote, path) = (remote.shown(), printable(path));
                Err(CliError::usage(format!("`{remote}:{path}` is a path; this command takes a whole remote"))
                    .hint(format!("write `{remote}:`")))
            }
            Typed::Local if shown == BUILTIN || self.config.get()?.has(&shown) => {
                Err(CliError::usage(format!("`{shown}` is a local path")).hint(format!("did you mean `{shown}:`?")))
            }
            Typed::Local => Err(CliError::usage(format!("`{shown}` is a local path; this command takes a remote"))
                .hint("write the name of a remote and a colon, for example `local:`")),
        }
    }

    /// What has to be known to use a remote.
    pub(super) fn profile(&self, text: &RemoteText) -> Result<RemoteProfile, CliError> {
        let config = self.config.get()?;
        if text.name == BUILTIN && !text.on_the_fly && text.settings.is_empty() && !config.has(BUILTIN) {
            let service = Service::Fs { root: self.dirs.local_vault()? };
            let demands = Box::new(self.demands.clone());
            let (name, vault_id) = (BUILTIN.to_owned(), self.vault_id.clone());
            return Ok(RemoteProfile {
                name,
                service,
                vault_id,
                builtin: true,
                demands,
                witness: self.witness_of(None)?,
                keyring: false,
                at: self.at.clone(),
            });
        }
        self.profile_of(config.typed(text)?)
    }

    /// What has to be known to use a remote of plain files; `None` if it holds a vault.
    fn plain(&self, text: &RemoteText) -> Result<Option<PlainProfile>, CliError> {
        let config = self.config.get()?;
        if text.name == BUILTIN && !text.on_the_fly && text.settings.is_empty() && !config.has(BUILTIN) {
            return Ok(None);
        }
        self.plain_of(&config.typed(text)?)
    }

    /// The same of a complete remote.
    pub(super) fn plain_of(&self, remote: &Remote) -> Result<Option<PlainProfile>, CliError> {
        let profile = || Ok(PlainProfile { name: remote.name.clone(), service: self.service(remote)? });
        remote.switch(PLAIN).then(profile).transpose()
    }

    /// What has to be known to use a complete remote.
    pub(super) fn profile_of(&self, remote: Remote) -> Result<RemoteProfile, CliError> {
        let name = remote.name.clone();
        if remote.switch(PLAIN) {
            let what = format!("`{name}:` is plain: it holds files of other programs, and no vault");
            return Err(CliError::usage(what)
                .hint("copy, sync, move, check, ls, lsf, lsjson, size, cat and the sums take plain remotes; other verbs take a vault"));
        }
        let wrong = |option: &str, why: String| {
            CliError::usage(format!("the setting `{option}` of the remote `{name}:` is wrong: {why}"))
        };
        let mut demands = Box::new(self.demands.clone());
        if let Some(text) =
            remote.text("checkpoint").filter(|_| demands.checkpoint.is_none() || self.yields(&remote, "checkpoint"))
        {
            demands.checkpoint = Some(text.parse().map_err(|bad: BadCheckpoint| wrong("checkpoint", bad.to_string()))?);
        }
        if let Some(text) = remote
            .text("max_staleness")
            .filter(|_| demands.max_staleness.is_none() || self.yields(&remote, "max_staleness"))
        {
            demands.max_staleness = Some(parse_age(text).map_err(|why| wrong("max_staleness", why))?);
        }
        let mut vault_id = self.vault_id.clone();
        if let Some(text) = remote.text("vault_id").filter(|_| vault_id.is_none() || self.yields(&remote, "vault_id")) {
            text.parse::<crate::id::VaultId>().map_err(|bad| wrong("vault_id", bad.to_string()))?;
            vault_id = Some(text.to_owned());
        }
        let keyring = remote.switch("keyring");
        let witness = self.witness_of(Some(&remote))?;
        let service = self.service(&remote)?;
        Ok(RemoteProfile { name, service, vault_id, builtin: false, demands, witness, keyring, at: self.at.clone() })
    }

    /// The witness that a remote is held against.
    fn witness_of(&self, remote: Option<&Remote>) -> Result<Option<Box<(String, Service)>>, CliError> {
        let own = remote.filter(|remote| self.witness.is_none() || self.yields(remote, "witness"));
        let text = match own.and_then(|remote| remote.text("witness")) {
            Some(text) => OsString::from(text),
            None => match &self.witness {
                Some(text) => text.clone(),
                None => return Ok(None),
            },
        };
        let shown = shown_place(text.as_bytes());
        match parse_place(text.as_bytes())? {
            Typed::Remote { remote: of, path: b"" } => {
                let complete = self.config.get()?.typed(&of)?;
                // The witness itself is not held against itself.
                let same = remote.is_some_and(|remote| remote.name == complete.name);
                Ok(if same { None } else { Some(Box::new((of.shown(), self.service(&complete)?))) })
            }
            _ => Err(CliError::usage(format!("the witness `{shown}` is not a whole remote"))
                .hint("write its name and a colon, for example `usb:`")),
        }
    }

    /// What a remote is made of.
    fn service(&self, remote: &Remote) -> Result<Service, CliError> {
        if remote.provider.name == MIRROR {
            return self.mirror(remote);
        }
        let mut settings = ServiceSettings::new(self.values(remote, &[])?);
        if remote.provider.sign_in {
            settings = settings.keeping(Arc::new(Tokens::of(self, remote)?));
        }
        Ok(Service::new(remote.provider.name, remote.path("root"), settings))
    }

    /// The remotes that hold the copies of a mirror.
    fn mirror(&self, remote: &Remote) -> Result<Service, CliError> {
        let copies = remote.text("upstreams").unwrap_or_default().split_whitespace();
        self.mirror_of(&remote.name, &copies.map(|text| text.trim_end_matches(':').to_owned()).collect::<Vec<_>>())
    }

    /// A mirror of these remotes.
    pub(super) fn mirror_of(&self, mirror: &str, names: &[String]) -> Result<Service, CliError> {
        let wrong = |name: &str, why: &str| {
            CliError::usage(format!(
                "the mirror `{mirror}:` can't be made of `{}`: {why}",
                shown_place(name.as_bytes())
            ))
            .hint("`upstreams` is a list of configured remotes that are no mirrors, with spaces between: `nas: b2:`")
        };
        let mut copies: Vec<(String, Service)> = Vec::new();
        for name in names {
            let text = format!("{name}:");
            let Typed::Remote { remote, path: b"" } = parse_place(text.as_bytes())? else {
                return Err(wrong(name, "it is not a whole remote"));
            };
            if copies.iter().any(|(known, _)| known == name) {
                return Err(wrong(name, "it is there twice"));
            }
            let complete = self.config.get()?.typed(&remote)?;
            if complete.provider.name == MIRROR {
                return Err(wrong(name, "it is a mirror itself"));
            }
            copies.push((name.clone(), self.service(&complete)?));
        }
        if copies.is_empty() {
            return Err(wrong("", "nothing is written"));
        }
        Ok(Service::Mirror(copies))
    }

    /// Whether a flag has less to say than the remote's own setting: it stands with the remote on the command line, or in the
    /// remote's own variable while the flag comes from the environment.
    fn yields(&self, remote: &Remote, setting: &str) -> bool {
        match remote.origin(setting) {
            Some(Origin::Place(..)) => true,
            Some(Origin::Variable(_)) => !self.typed_flags.contains(&setting),
            _ => false,
        }
    }

    /// The settings of a remote that its service is told, secrets of the keyring among them, but for some.
    pub(super) fn values(&self, remote: &Remote, but: &[&str]) -> Result<BTreeMap<String, String>, CliError> {
        let mut values = self.unlock(remote, but)?;
        for setting in remote.provider.settings.iter().filter(|setting| !but.contains(&setting.name)) {
            if let Some(text) = remote.text(setting.name) {
                values.insert(setting.name.to_owned(), text.to_owned());
            }
        }
        Ok(values)
    }

    /// Gets the secrets that the keyring has for a remote.
    fn unlock(&self, remote: &Remote, but: &[&str]) -> Result<BTreeMap<String, String>, CliError> {
        let mut secrets = BTreeMap::new();
        for (setting, id) in remote.in_keyring().filter(|(setting, _)| !but.contains(setting)) {
            let what = || format!("the {setting} of the remote `{}:` is in the keyring", remote.name);
            let again = format!("`cryptsync config password {} {setting}` stores it again", remote.name);
            match crate::system_keyring::get(id) {
                Ok(Some(secret)) => {
                    secrets.insert(setting.to_owned(), secret.to_string());
                }
                Ok(None) => {
                    return Err(CliError::new(Class::NoKey, what() + ", which has nothing of that name").hint(again));
                }
                Err(error) => return Err(CliError::new(Class::NoKey, what()).caused_by(error).hint(again)),
            }
        }
        Ok(secrets)
    }
}

/// The place as the messages show it.
pub(super) fn shown(place: &Place) -> String {
    match place {
        Place::Local(path) => printable(path.as_os_str().as_bytes()),
        Place::Vault(remote, path) => format!("{}:{path}", remote.name),
        Place::Plain(remote, path) => format!("{}:{path}", remote.name),
    }
}

/// The place as the history of a vault shows it: without the remote's name, which is this machine's business.
pub(super) fn shown_in_vault(place: &Place) -> String {
    match place {
        Place::Vault(_, path) if path.is_root() => "/".to_owned(),
        Place::Vault(_, path) => path.to_string(),
        Place::Local(_) => shown(place),
        Place::Plain(_, path) => format!("plain files at /{path}"),
    }
}

/// A path among plain files. Those of this machine are what they are without a remote.
fn plain_place(plain: PlainProfile, path: &[u8]) -> Result<Place, CliError> {
    let path = tree_path(path)?;
    Ok(match &plain.service {
        Service::Fs { root } => Place::Local(root.join(OsStr::from_bytes(path.as_bytes()))),
        _ => Place::Plain(plain, path),
    })
}

fn tree_path(bytes: &[u8]) -> Result<TreePath, CliError> {
    TreePath::from_user(bytes)
        .map_err(|why| CliError::new(Class::UnsafePath, format!("unsafe path `{}`", printable(bytes))).caused_by(why))
}

const BUILTIN: &str = "local";
const MIRROR: &str = "mirror";
const PLAIN: &str = "plain";
