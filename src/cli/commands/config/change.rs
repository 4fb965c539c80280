//! `config create`, `update`, `password`, `delete`, `rename` and `copy`: changes of the file. The dialogue makes them too.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::PoisonError;

use zeroize::Zeroizing;

use crate::cli::output::{CliError, write_object};
use crate::cli::shell::Shell;
use crate::cli::tokens::TOKEN;
use crate::config::{
    Change, ConfigError, Document, Given, Kind, Provider, check_remote_name, checked_setting, nearest, provider,
    setting, shown_place,
};
use crate::ops::{self, Found, Observed};
use crate::path::printable;

use super::providers::find;
use super::secrets::{SecretsArg, Stored, forget};
use super::sign_in::{self, Way};
use super::{CreateArgs, PasswordArgs, UpdateArgs, bare};

/// Names of settings with their values.
pub(super) type Pairs = Vec<(String, Zeroizing<Vec<u8>>)>;

/// How a change is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) probe: bool,
    pub(super) secrets: Option<SecretsArg>,
    pub(super) way: Way,
}

pub(super) fn create(shell: &Shell, args: &CreateArgs) -> Result<(), CliError> {
    let how = How { probe: !args.how.no_probe, secrets: args.how.secrets, way: args.way.way() };
    add(shell, bare(&args.name), find(&args.kind)?, pairs(&args.settings)?, how)
}

pub(super) fn update(shell: &Shell, args: &UpdateArgs) -> Result<(), CliError> {
    let how = How { probe: !args.how.no_probe, secrets: args.how.secrets, way: Way::Not };
    set(shell, bare(&args.name), pairs(&args.settings)?, how)
}

/// Adds a remote.
pub(super) fn add(shell: &Shell, name: &str, of: &'static Provider, pairs: Pairs, how: How) -> Result<(), CliError> {
    check_name(name)?;
    let mut stored = Stored::default();
    let mut made = || {
        let document = shell.settings.config.file()?;
        if let Some(there) = settings_of(&document, name) {
            // A script may say again what is so already.
            let same = |(key, value): &(String, Given)| {
                value == &Given::Text(b"".to_vec()) || there.contains(&(key.clone(), value.clone()))
            };
            let plain = given(shell, name, of, &pairs, Some(SecretsArg::File), &mut Stored::default())?;
            return if plain.len() == there.len() && plain.iter().all(same) { Ok(()) } else { Err(taken(name)) };
        }
        let pairs = sign_in::joined(shell, name, of, pairs.clone(), how)?;
        let mut settings = given(shell, name, of, &pairs, how.secrets, &mut stored)?;
        verify(shell, name, &[Change::Add(name.to_owned(), settings.clone())], how.probe, true)?;
        if let (Some(token), Some((_, kept))) = (renewed(shell), settings.iter_mut().find(|(key, _)| key == TOKEN)) {
            *kept = token;
        }
        let change = Change::Add(name.to_owned(), settings);
        write(shell, &mut |document| match settings_of(document, name) {
            Some(_) => Err(taken(name)),
            None => Ok(vec![change.clone()]),
        })
    };
    let result = made();
    stored.settle(result)?;
    done(shell, name, "added")
}

/// Changes settings of a remote; an empty value removes one.
pub(super) fn set(shell: &Shell, name: &str, pairs: Pairs, how: How) -> Result<(), CliError> {
    let document = shell.settings.config.file()?;
    let old = settings_of(&document, name).ok_or_else(|| no_remote(&document, name))?;
    let kind =
        pairs.iter().rev().find(|(key, _)| key == "type").map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let of = match kind {
        Some(kind) => Some(find(&kind)?),
        None => old.iter().find(|(key, _)| key == "type").and_then(|(_, given)| match given {
            Given::Text(text) => provider(std::str::from_utf8(text).ok()?),
            Given::Keyring(_) => None,
        }),
    };
    let mut stored = Stored::default();
    let mut made = || {
        let mut changes = Vec::new();
        for (key, value) in &pairs {
            let text = absolute(shell, of, key, value)?;
            let setting = checked_setting(of, key, &text)?;
            changes.push(match text.is_empty() {
                true => Change::Unset(name.to_owned(), key.clone()),
                false => {
                    Change::Set(name.to_owned(), key.clone(), stored.given(shell, name, setting, &text, how.secrets)?)
                }
            });
        }
        verify(shell, name, &changes, how.probe, false)?;
        let tokens = changes.iter_mut().filter_map(|change| match change {
            Change::Set(_, key, kept) if key == TOKEN => Some(kept),
            _ => None,
        });
        if let (Some(token), Some(kept)) = (renewed(shell), tokens.last()) {
            *kept = token;
        }
        write(shell, &mut |document| match settings_of(document, name) {
            Some(_) => Ok(changes.clone()),
            None => Err(no_remote(document, name)),
        })
    };
    let result = made();
    stored.settle(result)?;
    let replaced = |(key, given): &(String, Given)| match given {
        Given::Keyring(id) if pairs.iter().any(|(changed, _)| changed == key) => Some(id.clone()),
        _ => None,
    };
    forget(&old.iter().filter_map(replaced).collect::<Vec<_>>());
    done(shell, name, "changed")
}

pub(super) fn password(shell: &Shell, args: &PasswordArgs) -> Result<(), CliError> {
    let name = bare(&args.name);
    let document = shell.settings.config.file()?;
    let old = settings_of(&document, name).ok_or_else(|| no_remote(&document, name))?;
    let of = old.iter().find_map(|(key, given)| match given {
        Given::Text(text) if key == "type" => provider(std::str::from_utf8(text).ok()?),
        _ => None,
    });
    let setting = checked_setting(of, &args.setting, b"")?;
    if !setting.secret {
        return Err(CliError::usage(format!("`{}` is no secret", setting.name))
            .hint(format!("`cryptsync config update {name} {}=VALUE` sets it", setting.name)));
    }
    let secret = if shell.settings.stdin_is_terminal {
        shell.answers.ask(&format!("{} of {name}: ", setting.name), false)?
    } else {
        piped(shell)?
    };
    if secret.is_empty() {
        return Err(CliError::usage(format!("the {} is empty", setting.name))
            .hint(format!("`cryptsync config update {name} {}=` removes it", setting.name)));
    }
    let pairs = vec![(setting.name.to_owned(), Zeroizing::new(secret.as_bytes().to_vec()))];
    set(shell, name, pairs, How { probe: false, secrets: args.secrets, way: Way::Not })
}

pub(super) fn delete(shell: &Shell, name: &str) -> Result<(), CliError> {
    let mut secrets = Vec::new();
    write(shell, &mut |document| {
        let settings = settings_of(document, name).ok_or_else(|| no_remote(document, name))?;
        let in_keyring = |(_, given): (String, Given)| match given {
            Given::Keyring(id) => Some(id),
            Given::Text(_) => None,
        };
        secrets = settings.into_iter().filter_map(in_keyring).collect();
        Ok(vec![Change::Delete(name.to_owned())])
    })?;
    forget(&secrets);
    done(shell, name, "removed")
}

pub(super) fn rename(shell: &Shell, from: &str, to: &str) -> Result<(), CliError> {
    check_name(to)?;
    write(shell, &mut |document| {
        settings_of(document, from).ok_or_else(|| no_remote(document, from))?;
        match settings_of(document, to) {
            Some(_) => Err(taken(to)),
            None => Ok(vec![Change::Rename(from.to_owned(), to.to_owned())]),
        }
    })?;
    done(shell, to, "renamed")
}

pub(super) fn copy(shell: &Shell, from: &str, to: &str) -> Result<(), CliError> {
    let document = shell.settings.config.file()?;
    let settings = settings_of(&document, from).ok_or_else(|| no_remote(&document, from))?;
    let mut pairs = Pairs::new();
    let mut of = None;
    for (key, given) in settings {
        let value = match given {
            Given::Text(text) if key == "type" => {
                of = Some(find(&String::from_utf8_lossy(&text))?);
                continue;
            }
            Given::Text(text) => Zeroizing::new(text),
            // Each remote has a secret of its own, so that removing one leaves the other whole.
            Given::Keyring(id) => match crate::system_keyring::get(&id) {
                Ok(Some(secret)) => Zeroizing::new(secret.as_bytes().to_vec()),
                Ok(None) => continue,
                Err(error) => {
                    return Err(CliError::usage(format!("cannot copy the {key} of `{from}:`")).caused_by(error));
                }
            },
        };
        pairs.push((key, value));
    }
    let of = of.ok_or_else(|| CliError::usage(format!("the remote `{from}:` has no type in the file")))?;
    add(shell, to, of, pairs, How { probe: false, secrets: None, way: Way::Not })
}

/// Settings as the file will have them, checked.
fn given(
    shell: &Shell,
    name: &str,
    of: &'static Provider,
    pairs: &Pairs,
    place: Option<SecretsArg>,
    stored: &mut Stored,
) -> Result<Vec<(String, Given)>, CliError> {
    let mut settings = vec![("type".to_owned(), Given::Text(of.name.into()))];
    for (key, value) in pairs {
        let value = absolute(shell, Some(of), key, value)?;
        let setting = checked_setting(Some(of), key, &value)?;
        if setting.name == "type" || settings.iter().any(|(known, _)| known == key) {
            return Err(CliError::usage(format!("`{key}` is given twice")));
        }
        if !value.is_empty() {
            settings.push((key.clone(), stored.given(shell, name, setting, &value, place)?));
        }
    }
    Ok(settings)
}

/// A directory as it is from everywhere: what is typed is relative to the working directory, what is in the file to the file.
fn absolute(
    shell: &Shell,
    of: Option<&'static Provider>,
    key: &str,
    value: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let directory = of.and_then(|of| of.setting(key)).is_some_and(|setting| setting.kind == Kind::Directory);
    if !directory || value.is_empty() || value == b"~" || value.starts_with(b"~/") {
        return Ok(Zeroizing::new(value.to_vec()));
    }
    let path = shell.settings.cwd.join(Path::new(std::ffi::OsStr::from_bytes(value)));
    match path.into_os_string().into_string() {
        Ok(path) => Ok(Zeroizing::new(path.into_bytes())),
        Err(_) => Err(CliError::usage(format!(
            "`{}` is not UTF-8, so it can't be written to the configuration",
            printable(value)
        ))
        .hint("give it by a variable, or reach it by a symbolic link")),
    }
}

/// Holds a remote as it will be against everything that is known, and looks whether it can be used.
fn verify(shell: &Shell, name: &str, changes: &[Change], probe: bool, anew: bool) -> Result<(), CliError> {
    let remote = shell.settings.config.as_if(changes)?.remote(name)?;
    if let Some(plain) = shell.settings.plain_of(&remote)? {
        if probe {
            shell.call(false, |ctx| ops::probe_plain(ctx, &plain)).map_err(|mut error| {
                error.hint.get_or_insert_with(|| "--no-probe writes the configuration anyway".to_owned());
                error
            })?;
            shell.printer.note(format_args!("`{name}:` can be listed"));
        }
        return Ok(());
    }
    let profile = shell.settings.profile_of(remote)?;
    if probe {
        let found = shell.call(false, |ctx| ops::probe(ctx, &profile, anew)).map_err(|mut error| {
            error.hint.get_or_insert_with(|| "--no-probe writes the configuration anyway".to_owned());
            error
        })?;
        match found.found {
            Found::Vault => shell.printer.note(format_args!("there is a vault at `{name}:`")),
            Found::Free => shell
                .printer
                .note(format_args!("there is no vault at `{name}:` yet; `cryptsync init {name}:` makes one")),
        }
        if let Some(observed) = found.observed {
            shell
                .printer
                .note(format_args!("`{name}:` was written to, read and cleared again: {}", in_words(observed)));
        }
        found.notes.iter().for_each(|note| shell.printer.note(format_args!("`{name}:`: {note}")));
    }
    Ok(())
}

/// What a remote can do, in one line.
fn in_words(observed: Observed) -> String {
    let word = |known: Option<bool>| known.map_or("unknown", |is| if is { "yes" } else { "no" });
    format!(
        "creates a name once: {}; ranges: {}; upper and lower case differ: {}; listings lag: {}",
        word(observed.put_new),
        word(observed.read_range),
        word(observed.case_sensitive),
        match observed.list_delay {
            None => "unknown".to_owned(),
            Some(delay) if delay.is_zero() => "no".to_owned(),
            Some(delay) => format!("{:.1} s", delay.as_secs_f64()),
        }
    )
}

/// The token that looking has renewed, if it has: the one that was given is worth nothing then.
fn renewed(shell: &Shell) -> Option<Given> {
    let token = shell.settings.unsaved.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    Some(Given::Text(token.into_bytes()))
}

/// Changes the file, and says what became of comments.
pub(super) fn write(
    shell: &Shell,
    plan: &mut dyn FnMut(&Document) -> Result<Vec<Change>, CliError>,
) -> Result<(), CliError> {
    if let Some(backup) = shell.settings.config.change(plan)? {
        let shown = printable(backup.as_os_str().as_bytes());
        shell.printer.note(format_args!("comments could not be kept; the file as it was is `{shown}`"));
    }
    Ok(())
}

/// The settings of a remote of the file.
pub(super) fn settings_of(document: &Document, name: &str) -> Option<Vec<(String, Given)>> {
    let (_, settings) = document.remotes().find(|(known, _)| *known == name)?;
    Some(settings.map(|(key, value)| (key.to_owned(), value.given.clone())).collect())
}

pub(super) fn check_name(name: &str) -> Result<(), CliError> {
    check_remote_name(name).map_err(|why| {
        CliError::usage(format!("`{}` is not the name of a remote: {why}", shown_place(name.as_bytes())))
            .hint("take for example `nas` or `my-backup`")
    })
}

pub(super) fn no_remote(document: &Document, name: &str) -> CliError {
    let known: Vec<String> = document.remotes().map(|(name, _)| name.to_owned()).collect();
    let suggestion = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
    let none = known.is_empty();
    let error = CliError::from(ConfigError::NoRemote { name: name.to_owned(), known, suggestion });
    if none { error.hint("the configuration file has no remotes; `cryptsync config create` adds one") } else { error }
}

fn taken(name: &str) -> CliError {
    CliError::usage(format!("there is a remote `{name}:` already"))
        .hint(format!("`cryptsync config update {name} …` changes it, `cryptsync config delete {name}` removes it"))
}

fn done(shell: &Shell, name: &str, what: &str) -> Result<(), CliError> {
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &serde_json::json!({ "remote": name, "done": what }))?);
    }
    shell.printer.note(format_args!("{what} `{name}:`"));
    Ok(())
}

/// `name=value`, or a name and a value as two arguments.
fn pairs(args: &[OsString]) -> Result<Pairs, CliError> {
    let mut pairs = Pairs::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let bytes = arg.clone().into_vec();
        let (name, value) = match bytes.iter().position(|b| *b == b'=') {
            Some(at) => (bytes[..at].to_vec(), bytes[at + 1..].to_vec()),
            None => {
                let value = args.next().ok_or_else(|| valueless(&bytes))?;
                (bytes, value.clone().into_vec())
            }
        };
        let name = String::from_utf8(name)
            .map_err(|bad| CliError::usage(format!("`{}` is no setting", printable(bad.as_bytes()))))?;
        pairs.push((name, Zeroizing::new(value)));
    }
    Ok(pairs)
}

/// What stands last may be a value whose name was forgotten, so only a name that is known is shown.
fn valueless(last: &[u8]) -> CliError {
    match std::str::from_utf8(last).ok().and_then(|name| setting(None, name)) {
        Some(setting) => CliError::usage(format!("the setting `{}` has no value", setting.name))
            .hint(format!("write `{}=VALUE`", setting.name)),
        None => CliError::usage("the last setting has no value").hint("write settings as `name=VALUE`"),
    }
}

/// One line of standard input.
pub(super) fn piped(shell: &Shell) -> Result<Zeroizing<String>, CliError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MAX as usize + 1)); // never grows, so leaves no copies
    let mut stdin = shell.stdin.lock().unwrap_or_else(PoisonError::into_inner);
    let read = (&mut **stdin).take(SECRET_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| CliError::usage("cannot read standard input").caused_by(error))?;
    if bytes.len() as u64 > SECRET_MAX {
        return Err(CliError::usage("what came from standard input is longer than 64 KiB"));
    }
    let text =
        std::str::from_utf8(&bytes).map_err(|_| CliError::usage("what came from standard input is not UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Zeroizing::new(text.to_owned()))
}

/// Tokens of services are longer than passwords.
const SECRET_MAX: u64 = 64 << 10;
